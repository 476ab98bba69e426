//! Some vendors cut long messages in their deliveries and give them whole when they are asked. What came is in the history at
//! once; the rest of it comes a moment later.

use crate::app::App;
use crate::flow::{open_line, perform, receive};
use crate::messenger;
use crate::model::id::ChannelId;
use crate::model::message::{CROPPED, Event, Incoming, Kind};
use crate::store::Result;
use crate::store::outbox::{self, Accepted};
use crate::store::row::{HookRow, value};

/// Pauses before the vendor is asked once more, in milliseconds. After the last one the message stays as it came.
const PAUSES_MS: [i64; 5] = [1_000, 4_000, 16_000, 64_000, 256_000];

/// Asks for the whole of a message that came cut.
pub fn complete_later(app: &App, hook: &HookRow) {
    let Some(body) = hook.body.as_deref().filter(|body| body.contains(CROPPED)) else { return };
    let (Ok(Event::Message(incoming)), Ok(channel)) = (value::<Event>("hooks", body), hook.owner.parse::<ChannelId>())
    else {
        return;
    };
    if incoming.note.as_deref() != Some(CROPPED) {
        return;
    }
    let app = app.clone();
    tokio::spawn(async move {
        for pause_ms in PAUSES_MS {
            match complete(&app, channel, &incoming).await {
                Ok(true) => return,
                Ok(false) => {}
                Err(error) => tracing::warn!(%error, %channel, "a message that came cut could not be completed"),
            }
            app.clock.sleep_until(app.clock.tick().plus_ms(pause_ms)).await;
        }
        tracing::warn!(%channel, "a message stays as it came: cut");
    });
}

/// Tells whether there is nothing more to ask.
async fn complete(app: &App, id: ChannelId, cut: &Incoming) -> Result<bool> {
    let Some(row) = app.store.read(move |conn| crate::on!(conn, channel::whosever(id))).await? else {
        return Ok(true);
    };
    let Some(messenger) = Kind::from_slug(&row.messenger).and_then(messenger::of) else { return Ok(true) };
    match messenger.whole(&perform::wire(app, &row)?, cut).await {
        Ok(Some(whole)) => {
            let (content, name) = (receive::content(&whole)?, cut.vendor_id.clone());
            let (inner, text, chat) = (app.clone(), whole.text.clone().unwrap_or_default(), cut.chat.clone());
            let accepted = app.store.write(move |conn| {
                crate::on!(conn, message::rewrite(id, &name, &content))?;
                let (now, mut new) = (inner.clock.now(), Vec::new());
                let found = crate::on!(conn, message::all_by_vendor_id(id, &name))?;
                for row in found.into_iter().filter(|row| row.chat == chat) {
                    new.extend(open_line::completed(&inner, conn, &row.channel, &row.id, &text, now)?);
                }
                Ok(outbox::accept(conn, now, &new)?.into_iter().flatten().collect::<Vec<Accepted>>())
            });
            app.bell.accepted(accepted.await?);
            Ok(true)
        }
        Ok(None) => Ok(true),
        Err(answer) => {
            tracing::debug!(channel = %id, ?answer, "the vendor did not give a message whole");
            Ok(false)
        }
    }
}
