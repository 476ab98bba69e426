//! Events of open lines: what operators said, changed and took back, and what became of lines and sessions.

use serde_json::Value;

use super::read_ts;
use crate::crm::bitrix24::connector::kind_of;
use crate::model::message::Kind;
use crate::model::moment::Moment;
use crate::model::php_form::{FieldError, Fields, Problem};

/// The longest external id that is read, in bytes.
const EXTERNAL_LIMIT: usize = 200;

/// An event of open lines.
#[derive(Debug, Clone, PartialEq)]
pub struct LineEvent {
    /// What happened.
    pub what: LineWhat,
    /// When the portal queued it.
    pub at: Option<Moment>,
}

/// What happened in open lines.
#[derive(Debug, Clone, PartialEq)]
pub enum LineWhat {
    /// Messages were written; by operators, by bots, by the line itself.
    Said(Kind, i64, Vec<Word>),
    /// Texts were changed.
    Changed(Kind, i64, Vec<Change>),
    /// Messages were taken back.
    Deleted(Kind, i64, Vec<Change>),
    /// Sessions began.
    Started(Kind, i64, Vec<Session>),
    /// Sessions ended.
    Finished(Kind, i64, Vec<Session>),
    /// An administrator disconnected the connector from a line.
    Disconnected(Kind, i64),
    /// A line was deleted, with whatever was connected to it.
    LineDeleted(i64),
    /// It is none of ours: another application's connector.
    Foreign,
}

/// A message that was written in an open line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Word {
    /// The portal's chat and message.
    pub im: (i64, i64),
    /// The external id of the chat: the only address.
    pub chat: String,
    /// Who wrote; zero is the line itself.
    pub user: i64,
    /// The text, in BB codes, with the operator's name before it.
    pub text: String,
    /// Files.
    pub files: Vec<FileLink>,
}

/// A file that an operator sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileLink {
    /// Its name.
    pub name: String,
    /// Its media type.
    pub mime: Option<String>,
    /// Where it is.
    pub url: String,
    /// Its size in bytes.
    pub size: Option<u64>,
}

/// A message that was changed or taken back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// The portal's chat and message.
    pub im: (i64, i64),
    /// The external id of the chat.
    pub chat: String,
    /// Our ids, as they were told with the delivery.
    pub ids: Vec<String>,
    /// The new text.
    pub text: String,
}

/// A session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Session {
    /// The external id of the chat.
    pub chat: String,
    /// Its number.
    pub id: i64,
    /// The hidden user of the customer, where the portal tells it.
    pub user: Option<i64>,
}

/// Whether an event is one of open lines, by its name in whatever letters.
#[must_use]
pub fn is_of_lines(name: &str) -> bool {
    crate::crm::bitrix24::connector::EVENTS.iter().any(|known| known.eq_ignore_ascii_case(name))
}

impl LineEvent {
    /// Reads an event.
    ///
    /// # Errors
    /// Names the field that is missing or wrong.
    pub fn read(form: &Value) -> Result<Self, FieldError> {
        let fields = Fields::of(form);
        let name = fields.need_text("event")?.to_ascii_uppercase();
        Ok(Self { what: read_what(&fields, &name)?, at: read_ts(&fields)? })
    }
}

fn read_what(fields: &Fields<'_>, name: &str) -> Result<LineWhat, FieldError> {
    if name == "ONIMCONNECTORLINEDELETE" {
        // the data is the number itself
        return Ok(LineWhat::LineDeleted(fields.need_number("data")?));
    }
    let data = fields.map("data")?;
    if name == "ONIMCONNECTORSTATUSDELETE" {
        let connector = data.need_text("connector").or_else(|_| data.need_text("CONNECTOR"))?;
        let line = data.need_number("line").or_else(|_| data.need_number("LINE"))?;
        return Ok(kind_of(&connector).map_or(LineWhat::Foreign, |kind| LineWhat::Disconnected(kind, line)));
    }
    let Some(kind) = kind_of(&data.need_text("CONNECTOR")?) else { return Ok(LineWhat::Foreign) };
    let line = data.need_number("LINE")?;
    let (messages, sessions) = (|| data.list("MESSAGES"), || data.list("DATA"));
    Ok(match name {
        "ONIMCONNECTORMESSAGEADD" => LineWhat::Said(kind, line, all(&messages(), word)?),
        "ONIMCONNECTORMESSAGEUPDATE" => LineWhat::Changed(kind, line, all(&messages(), change)?),
        "ONIMCONNECTORMESSAGEDELETE" => LineWhat::Deleted(kind, line, all(&messages(), change)?),
        "ONIMCONNECTORDIALOGSTART" => LineWhat::Started(kind, line, all(&sessions(), session)?),
        "ONIMCONNECTORDIALOGFINISH" => LineWhat::Finished(kind, line, all(&sessions(), session)?),
        _ => LineWhat::Foreign,
    })
}

fn all<T>(rows: &[Fields<'_>], read: impl Fn(&Fields<'_>) -> Result<T, FieldError>) -> Result<Vec<T>, FieldError> {
    rows.iter().map(read).collect()
}

fn im(row: &Fields<'_>) -> Result<(i64, i64), FieldError> {
    let im = row.map("im")?;
    Ok((im.need_number("chat_id")?, im.need_number("message_id")?))
}

fn chat(row: &Fields<'_>) -> Result<String, FieldError> {
    Ok(row.map("chat")?.need_id("id", EXTERNAL_LIMIT)?.into_owned())
}

fn word(row: &Fields<'_>) -> Result<Word, FieldError> {
    let message = row.map("message")?;
    Ok(Word {
        im: im(row)?,
        chat: chat(row)?,
        user: message.number("user_id")?.unwrap_or(0),
        text: message.text("text")?.unwrap_or_default().into_owned(),
        files: message.list("files").iter().filter_map(file).collect(),
    })
}

/// A file without an address cannot be sent on; newer portals tell one that leads to it directly.
fn file(row: &Fields<'_>) -> Option<FileLink> {
    let text = |name| row.text(name).ok().flatten();
    Some(FileLink {
        name: text("name").unwrap_or_default().into_owned(),
        mime: text("mime").map(String::from),
        url: text("downloadLink").or_else(|| text("link"))?.into_owned(),
        size: row.number("size").ok().flatten().and_then(|size| u64::try_from(size).ok()),
    })
}

fn change(row: &Fields<'_>) -> Result<Change, FieldError> {
    let message = row.map("message")?;
    let ids: Vec<String> = message.texts("id")?.into_iter().map(String::from).collect();
    if ids.is_empty() {
        return Err(message.error("id", Problem::Missing));
    }
    Ok(Change { im: im(row)?, chat: chat(row)?, ids, text: message.text("text")?.unwrap_or_default().into_owned() })
}

fn session(row: &Fields<'_>) -> Result<Session, FieldError> {
    let connector = row.map("connector")?;
    let external = connector.text("chat_id")?.map_or_else(|| chat(row), |id| Ok(id.into_owned()))?;
    Ok(Session {
        chat: external,
        id: row.map("session")?.need_number("id")?,
        user: connector.number("user_id").ok().flatten().filter(|user| *user > 0),
    })
}
