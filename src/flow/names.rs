//! Some messengers hide phones behind names of their own, some bring numbers of people alone, and tell the other name only when
//! they are asked. That is done beside the work on deliveries, which waits for nobody: the dialog gets its name a moment later.

use crate::app::App;
use crate::flow::{intake, perform};
use crate::messenger;
use crate::model::id::ChannelId;
use crate::model::message::{Event, Incoming, Kind, Person};
use crate::store::Result;
use crate::store::row::{HookRow, value};

/// Asks for the name of whoever a delivery came from, where it hides a phone or is a number; once for each chat of a process.
pub fn learn_later(app: &App, hook: &HookRow) {
    // the cheap look first: most deliveries tell who wrote
    let asks = |body: &&str| body.contains("@lid\"") || body.contains("\"from\":{\"name\":null");
    let Some(body) = hook.body.as_deref().filter(asks) else { return };
    let (Ok(Event::Message(incoming)), Ok(channel)) = (value::<Event>("hooks", body), hook.owner.parse::<ChannelId>())
    else {
        return;
    };
    if !incoming.group && !incoming.ours && incoming.from.name.is_none() {
        learn_person_later(app, channel, &incoming);
    }
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

/// Asks who wrote, where the chat is called by the person's number alone.
fn learn_person_later(app: &App, channel: ChannelId, incoming: &Incoming) {
    let Some(person) = incoming.from.vendor_id.clone().filter(|person| *person == incoming.chat) else { return };
    let question = format!("{channel} who {person}");
    if !app.known.asks_first(question.clone()) {
        return;
    }
    let app = app.clone();
    tokio::spawn(async move {
        match learn_person(&app, channel, person).await {
            Ok(true) => {}
            Ok(false) => app.known.ask_again(&question),
            Err(error) => {
                app.known.ask_again(&question);
                tracing::warn!(%error, %channel, "the name of a person was not kept");
            }
        }
    });
}

/// Tells whether the question is over.
async fn learn_person(app: &App, id: ChannelId, person: String) -> Result<bool> {
    let chat = person.clone();
    let found = app
        .store
        .read(move |conn| {
            let nameless = crate::on!(conn, dialog::is_nameless(id, &chat))?;
            if nameless { crate::on!(conn, channel::whosever(id)) } else { Ok(None) }
        })
        .await?;
    let Some(row) = found else { return Ok(true) };
    let messenger = Kind::from_slug(&row.messenger).and_then(messenger::of);
    let Some(messenger) = messenger.filter(|messenger| messenger.tells_names()) else { return Ok(true) };
    let told = match messenger.person(&perform::wire(app, &row)?, &person).await {
        Ok(told) => told,
        Err(answer) => {
            tracing::debug!(channel = %id, ?answer, "the vendor did not tell the name of a person");
            return Ok(false);
        }
    };
    let Some(Person { name: Some(name), username, .. }) = told else { return Ok(true) };
    app.store
        .write(move |conn| crate::on!(conn, dialog::name_person(id, &person, (&name, username.as_deref()))))
        .await?;
    Ok(true)
}
