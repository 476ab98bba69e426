//! A letter of ours: headers, text, a file.

use std::time::{Duration, UNIX_EPOCH};

use futures_util::TryStreamExt as _;
use lettre::message::header::{ContentType, HeaderName, HeaderValue};
use lettre::message::{Attachment, Mailbox, Message, MultiPart, SinglePart};

use super::account::{Account, is_address};
use super::letter::{cap, good_id};
use super::{ABOUT, report, text};
use crate::messenger::Wire;
use crate::messenger::parcel::refused;
use crate::model::message::{Content, Media, Outgoing, Peer, Thread};
use crate::model::moment::Moment;
use crate::model::result::Code;
use crate::model::vendor::Answer;

/// A letter that is ready to leave.
pub(super) struct Composed {
    /// Our id of it, without brackets.
    pub(super) id: String,
    /// Who gets it.
    pub(super) to: lettre::Address,
    /// Who sends it.
    pub(super) from: lettre::Address,
    /// The chat that it belongs to.
    pub(super) chat: String,
    /// The letter.
    pub(super) bytes: Vec<u8>,
}

/// Composes a letter. What can never be sent is refused here, before anything leaves.
pub(super) async fn compose(
    wire: &Wire,
    account: &Account,
    message: &Outgoing,
    now: Moment,
) -> Result<Composed, Answer> {
    check(&message.content)?;
    let (named, chat) = recipient(&message.to)?;
    // an answer goes where its writer asked for it, and stays in the chat of the address that the letter came from
    let to = answers_to(message).unwrap_or_else(|| named.clone());
    let body = message.content.text.clone().unwrap_or_default();
    let subject = subject_of(message, &body);
    let id = format!("{}{}@{}", report::PREFIX, safe_key(&message.key), account.domain());
    let from: lettre::Address =
        account.address.parse().map_err(|_| Answer::Expired { seen: "the address is no address".to_owned() })?;
    let from_box = Mailbox::new(account.name.clone(), from.clone());
    let at = UNIX_EPOCH + Duration::from_millis(u64::try_from(now.0).unwrap_or_default());
    let mut builder = Message::builder()
        .from(from_box)
        .to(Mailbox::new(None, to.clone()))
        .subject(subject.as_str())
        .date(at)
        .message_id(Some(format!("<{id}>")))
        .raw_header(HeaderValue::new(HeaderName::new_from_ascii_str("X-Switchboard-Id"), safe_key(&message.key)));
    let forerunners = forerunners(message);
    if let Some(answered) = forerunners.last() {
        let list: Vec<String> = forerunners.iter().map(|id| format!("<{id}>")).collect();
        builder = builder.in_reply_to(format!("<{answered}>")).references(list.join(" "));
    }
    let body = signed(&body, account.signature.as_deref());
    let made = match &message.content.media {
        None => builder.singlepart(SinglePart::plain(body)),
        Some(media) => {
            let file = attachment(wire, media).await?;
            let mut parts = MultiPart::mixed().build();
            if !body.trim().is_empty() {
                parts = parts.singlepart(SinglePart::plain(body));
            }
            builder.multipart(parts.singlepart(file))
        }
    };
    let made = made.map_err(|error| Answer::Refused { code: Code::RequestBad, text: error.to_string() })?;
    let chat = match (account.habits.group_letters, chat) {
        (true, None) => text::chat(named.as_ref(), Some(&subject)),
        (_, Some(chat)) => chat,
        (false, None) => text::chat(named.as_ref(), None),
    };
    Ok(Composed { id, to, from, chat: chat.to_lowercase(), bytes: made.formatted() })
}

/// The text with the signature behind it, parted as all programs know it (RFC 3676, 4.3).
fn signed(body: &str, signature: Option<&str>) -> String {
    match signature {
        None => body.to_owned(),
        Some(signature) if body.trim().is_empty() => format!("-- \n{signature}"),
        Some(signature) => format!("{}\n\n-- \n{signature}", body.trim_end()),
    }
}

fn check(content: &Content) -> Result<(), Answer> {
    if content.has_more_than_words() {
        return Err(refused(Code::NotSupported));
    }
    let text = content.text.as_deref().unwrap_or_default();
    if content.media.is_none() && text.trim().is_empty() {
        return Err(refused(Code::MessageEmpty));
    }
    if text.encode_utf16().count() > ABOUT.text_limit {
        return Err(refused(Code::MessageTooLong));
    }
    if content.media.as_ref().and_then(|media| media.size).is_some_and(|size| size > super::FILE) {
        return Err(refused(Code::FileTooBig));
    }
    Ok(())
}

/// The address of a recipient, and the chat where it was named.
fn recipient(to: &Peer) -> Result<(lettre::Address, Option<String>), Answer> {
    let named = match to {
        Peer::Phone(_) => return Err(refused(Code::CannotWriteFirst)),
        Peer::Username(_) => return Err(refused(Code::AddressBad)),
        Peer::Chat(named) | Peer::Email(named) => named.trim(),
    };
    let address = text::address_of(named);
    if !is_address(address) {
        return Err(refused(Code::AddressBad));
    }
    let parsed = address.parse().map_err(|_| refused(Code::AddressBad))?;
    // an address alone is a chat only where one address is one chat
    Ok((parsed, (named.len() > address.len()).then(|| named.to_owned())))
}

/// The subject: what was asked for, that of the thread, or the beginning of the text.
fn subject_of(message: &Outgoing, body: &str) -> String {
    let one_line = |text: &str| -> String {
        let words: Vec<&str> = text.split(|c: char| c.is_control() || c.is_whitespace()).collect();
        let words: Vec<&str> = words.into_iter().filter(|word| !word.is_empty()).collect();
        text::cut(&words.join(" "), 400).to_owned()
    };
    let asked = message.content.subject.as_deref().map(one_line).filter(|subject| !subject.is_empty());
    let thread = message.thread.as_ref().and_then(|thread| thread.subject.as_deref());
    if let Some(subject) = asked {
        return subject;
    }
    if let Some(subject) = thread.map(one_line).filter(|subject| !subject.is_empty()) {
        return text::answer_subject(&subject);
    }
    let first = body.lines().map(str::trim).find(|line| !line.is_empty()).unwrap_or_default();
    let short: String = one_line(first).chars().take(70).collect();
    match (short.is_empty(), &message.content.media) {
        (false, _) => short,
        (true, Some(media)) => one_line(&media.name),
        (true, None) => String::new(),
    }
}

/// The thread that the letter goes on from. A subject of its own begins a new one.
fn thread_of(message: &Outgoing) -> Thread {
    let thread = message.thread.clone().unwrap_or_default();
    let same = |asked: &String| {
        thread.subject.as_deref().is_some_and(|known| text::bare_subject(known) == text::bare_subject(asked))
    };
    if message.content.subject.as_ref().is_none_or(same) { thread } else { Thread::default() }
}

fn answers_to(message: &Outgoing) -> Option<lettre::Address> {
    thread_of(message).answers_to.filter(|address| is_address(address))?.parse().ok()
}

/// The ids that the letter goes on from, the answered one last.
fn forerunners(message: &Outgoing) -> Vec<String> {
    let mut ids = thread_of(message).ids;
    if let Some(answered) = &message.reply_to {
        ids.retain(|id| id != answered);
        ids.push(answered.clone());
    }
    cap(ids.iter().filter_map(|id| good_id(id)).collect())
}

/// The key as it may stand in an id: nothing that ends one.
fn safe_key(key: &str) -> String {
    key.chars().map(|c| if c.is_ascii_alphanumeric() || "_-.:".contains(c) { c } else { '_' }).take(100).collect()
}

async fn attachment(wire: &Wire, media: &Media) -> Result<SinglePart, Answer> {
    let bytes = bytes_of(wire, media).await?;
    let kind = ContentType::parse(&media.mime).map_err(|_| refused(Code::FileBad))?;
    Ok(Attachment::new(safe_name(&media.name)).body(bytes, kind))
}

fn safe_name(name: &str) -> String {
    let name: String = name.chars().map(|c| if c.is_control() { '_' } else { c }).collect();
    if name.trim().is_empty() { "file".to_owned() } else { name }
}

async fn bytes_of(wire: &Wire, media: &Media) -> Result<Vec<u8>, Answer> {
    use std::io::ErrorKind;
    let failed = |error: std::io::Error| match error.kind() {
        ErrorKind::NotFound => refused(Code::FileGone),
        ErrorKind::FileTooLarge => refused(Code::FileTooBig),
        ErrorKind::InvalidInput | ErrorKind::PermissionDenied => refused(Code::FileBad),
        _ => Answer::Down { seen: format!("the file could not be read: {error}") },
    };
    let open = wire.files.open(&media.source).await.map_err(failed)?;
    if open.size > super::FILE {
        return Err(refused(Code::FileTooBig));
    }
    let mut all = Vec::with_capacity(usize::try_from(open.size).unwrap_or_default());
    let mut parts = open.bytes;
    while let Some(part) = parts.try_next().await.map_err(failed)? {
        if (all.len() + part.len()) as u64 > super::FILE {
            return Err(refused(Code::FileTooBig));
        }
        all.extend_from_slice(&part);
    }
    Ok(all)
}
