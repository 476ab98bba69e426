//! Files of operators whose messages wait: the portal's links do not live for ever, so such files are laid on the shelf.

use std::collections::BTreeSet;

use crate::app::App;
use crate::flow::files::{self, SOURCE};
use crate::model::errand::{Errand, Work};
use crate::model::id::{ErrandId, LaneId};
use crate::model::message::{Kind, Media, MediaKind};
use crate::store::Result;
use crate::store::outbox::{self, Accepted};

/// Nearly all messages have left by then, and opened their files themselves; in milliseconds.
const WAIT_MS: i64 = 5_000;

/// So many errands at the head of a lane are looked through.
const HEAD: i64 = 500;

/// Looks after the files of what an event brought, where it does not leave soon.
pub fn shelve_later(app: &App, accepted: &[Accepted]) {
    let ids: BTreeSet<(LaneId, ErrandId)> = accepted.iter().map(|errand| (errand.lane, errand.id)).collect();
    if ids.is_empty() {
        return;
    }
    let app = app.clone();
    tokio::spawn(async move {
        app.clock.sleep_until(app.clock.tick().plus_ms(WAIT_MS)).await;
        if let Err(error) = shelve(&app, &ids).await {
            tracing::warn!(%error, "files of operators that wait could not be laid on the shelf");
        }
    });
}

async fn shelve(app: &App, ids: &BTreeSet<(LaneId, ErrandId)>) -> Result<()> {
    let lanes: BTreeSet<LaneId> = ids.iter().map(|(lane, _)| *lane).collect();
    for lane in lanes {
        let waiting = app.store.read(move |conn| outbox::look(conn, lane, HEAD)).await?;
        for (errand, flies, _) in waiting {
            if !flies && ids.contains(&(lane, errand.id)) {
                fetch(app, errand).await?;
            }
        }
    }
    Ok(())
}

async fn fetch(app: &App, mut errand: Errand) -> Result<()> {
    let (id, company) = (errand.id, errand.company);
    let Work::Send { channel, .. } = &errand.work else { return Ok(()) };
    let told = app.known.messenger(*channel) == Some(Kind::Avito);
    // what is told to a buyer as an address stays one
    let Some(media) = linked(&mut errand.work).filter(|media| !told || media.kind == MediaKind::Image) else {
        return Ok(());
    };
    let limit = app.config.files.largest();
    let Ok(fetched) = app.guard.fetch(&media.source, limit).await else { return Ok(()) };
    if !(200..300).contains(&fetched.status) {
        return Ok(());
    }
    let Ok(row) = files::keep(app, company, (&media.name, Some(&media.mime)), fetched.bytes, limit).await else {
        return Ok(());
    };
    media.source = format!("{SOURCE}{}", row.id);
    media.size = row.size.and_then(|size| u64::try_from(size).ok());
    let work = errand.work;
    if !app.store.write(move |conn| outbox::rewrite(conn, id, &work)).await? {
        // it left meanwhile
        files::discard(app, &row).await?;
    }
    Ok(())
}

/// The file of a message that lies at the portal.
fn linked(work: &mut Work) -> Option<&mut Media> {
    let Work::Send { outgoing, .. } = work else { return None };
    outgoing.content.media.as_mut().filter(|media| media.source.starts_with("http"))
}
