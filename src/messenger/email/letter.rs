//! A letter as it lies in a folder, read as ours. Pure: the library takes any bytes, and what is kept of them is bounded.

use std::collections::HashMap;

use mail_parser::{Address, HeaderName, Message, MessageParser, MessagePart, MimeHeaders as _, PartType};
use sha2::{Digest as _, Sha256};

use super::account::{Habits, is_address};
use super::{report, text};
use crate::messenger::field;
use crate::model::message::{Event, Incoming, IncomingMedia, Letter, MediaKind, Person};
use crate::model::moment::Moment;
use crate::model::status::Status;

/// The longest text that is kept, in bytes.
const TEXT: usize = 200_000;

/// The longest HTML that is kept, in bytes, before it is made safe.
const HTML: usize = 256 << 10;

/// Tags of an HTML that is shown, at most: to put unclosed ones in order takes a time that grows with their square.
const TAGS: usize = 10_000;

/// Parts of one letter, at most.
const PARTS: usize = 200;

/// How deep parts may be nested.
const NESTED: usize = 20;

/// Ids of forerunners that are kept: the first one and the last ones.
const REFERENCES: usize = 20;

/// The longest id of a letter that is believed.
const LONGEST_ID: usize = 250;

/// Where a letter lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Folder {
    /// Letters to us.
    Inbox,
    /// Letters from us.
    Sent,
    /// Letters to us that the server takes for spam.
    Junk,
}

impl Folder {
    /// All of them.
    pub(super) const ALL: [Self; 3] = [Self::Inbox, Self::Sent, Self::Junk];

    /// Its written form, in the names of files.
    pub(super) const fn slug(self) -> &'static str {
        match self {
            Self::Inbox => "inbox",
            Self::Sent => "sent",
            Self::Junk => "junk",
        }
    }
}

/// What is known of a letter besides its bytes.
#[derive(Debug, Clone)]
pub struct Around<'a> {
    /// The address of the mailbox.
    pub own: &'a str,
    /// Where it lies.
    pub folder: Folder,
    /// The validity of the folder's UIDs.
    pub validity: u32,
    /// Its UID.
    pub uid: u32,
    /// When the server got it.
    pub at: Moment,
    /// What the owner chose.
    pub habits: Habits,
    /// Sizes of parts whose bytes were not fetched, by their section.
    pub sizes: HashMap<String, u64>,
}

/// Reads a letter; the key tells a repetition.
#[must_use]
pub fn read(raw: &[u8], around: &Around<'_>) -> (String, Event) {
    let Some(letter) = MessageParser::default().parse(raw) else {
        let key = format!("uid:{}:{}", around.validity, around.uid);
        return (key, Event::Ignored { what: "a letter that cannot be read".to_owned() });
    };
    let id = id_of(&letter, raw);
    if around.folder == Folder::Sent {
        return sent(&letter, &id, around);
    }
    if let Some(receipt) = report::read(&letter, around.at) {
        return (format!("report:{}", digest(&[&id])), receipt);
    }
    let from = sender(&letter);
    // what is taken out of the spam later is news
    let kind = if around.folder == Folder::Junk { "junk" } else { "letter" };
    let key = format!("{kind}:{}", digest(&[&id, from.as_ref().map_or("", |(address, _)| address.as_str())]));
    // without a sender there is nobody to answer to: a machine's word, told under its own name
    let (address, name) = from.unwrap_or_else(|| (format!("unknown@{}", around.own.replace('@', ".")), None));
    if address == around.own {
        return match recipient(&letter) {
            // what we sent elsewhere with a copy to ourselves
            Some((to, name)) => (key, Event::Letter(Box::new(of(&letter, &id, around, &to, name, true)))),
            None => (key, Event::Ignored { what: "a letter of ours to nobody".to_owned() }),
        };
    }
    (key, Event::Letter(Box::new(of(&letter, &id, around, &address, name, false))))
}

/// A letter in the folder of sent ones: one of ours proves that the server took it; others were written elsewhere.
fn sent(letter: &Message<'_>, id: &str, around: &Around<'_>) -> (String, Event) {
    let key = format!("sent:{}", digest(&[id]));
    let ours = letter.header_raw("X-Switchboard-Id").map(|key| field::short(key.trim())).filter(|key| !key.is_empty());
    if let Some(ours) = ours.or_else(|| report::key_of(id)) {
        let receipt = crate::model::message::Receipt {
            vendor_id: id.to_owned(),
            key: Some(ours),
            status: Status::Sent,
            at: around.at,
            error: None,
        };
        return (key, Event::Receipt(receipt));
    }
    match recipient(letter) {
        Some((to, name)) => (key, Event::Letter(Box::new(of(letter, id, around, &to, name, true)))),
        None => (key, Event::Ignored { what: "a sent letter without a recipient".to_owned() }),
    }
}

fn of(letter: &Message<'_>, id: &str, around: &Around<'_>, address: &str, name: Option<String>, ours: bool) -> Letter {
    let subject = letter.subject().map(field::short).filter(|subject| !subject.trim().is_empty());
    let references = references(letter);
    let (body, html) = bodies(letter, around.habits.remove_links);
    let own = text::own_words(&body).into_owned();
    let whole = (own != body.trim()).then(|| body.clone());
    let (auto, junk) = (is_automatic(letter), around.folder == Folder::Junk);
    let grouped = around.habits.group_letters;
    let shown = match (&subject, grouped) {
        (Some(subject), false) if own.is_empty() => format!("[{subject}]"),
        (Some(subject), false) => format!("[{subject}] {own}"),
        _ => own,
    };
    let media = attachments(letter, around);
    Letter {
        message: Incoming {
            vendor_id: id.to_owned(),
            chat: text::chat(address, grouped.then(|| subject.as_deref().unwrap_or_default())),
            group: false,
            title: Some(if grouped {
                subject.as_deref().map_or_else(|| address.to_owned(), |subject| text::bare_subject(subject).to_owned())
            } else {
                address.to_owned()
            }),
            from: if ours { Person::default() } else { person(address, name) },
            at: around.at,
            text: Some(shown).filter(|text| !text.is_empty()),
            media,
            place: None,
            reply_to: references.last().cloned(),
            ours,
            note: if junk { Some("junk".to_owned()) } else { auto.then(|| "auto".to_owned()) },
            payload: None,
            referral: std::collections::BTreeMap::new(),
        },
        subject,
        references,
        answers_to: if ours { None } else { answers_to(letter, address, around.own) },
        html,
        whole,
        auto,
        junk,
    }
}

fn person(address: &str, name: Option<String>) -> Person {
    Person { name, username: Some(address.to_owned()), phone: None, vendor_id: Some(address.to_owned()) }
}

/// The id of a letter. One without an id is named by what it is, so that it is the same in every folder.
fn id_of(letter: &Message<'_>, raw: &[u8]) -> String {
    let named = letter.message_id().and_then(good_id);
    named.unwrap_or_else(|| format!("no-id.{}", hex::encode(Sha256::digest(raw))))
}

pub(super) fn good_id(id: &str) -> Option<String> {
    let id = id.trim().trim_start_matches('<').trim_end_matches('>');
    let good =
        !id.is_empty() && id.len() <= LONGEST_ID && id.chars().all(|c| c.is_ascii_graphic() && !"<>".contains(c));
    good.then(|| id.to_owned())
}

/// The ids that a letter names as its forerunners, oldest first: the last one is what it answers.
pub(super) fn references(letter: &Message<'_>) -> Vec<String> {
    let ids = |name: HeaderName<'static>| {
        let list = letter.header(name).and_then(|value| value.as_text_list()).unwrap_or_default();
        list.iter().filter_map(|id| good_id(id)).collect::<Vec<String>>()
    };
    let mut all = ids(HeaderName::References);
    if let Some(answered) = ids(HeaderName::InReplyTo).pop() {
        all.retain(|id| *id != answered);
        all.push(answered);
    }
    cap(all)
}

/// The first id and the last ones: enough for every mail program to find the thread.
pub(super) fn cap(mut ids: Vec<String>) -> Vec<String> {
    if ids.len() > REFERENCES {
        let surplus = ids.len() - REFERENCES;
        ids.drain(1..=surplus);
    }
    ids
}

fn first(list: Option<&Address<'_>>) -> Option<(String, Option<String>)> {
    list?.iter().find_map(|addr| {
        let address = addr.address.as_deref()?.trim().to_lowercase();
        let name = addr.name.as_deref().map(field::short).filter(|name| !name.trim().is_empty());
        is_address(&address).then_some((address, name))
    })
}

fn sender(letter: &Message<'_>) -> Option<(String, Option<String>)> {
    first(letter.from()).or_else(|| first(letter.sender()))
}

/// Where the writer wants answers: a single address that is neither the writer's nor our own. Several would make a letter to many
/// of an answer to one.
fn answers_to(letter: &Message<'_>, from: &str, own: &str) -> Option<String> {
    let named: Vec<String> = letter
        .reply_to()?
        .iter()
        .map(|addr| addr.address.as_deref().unwrap_or_default().trim().to_lowercase())
        .collect();
    let [address] = named.as_slice() else { return None };
    (is_address(address) && address != from && address != own).then(|| address.clone())
}

fn recipient(letter: &Message<'_>) -> Option<(String, Option<String>)> {
    first(letter.to()).or_else(|| first(letter.cc()))
}

/// Whether a machine wrote the letter.
fn is_automatic(letter: &Message<'_>) -> bool {
    let value = |name: &'static str| letter.header_raw(name).map(|value| value.trim().to_lowercase());
    value("Auto-Submitted").is_some_and(|value| !value.starts_with("no"))
        || value("Precedence").is_some_and(|value| ["bulk", "junk", "list", "auto_reply"].contains(&value.as_str()))
        || ["X-Auto-Response-Suppress", "X-Autoreply", "X-Autorespond", "List-Id"]
            .iter()
            .any(|name| value(name).is_some())
        || value("Return-Path").is_some_and(|value| value == "<>")
        || letter.content_type().is_some_and(|kind| kind.c_type == "multipart" && kind.subtype() == Some("report"))
}

/// The text and the HTML of a letter.
fn bodies(letter: &Message<'_>, remove_links: bool) -> (String, Option<String>) {
    let mut plain = String::new();
    for part in letter.text_body.iter().take(PARTS).filter_map(|id| letter.parts.get(*id as usize)) {
        let body = match &part.body {
            PartType::Text(text) => text.to_string(),
            PartType::Html(html) => {
                mail_parser::decoders::html::html_to_text(text::unquoted_html(text::cut(html, HTML)))
            }
            _ => continue,
        };
        if !plain.is_empty() && !body.trim().is_empty() {
            plain.push('\n');
        }
        plain.push_str(text::cut(&body, TEXT.saturating_sub(plain.len())));
    }
    let plain = plain.replace("\r\n", "\n").replace('\0', "");
    let html =
        letter.html_body.iter().filter_map(|id| letter.parts.get(*id as usize)).find_map(|part| match &part.body {
            // whoever writes so many tags wants to keep somebody busy
            PartType::Html(html) if html.matches('<').take(TAGS + 1).count() > TAGS => None,
            PartType::Html(html) => Some(text::safe_html(&text::cut(html, HTML).replace('\0', ""), remove_links)),
            _ => None,
        });
    (if remove_links { text::without_links(&plain) } else { plain }, html)
}

/// The files of a letter, each named so that it can be fetched by itself.
fn attachments(letter: &Message<'_>, around: &Around<'_>) -> Vec<IncomingMedia> {
    let folder = around.folder.slug();
    let sections = sections(letter);
    let mut media = Vec::new();
    for id in letter.attachments.iter().take(PARTS) {
        let (Some(part), Some(section)) = (letter.parts.get(*id as usize), sections.get(id)) else { continue };
        media.push(IncomingMedia {
            kind: kind_of(part),
            vendor_id: format!("{folder}:{}:{}:{section}", around.validity, around.uid),
            name: Some(name_of(part)),
            mime: Some(mime_of(part)),
            size: around.sizes.get(section).copied().or_else(|| Some(part.len() as u64)),
        });
    }
    media
}

/// The section of each part, as IMAP numbers them.
fn sections(letter: &Message<'_>) -> HashMap<u32, String> {
    let mut found = HashMap::new();
    if !matches!(letter.parts.first().map(|part| &part.body), Some(PartType::Multipart(_))) {
        found.insert(0, "1".to_owned());
        return found;
    }
    let mut open: Vec<(u32, String, usize)> = vec![(0, String::new(), 0)];
    while let Some((id, path, depth)) = open.pop() {
        let Some(PartType::Multipart(inner)) = letter.parts.get(id as usize).map(|part| &part.body) else { continue };
        for (n, child) in inner.iter().enumerate().take(PARTS) {
            let section = if path.is_empty() { (n + 1).to_string() } else { format!("{path}.{}", n + 1) };
            if depth < NESTED && found.len() < PARTS {
                found.insert(*child, section.clone());
                open.push((*child, section, depth + 1));
            }
        }
    }
    found
}

fn mime_of(part: &MessagePart<'_>) -> String {
    if matches!(part.body, PartType::Message(_)) {
        return "message/rfc822".to_owned();
    }
    let named = part.content_type().map(|kind| {
        let subtype = kind.subtype().unwrap_or("octet-stream");
        format!("{}/{subtype}", kind.ctype()).to_lowercase()
    });
    let good = |mime: &String| mime.len() <= 100 && mime.chars().all(|c| c.is_ascii_graphic() && !"\"();,".contains(c));
    named.filter(good).unwrap_or_else(|| "application/octet-stream".to_owned())
}

fn kind_of(part: &MessagePart<'_>) -> MediaKind {
    let mime = mime_of(part);
    match mime.split('/').next() {
        // a picture that is a program is a file like any other
        Some("image") if !mime.contains("svg") => MediaKind::Image,
        Some("video") => MediaKind::Video,
        Some("audio") => MediaKind::Audio,
        _ => MediaKind::Document,
    }
}

/// The name of a file as it may stand on a disk and on a screen: one line, no folders, nothing that turns it round.
fn name_of(part: &MessagePart<'_>) -> String {
    let turns = |c: char| matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    let given = part.attachment_name().unwrap_or_default();
    let last = given.rsplit(['/', '\\']).next().unwrap_or_default();
    let name: String = last.chars().filter(|c| !turns(*c)).map(|c| if c.is_control() { '_' } else { c }).collect();
    let name = text::cut(name.trim().trim_start_matches('.'), 200).to_owned();
    if !name.is_empty() {
        return name;
    }
    if matches!(part.body, PartType::Message(_)) { "letter.eml".to_owned() } else { "file".to_owned() }
}

/// A short name for what may be long.
fn digest(parts: &[&str]) -> String {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part.as_bytes());
    }
    hex::encode(hash.finalize())
}
