//! Chats: what is in them, and what the seller may do there.

use std::sync::Arc;

use serde_json::{Map, Value, json};

use super::{Account, Trouble, with_account};
use crate::sandbox::door::Call;
use crate::sandbox::phone::{Media, bubble};
use crate::sandbox::state::{Sandbox, random_hex};

const LONGEST_TEXT: usize = 1_000;
/// How long after it was sent a message may be deleted, seconds.
const DELETED_WITHIN_S: i64 = 3_600;

const LARGEST_IMAGE: usize = 24 * 1024 * 1024;

/// A chat of a buyer about an item.
#[derive(Debug)]
pub(crate) struct Chat {
    /// The phone of the buyer.
    pub(crate) phone: String,
    /// The buyer's number at Avito.
    pub(crate) buyer: i64,
    /// The item.
    pub(crate) item: i64,
    /// The messages, oldest first, as the history tells them.
    pub(crate) messages: Vec<Value>,
}

impl Chat {
    /// Whether the seller has read everything of the buyer's.
    pub(crate) fn is_read(&self) -> bool {
        self.messages
            .iter()
            .all(|one| one.get("direction") != Some(&json!("in")) || one.get("is_read") == Some(&json!(true)))
    }
}

/// A call about the chats of an account.
pub(super) fn act(
    sandbox: &Arc<Sandbox>,
    id: i64,
    verb: &str,
    version: &str,
    rest: &[&str],
    call: &Call,
) -> Result<Value, Trouble> {
    match (verb, version, rest) {
        ("POST", "v1", ["uploadImages"]) => upload(sandbox, id, call),
        ("GET", "v1", ["getVoiceFiles"]) => voices(sandbox, call),
        ("GET", "v2", ["chats"]) => with_account(sandbox, id, |account| list(account, call)),
        ("GET", "v3", ["chats", chat, "messages", ""]) => {
            let (limit, offset) = page(call)?;
            with_chat(sandbox, id, chat, |_, chat| {
                Ok(Value::Array(chat.messages.iter().rev().skip(offset).take(limit).cloned().collect()))
            })
        }
        ("POST", "v1", ["chats", chat, "messages"]) => {
            let text = call.args.get("message").and_then(|message| message.get("text")).and_then(Value::as_str);
            let text = text.unwrap_or_default().to_owned();
            let length = text.chars().count();
            if call.args.text("type").as_deref() != Some("text") || length == 0 || length > LONGEST_TEXT {
                return Err(Trouble::of(400, "Validation error"));
            }
            send(sandbox, id, chat, "text", &json!({"text": text}), None)
        }
        ("POST", "v1", ["chats", chat, "messages", "image"]) => {
            let image = call.args.text("image_id").unwrap_or_default();
            let media = with_account(sandbox, id, |account| Ok(account.images.get(&image).cloned()))?;
            let media = media.ok_or_else(|| Trouble::of(400, "Unknown image"))?;
            let sizes = json!({"1280x960": format!("{}/avito/file/{image}", sandbox.base())});
            send(sandbox, id, chat, "image", &json!({"image": {"sizes": sizes}}), Some(media))
        }
        ("POST", "v1", ["chats", chat, "messages", message]) => delete(sandbox, id, chat, message),
        ("POST", "v1", ["chats", chat, "read"]) => with_chat(sandbox, id, chat, |_, chat| {
            for message in &mut chat.messages {
                set(message, "is_read", json!(true));
            }
            Ok(json!({"ok": true}))
        }),
        _ => Err(Trouble::of(404, "Not found")),
    }
}

fn with_chat<T>(
    sandbox: &Sandbox,
    id: i64,
    chat: &str,
    work: impl FnOnce(i64, &mut Chat) -> Result<T, Trouble>,
) -> Result<T, Trouble> {
    with_account(sandbox, id, |account| {
        let found = account.chats.get_mut(chat);
        work(account.id, found.ok_or_else(|| Trouble::of(404, "Chat not found"))?)
    })
}

/// The part of a list that a call asks for.
fn page(call: &Call) -> Result<(usize, usize), Trouble> {
    let whole = |key: &str, default: i64| call.args.whole(key).unwrap_or(default);
    let (limit, offset) = (whole("limit", 100), whole("offset", 0));
    if !(1..=100).contains(&limit) || !(0..=1_000).contains(&offset) {
        return Err(Trouble::of(400, "Validation error"));
    }
    Ok((usize::try_from(limit).unwrap_or(0), usize::try_from(offset).unwrap_or(0)))
}

/// The chats, the newest first. Those about items alone, unless all are asked for.
fn list(account: &Account, call: &Call) -> Result<Value, Trouble> {
    let (limit, offset) = page(call)?;
    let types = call.args.text("chat_types").unwrap_or_else(|| "u2i".to_owned());
    let changed = |chat: &Chat| chat.messages.last().and_then(|last| last.get("created")?.as_i64()).unwrap_or(0);
    let wanted = |(id, chat): &(&String, &Chat)| {
        types.split(',').any(|kind| id.starts_with(kind)) && (!call.args.yes("unread_only") || !chat.is_read())
    };
    let mut chats: Vec<(&String, &Chat)> = account.chats.iter().filter(wanted).collect();
    chats.sort_by_key(|(id, chat)| (-changed(chat), (*id).clone()));
    let tell = |(id, chat): (&String, &Chat)| {
        json!({"id": id, "created": chat.messages.first().and_then(|first| first.get("created")), "updated": changed(chat),
            "context": {"type": "item", "value": {"id": chat.item, "title": "Mazda 3", "user_id": account.id,
                "url": format!("https://avito.ru/{}", chat.item)}},
            "users": [{"id": account.id, "name": account.name}, {"id": chat.buyer, "name": format!("Покупатель {}", chat.phone)}],
            "last_message": chat.messages.last()})
    };
    Ok(json!({"chats": chats.into_iter().skip(offset).take(limit).map(tell).collect::<Vec<_>>()}))
}

fn upload(sandbox: &Sandbox, id: i64, call: &Call) -> Result<Value, Trouble> {
    let part = call.files.iter().find(|part| part.name == "uploadfile[]");
    let part = part.ok_or_else(|| Trouble::of(400, "uploadfile[] is required"))?;
    let mime = part.mime.clone().unwrap_or_default();
    if !mime.starts_with("image/") {
        return Err(Trouble::of(415, "Unsupported media type"));
    }
    if part.bytes.len() > LARGEST_IMAGE {
        return Err(Trouble::of(413, "Request entity too large"));
    }
    let image = format!("12345.{}", random_hex(10));
    let media = Media { name: part.file_name.clone().unwrap_or_default(), mime, size: part.bytes.len() };
    let url = format!("{}/avito/file/{image}", sandbox.base());
    let mut avito = sandbox.avito.lock();
    avito.files.insert(image.clone(), (media.clone(), part.bytes.clone()));
    if let Some(account) = avito.accounts.get_mut(&id) {
        account.images.insert(image.clone(), media);
    }
    Ok(Value::Object(Map::from_iter([(image, json!({"1280x960": url, "140x105": url, "32x32": url}))])))
}

fn voices(sandbox: &Sandbox, call: &Call) -> Result<Value, Trouble> {
    let asked = call.args.text("voice_ids").unwrap_or_default();
    let urls: Map<String, Value> = asked
        .split(',')
        .filter(|id| sandbox.avito.lock().files.contains_key(*id))
        .map(|id| (id.to_owned(), json!(format!("{}/avito/file/{id}", sandbox.base()))))
        .collect();
    if urls.is_empty() { Err(Trouble::of(404, "Not found")) } else { Ok(json!({"voices_urls": urls})) }
}

fn send(
    sandbox: &Sandbox,
    id: i64,
    chat: &str,
    kind: &'static str,
    content: &Value,
    media: Option<Media>,
) -> Result<Value, Trouble> {
    let (now, tick) = (sandbox.now(), sandbox.tick());
    with_account(sandbox, id, |account| {
        let found = account.chats.get_mut(chat).ok_or_else(|| Trouble::of(404, "Chat not found"))?;
        let message = json!({"id": random_hex(16), "author_id": id, "created": now.0 / 1000, "direction": "out",
            "type": kind, "content": content, "is_read": true, "read": null});
        found.messages.push(message.clone());
        let mut made = bubble("avito", &id.to_string(), "received", now, tick);
        kind.clone_into(&mut made.kind);
        message.get("id").and_then(Value::as_str).unwrap_or_default().clone_into(&mut made.id);
        content.get("text").and_then(Value::as_str).unwrap_or_default().clone_into(&mut made.text);
        made.media = media;
        sandbox.phones.lock().add(&found.phone, made);
        let _ = account.outbox.send(told(id, chat, found.item, &message));
        Ok(message)
    })
}

/// Deletes a message of the seller's; it stays in the history as a deleted one.
fn delete(sandbox: &Sandbox, id: i64, chat: &str, message: &str) -> Result<Value, Trouble> {
    let now_s = sandbox.unix();
    with_account(sandbox, id, |account| {
        let found = account.chats.get_mut(chat).ok_or_else(|| Trouble::of(404, "Chat not found"))?;
        let (phone, item) = (found.phone.clone(), found.item);
        let mine = |one: &&mut Value| one.get("id") == Some(&json!(message));
        let one = found.messages.iter_mut().find(mine).ok_or_else(|| Trouble::of(404, "Message not found"))?;
        let age_s = now_s - one.get("created").and_then(Value::as_i64).unwrap_or(0);
        if one.get("direction") != Some(&json!("out")) || age_s > DELETED_WITHIN_S {
            return Err(Trouble::of(400, "Message can not be deleted"));
        }
        set(one, "type", json!("deleted"));
        set(one, "content", json!({}));
        let told = told(id, chat, item, one);
        let mut phones = sandbox.phones.lock();
        if let Some(bubble) = phones.get(&phone).and_then(|phone| phone.find(&id.to_string(), message)) {
            bubble.status = "deleted";
        }
        let _ = account.outbox.send(told);
        Ok(json!({}))
    })
}

/// A message as the webhook tells it.
pub(super) fn told(account: i64, chat: &str, item: i64, message: &Value) -> Value {
    let field = |name: &str| message.get(name).cloned().unwrap_or_default();
    json!({"id": field("id"), "chat_id": chat, "user_id": account, "author_id": field("author_id"),
        "created": field("created"), "type": field("type"), "chat_type": "u2i", "content": field("content"),
        "item_id": item, "read": null, "published_at": "2026-11-20T10:40:00Z"})
}

fn set(message: &mut Value, name: &str, value: Value) {
    if let Some(fields) = message.as_object_mut() {
        fields.insert(name.to_owned(), value);
    }
}

/// Everything of the seller's in the chats of a phone is read; says how much of it was not.
pub(super) fn read(account: &mut Account, phone: &str, now_s: i64) -> usize {
    let mut count = 0;
    for chat in account.chats.values_mut().filter(|chat| chat.phone == phone) {
        for message in &mut chat.messages {
            if message.get("direction") == Some(&json!("out")) && message.get("read") == Some(&Value::Null) {
                set(message, "read", json!(now_s));
                count += 1;
            }
        }
    }
    count
}
