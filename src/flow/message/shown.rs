//! Messages as the API shows them.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::merge_key;
use crate::app::App;
use crate::flow::attached::{self, FileOut};
use crate::flow::change::{self, ChangeOut, ReactionOut, VersionOut};
use crate::model::errand::Work;
use crate::model::id::{ChannelId, CompanyId, MessageId};
use crate::model::message::Content;
use crate::model::status::Status;
use crate::store::row::{MessageRow, value};
use crate::store::{Conn, Result};

/// A message as the API shows it.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct MessageOut {
    /// Its id.
    pub id: String,
    /// `waiting`, `flying`, or what became of it.
    pub status: String,
    /// The channel.
    pub channel: String,
    /// The chat, or the address while it waits.
    pub chat: String,
    /// What it says now.
    #[schema(value_type = Object)]
    pub content: Content,
    /// What the button or the row of a list sends back that was pressed; the text is what stands on it.
    pub payload: Option<String>,
    /// What led its writer to us, as the vendor tells it: the marks of a link, an advertisement.
    pub referral: BTreeMap<String, String>,
    /// Its files: those that came with it, or one of ours that was sent.
    pub files: Vec<FileOut>,
    /// When it was changed last.
    pub edited_at: Option<i64>,
    /// When it was deleted for both sides.
    pub deleted_at: Option<i64>,
    /// What it said before it was changed, oldest first.
    pub versions: Vec<VersionOut>,
    /// Changes that were asked for here, oldest first.
    pub changes: Vec<ChangeOut>,
    /// How people react to it now.
    pub reactions: Vec<ReactionOut>,
    /// Our stable code of an error.
    pub code: Option<String>,
    /// The reason of an error.
    pub reason: Option<String>,
    /// When it was accepted.
    pub accepted_at: Option<i64>,
    /// When the vendor took it.
    pub sent_at: Option<i64>,
    /// When it was delivered.
    pub delivered_at: Option<i64>,
    /// When it was read.
    pub viewed_at: Option<i64>,
}

/// A message of a company: from the history, or from the queue where the API put it there.
///
/// # Errors
/// Those of the store.
pub async fn find(app: &App, company: CompanyId, id: MessageId) -> Result<Option<MessageOut>> {
    let inner = app.clone();
    app.store
        .read(move |conn| {
            // the queue is asked first: what leaves it in between is in the history by then
            let waiting = crate::on!(conn, queue::by_merge_key(company, &merge_key(id)))?;
            let found = crate::on!(conn, message::by_id(company, id))?;
            let message = match (found, waiting) {
                (Some(row), _) => of_rows(conn, company, vec![row])?.pop(),
                (None, Some((flies, accepted_at, work))) => {
                    let (versions, edited_at) = change::said_while_waiting(conn, company, id, accepted_at)?;
                    let waits = of_queue(id, flies, &work)?;
                    Some(MessageOut { versions, edited_at, accepted_at: Some(accepted_at), ..waits })
                }
                (None, None) => None,
            };
            Ok(with_files(&inner, conn, company, message.into_iter().collect())?.pop())
        })
        .await
}

/// The newest messages of a company.
///
/// # Errors
/// Those of the store.
pub async fn newest(app: &App, company: CompanyId, limit: i64) -> Result<Vec<MessageOut>> {
    let inner = app.clone();
    app.store
        .read(move |conn| {
            let rows = crate::on!(conn, message::newest(company, limit))?;
            let messages = of_rows(conn, company, rows)?;
            with_files(&inner, conn, company, messages)
        })
        .await
}

/// A page of a chat, newest first, each message with whether we wrote it.
///
/// # Errors
/// Those of the store.
pub(crate) async fn of_chat(
    app: &App,
    company: CompanyId,
    (channel, chat): (ChannelId, String),
    before: Option<MessageId>,
    limit: i64,
) -> Result<Vec<(bool, MessageOut)>> {
    let inner = app.clone();
    app.store
        .read(move |conn| {
            let rows = crate::on!(conn, message::of_chat(company, channel, &chat, before, limit))?;
            let ours: Vec<bool> = rows.iter().map(|row| row.outgoing).collect();
            let messages = of_rows(conn, company, rows)?;
            Ok(ours.into_iter().zip(with_files(&inner, conn, company, messages)?).collect())
        })
        .await
}

/// Messages of the history, as they are after everything that was done with them.
fn of_rows(conn: &mut Conn, company: CompanyId, rows: Vec<MessageRow>) -> Result<Vec<MessageOut>> {
    let said = rows.into_iter().map(|row| Ok((row.clone(), of_history(row)?))).collect::<Result<Vec<_>>>()?;
    let known: Vec<_> = said.iter().map(|(row, message)| (row.clone(), message.content.text.clone())).collect();
    let mut changed = change::changed(conn, company, &known)?;
    let show = |(_, mut message): (MessageRow, MessageOut)| {
        if let Some(changed) = changed.remove(&message.id) {
            if let Some(text) = changed.text {
                message.content.text = text;
            }
            (message.edited_at, message.deleted_at) = (changed.edited_at, changed.deleted_at);
            (message.versions, message.changes) = (changed.versions, changed.changes);
            message.reactions = changed.reactions;
        }
        message
    };
    Ok(said.into_iter().map(show).collect())
}

/// Puts their files into messages.
fn with_files(
    app: &App,
    conn: &mut Conn,
    company: CompanyId,
    mut messages: Vec<MessageOut>,
) -> Result<Vec<MessageOut>> {
    let file = |content: &Content| {
        content.media.clone().or_else(|| content.template.as_ref().and_then(|template| template.header_media.clone()))
    };
    let asked: Vec<_> = messages.iter().map(|message| (message.id.clone(), file(&message.content))).collect();
    let mut files = attached::shown(app, conn, company, &asked)?;
    for message in &mut messages {
        message.files = files.remove(&message.id).unwrap_or_default();
    }
    Ok(messages)
}

fn of_history(row: MessageRow) -> Result<MessageOut> {
    let status = serde_json::to_value(Status::from_db(row.status)).ok();
    let (content, payload) = content_of(&row.content)?;
    Ok(MessageOut {
        id: row.id,
        status: status.and_then(|status| status.as_str().map(str::to_owned)).unwrap_or_default(),
        channel: row.channel,
        chat: row.chat,
        content,
        payload,
        referral: if row.outgoing { BTreeMap::new() } else { referral_of(&row.content) },
        files: Vec::new(),
        edited_at: None,
        deleted_at: None,
        versions: Vec::new(),
        changes: Vec::new(),
        reactions: Vec::new(),
        code: row.code,
        reason: row.reason,
        accepted_at: Some(row.accepted_at),
        sent_at: row.sent_at,
        delivered_at: row.delivered_at,
        viewed_at: row.viewed_at,
    })
}

/// What a message says, and what came with it. One that came in with more than a text is kept as it came.
fn content_of(kept: &str) -> Result<(Content, Option<String>)> {
    #[derive(Deserialize)]
    struct Came {
        text: Option<String>,
        #[serde(default)]
        subject: Option<String>,
        #[serde(default)]
        payload: Option<String>,
    }
    if let Ok(content) = value::<Content>("messages", kept) {
        return Ok((content, None));
    }
    let came: Came = value("messages", kept)?;
    let content = Content { text: came.text, subject: came.subject, ..Content::default() };
    Ok((content, came.payload))
}

fn referral_of(kept: &str) -> BTreeMap<String, String> {
    #[derive(Deserialize, Default)]
    struct Led {
        #[serde(default)]
        referral: BTreeMap<String, String>,
    }
    serde_json::from_str::<Led>(kept).unwrap_or_default().referral
}

fn of_queue(id: MessageId, flies: bool, work: &str) -> Result<MessageOut> {
    let work: Work = value("errands", work)?;
    let (channel, chat, content) = match work {
        Work::Send { channel, outgoing, .. } => (channel.to_string(), outgoing.to.chat_id(), outgoing.content),
        _ => (String::new(), String::new(), Content::default()),
    };
    Ok(MessageOut {
        id: id.to_string(),
        status: if flies { "flying" } else { "waiting" }.to_owned(),
        channel,
        chat,
        content,
        payload: None,
        referral: BTreeMap::new(),
        files: Vec::new(),
        edited_at: None,
        deleted_at: None,
        versions: Vec::new(),
        changes: Vec::new(),
        reactions: Vec::new(),
        code: None,
        reason: None,
        accepted_at: None,
        sent_at: None,
        delivered_at: None,
        viewed_at: None,
    })
}
