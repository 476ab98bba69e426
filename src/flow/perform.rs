//! Carrying an errand out: the one vendor call that it stands for.

use secrecy::SecretString;

use crate::app::App;
use crate::flow::{credentials, portal};
use crate::messenger::{self, Wire};
use crate::model::errand::{Errand, Work};
use crate::model::id::{ChannelId, CompanyId};
use crate::model::message::{Kind, Outgoing, Peer};
use crate::model::moment::Moment;
use crate::model::result::Code;
use crate::model::vendor::Answer;
use crate::store::row::ChannelRow;
use crate::store::{Result, StoreError};

/// WhatsApp lets free text through for so long after the customer's last message.
const WINDOW_MS: i64 = 24 * 3_600_000;

/// Looks up what a message needs: its channel, and the address as the messenger can use it. The call itself then begins
/// without a look into the database, so that its start is where it is counted from.
///
/// # Errors
/// An answer for each errand where no call can be made.
pub async fn ready(app: &App, mut errands: Vec<Errand>) -> std::result::Result<Vec<Errand>, Vec<Answer>> {
    if let [Errand { company, work: Work::Send { channel, outgoing, .. }, .. }] = errands.as_mut_slice() {
        let found = find(app, *company, *channel, outgoing).await;
        match found.unwrap_or_else(|error| Err(unreachable_store(&error))) {
            Ok(addressed) => **outgoing = addressed,
            Err(answer) => return Err(vec![answer]),
        }
    }
    Ok(errands)
}

/// Carries out the errands of one call, as [`ready`] gave them back; one answer for each.
pub async fn perform(app: &App, errands: Vec<Errand>) -> Vec<Answer> {
    match errands.as_slice() {
        [Errand { company, work: Work::Send { channel, outgoing, .. }, .. }] => {
            let answer = send(app, *company, *channel, outgoing).await;
            vec![answer.unwrap_or_else(|error| unreachable_store(&error))]
        }
        [Errand { company, work: Work::PortalCall { portal, method, params, repeatable }, .. }] => {
            vec![portal::perform(app, *company, *portal, method, params, *repeatable).await]
        }
        _ => portal::push_statuses(app, &errands).await,
    }
}

/// Whether an errand may be carried out again when nobody knows whether it was the first time.
#[must_use]
pub fn is_repeatable(errand: &Errand) -> bool {
    match &errand.work {
        Work::Send { .. } => false,
        Work::PortalCall { repeatable, .. } => *repeatable,
        Work::SmsStatus { .. } => true,
    }
}

async fn find(
    app: &App,
    company: CompanyId,
    id: ChannelId,
    outgoing: &Outgoing,
) -> Result<std::result::Result<Outgoing, Answer>> {
    let Some(channel) = channel(app, company, id).await? else { return Ok(Err(refused(Code::ChannelNotFound))) };
    let Some(messenger) = Kind::from_slug(&channel.messenger).and_then(messenger::of) else {
        return Ok(Err(refused(Code::NotSupported)));
    };
    address(app, id, messenger.about(), outgoing.clone()).await.map(Ok)
}

const fn refused(code: Code) -> Answer {
    Answer::Refused { code, text: String::new() }
}

async fn send(app: &App, company: CompanyId, id: ChannelId, outgoing: &Outgoing) -> Result<Answer> {
    // a moment ago it was there, so this is remembered as a rule
    let Some(channel) = channel(app, company, id).await? else { return Ok(refused(Code::ChannelNotFound)) };
    let Some(messenger) = Kind::from_slug(&channel.messenger).and_then(messenger::of) else {
        return Ok(refused(Code::NotSupported));
    };
    let wire = wire(app, &channel)?;
    let answer = messenger.send(&wire, outgoing, app.clock.now()).await;
    if let Answer::Expired { seen } = &answer {
        crate::flow::channel::lose(app, company, id, seen).await?;
    }
    Ok(answer)
}

/// A channel as its messenger sees it.
///
/// # Errors
/// Where its secrets do not open.
pub fn wire(app: &App, channel: &ChannelRow) -> Result<Wire> {
    let secrets = if channel.secrets.is_empty() {
        SecretString::from("{}".to_owned())
    } else {
        credentials::open(app, "channels", &channel.id, &channel.secrets)?
    };
    let settings = crate::store::row::value("channels", &channel.settings)?;
    Ok(Wire {
        http: app.http.clone(),
        files: app.files.clone(),
        vendor: vendor_address(app, &channel.messenger),
        secrets,
        settings,
    })
}

/// Where a messenger's API is: the configuration's address, or the vendor's own.
#[must_use]
pub fn vendor_address(app: &App, messenger: &str) -> String {
    let configured = match messenger {
        "telegram_bot" => app.config.vendors.telegram_bot.as_str(),
        "waba" => app.config.vendors.waba.as_str(),
        _ => "",
    };
    if !configured.is_empty() {
        return configured.trim_end_matches('/').to_owned();
    }
    let kind = Kind::from_slug(messenger).and_then(messenger::of);
    kind.map_or_else(String::new, |messenger| messenger.about().vendor.to_owned())
}

async fn channel(app: &App, company: CompanyId, id: ChannelId) -> Result<Option<ChannelRow>> {
    let tick = app.clock.tick();
    if let Some(row) = app.known.channel(id, tick) {
        return Ok(Some(row));
    }
    let row = app.store.read(move |conn| crate::on!(conn, channel::by_id(company, id))).await?;
    if let Some(row) = &row {
        app.known.keep_channel(id, row.clone(), tick);
    }
    Ok(row)
}

/// Puts the address in the form that the messenger can use: a person who wrote to us is reached through the chat, whatever
/// the request knew of them; and the vendor's window counts from what they wrote last.
async fn address(app: &App, channel: ChannelId, about: &messenger::About, mut outgoing: Outgoing) -> Result<Outgoing> {
    let abilities = about.abilities;
    let needs_chat = match &outgoing.to {
        Peer::Phone(_) => !abilities.first_by_phone,
        Peer::Username(_) => !abilities.by_username,
        Peer::Chat(_) | Peer::Email(_) => false,
    };
    if !needs_chat && abilities.free_text_always {
        return Ok(outgoing);
    }
    let to = outgoing.to.clone();
    let dialog = app
        .store
        .read(move |conn| match &to {
            Peer::Phone(phone) if needs_chat => crate::on!(conn, dialog::by_contact(channel, None, Some(phone))),
            Peer::Username(name) if needs_chat => crate::on!(conn, dialog::by_contact(channel, Some(name), None)),
            Peer::Phone(chat) | Peer::Username(chat) | Peer::Chat(chat) | Peer::Email(chat) => {
                crate::on!(conn, dialog::by_chat(channel, chat.trim_end_matches("@c.us")))
            }
        })
        .await?;
    if let Some(dialog) = &dialog {
        if needs_chat {
            outgoing.to = Peer::Chat(dialog.chat.clone());
        }
        if !abilities.free_text_always {
            outgoing.window_until = dialog.incoming_at.map(|at| Moment(at).plus_ms(WINDOW_MS));
        }
    } else if !abilities.free_text_always && outgoing.content.template.is_none() {
        // nobody of this number ever wrote to us: no window was ever open
        outgoing.window_until = Some(Moment(0));
    }
    Ok(outgoing)
}

/// The store failed before anything was sent.
fn unreachable_store(error: &StoreError) -> Answer {
    tracing::error!(%error, "an errand could not be carried out");
    Answer::Down { seen: "the store failed".to_owned() }
}
