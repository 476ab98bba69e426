//! What buyers do: write about an item, send pictures and voice notes, read.

use bytes::Bytes;
use serde_json::{Value, json};

use super::chat::{self, Chat};
use super::{Account, Avito};
use crate::sandbox::phone::{Media, bubble};
use crate::sandbox::state::{Sandbox, random_hex};

/// What Avito knows buyers by: this number and the last eight digits of their phone.
const FIRST_BUYER: i64 = 100_000_000;

/// What a buyer says.
#[derive(Debug, Default)]
pub(crate) struct Words {
    /// The account; the only one where absent.
    pub(crate) line: Option<String>,
    /// The text.
    pub(crate) text: String,
    /// A picture or a voice note, with what it is and what it holds.
    pub(crate) media: Option<(String, Media, Bytes)>,
    /// A place.
    pub(crate) place: Option<(f64, f64)>,
}

/// Lets a buyer say something; says the id of the message, or nothing where there is no such account.
pub(crate) fn say(sandbox: &Sandbox, digits: &str, words: &Words) -> Option<String> {
    let (now, tick) = (sandbox.now(), sandbox.tick());
    let mut avito = sandbox.avito.lock();
    let wanted = |id: &&i64| words.line.as_ref().is_none_or(|line| *line == id.to_string());
    let id = *avito.accounts.keys().find(wanted)?;
    let (kind, content) = content(sandbox, &mut avito, words);
    let account = avito.accounts.get_mut(&id)?;
    let name = chat_id(id, digits);
    let last = digits.get(digits.len().saturating_sub(8)..).unwrap_or(digits);
    let buyer = FIRST_BUYER + last.parse::<i64>().unwrap_or(0);
    let new = || Chat { phone: digits.to_owned(), buyer, item: 1_768_287_444, messages: Vec::new() };
    let chat = account.chats.entry(name.clone()).or_insert_with(new);
    let message = json!({"id": random_hex(16), "author_id": buyer, "created": now.0 / 1000, "direction": "in", "type": kind,
        "content": content, "is_read": false, "read": null});
    chat.messages.push(message.clone());
    let item = chat.item;
    let mut made = bubble("avito", &id.to_string(), "said", now, tick);
    message.get("id").and_then(Value::as_str).unwrap_or_default().clone_into(&mut made.id);
    made.text.clone_from(&words.text);
    if let Some((kind, media, _)) = &words.media {
        made.kind.clone_from(kind);
        made.media = Some(media.clone());
    }
    let told = made.id.clone();
    sandbox.phones.lock().add(digits, made);
    let _ = account.outbox.send(chat::told(id, &name, item, &message));
    Some(told)
}

/// The chat of a phone with an account: the marks in it must be escaped in addresses.
pub(crate) fn chat_id(account: i64, digits: &str) -> String {
    format!("u2i-{digits}~{account}/x")
}

fn content(sandbox: &Sandbox, avito: &mut Avito, words: &Words) -> (&'static str, Value) {
    if let Some((lat, lon)) = words.place {
        return ("location", json!({"location": {"kind": "street", "lat": lat, "lon": lon, "text": "", "title": ""}}));
    }
    let Some((kind, media, bytes)) = &words.media else { return ("text", json!({"text": words.text})) };
    let key = random_hex(12);
    avito.files.insert(key.clone(), (media.clone(), bytes.clone()));
    if kind == "voice" {
        return ("voice", json!({"voice": {"voice_id": key}}));
    }
    if kind != "image" {
        return ("file", json!({}));
    }
    let url = format!("{}/avito/file/{key}", sandbox.base());
    ("image", json!({"image": {"sizes": {"32x32": format!("{url}?small"), "1280x960": url}}}))
}

/// Reads what came; says how much of it was unread.
pub(crate) fn read(sandbox: &Sandbox, digits: &str, line: Option<&str>) -> usize {
    let now_s = sandbox.unix();
    let mut avito = sandbox.avito.lock();
    let wanted = |account: &&mut Account| line.is_none_or(|line| line == account.id.to_string());
    let count = avito.accounts.values_mut().filter(wanted).map(|account| chat::read(account, digits, now_s)).sum();
    let mut phones = sandbox.phones.lock();
    let Some(owner) = phones.get(digits) else { return 0 };
    for bubble in owner.messages.iter_mut().filter(|one| one.messenger == "avito" && one.direction == "received") {
        bubble.status = "read";
    }
    count
}
