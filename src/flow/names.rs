//! Some messengers hide phones behind names of their own and tell the other name only when they are asked. That is done beside
//! the work on deliveries, which waits for nobody: the dialog gets its other name a moment later.

use crate::app::App;
use crate::flow::{intake, perform};
use crate::messenger;
use crate::model::id::ChannelId;
use crate::model::message::{Event, Kind};
use crate::store::Result;
use crate::store::row::{HookRow, value};

/// Asks for the other name of the chat that a delivery came from, where it hides a phone; once for each chat of a process.
pub fn learn_later(app: &App, hook: &HookRow) {
    let Some(body) = hook.body.as_deref().filter(|body| body.contains("@lid\"")) else { return };
    let (Ok(Event::Message(incoming)), Ok(channel)) = (value::<Event>("hooks", body), hook.owner.parse::<ChannelId>())
    else {
        return;
    };
    if !incoming.chat.ends_with("@lid") || !app.known.asks_first(format!("{channel} {}", incoming.chat)) {
        return;
    }
    let app = app.clone();
    tokio::spawn(async move {
        if let Err(error) = learn(&app, channel, incoming.chat).await {
            tracing::warn!(%error, %channel, "the other name of a chat was not kept");
        }
    });
}

async fn learn(app: &App, id: ChannelId, hidden: String) -> Result<()> {
    let asked = hidden.clone();
    let found = app
        .store
        .read(move |conn| {
            let known = crate::on!(conn, chat_name::shown(id, &asked))?;
            Ok(if known.is_some() { None } else { crate::on!(conn, channel::whosever(id))? })
        })
        .await?;
    let Some(row) = found else { return Ok(()) };
    let Some(messenger) = Kind::from_slug(&row.messenger).and_then(messenger::of) else { return Ok(()) };
    match messenger.shown_name(&perform::wire(app, &row)?, &hidden).await {
        Ok(Some(shown)) => {
            // it goes the way of deliveries, so that it is worked between two messages of the channel and not beside one
            let event = (format!("names:{hidden}:{shown}"), Event::SameChat { hidden, shown });
            intake::write_told(app, &row, event).await
        }
        Ok(None) => Ok(()),
        Err(answer) => {
            tracing::debug!(channel = %id, ?answer, "the vendor did not tell the other name of a chat");
            Ok(())
        }
    }
}
