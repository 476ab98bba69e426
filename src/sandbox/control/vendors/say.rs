//! What customers do with their phones: write, press buttons, read.

use std::sync::Arc;

use actix_web::HttpResponse;
use actix_web::web::{Data, Json, Path};
use base64::Engine;
use bytes::Bytes;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::sandbox::args::text_at;
use crate::sandbox::avito;
use crate::sandbox::control::{missing, refuse, tell};
use crate::sandbox::mail;
use crate::sandbox::mtproto;
use crate::sandbox::notify;
use crate::sandbox::phone::{Bubble, Media, bubble, digits};
use crate::sandbox::state::{Sandbox, random_hex};
use crate::sandbox::telegram::{self, describe};
use crate::sandbox::vk;
use crate::sandbox::waba::{self, envelope, queue, webhook};
use crate::sandbox::waha;

/// How long a customer's message lets the business write freely, milliseconds.
const WINDOW_MS: i64 = 24 * 3_600_000;

/// What a customer says.
#[derive(Debug, Deserialize)]
pub(crate) struct Said {
    messenger: String,
    #[serde(default)]
    text: String,
    subject: Option<String>,
    media: Option<Attached>,
    line: Option<String>,
    press: Option<String>,
    quote: Option<String>,
    place: Option<Value>,
    card: Option<Value>,
    #[serde(default)]
    comment: bool,
    allow: Option<bool>,
    tag: Option<String>,
    #[serde(default)]
    cropped: bool,
    group: Option<String>,
    referral: Option<Value>,
    led_by: Option<(String, String)>,
}

#[derive(Debug, Clone, Deserialize)]
struct Attached {
    #[serde(default = "document")]
    kind: String,
    name: String,
    #[serde(default = "octets")]
    mime: String,
    base64: Option<String>,
    size: Option<usize>,
}

fn document() -> String {
    "document".to_owned()
}

fn octets() -> String {
    "application/octet-stream".to_owned()
}

impl Attached {
    fn read(&self) -> (Media, Bytes) {
        let bytes = self.base64.as_ref().and_then(|text| base64::engine::general_purpose::STANDARD.decode(text).ok());
        let bytes = bytes.map_or_else(|| Bytes::from(format!("content of {}\n", self.name)), Bytes::from);
        let size = self.size.unwrap_or(bytes.len());
        (Media { name: self.name.clone(), mime: self.mime.clone(), size }, bytes)
    }
}

/// `POST /_/phones/{id}/say`.
pub(crate) async fn say(sandbox: Data<Sandbox>, id: Path<String>, said: Json<Said>) -> HttpResponse {
    let sandbox = sandbox.into_inner();
    let phone = digits(&id);
    if sandbox.phones.lock().get(&phone).is_none() {
        return missing("phone");
    }
    let done = match said.messenger.as_str() {
        "telegram" => mtproto::people::say(&sandbox, &phone, &in_telegram(&said)),
        "telegram_bot" => say_telegram(&sandbox, &phone, &said),
        "whatsapp" | "waba" => say_whatsapp(&sandbox, &phone, &said),
        // whoever answers a notification writes to the community
        "vk" | "vk_notify" => vk::say::say(&sandbox, &phone, &in_vk(&said)),
        "avito" => avito::say::say(&sandbox, &phone, &in_avito(&said)),
        "whatsapp_web" => say_to_session(&sandbox, &phone, &said),
        "email" => mail::say::say(&sandbox, &phone, &in_mail(&said)),
        _ => return refuse("messenger is telegram, telegram_bot, waba, whatsapp_web, vk, vk_notify, avito or email"),
    };
    done.map_or_else(|| missing("line"), |id| tell(json!({"id": id})))
}

fn file_of(said: &Said) -> Option<(String, Media, Bytes)> {
    said.media.as_ref().map(|attached| {
        let (media, bytes) = attached.read();
        (attached.kind.clone(), media, bytes)
    })
}

fn place_of(said: &Said) -> Option<(f64, f64)> {
    let place = said.place.as_ref()?;
    Some((place.get("latitude")?.as_f64()?, place.get("longitude")?.as_f64()?))
}

fn in_telegram(said: &Said) -> mtproto::people::Words {
    let card = said.card.as_ref().map(|card| (text_at(card, "name"), text_at(card, "phone")));
    mtproto::people::Words {
        line: said.line.clone(),
        text: said.text.clone(),
        media: file_of(said),
        place: place_of(said),
        card,
        quote: said.quote.clone(),
        group: None,
        ours: false,
    }
}

fn in_avito(said: &Said) -> avito::say::Words {
    avito::say::Words { line: said.line.clone(), text: said.text.clone(), media: file_of(said), place: place_of(said) }
}

fn in_mail(said: &Said) -> mail::say::Words {
    mail::say::Words {
        line: said.line.clone(),
        subject: said.subject.clone(),
        text: said.text.clone(),
        media: file_of(said),
        quote: said.quote.clone(),
    }
}

fn in_vk(said: &Said) -> vk::say::Words {
    vk::say::Words {
        line: said.line.clone(),
        text: said.text.clone(),
        media: file_of(said),
        place: place_of(said),
        quote: said.quote.clone(),
        tag: said.tag.clone(),
        cropped: said.cropped,
        press: said.press.clone(),
        comment: said.comment,
        allow: said.allow,
        group: said.group.as_deref().and_then(|group| group.parse().ok()),
        led_by: said.led_by.clone(),
    }
}

fn say_telegram(sandbox: &Arc<Sandbox>, phone: &str, said: &Said) -> Option<String> {
    let (now, tick) = (sandbox.now(), sandbox.tick());
    let (token, chat, kind, object, id) = {
        let mut telegram = sandbox.telegram.lock();
        let wanted = |bot: &telegram::Bot| said.line.as_ref().is_none_or(|line| *line == bot.id.to_string());
        let (token, bot) = telegram.bots.iter_mut().find(|(_, bot)| wanted(bot))?;
        let line = bot.id.to_string();
        let mut phones = sandbox.phones.lock();
        let owner = phones.get(phone)?;
        if said.text.starts_with("/start") {
            owner.started.insert(bot.id);
            owner.blocked.remove(&bot.id);
        }
        let (person, chat) = (owner.person(), owner.chat());
        let mut made = bubble("telegram_bot", &line, "said", now, tick);
        made.text.clone_from(&said.text);
        if let Some(press) = &said.press {
            let press_id = format!("21474836{}", sandbox.serial());
            bot.presses.push(press_id.clone());
            let quoted = said.quote.as_deref().and_then(|quote| owner.find(&line, quote));
            let message = quoted.map(|found| {
                json!({"message_id": found.id.parse::<i64>().unwrap_or(0), "from": bot.user(),
                "chat": chat, "date": found.at / 1000, "text": found.text})
            });
            let mut query =
                json!({"id": press_id, "from": person, "chat_instance": "-4000000000000000001", "data": press});
            if let (Some(message), Some(query)) = (message, query.as_object_mut()) {
                query.insert("message".to_owned(), message);
            }
            (token.clone(), owner.chat_id, "callback_query", query, press_id)
        } else {
            let number = owner.next_message();
            made.id = number.to_string();
            let message = telegram_message(bot, &mut made, said, number, &person, &chat);
            let chat_id = owner.chat_id;
            phones.add(phone, made);
            (token.clone(), chat_id, "message", message, number.to_string())
        }
    };
    telegram::webhook::push(sandbox, &token, chat, kind, object);
    Some(id)
}

fn telegram_message(
    bot: &mut telegram::Bot,
    made: &mut Bubble,
    said: &Said,
    number: i64,
    person: &Value,
    chat: &Value,
) -> Value {
    let mut message = Map::from_iter([
        ("message_id".to_owned(), json!(number)),
        ("from".to_owned(), person.clone()),
        ("chat".to_owned(), chat.clone()),
        ("date".to_owned(), json!(made.at / 1000)),
    ]);
    if let Some(attached) = &said.media {
        let (media, bytes) = attached.read();
        let kind = if attached.kind == "image" { "photo" } else { attached.kind.as_str() };
        made.kind.clone_from(&attached.kind);
        made.media = Some(media.clone());
        let id = telegram::keep_file(bot, kind, media, bytes);
        if let Some(file) = bot.files.get(&id) {
            message.insert(kind.to_owned(), describe(kind, &id, file));
        }
        if !said.text.is_empty() {
            message.insert("caption".to_owned(), json!(said.text));
        }
    } else {
        message.insert("text".to_owned(), json!(said.text));
        if said.text.starts_with('/') {
            let length = said.text.split_whitespace().next().map_or(0, str::len);
            message.insert("entities".to_owned(), json!([{"type": "bot_command", "offset": 0, "length": length}]));
        }
    }
    Value::Object(message)
}

fn say_whatsapp(sandbox: &Arc<Sandbox>, phone: &str, said: &Said) -> Option<String> {
    let (now, tick) = (sandbox.now(), sandbox.tick());
    let id = waba::wamid_of_customer(sandbox, phone);
    let line = {
        let mut waba = sandbox.waba.lock();
        let wanted = |line: &&String| said.line.as_ref().is_none_or(|wanted| wanted == *line);
        // where nobody says which number is meant it is the same one each time
        let line = waba.numbers.keys().filter(wanted).min()?.clone();
        let token = waba.numbers.get(&line)?.token.clone();
        let mut made = bubble("waba", &line, "said", now, tick);
        made.id.clone_from(&id);
        made.text.clone_from(&said.text);
        let of_group = |group: &String| waba.groups.get(group).is_some_and(|group| group.members.contains(phone));
        if said.group.as_ref().is_some_and(|group| !of_group(group)) {
            return None;
        }
        let mut phones = sandbox.phones.lock();
        let owner = phones.get(phone)?;
        let under = said.quote.as_ref().and_then(|quote| owner.find(&line, quote));
        let (kind, object) = match &said.press {
            Some(press) => waba::pressed(under.as_deref(), press, &said.text),
            None => whatsapp_object(sandbox, &mut waba, &token, said, &mut made),
        };
        owner.windows.insert(line.clone(), now.0 + WINDOW_MS);
        let name = owner.name.clone();
        phones.add(phone, made);
        drop(phones);
        drop(waba);
        queue(sandbox, &line, |number| {
            let user = webhook::user_id(phone);
            let mut message = json!({"from": phone, "from_user_id": user, "id": id, "timestamp": now.0.div_euclid(1000).to_string(), "type": kind});
            if let Some(map) = message.as_object_mut() {
                map.insert(kind.clone(), object);
                map.extend(said.group.as_ref().map(|group| ("group_id".to_owned(), json!(group))));
                map.extend(said.referral.as_ref().map(|told| ("referral".to_owned(), told.clone())));
                map.extend(
                    said.quote
                        .as_ref()
                        .map(|quote| ("context".to_owned(), json!({"from": number.display, "id": quote}))),
                );
            }
            let mut value = envelope(number);
            value.insert("contacts".to_owned(), json!([{"profile": {"name": name}, "wa_id": phone, "user_id": user}]));
            value.insert("messages".to_owned(), json!([message]));
            webhook::Delivery::messages(value)
        });
        line
    };
    (!line.is_empty()).then_some(id)
}

fn whatsapp_object(
    sandbox: &Sandbox,
    waba: &mut waba::Waba,
    token: &str,
    said: &Said,
    made: &mut Bubble,
) -> (String, Value) {
    if let Some(place) = &said.place {
        return ("location".to_owned(), place.clone());
    }
    if let Some(card) = &said.card {
        let (name, phone) = (text_at(card, "name"), text_at(card, "phone"));
        let name = json!({"formatted_name": name, "first_name": name});
        return (
            "contacts".to_owned(),
            json!([{"name": name, "phones": [{"phone": phone, "wa_id": digits(&phone), "type": "CELL"}]}]),
        );
    }
    let Some(attached) = &said.media else { return ("text".to_owned(), json!({"body": said.text})) };
    let (media, bytes) = attached.read();
    let kind = if attached.kind == "voice" { "audio" } else { attached.kind.as_str() };
    kind.clone_into(&mut made.kind);
    made.media = Some(media.clone());
    let name = media.name.clone();
    let id = waba::keep_media(sandbox, waba, media, bytes, token);
    let hash = waba.files.get(&id).map(waba::StoredMedia::sha256).unwrap_or_default();
    let hash = base64::engine::general_purpose::STANDARD.encode(hash);
    let mut object = json!({"id": id, "mime_type": attached.mime, "sha256": hash, "url": waba::address(sandbox, &id)});
    if let Some(map) = object.as_object_mut() {
        if !said.text.is_empty() && kind != "audio" {
            map.insert("caption".to_owned(), json!(said.text));
        }
        if kind == "document" {
            map.insert("filename".to_owned(), json!(name));
        }
        if attached.kind == "voice" {
            map.insert("voice".to_owned(), json!(true));
        }
    }
    (kind.to_owned(), object)
}

/// The customer writes to the phone of a session: the gateway tells of it twice, as `message` and as `message.any`.
fn say_to_session(sandbox: &Arc<Sandbox>, phone: &str, said: &Said) -> Option<String> {
    let (now, tick) = (sandbox.now(), sandbox.tick());
    let (session, payload, id) = {
        let mut gateway = sandbox.waha.lock();
        let wanted = |session: &&waha::Session| {
            session.status == "WORKING" && said.line.as_ref().is_none_or(|line| *line == session.name)
        };
        let (session, names, own) = gateway
            .sessions
            .values()
            .find(wanted)
            .map(|session| (session.name.clone(), session.names, session.me.clone().unwrap_or_default().0))?;
        let mut made = bubble("whatsapp_web", &session, "said", now, tick);
        made.text.clone_from(&said.text);
        let media = said.media.as_ref().map(|attached| {
            let (media, bytes) = attached.read();
            made.kind.clone_from(&attached.kind);
            made.media = Some(media.clone());
            let path = waha::keep_file(&mut gateway, &session, media.clone(), bytes);
            let url = format!("{}/waha{path}", sandbox.base());
            json!({"url": url, "mimetype": media.mime, "filename": media.name, "error": null})
        });
        let mut phones = sandbox.phones.lock();
        let name = phones.get(phone)?.name.clone();
        let shown = format!("{phone}@c.us");
        let writer = if names == "shown" { shown.clone() } else { format!("{}@lid", waha::hidden_id(phone)) };
        let chat = said.group.clone().unwrap_or_else(|| writer.clone());
        let participant = said.group.as_ref().map(|_| writer.clone());
        let ending = participant.as_ref().map(|writer| format!("_{writer}")).unwrap_or_default();
        let id = format!("false_{chat}_3A{}{ending}", random_hex(9).to_uppercase());
        made.id.clone_from(&id);
        phones.add(phone, made);
        let alt = if names == "hidden" { String::new() } else { format!("{phone}@s.whatsapp.net") };
        let mut payload = json!({"id": id, "timestamp": now.0.div_euclid(1000), "from": chat, "fromMe": false,
            "source": "app", "to": format!("{own}@c.us"), "participant": participant, "body": said.text,
            "hasMedia": media.is_some(), "media": null, "ack": 1, "ackName": "SERVER", "vCards": [], "replyTo": null,
            "_data": {"Info": {"Chat": chat, "SenderAlt": alt, "PushName": name}}});
        if let Some(fields) = payload.as_object_mut() {
            if let Some(told) = media {
                fields.insert("media".to_owned(), told);
            }
            if let Some(place) = &said.place {
                fields.insert("location".to_owned(), place.clone());
            }
            if let Some(card) = &said.card {
                let (name, number) = (text_at(card, "name"), text_at(card, "phone"));
                let vcard =
                    format!("BEGIN:VCARD\nVERSION:3.0\nFN:{name}\nTEL;type=CELL;waid={number}:+{number}\nEND:VCARD");
                fields.insert("vCards".to_owned(), json!([vcard]));
            }
            if let Some(quote) = &said.quote {
                fields.insert("replyTo".to_owned(), json!({"id": quote, "hasMedia": false}));
            }
        }
        (session, payload, id)
    };
    waha::remember(sandbox, &session, &payload);
    for event in ["message", "message.any"] {
        waha::webhook::tell(sandbox, &session, event, &payload);
    }
    Some(id)
}

/// What of the unread messages is to be read.
#[derive(Debug, Deserialize)]
pub(crate) struct Reading {
    line: Option<String>,
}

/// `POST /_/phones/{id}/read`.
pub(crate) async fn read(sandbox: Data<Sandbox>, id: Path<String>, reading: Json<Reading>) -> HttpResponse {
    let phone = digits(&id);
    let unread: Vec<Bubble> = {
        let mut phones = sandbox.phones.lock();
        let Some(owner) = phones.get(&phone) else { return missing("phone") };
        let is_wanted = |bubble: &&mut Bubble| {
            matches!(bubble.messenger, "waba" | "whatsapp_web")
                && bubble.direction == "received"
                && matches!(bubble.status, "sent" | "delivered")
                && reading.line.as_ref().is_none_or(|line| *line == bubble.line)
        };
        let read = |bubble: &mut Bubble| {
            bubble.status = "read";
            bubble.clone()
        };
        owner.messages.iter_mut().filter(is_wanted).map(read).collect()
    };
    for bubble in &unread {
        if bubble.messenger == "waba" {
            webhook::send_status(&sandbox, bubble, &phone, "read", None, None);
        } else {
            waha::acknowledge(&sandbox, &bubble.line, &format!("{phone}@c.us"), &bubble.id, 3);
        }
    }
    let in_vk = vk::say::read(&sandbox, &phone, reading.line.as_deref());
    let in_avito = avito::say::read(&sandbox, &phone, reading.line.as_deref());
    let notices = notify::read(&sandbox, &phone, reading.line.as_deref());
    let in_telegram = mtproto::people::read(&sandbox, &phone, reading.line.as_deref());
    tell(json!({"read": unread.len() + in_vk + in_avito + in_telegram + notices}))
}
