//! What vendors tell of changes: theirs, and ours that were made elsewhere. Whatever comes late, early or twice ends the same:
//! a change has a key of its own, and the last text is the one that was written last.

use sha2::{Digest as _, Sha256};

use crate::app::App;
use crate::app::live::Topics;
use crate::flow::open_line;
use crate::model::errand::NewErrand;
use crate::model::id::{ChangeId, ChannelId};
use crate::model::moment::Moment;
use crate::store::row::{ChangeRow, ChannelRow, MessageRow};
use crate::store::{Conn, Result};

/// A message got another text: the chat, the vendor's id, and when. Gives back the errands that came of it.
///
/// # Errors
/// Those of the database.
pub fn edited(
    app: &App,
    conn: &mut Conn,
    channel: &ChannelRow,
    (chat, vendor_id, at): (&str, &str, Moment),
    text: Option<&str>,
    now: Moment,
) -> Result<Vec<NewErrand>> {
    let at = moment(at, now);
    let key = key_of(&["edit", chat, vendor_id, &at.0.to_string(), text.unwrap_or_default()]);
    enter(app, conn, channel, Heard { chat, vendor_id, act: "edit", text, key, at, who: None }, now)
}

/// Messages were taken back: the chat, which may be untold, the vendor's ids, and when. Gives back the errands that came of it.
///
/// # Errors
/// Those of the database.
pub fn deleted(
    app: &App,
    conn: &mut Conn,
    channel: &ChannelRow,
    (chat, vendor_ids, at): (&str, &[String], Moment),
    now: Moment,
) -> Result<Vec<NewErrand>> {
    let mut new = Vec::new();
    for vendor_id in vendor_ids {
        // once and for all: a repetition may bring another moment
        let key = key_of(&["delete", chat, vendor_id]);
        let at = moment(at, now);
        let heard = Heard { chat, vendor_id, act: "delete", text: None, key, at, who: None };
        new.extend(enter(app, conn, channel, heard, now)?);
    }
    Ok(new)
}

/// A reaction as it was told of.
#[derive(Debug, Clone, Copy)]
pub struct Reacted<'a> {
    /// The chat.
    pub chat: &'a str,
    /// The vendor's id of the message.
    pub vendor_id: &'a str,
    /// The emoji; none takes the reaction back.
    pub emoji: Option<&'a str>,
    /// Who reacts, as far as the vendor tells; none where our own side does.
    pub who: Option<&'a str>,
    /// When.
    pub at: Moment,
}

/// Somebody reacted to a message, or took the reaction back.
///
/// # Errors
/// Those of the database.
pub fn reacted(app: &App, conn: &mut Conn, channel: &ChannelRow, told: &Reacted<'_>, now: Moment) -> Result<()> {
    let Reacted { chat, vendor_id, emoji, who, at } = *told;
    let at = moment(at, now);
    let writer = who.map_or_else(|| "ours".to_owned(), |who| format!("by {who}"));
    let key = key_of(&["react", chat, vendor_id, &writer, &at.0.to_string(), emoji.unwrap_or_default()]);
    // open lines have no reactions of customers
    enter(app, conn, channel, Heard { chat, vendor_id, act: "react", text: emoji, key, at, who }, now).map(|_| ())
}

struct Heard<'a> {
    chat: &'a str,
    vendor_id: &'a str,
    act: &'static str,
    text: Option<&'a str>,
    key: String,
    at: Moment,
    who: Option<&'a str>,
}

fn enter(app: &App, conn: &mut Conn, channel: &ChannelRow, heard: Heard<'_>, now: Moment) -> Result<Vec<NewErrand>> {
    let Ok(id) = channel.id.parse::<ChannelId>() else { return Ok(Vec::new()) };
    let shown = crate::on!(conn, chat_name::shown(id, heard.chat))?;
    let chat = shown.as_deref().unwrap_or(heard.chat);
    let known = crate::on!(conn, message::all_by_vendor_id(id, heard.vendor_id))?;
    let row = ChangeRow {
        id: ChangeId::new().to_string(),
        company: channel.company.clone(),
        channel: channel.id.clone(),
        chat: chat.to_owned(),
        vendor_id: heard.vendor_id.to_owned(),
        message: meant(known, chat, heard.vendor_id).map(|row| row.id),
        key: heard.key,
        act: heard.act.to_owned(),
        text: heard.text.map(str::to_owned),
        state: "done".to_owned(),
        code: None,
        reason: None,
        asked: false,
        asked_at: now.0,
        done_at: Some(heard.at.0),
        who: heard.who.map(str::to_owned),
    };
    if !crate::on!(conn, change::enter(&row))? {
        return Ok(Vec::new());
    }
    if let Ok(company) = channel.company.parse() {
        app.live.touch(company, Topics::MESSAGES);
    }
    open_line::changed(app, conn, &row, now)
}

/// The message that is meant. Where vendors count anew in each chat, the chat decides; names with a sign in them are unique.
fn meant(mut known: Vec<MessageRow>, chat: &str, vendor_id: &str) -> Option<MessageRow> {
    let exact = known.iter().position(|row| row.chat == chat);
    let loose = || (is_unique(chat, vendor_id) && !known.is_empty()).then_some(0);
    exact.or_else(loose).map(|at| known.swap_remove(at))
}

/// Whether messages of such a chat, or with such an id, have ids that no other chat of the channel has.
pub(super) fn is_unique(chat: &str, vendor_id: &str) -> bool {
    chat.is_empty() || chat.contains('@') || vendor_id.starts_with("wamid.")
}

/// A clock that runs ahead, or was not told, gives way to ours.
fn moment(at: Moment, now: Moment) -> Moment {
    if at.0 <= 0 { now } else { at.min(now) }
}

fn key_of(parts: &[&str]) -> String {
    let mut digest = Sha256::new();
    for part in parts {
        digest.update(part.len().to_be_bytes());
        digest.update(part.as_bytes());
    }
    hex::encode(digest.finalize())
}
