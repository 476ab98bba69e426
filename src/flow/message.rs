//! Messages of the API: accepted once, found again, and decided about where nobody knows what became of them.

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use utoipa::ToSchema;

use crate::app::App;
use crate::flow::attached::{self, FileIn, FileOut};
use crate::flow::pattern;
use crate::flow::route::{self, TextRequest};
use crate::flow::tell::{self, Verdict};
use crate::flow::template::{self, TemplateIn};
use crate::messenger;
use crate::model::address::{chat_peer, phone_digits};
use crate::model::errand::{NewErrand, Rank, Work};
use crate::model::id::{ChannelId, CompanyId, LineId, MessageId};
use crate::model::message::{Content, Kind, Peer};
use crate::model::moment::Moment;
use crate::model::origin::Origin;
use crate::model::result::Code;
use crate::model::status::Status;
use crate::store::outbox::{self, Accepted};
use crate::store::row::{ChannelRow, MessageRow, Progress, value};
use crate::store::{Conn, Result};

/// A message as the API takes it.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct MessageIn {
    /// The line; the only one where it is left out.
    #[serde(default)]
    pub line: Option<LineId>,
    /// The channel; the first of the line that reaches the recipient where it is left out.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    pub channel: Option<ChannelId>,
    /// Which messenger, where the channel is left out.
    #[serde(default)]
    pub messenger: Option<Kind>,
    /// A phone in any spelling, `@name`, an e-mail address, or the vendor's id of a chat.
    pub to: String,
    /// The text; `{a|b}` is picked from. It may be left out where there is a file, and is written beneath it.
    #[serde(default)]
    pub text: String,
    /// A file.
    #[serde(default)]
    pub file: Option<FileIn>,
    /// A template, for messengers that have them; then there is neither a text nor a file beside it.
    #[serde(default)]
    pub template: Option<TemplateIn>,
    /// The subject, for messengers that have one; it begins a new thread.
    #[serde(default)]
    pub subject: Option<String>,
    /// Whether it leaves before everything that is paced.
    #[serde(default)]
    pub urgent: bool,
    /// What the caller names it.
    #[serde(default)]
    pub tracking: Option<String>,
}

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
    /// What it says.
    #[schema(value_type = Object)]
    pub content: Content,
    /// Its files: those that came with it, or one of ours that was sent.
    pub files: Vec<FileOut>,
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

/// What a person found out about a message whose fate nobody knew.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Finding {
    /// It reached the recipient.
    Sent,
    /// It did not.
    NotSent,
}

/// The reason of a message that a person found not to have arrived.
const NOT_ARRIVED: &str = "сотрудник установил, что сообщение не дошло";

/// Accepts a message. With a key of the caller a second call accepts nothing and gives the same id.
///
/// # Errors
/// The outer error is the store's. The inner one says why it can never be sent.
pub async fn post(
    app: &App,
    company: CompanyId,
    message: MessageIn,
    key: Option<String>,
) -> Result<std::result::Result<MessageId, Code>> {
    // people of VK are numbers of up to ten digits, some of which are phones somewhere in the world
    let phoneless = message.messenger == Some(Kind::Vk);
    let to = if phoneless { chat_peer(&message.to) } else { peer_of(&message.to, &app.config.region) };
    let Some(to) = to else { return Ok(Err(Code::AddressBad)) };
    let inner = app.clone();
    let (outcome, accepted) = app
        .store
        .write(move |conn| {
            let now = inner.clock.now();
            let errand = match errand(&inner, conn, company, &message, &to, now)? {
                Ok(errand) => errand,
                Err(code) => return Ok((Err(code), Vec::new())),
            };
            accept(conn, company, errand, key.as_deref(), now)
        })
        .await?;
    app.bell.accepted(accepted);
    Ok(outcome)
}

/// Why the file of a message that was refused is too large and what raises the limit, in Russian and in English; none where
/// nothing does.
///
/// # Errors
/// Those of the store.
pub async fn too_big(
    app: &App,
    company: CompanyId,
    message: MessageIn,
) -> Result<Option<(&'static str, &'static str)>> {
    let Some(to) = peer_of(&message.to, &app.config.region) else { return Ok(None) };
    let inner = app.clone();
    app.store
        .write(move |conn| {
            let now = inner.clock.now();
            let (Ok(channel), Some(file)) = (channel_of(conn, company, &message, &to, now)?, &message.file) else {
                return Ok(None);
            };
            let (Ok(media), Some(kind)) =
                (attached::named(&inner, conn, company, file, now)?, Kind::from_slug(&channel.messenger))
            else {
                return Ok(None);
            };
            Ok(messenger::of(kind).and_then(|messenger| messenger.too_big(media.kind)))
        })
        .await
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
                (Some(row), _) => of_history(row)?,
                (None, Some((flies, work))) => of_queue(id, flies, &work)?,
                (None, None) => return Ok(None),
            };
            Ok(with_files(&inner, conn, company, vec![message])?.pop())
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
            let messages = rows.into_iter().map(of_history).collect::<Result<Vec<_>>>()?;
            with_files(&inner, conn, company, messages)
        })
        .await
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

/// Writes down what a person found out about a message of unknown fate, and tells whoever asked for it. Tells whether its
/// fate was unknown; nothing where there is no such message.
///
/// # Errors
/// Those of the store.
pub async fn decide(app: &App, company: CompanyId, id: MessageId, finding: Finding) -> Result<Option<bool>> {
    let inner = app.clone();
    let (decided, accepted) = app
        .store
        .write(move |conn| {
            let now = inner.clock.now();
            let Some(row) = crate::on!(conn, message::by_id(company, id))? else { return Ok((None, Vec::new())) };
            let status = match finding {
                Finding::Sent => Status::Sent,
                Finding::NotSent => Status::Error,
            };
            let code = (status == Status::Error).then_some(Code::Refused);
            let reason = code.map(|_| NOT_ARRIVED.to_owned());
            let progress = Progress {
                status: status.to_db(),
                code: Some(code.map(|code| code.slug().to_owned())),
                reason: Some(reason.clone()),
                sent_at: (status == Status::Sent).then_some(now.0),
                ..Progress::default()
            };
            if !crate::on!(conn, message::advance(&row.id, Status::Unknown.to_db(), &progress))? {
                return Ok((Some(false), Vec::new()));
            }
            let verdict = Verdict { status, code, reason: reason.unwrap_or_default() };
            let new = tell::tell_later(&inner, conn, company, &value("messages", &row.origin)?, &verdict, now)?;
            Ok((Some(true), outbox::accept(conn, now, &new)?.into_iter().flatten().collect()))
        })
        .await?;
    app.bell.accepted(accepted);
    Ok(decided)
}

/// Reads an address as people type it: a phone in any spelling, or a chat.
pub(super) fn peer_of(text: &str, region: &str) -> Option<Peer> {
    phone_digits(text, region).map(Peer::Phone).or_else(|| chat_peer(text))
}

fn errand(
    app: &App,
    conn: &mut Conn,
    company: CompanyId,
    message: &MessageIn,
    to: &Peer,
    now: Moment,
) -> Result<std::result::Result<(NewErrand, MessageId), Code>> {
    let channel = match channel_of(conn, company, message, to, now)? {
        Ok(channel) => channel,
        Err(code) => return Ok(Err(code)),
    };
    let media = match &message.file {
        None => None,
        Some(file) => match attached::named(app, conn, company, file, now)? {
            Ok(media) => Some(media),
            Err(code) => return Ok(Err(code)),
        },
    };
    let request = TextRequest {
        company,
        to: to.clone(),
        names: None,
        text: message.text.clone(),
        media,
        rank: if message.urgent { Rank::Live } else { Rank::Service },
        origin: Origin::Api { tracking: message.tracking.clone() },
    };
    let errand = match &message.template {
        None => route::text_errand(app, &channel, request, now),
        Some(_) if !message.text.trim().is_empty() || message.file.is_some() => return Ok(Err(Code::TemplateBad)),
        Some(given) => match template::filled(app, conn, company, &channel, given, now)? {
            Ok(template) => match pattern::said(conn, company, &channel, &template)? {
                Ok(text) => {
                    let errand = route::template_errand(app, &channel, request, template, now);
                    errand.map(|(errand, id)| (with_text(errand, text), id))
                }
                Err(code) => return Ok(Err(code)),
            },
            Err(code) => return Ok(Err(code)),
        },
    };
    Ok(errand.map(|(errand, id)| (with_subject(errand, message.subject.as_deref()), id)))
}

/// What a template comes to, where that is known.
fn with_text(mut errand: NewErrand, text: Option<String>) -> NewErrand {
    if let Work::Send { outgoing, .. } = &mut errand.work {
        outgoing.content.text = text;
    }
    errand
}

fn with_subject(mut errand: NewErrand, subject: Option<&str>) -> NewErrand {
    if let Work::Send { outgoing, .. } = &mut errand.work {
        outgoing.content.subject = subject.map(str::trim).filter(|subject| !subject.is_empty()).map(str::to_owned);
    }
    errand
}

fn channel_of(
    conn: &mut Conn,
    company: CompanyId,
    message: &MessageIn,
    to: &Peer,
    now: Moment,
) -> Result<std::result::Result<ChannelRow, Code>> {
    let named = match message.channel {
        Some(id) => match crate::on!(conn, channel::by_id(company, id))? {
            Some(channel) => Some(channel),
            None => return Ok(Err(Code::ChannelNotFound)),
        },
        None => None,
    };
    let line = named.as_ref().map(|channel| channel.line).or(message.line);
    let line = match route::line(conn, company, line, now)? {
        Ok(line) => line,
        Err(code) => return Ok(Err(code)),
    };
    match named {
        Some(channel) if channel.state == "connected" => Ok(Ok(channel)),
        Some(_) => Ok(Err(Code::ChannelLost)),
        None => {
            let channels = crate::on!(conn, channel::of_line(company, line.id))?;
            Ok(route::channel(&channels, message.messenger, to))
        }
    }
}

fn accept(
    conn: &mut Conn,
    company: CompanyId,
    (mut errand, mut id): (NewErrand, MessageId),
    key: Option<&str>,
    now: Moment,
) -> Result<(std::result::Result<MessageId, Code>, Vec<Accepted>)> {
    if let Some(key) = key {
        let key = format!("api:{}", hex::encode(Sha256::digest(key.as_bytes())));
        if let Some(at) = crate::on!(conn, queue::accepted_at(company, &key))? {
            return Ok((Ok(id_of(&key, Moment(at))), Vec::new()));
        }
        id = id_of(&key, now);
        rename(&mut errand, id);
        errand.dedup_key = Some(key);
    }
    errand.merge_key = Some(merge_key(id));
    let key = errand.dedup_key.clone();
    let accepted: Vec<Accepted> = outbox::accept(conn, now, &[errand])?.into_iter().flatten().collect();
    if let (true, Some(key)) = (accepted.is_empty(), key) {
        // another process accepted the same key between our look and our write
        let at = crate::on!(conn, queue::accepted_at(company, &key))?;
        return Ok((Ok(id_of(&key, Moment(at.unwrap_or(now.0)))), accepted));
    }
    Ok((Ok(id), accepted))
}

/// The id that a key gives at a moment: the second call knows the moment of the first one, and so gives the same id. Its
/// first half is the time, so it sorts as other ids do.
fn id_of(key: &str, at: Moment) -> MessageId {
    let digest = Sha256::digest(key.as_bytes());
    let random: [u8; 10] = std::array::from_fn(|n| digest.get(n).copied().unwrap_or_default());
    let ms = u64::try_from(at.0).unwrap_or_default();
    let id = uuid::Builder::from_unix_timestamp_millis(ms, &random).into_uuid();
    format!("{}_{}", MessageId::PREFIX, id.simple()).parse().unwrap_or_default()
}

fn rename(errand: &mut NewErrand, id: MessageId) {
    if let Work::Send { message, outgoing, .. } = &mut errand.work {
        *message = id;
        outgoing.key = id.to_string();
    }
}

/// Nothing is ever merged by it: it is how a waiting message is found by its id.
fn merge_key(id: MessageId) -> String {
    format!("message:{id}")
}

fn of_history(row: MessageRow) -> Result<MessageOut> {
    let status = serde_json::to_value(Status::from_db(row.status)).ok();
    Ok(MessageOut {
        id: row.id,
        status: status.and_then(|status| status.as_str().map(str::to_owned)).unwrap_or_default(),
        channel: row.channel,
        chat: row.chat,
        content: content_of(&row.content)?,
        files: Vec::new(),
        code: row.code,
        reason: row.reason,
        accepted_at: Some(row.accepted_at),
        sent_at: row.sent_at,
        delivered_at: row.delivered_at,
        viewed_at: row.viewed_at,
    })
}

/// What a message says. One that came in with files or a subject is kept as it came.
fn content_of(kept: &str) -> Result<Content> {
    #[derive(Deserialize)]
    struct Came {
        text: Option<String>,
        #[serde(default)]
        subject: Option<String>,
    }
    value("messages", kept).or_else(|_| {
        let came: Came = value("messages", kept)?;
        Ok(Content { text: came.text, subject: came.subject, ..Content::default() })
    })
}

fn of_queue(id: MessageId, flies: bool, work: &str) -> Result<MessageOut> {
    let work: Work = value("errands", work)?;
    let (channel, chat, content) = match work {
        Work::Send { channel, outgoing, .. } => (channel.to_string(), outgoing.to.chat_id(), outgoing.content),
        Work::PortalCall { .. } | Work::SmsStatus { .. } | Work::Group { .. } => {
            (String::new(), String::new(), Content::default())
        }
    };
    Ok(MessageOut {
        id: id.to_string(),
        status: if flies { "flying" } else { "waiting" }.to_owned(),
        channel,
        chat,
        content,
        files: Vec::new(),
        code: None,
        reason: None,
        accepted_at: None,
        sent_at: None,
        delivered_at: None,
        viewed_at: None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_gives_one_id_that_sorts_by_its_moment() {
        let (early, late) = (id_of("a", Moment(1_000)), id_of("a", Moment(2_000)));
        assert_eq!(early, id_of("a", Moment(1_000)));
        assert!(early < late && early != id_of("b", Moment(1_000)));
    }
}
