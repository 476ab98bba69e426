//! Messages of the API: accepted once, found again, and decided about where nobody knows what became of them.

use serde::Deserialize;
use sha2::{Digest as _, Sha256};
use utoipa::ToSchema;

mod beside;
mod shown;

use crate::app::App;
use crate::flow::attached::{self, FileIn};
use crate::flow::open_line;
use crate::flow::pattern;
use crate::flow::route::{self, TextRequest};
use crate::flow::tell::{self, Verdict};
use crate::flow::template::{self, TemplateIn};
use crate::flow::webhook;
use crate::messenger;
use crate::model::address::{chat_peer, phone_digits};
use crate::model::errand::{NewErrand, Rank, Work};
use crate::model::id::{ChannelId, CompanyId, LineId, MessageId};
use crate::model::interactive::{BadInteractive, Interactive};
use crate::model::message::{Kind, Peer};
use crate::model::moment::Moment;
use crate::model::origin::Origin;
use crate::model::result::Code;
use crate::model::status::Status;
use crate::store::outbox::{self, Accepted};
use crate::store::row::{ChannelRow, MessageRow, Progress, value};
use crate::store::{Conn, Result};

pub use beside::{ContactIn, PlaceIn};
pub(crate) use shown::of_chat;
pub use shown::{MessageOut, find, newest};

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
    /// The message that it answers: one of ours or theirs in the same dialog, by our id. `to` is best the `chat` of that message:
    /// a phone or a name must be known to be the same person's.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    pub reply_to: Option<MessageId>,
    /// A place on the map; a message of its own.
    #[serde(default)]
    pub place: Option<PlaceIn>,
    /// Cards of people; a message of their own.
    #[serde(default)]
    pub contacts: Vec<ContactIn>,
    /// What there is to press beneath the text, for messengers that show it; a file stands above the text then.
    #[serde(default)]
    pub interactive: Option<Interactive>,
    /// Whether it leaves before everything that is paced.
    #[serde(default)]
    pub urgent: bool,
    /// What the caller names it.
    #[serde(default)]
    pub tracking: Option<String>,
}

/// Why a message can never be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MessageRefusal {
    /// The code says it all.
    No(Code),
    /// Something of what there is to press is not right.
    Interactive(BadInteractive),
}

impl From<Code> for MessageRefusal {
    fn from(code: Code) -> Self {
        Self::No(code)
    }
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
) -> Result<std::result::Result<MessageId, MessageRefusal>> {
    // people of VK are numbers of up to ten digits, some of which are phones somewhere in the world
    let phoneless = message.messenger == Some(Kind::Vk);
    let to = if phoneless { chat_peer(&message.to) } else { peer_of(&message.to, &app.config.region) };
    let Some(to) = to else { return Ok(Err(Code::AddressBad.into())) };
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
pub(crate) async fn too_big(
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

/// Writes down what a person found out about a message of unknown fate, and tells whoever asked for it. Tells whether its
/// fate was unknown; nothing where there is no such message.
///
/// # Errors
/// Those of the store.
pub(crate) async fn decide(app: &App, company: CompanyId, id: MessageId, finding: Finding) -> Result<Option<bool>> {
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
            let decided = MessageRow {
                status: status.to_db(),
                code: code.map(|code| code.slug().to_owned()),
                reason: reason.clone(),
                sent_at: progress.sent_at,
                ..row
            };
            let verdict = Verdict { status, code, reason: reason.unwrap_or_default() };
            let mut new = tell::tell_later(&inner, conn, company, &value("messages", &decided.origin)?, &verdict, now)?;
            if status == Status::Sent {
                // it is known only now that it left
                new.extend(open_line::sent(&inner, conn, &decided, now)?);
            }
            new.extend(webhook::settled(&inner, conn, &decided, now)?);
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
) -> Result<std::result::Result<(NewErrand, MessageId), MessageRefusal>> {
    let channel = match channel_of(conn, company, message, to, now)? {
        Ok(channel) => channel,
        Err(code) => return Ok(Err(code.into())),
    };
    let answered = match beside::answered(conn, company, &channel, message.reply_to, to)? {
        Ok(answered) => answered,
        Err(code) => return Ok(Err(code.into())),
    };
    let parts = match beside::parts(&channel, message, &app.config.region) {
        Ok(parts) => parts,
        Err(code) => return Ok(Err(code.into())),
    };
    let media = match &message.file {
        None => None,
        Some(file) => match attached::named(app, conn, company, file, now)? {
            Ok(media) => Some(media),
            Err(code) => return Ok(Err(code.into())),
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
        None if parts.has_place_or_cards() => route::parts_errand(app, &channel, request, parts, now),
        None => route::text_errand(app, &channel, request, now),
        Some(_) if !message.text.trim().is_empty() || message.file.is_some() => {
            return Ok(Err(Code::TemplateBad.into()));
        }
        Some(given) => match template::filled(app, conn, company, &channel, given, now)? {
            Ok(template) => match pattern::said(conn, company, &channel, &template)? {
                Ok(text) => {
                    let errand = route::template_errand(app, &channel, request, template, now);
                    errand.map(|(errand, id)| (with_text(errand, text), id))
                }
                Err(code) => return Ok(Err(code.into())),
            },
            Err(code) => return Ok(Err(code.into())),
        },
    };
    let (errand, id) = match errand {
        Ok((errand, id)) => (with_reply(with_subject(errand, message.subject.as_deref()), answered), id),
        Err(code) => return Ok(Err(code.into())),
    };
    let with = beside::with_interactive(errand, &channel, message.interactive.as_ref());
    Ok(with.map(|errand| (errand, id)))
}

/// What a template comes to, where that is known.
fn with_text(mut errand: NewErrand, text: Option<String>) -> NewErrand {
    if let Work::Send { outgoing, .. } = &mut errand.work {
        outgoing.content.text = text;
    }
    errand
}

fn with_reply(mut errand: NewErrand, answered: Option<String>) -> NewErrand {
    if let Work::Send { outgoing, .. } = &mut errand.work {
        outgoing.reply_to = answered;
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
) -> Result<(std::result::Result<MessageId, MessageRefusal>, Vec<Accepted>)> {
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
#[must_use]
pub fn merge_key(id: MessageId) -> String {
    format!("message:{id}")
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
