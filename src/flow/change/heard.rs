//! What vendors tell of changes: theirs, and ours that were made elsewhere. Whatever comes late, early or twice ends the same:
//! a change has a key of its own, and the last text is the one that was written last.

use sha2::{Digest as _, Sha256};

use crate::app::App;
use crate::app::live::Topics;
use crate::model::id::{ChangeId, ChannelId};
use crate::model::moment::Moment;
use crate::store::row::{ChangeRow, ChannelRow, MessageRow};
use crate::store::{Conn, Result};

/// A message got another text: the chat, the vendor's id, and when.
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
) -> Result<()> {
    let at = moment(at, now);
    let key = key_of(&["edit", chat, vendor_id, &at.0.to_string(), text.unwrap_or_default()]);
    enter(app, conn, channel, Heard { chat, vendor_id, act: "edit", text, key, at }, now)
}

/// Messages were taken back: the chat, which may be untold, the vendor's ids, and when.
///
/// # Errors
/// Those of the database.
pub fn deleted(
    app: &App,
    conn: &mut Conn,
    channel: &ChannelRow,
    (chat, vendor_ids, at): (&str, &[String], Moment),
    now: Moment,
) -> Result<()> {
    for vendor_id in vendor_ids {
        // once and for all: a repetition may bring another moment
        let key = key_of(&["delete", chat, vendor_id]);
        enter(app, conn, channel, Heard { chat, vendor_id, act: "delete", text: None, key, at: moment(at, now) }, now)?;
    }
    Ok(())
}

struct Heard<'a> {
    chat: &'a str,
    vendor_id: &'a str,
    act: &'static str,
    text: Option<&'a str>,
    key: String,
    at: Moment,
}

fn enter(app: &App, conn: &mut Conn, channel: &ChannelRow, heard: Heard<'_>, now: Moment) -> Result<()> {
    let Ok(id) = channel.id.parse::<ChannelId>() else { return Ok(()) };
    let shown = crate::on!(conn, chat_name::shown(id, heard.chat))?;
    let chat = shown.as_deref().unwrap_or(heard.chat);
    let known = crate::on!(conn, message::all_by_vendor_id(id, heard.vendor_id))?;
    let row = ChangeRow {
        id: ChangeId::new().to_string(),
        company: channel.company.clone(),
        channel: channel.id.clone(),
        chat: chat.to_owned(),
        vendor_id: heard.vendor_id.to_owned(),
        message: meant(known, chat).map(|row| row.id),
        key: heard.key,
        act: heard.act.to_owned(),
        text: heard.text.map(str::to_owned),
        state: "done".to_owned(),
        code: None,
        reason: None,
        asked: false,
        asked_at: now.0,
        done_at: Some(heard.at.0),
    };
    if crate::on!(conn, change::enter(&row))?
        && let Ok(company) = channel.company.parse()
    {
        app.live.touch(company, Topics::MESSAGES);
    }
    Ok(())
}

/// The message that is meant. Where vendors count anew in each chat, the chat decides; names with a sign in them are unique.
fn meant(mut known: Vec<MessageRow>, chat: &str) -> Option<MessageRow> {
    let exact = known.iter().position(|row| row.chat == chat);
    let loose = || (is_unique(chat) && !known.is_empty()).then_some(0);
    exact.or_else(loose).map(|at| known.swap_remove(at))
}

/// Whether messages of such a chat have ids that no other chat of the channel has.
pub(super) fn is_unique(chat: &str) -> bool {
    chat.is_empty() || chat.contains('@')
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
