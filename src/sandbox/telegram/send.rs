//! What bots do in chats: send, edit, delete.

use std::sync::Arc;

use bytes::Bytes;
use serde_json::{Map, Value, json};

use super::{Bot, Trouble, entities, file};
use crate::sandbox::args::{as_text, as_whole, text_at};
use crate::sandbox::door::Call;
use crate::sandbox::limit::Bucket;
use crate::sandbox::phone::{Bubble, Media, Phone, Phones, bubble};
use crate::sandbox::state::Sandbox;

const LONGEST_TEXT: usize = 4096;
const LONGEST_CAPTION: usize = 1024;
const LARGEST_PHOTO: usize = 10 * 1024 * 1024;
const LARGEST_FILE: usize = 50 * 1024 * 1024;
const LARGEST_LOCAL_FILE: usize = 2000 * 1024 * 1024;

/// How long a bot may take its messages back, milliseconds.
const TAKE_BACK_MS: i64 = 48 * 3_600_000;

/// A thrown die stays in a private chat for so long, milliseconds.
const DICE_MS: i64 = 24 * 3_600_000;

/// The field of the file in `send<What>`.
pub(crate) fn media_field(what: &str) -> Option<&'static str> {
    ["photo", "document", "video", "audio", "voice", "animation"].into_iter().find(|field| *field == what)
}

/// `sendMessage`.
pub(crate) fn send_text(sandbox: &Arc<Sandbox>, token: &str, call: &Call) -> Result<Value, Trouble> {
    let text = call.args.text("text").unwrap_or_default();
    let text = entities::plain(&text, call.args.text("parse_mode").as_deref())?;
    if text.trim().is_empty() {
        return Err(Trouble::bad("message text is empty"));
    }
    if text.encode_utf16().count() > LONGEST_TEXT {
        return Err(Trouble::bad("message is too long"));
    }
    deliver(sandbox, token, call, |_, bubble, message| {
        bubble.text.clone_from(&text);
        message.insert("text".to_owned(), Value::String(text));
        Ok(())
    })
}

/// `sendPhoto` and its brothers.
pub(crate) async fn send_file(
    sandbox: &Arc<Sandbox>,
    token: &str,
    field: &'static str,
    call: &Call,
) -> Result<Value, Trouble> {
    let caption = call.args.text("caption").unwrap_or_default();
    let caption = entities::plain(&caption, call.args.text("parse_mode").as_deref())?;
    if caption.encode_utf16().count() > LONGEST_CAPTION {
        return Err(Trouble::bad("message caption is too long"));
    }
    let source = find_source(sandbox, token, field, call).await?;
    deliver(sandbox, token, call, |bot, bubble, message| {
        let id = match source {
            Source::Known(id) => id,
            Source::New(media, bytes) => file::keep_file(bot, field, media, bytes),
        };
        let stored = bot.files.get(&id).ok_or_else(|| Trouble::bad("wrong file identifier/HTTP URL specified"))?;
        if field == "photo" { "image" } else { field }.clone_into(&mut bubble.kind);
        bubble.media = Some(stored.media.clone());
        bubble.text.clone_from(&caption);
        message.insert(field.to_owned(), file::describe(field, &id, stored));
        if !caption.is_empty() {
            message.insert("caption".to_owned(), Value::String(caption));
        }
        Ok(())
    })
}

enum Source {
    Known(String),
    New(Media, Bytes),
}

async fn find_source(sandbox: &Sandbox, token: &str, field: &str, call: &Call) -> Result<Source, Trouble> {
    let given = call.args.text(field);
    let attached = given.as_deref().and_then(|text| text.strip_prefix("attach://")).unwrap_or(field);
    if let Some(part) = call.files.iter().find(|part| part.name == attached) {
        let most = match field {
            "photo" => LARGEST_PHOTO,
            _ if sandbox.settings.lock().telegram_local.is_empty() => LARGEST_FILE,
            _ => LARGEST_LOCAL_FILE,
        };
        if part.bytes.len() > most {
            return Err(Trouble { code: 413, text: "Request Entity Too Large".to_owned(), retry_after: None });
        }
        if part.bytes.is_empty() {
            return Err(Trouble::bad("file must be non-empty"));
        }
        let name = part.file_name.clone().unwrap_or_else(|| "file".to_owned());
        let mime = part.mime.clone().unwrap_or_else(|| "application/octet-stream".to_owned());
        return Ok(Source::New(Media { name, mime, size: part.bytes.len() }, part.bytes.clone()));
    }
    let given = given.ok_or_else(|| Trouble::bad(&format!("there is no {field} in the request")))?;
    if !given.starts_with("http://") && !given.starts_with("https://") {
        let known = sandbox.telegram.lock().bots.get(token).is_some_and(|bot| bot.files.contains_key(&given));
        let wrong = || Trouble::bad("wrong file identifier/HTTP URL specified");
        return known.then_some(Source::Known(given)).ok_or_else(wrong);
    }
    let (media, bytes) = fetch(sandbox, &given).await.ok_or_else(|| Trouble::bad("failed to get HTTP URL content"))?;
    if field == "photo" && !media.mime.starts_with("image/") {
        return Err(Trouble::bad("wrong type of the web page content"));
    }
    Ok(Source::New(media, bytes))
}

/// What is found at an address, with the name and the type that it has there.
pub(crate) async fn fetch(sandbox: &Sandbox, url: &str) -> Option<(Media, Bytes)> {
    let reply = sandbox.http.get(url).send().await.ok().filter(|reply| reply.status().is_success())?;
    let mime =
        reply.headers().get("content-type").and_then(|kind| kind.to_str().ok()).unwrap_or("application/octet-stream");
    let mime = mime.split(';').next().unwrap_or_default().to_owned();
    let bytes = reply.bytes().await.ok()?;
    let path = url.split(['?', '#']).next().unwrap_or_default();
    let name = path.rsplit('/').next().filter(|name| !name.is_empty()).unwrap_or("file").to_owned();
    Some((Media { name, mime, size: bytes.len() }, bytes))
}

/// `sendLocation` and `sendVenue`.
pub(crate) fn send_place(sandbox: &Arc<Sandbox>, token: &str, call: &Call, is_venue: bool) -> Result<Value, Trouble> {
    let degrees = |name: &str| call.args.get(name).and_then(Value::as_f64);
    let wrong = || Trouble::bad("wrong latitude or longitude specified");
    let (latitude, longitude) = degrees("latitude").zip(degrees("longitude")).ok_or_else(wrong)?;
    let words = |name: &str| call.args.text(name).filter(|words| !words.is_empty());
    let (title, address) = (words("title"), words("address"));
    if is_venue && (title.is_none() || address.is_none()) {
        return Err(Trouble::bad("venue title and address must be non-empty"));
    }
    deliver(sandbox, token, call, |_, bubble, message| {
        "location".clone_into(&mut bubble.kind);
        let place = format!("{latitude} {longitude}");
        let beside = title.iter().chain(&address).map(String::as_str);
        bubble.text = std::iter::once(place.as_str()).chain(beside).collect::<Vec<_>>().join(" ");
        let location = json!({"latitude": latitude, "longitude": longitude});
        if is_venue {
            message.insert("venue".to_owned(), json!({"location": location, "title": title, "address": address}));
        }
        message.insert("location".to_owned(), location);
        Ok(())
    })
}

/// `sendContact`.
pub(crate) fn send_contact(sandbox: &Arc<Sandbox>, token: &str, call: &Call) -> Result<Value, Trouble> {
    let words = |name: &str| call.args.text(name).filter(|words| !words.is_empty());
    let phone = words("phone_number").ok_or_else(|| Trouble::bad("contact phone number must be non-empty"))?;
    let name = words("first_name").ok_or_else(|| Trouble::bad("contact first name must be non-empty"))?;
    deliver(sandbox, token, call, |_, bubble, message| {
        "contact".clone_into(&mut bubble.kind);
        bubble.text = format!("{name} {phone}");
        message.insert("contact".to_owned(), json!({"phone_number": phone, "first_name": name}));
        Ok(())
    })
}

/// `sendChatAction`.
pub(crate) fn show_action(sandbox: &Sandbox, token: &str, call: &Call) -> Result<Value, Trouble> {
    let actions = [
        "typing",
        "upload_photo",
        "record_video",
        "upload_video",
        "record_voice",
        "upload_voice",
        "upload_document",
        "choose_sticker",
        "find_location",
        "record_video_note",
        "upload_video_note",
    ];
    if !actions.contains(&call.args.text("action").unwrap_or_default().as_str()) {
        return Err(Trouble::bad("wrong parameter action in request"));
    }
    with_chat(sandbox, token, call, |_, _| Ok(Value::Bool(true)))
}

/// `editMessageText`.
pub(crate) fn edit_text(sandbox: &Sandbox, token: &str, call: &Call) -> Result<Value, Trouble> {
    let text = call.args.text("text").unwrap_or_default();
    let text = entities::plain(&text, call.args.text("parse_mode").as_deref())?;
    if text.is_empty() {
        return Err(Trouble::bad("message text is empty"));
    }
    let id = call.args.text("message_id").unwrap_or_default();
    let now_s = sandbox.unix();
    with_chat(sandbox, token, call, |bot, phone| {
        let chat = phone.chat();
        let found = phone.find(&bot.id.to_string(), &id).filter(|bubble| bubble.direction == "received");
        let found = found.ok_or_else(|| Trouble::bad("message to edit not found"))?;
        if found.text == text {
            let same = "message is not modified: specified new message content and reply markup are exactly the same as a current content and reply markup of the message";
            return Err(Trouble::bad(same));
        }
        if found.media.is_some() {
            return Err(Trouble::bad("there is no text in the message to edit"));
        }
        found.rewrite(&text);
        Ok(
            json!({"message_id": as_whole(&Value::String(id)), "from": bot.user(), "chat": chat, "date": found.at / 1000,
            "edit_date": now_s, "text": text}),
        )
    })
}

/// `editMessageCaption`.
pub(crate) fn edit_caption(sandbox: &Sandbox, token: &str, call: &Call) -> Result<Value, Trouble> {
    let caption = call.args.text("caption").unwrap_or_default();
    let caption = entities::plain(&caption, call.args.text("parse_mode").as_deref())?;
    if caption.encode_utf16().count() > LONGEST_CAPTION {
        return Err(Trouble::bad("message caption is too long"));
    }
    let id = call.args.text("message_id").unwrap_or_default();
    let now_s = sandbox.unix();
    with_chat(sandbox, token, call, |bot, phone| {
        let chat = phone.chat();
        let found = phone.find(&bot.id.to_string(), &id).filter(|bubble| bubble.direction == "received");
        let found = found.ok_or_else(|| Trouble::bad("message to edit not found"))?;
        if found.media.is_none() {
            return Err(Trouble::bad("there is no caption in the message to edit"));
        }
        found.rewrite(&caption);
        Ok(
            json!({"message_id": as_whole(&Value::String(id)), "from": bot.user(), "chat": chat, "date": found.at / 1000,
            "edit_date": now_s, "caption": caption}),
        )
    })
}

/// `deleteMessage`.
pub(crate) fn delete_message(sandbox: &Sandbox, token: &str, call: &Call) -> Result<Value, Trouble> {
    let id = call.args.text("message_id").unwrap_or_default();
    let now = sandbox.now();
    with_chat(sandbox, token, call, |bot, phone| {
        let found = phone.find(&bot.id.to_string(), &id).filter(|bubble| bubble.status != "deleted");
        let found = found.ok_or_else(|| Trouble::bad("message to delete not found"))?;
        if found.kind == "dice" && now.0 - found.at < DICE_MS {
            return Err(Trouble::bad("message can't be deleted"));
        }
        if now.0 - found.at > TAKE_BACK_MS {
            return Err(Trouble::bad("message can't be deleted for everyone"));
        }
        found.status = "deleted";
        Ok(Value::Bool(true))
    })
}

/// `getChat`.
pub(crate) fn get_chat(sandbox: &Sandbox, token: &str, call: &Call) -> Result<Value, Trouble> {
    with_chat(sandbox, token, call, |_, phone| Ok(phone.chat()))
}

pub(super) fn with_chat<T>(
    sandbox: &Sandbox,
    token: &str,
    call: &Call,
    work: impl FnOnce(&mut Bot, &mut Phone) -> Result<T, Trouble>,
) -> Result<T, Trouble> {
    super::with_bot(sandbox, token, |bot| {
        let mut phones = sandbox.phones.lock();
        let phone = find_chat(&mut phones, call)?;
        may_write(bot, phone)?;
        work(bot, phone)
    })
}

fn find_chat<'a>(phones: &'a mut Phones, call: &Call) -> Result<&'a mut Phone, Trouble> {
    let chat = call.args.get("chat_id").and_then(as_text).ok_or_else(|| Trouble::bad("chat_id is empty"))?;
    let found = match chat.parse() {
        Ok(id) => phones.by_chat(id),
        Err(_) => phones.by_username(&chat),
    };
    found.ok_or_else(|| Trouble::bad("chat not found"))
}

fn may_write(bot: &Bot, phone: &Phone) -> Result<(), Trouble> {
    if phone.blocked.contains(&bot.id) {
        return Err(Trouble::forbidden("bot was blocked by the user"));
    }
    if !phone.has_started(bot.id) {
        return Err(Trouble::forbidden("bot can't initiate conversation with a user"));
    }
    Ok(())
}

fn hold_limits(bot: &mut Bot, chat: i64, now_us: i64) -> Result<(), Trouble> {
    let of_chat = bot.chat_pace.entry(chat).or_insert_with(|| Bucket::new(1.0, 3.0));
    if of_chat.take(now_us) && bot.pace.take(now_us) { Ok(()) } else { Err(Trouble::busy(1)) }
}

fn deliver(
    sandbox: &Arc<Sandbox>,
    token: &str,
    call: &Call,
    fill: impl FnOnce(&mut Bot, &mut Bubble, &mut Map<String, Value>) -> Result<(), Trouble>,
) -> Result<Value, Trouble> {
    let (now, tick) = (sandbox.now(), sandbox.tick());
    let is_limited = sandbox.settings.lock().telegram_limits;
    super::with_bot(sandbox, token, |bot| {
        let mut phones = sandbox.phones.lock();
        let phone = find_chat(&mut phones, call)?;
        may_write(bot, phone)?;
        let line = bot.id.to_string();
        let quoted = find_quoted(call, phone, &line)?;
        if is_limited {
            hold_limits(bot, phone.chat_id, tick.0)?;
        }
        let mut made = bubble("telegram_bot", &line, "received", now, tick);
        made.buttons = read_buttons(call);
        let mut message = Map::new();
        fill(bot, &mut made, &mut message)?;
        let number = phone.next_message();
        made.id = number.to_string();
        message.insert("message_id".to_owned(), json!(number));
        message.insert("from".to_owned(), bot.user());
        message.insert("chat".to_owned(), phone.chat());
        message.insert("date".to_owned(), json!(now.0.div_euclid(1000)));
        message.extend(quoted.map(|quoted| ("reply_to_message".to_owned(), quoted)));
        let phone = phone.id.clone();
        phones.add(&phone, made);
        Ok(Value::Object(message))
    })
}

fn nested(call: &Call, key: &str) -> Option<Value> {
    let value = call.args.get(key)?;
    match value {
        Value::String(text) => serde_json::from_str(text).ok(),
        other => Some(other.clone()),
    }
}

fn find_quoted(call: &Call, phone: &mut Phone, line: &str) -> Result<Option<Value>, Trouble> {
    let Some(reply) = nested(call, "reply_parameters") else { return Ok(None) };
    let id = text_at(&reply, "message_id");
    let chat = phone.chat();
    if let Some(found) = phone.find(line, &id) {
        return Ok(Some(
            json!({"message_id": as_whole(&Value::String(id)), "chat": chat, "date": found.at / 1000, "text": found.text}),
        ));
    }
    if reply.get("allow_sending_without_reply").is_some_and(|allow| allow == true) {
        return Ok(None);
    }
    Err(Trouble::bad("message to be replied not found"))
}

fn read_buttons(call: &Call) -> Vec<(String, String)> {
    let markup = nested(call, "reply_markup").unwrap_or_default();
    let rows = markup.get("inline_keyboard").and_then(Value::as_array).cloned().unwrap_or_default();
    let buttons = rows.iter().filter_map(Value::as_array).flatten();
    buttons.map(|button| (text_at(button, "text"), text_at(button, "callback_data"))).collect()
}
