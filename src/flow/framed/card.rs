//! The tab in a card of the CRM: the client's dialogs over all channels, their messages, and writing to the client.
//!
//! The card is read with the employee's own token, so whoever may not see it in the portal sees nothing of it here. What was
//! found is named by keys that are sealed for this employee; so a dialog can be read only by whom its card was shown to. No number
//! is checked at any messenger: opening many cards would look like what spammers do.

mod client;

use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{Employee, Writers, settings};
use crate::app::App;
use crate::crm::bitrix24::fault::Fault;
use crate::flow::message::{self, MessageIn, MessageOut, MessageRefusal};
use crate::flow::template::TemplateIn;
use crate::flow::window;
use crate::model::address::{chat_peer, phone_digits};
use crate::model::id::{ChannelId, MessageId};
use crate::model::message::{Kind, Peer};
use crate::model::result::Code;
use crate::store::row::{ChannelRow, DialogRow, MessageRow, value};
use crate::store::{Conn, Result};

pub use client::{Client, ClientOut};

/// So many dialogs are shown for a client.
const DIALOGS: i64 = 50;

/// So many messages are shown at once.
const PAGE: i64 = 50;

/// A key of a dialog is good for this long, in milliseconds: a working day with a card open.
const KEY_MS: i64 = 12 * 3_600_000;

/// What keys are sealed for.
const PLACE: &str = "card";

/// A card of a client.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct CardOut {
    /// Who it is about, as the CRM tells it.
    pub client: ClientOut,
    /// Their dialogs, the liveliest first.
    pub dialogs: Vec<DialogOut>,
    /// Whether the employee may write.
    pub may_write: bool,
}

/// A dialog of a client.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(as = CardDialog)]
pub struct DialogOut {
    /// What it is asked for by; good for this employee and for a day.
    pub key: String,
    /// The channel.
    pub channel: String,
    /// Its title.
    pub title: String,
    /// Whether it is a group.
    pub is_group: bool,
    /// Its tags, in the order in which they were set.
    pub tags: Vec<String>,
    /// Until when free text may be written, where the messenger has such a window and it is open.
    pub window_until: Option<i64>,
    /// What was said last.
    pub last: Option<LastOut>,
}

/// What was said last in a dialog.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(as = CardLast)]
pub struct LastOut {
    /// The text, where there is one.
    pub text: Option<String>,
    /// Whether we said it.
    pub outgoing: bool,
    /// When.
    pub at: i64,
}

/// A message in the history of a card.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct CardMessage {
    /// Whether we wrote it.
    pub outgoing: bool,
    /// The message.
    pub message: MessageOut,
}

/// A page of a dialog's history.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct HistoryOut {
    /// The messages, newest first.
    pub messages: Vec<CardMessage>,
    /// Whether there are older ones.
    pub more: bool,
}

/// What is written to a client.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CardMessageIn {
    /// The dialog, by its key; then neither a channel nor an address beside it.
    #[serde(default)]
    pub key: Option<String>,
    /// The channel.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    pub channel: Option<ChannelId>,
    /// A phone in any spelling, `@name` or an e-mail address.
    #[serde(default)]
    pub to: String,
    /// The text; `{a|b}` is picked from.
    #[serde(default)]
    pub text: String,
    /// A template, for messengers that have them.
    #[serde(default)]
    pub template: Option<TemplateIn>,
    /// The subject, for messengers that have one.
    #[serde(default)]
    pub subject: Option<String>,
}

/// Why nothing was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NotWritten {
    /// Only administrators write here.
    MayNot,
    /// The key of the dialog is too old, or somebody else's.
    KeyGone,
    /// It can never be sent.
    Refused(Code),
}

/// What a key holds, sealed.
#[derive(Serialize, Deserialize)]
struct Held {
    p: String,
    u: i64,
    ch: String,
    c: String,
    x: i64,
}

/// A dialog as it was found.
struct Found {
    dialog: DialogRow,
    kind: Kind,
    last: Option<MessageRow>,
    tags: Vec<String>,
}

/// Reads a card as the employee sees it, and finds the client's dialogs.
///
/// # Errors
/// The outer error is the store's, the inner one the portal's.
pub(crate) async fn look(
    app: &App,
    employee: &Employee,
    card: &'static str,
    id: i64,
) -> Result<std::result::Result<CardOut, Fault>> {
    let client = match client::read(app, employee, card, id).await? {
        Ok(client) => client,
        Err(fault) => return Ok(Err(fault)),
    };
    let (company, asked) = (employee.company, client.clone());
    let found = app
        .store
        .read(move |conn| {
            let chats = asked.chats();
            let names = (asked.phones.as_slice(), asked.usernames.as_slice(), chats.as_slice());
            let dialogs = crate::on!(conn, dialog::of_people(company, names, DIALOGS))?;
            let channels = crate::on!(conn, channel::of_company(company))?;
            dialogs.into_iter().map(|dialog| read_dialog(conn, dialog, &channels)).collect::<Result<Vec<_>>>()
        })
        .await?;
    let theirs = found.into_iter().flatten().filter(|one| !client.is_foreign(one.kind.slug(), &one.dialog.chat));
    let mut dialogs: Vec<DialogOut> = theirs.map(|found| shown(app, employee, found)).collect();
    dialogs.sort_by_key(|dialog| std::cmp::Reverse(dialog.last.as_ref().map(|last| last.at)));
    let may_write = may_write(app, employee).await?;
    Ok(Ok(CardOut { client: client.shown(), dialogs, may_write }))
}

/// A page of a dialog; nothing where the key is not good.
///
/// # Errors
/// Those of the store.
pub(crate) async fn history(
    app: &App,
    employee: &Employee,
    key: &str,
    before: Option<MessageId>,
) -> Result<Option<HistoryOut>> {
    let Some(place) = open_key(app, employee, key) else { return Ok(None) };
    let mut page = message::of_chat(app, employee.company, place, before, PAGE + 1).await?;
    let most = usize::try_from(PAGE).unwrap_or(usize::MAX);
    let more = page.len() > most;
    page.truncate(most);
    let messages = page.into_iter().map(|(outgoing, message)| CardMessage { outgoing, message }).collect();
    Ok(Some(HistoryOut { messages, more }))
}

/// Writes to a client; `key` names the request, so that it may be repeated.
///
/// # Errors
/// The outer error is the store's.
pub(crate) async fn write(
    app: &App,
    employee: &Employee,
    given: CardMessageIn,
    key: Option<String>,
) -> Result<std::result::Result<MessageId, NotWritten>> {
    if !may_write(app, employee).await? {
        return Ok(Err(NotWritten::MayNot));
    }
    let (channel, to) = match &given.key {
        // a chat is named by its key alone: whoever may write to people may not pick among the chats of others
        None if !is_address(&given.to, &app.config.region) => return Ok(Err(NotWritten::Refused(Code::AddressBad))),
        None => (given.channel, given.to),
        Some(key) => match open_key(app, employee, key) {
            Some((channel, chat)) => (Some(channel), chat),
            None => return Ok(Err(NotWritten::KeyGone)),
        },
    };
    let Some(channel) = channel else { return Ok(Err(NotWritten::Refused(Code::ChannelNotFound))) };
    let (company, id) = (employee.company, channel);
    let row = app.store.read(move |conn| crate::on!(conn, channel::by_id(company, id))).await?;
    let message = MessageIn {
        line: None,
        channel: Some(channel),
        // in a chat of VK a number is a person and no phone
        messenger: row.and_then(|row| Kind::from_slug(&row.messenger)).filter(|_| given.key.is_some()),
        to,
        text: given.text,
        file: None,
        template: given.template,
        subject: given.subject,
        reply_to: None,
        place: None,
        contacts: Vec::new(),
        interactive: None,
        // a person waits for it
        urgent: true,
        tracking: Some(format!("bitrix24:{}:{}", employee.portal, employee.user_id)),
    };
    let key = key.map(|key| format!("card:{}:{}:{key}", employee.portal, employee.user_id));
    let posted = message::post(app, employee.company, message, key).await?;
    Ok(posted.map_err(|refusal| match refusal {
        MessageRefusal::No(code) => NotWritten::Refused(code),
        // nothing to press is written here
        MessageRefusal::Interactive(_) => NotWritten::Refused(Code::InteractiveBad),
    }))
}

/// Whether this is how people are found: a phone, a user name or an e-mail address.
fn is_address(text: &str, region: &str) -> bool {
    phone_digits(text, region).is_some() || matches!(chat_peer(text), Some(Peer::Username(_) | Peer::Email(_)))
}

async fn may_write(app: &App, employee: &Employee) -> Result<bool> {
    let settings = settings(app, employee.company, employee.portal).await?;
    Ok(employee.is_admin || settings.writers == Writers::All)
}

/// A dialog with what a line of the list tells of it; nothing where its channel is not there any more.
fn read_dialog(conn: &mut Conn, dialog: DialogRow, channels: &[ChannelRow]) -> Result<Option<Found>> {
    let channel = channels.iter().find(|channel| channel.id == dialog.channel);
    let kind = channel.and_then(|channel| Kind::from_slug(&channel.messenger));
    let (Some(kind), Ok(id), Ok(company)) = (kind, dialog.channel.parse(), dialog.company.parse()) else {
        return Ok(None);
    };
    let last = crate::on!(conn, message::of_chat(company, id, &dialog.chat, None, 1))?.pop();
    let tags = crate::on!(conn, dialog_tag::of_dialog(&dialog.company, &dialog.id))?;
    Ok(Some(Found { dialog, kind, last, tags }))
}

fn shown(app: &App, employee: &Employee, found: Found) -> DialogOut {
    let Found { dialog, kind, last, tags } = found;
    let about = crate::messenger::of(kind).map(crate::messenger::Messenger::about);
    let window = about.and_then(|about| window::shown(about, &dialog, app.clock.now()));
    DialogOut {
        key: seal_key(app, employee, &dialog),
        channel: dialog.channel,
        title: dialog.title,
        is_group: dialog.is_group,
        tags,
        window_until: window.filter(|window| window.open).and_then(|window| window.closes_at),
        last: last.map(|row| LastOut { text: said(&row), outgoing: row.outgoing, at: row.accepted_at }),
    }
}

/// The text of a message, as far as a line of a list needs it.
fn said(row: &MessageRow) -> Option<String> {
    let content: serde_json::Value = value("messages", &row.content).ok()?;
    let text = content.get("text").and_then(serde_json::Value::as_str)?;
    Some(text.chars().take(200).collect::<String>()).filter(|text| !text.trim().is_empty())
}

fn seal_key(app: &App, employee: &Employee, dialog: &DialogRow) -> String {
    let held = Held {
        p: employee.portal.to_string(),
        u: employee.user_id,
        ch: dialog.channel.clone(),
        c: dialog.chat.clone(),
        x: app.clock.now().plus_ms(KEY_MS).0,
    };
    app.keys.seal(PLACE, &SecretString::from(serde_json::to_string(&held).unwrap_or_default()))
}

fn open_key(app: &App, employee: &Employee, key: &str) -> Option<(ChannelId, String)> {
    let held = app.keys.open(PLACE, key)?;
    let held: Held = serde_json::from_str(held.expose_secret()).ok()?;
    let is_theirs = held.p == employee.portal.to_string() && held.u == employee.user_id;
    (is_theirs && held.x > app.clock.now().0).then_some(())?;
    Some((held.ch.parse().ok()?, held.c))
}
