//! A channel stops: its credentials were refused, or a person switches it off.

use super::{ChannelError, by_id};
use crate::app::App;
use crate::flow::{health, perform};
use crate::messenger::{self, Attachment, Messenger, Wire};
use crate::model::id::{ChannelId, CompanyId};
use crate::model::message::Kind;
use crate::model::vendor::Answer;
use crate::store::row::{ChannelRow, LaneState, value};
use crate::store::{Result, notice};

/// The credentials of a channel were refused for good: its lane stops, its queue stays.
///
/// # Errors
/// Those of the store.
pub async fn lose(app: &App, company: CompanyId, id: ChannelId, seen: &str) -> Result<()> {
    stand(app, company, id, &["connected"], "lost", seen).await
}

/// A person switches a channel off: the vendor is told, its lane stops, its queue stays.
///
/// # Errors
/// [`ChannelError::Vendor`] where the vendor could not be told: then nothing was changed here either.
pub async fn switch_off(app: &App, company: CompanyId, id: ChannelId) -> Result<(), ChannelError> {
    let row = by_id(app, company, id).await?;
    let messenger = Kind::from_slug(&row.messenger).and_then(messenger::of).ok_or(ChannelError::NotFound)?;
    let wire = perform::wire(app, &row)?;
    let answer =
        if is_needed(app, messenger, &row, &wire).await? { Answer::done() } else { messenger.detach(&wire).await };
    match answer {
        Answer::Done { .. } => {}
        Answer::Down { seen } | Answer::Unsure { seen, .. } | Answer::Expired { seen } => {
            return Err(ChannelError::Vendor(seen));
        }
        Answer::Refused { text, .. } | Answer::Nobody { text } => return Err(ChannelError::Vendor(text)),
        Answer::Busy { after_ms, .. } => return Err(ChannelError::Vendor(format!("busy for {after_ms} ms"))),
    }
    stand(app, company, id, &["connected", "relink", "lost"], "off", "").await?;
    Ok(())
}

/// Whether what the vendor would end is needed by another channel, whosever it is: then only we let go.
async fn is_needed(app: &App, messenger: &dyn Messenger, row: &ChannelRow, wire: &Wire) -> Result<bool> {
    let Some(shared) = messenger.shared(&wire.settings) else { return Ok(false) };
    let (slug, own) = (messenger.about().kind.slug(), row.id.clone());
    let others = app.store.read(move |conn| crate::on!(conn, channel::settings_beside(slug, &own))).await?;
    for settings in others {
        if messenger.shared(&value("channels", &settings)?).as_ref() == Some(&shared) {
            return Ok(true);
        }
    }
    Ok(false)
}

async fn stand(
    app: &App,
    company: CompanyId,
    id: ChannelId,
    from: &'static [&'static str],
    to: &'static str,
    seen: &str,
) -> Result<()> {
    let (seen, inner, now) = (seen.to_owned(), app.clone(), app.clock.now());
    let lane = app
        .store
        .write(move |conn| {
            let Some(channel) = crate::on!(conn, channel::by_id(company, id))? else { return Ok(None) };
            if !crate::on!(conn, channel::set_state(company, id, from, to, Some(&seen)))? {
                return Ok(None);
            }
            let running = [LaneState::Running, LaneState::Paused, LaneState::Held].map(LaneState::to_db);
            crate::on!(conn, lane::set_state(company, channel.lane, &running, LaneState::Lost.to_db()))?;
            health::turned(&inner, conn, &channel, to, &seen, now)?;
            notice::changed(conn, channel.lane)?;
            Ok(Some(channel.lane))
        })
        .await?;
    app.known.forget();
    if let Some(lane) = lane {
        tracing::warn!(channel = %id, lane, state = to, "a channel stands: nothing leaves until it is attached again");
        app.bell.changed(lane);
    }
    Ok(())
}

/// A device that was linked for nothing is let go.
pub(super) async fn undo(app: &App, messenger: &dyn Messenger, done: &Attachment) {
    if messenger.links_device() {
        let wire = Wire {
            secrets: done.secrets.clone(),
            settings: done.settings.clone(),
            ..perform::bare_wire(app, messenger.about().kind.slug())
        };
        detach(app, messenger, &wire).await;
    }
}

/// Ends a session at the vendor, as far as that works.
pub(super) async fn detach(app: &App, messenger: &dyn Messenger, wire: &Wire) {
    let answer = messenger.detach(wire).await;
    if !matches!(answer, Answer::Done { .. }) {
        tracing::warn!(
            messenger = messenger.about().kind.slug(),
            ?answer,
            at = app.clock.now().0,
            "a session was not ended"
        );
    }
}
