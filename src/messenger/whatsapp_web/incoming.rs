//! A message of the gateway, read as ours.

use serde_json::Value;

use super::name::{self, MessageName};
use crate::messenger::field;
use crate::model::message::{Event, Incoming, IncomingMedia, MEDIA_MISSING, MediaKind, Person};
use crate::model::moment::Moment;

/// The events of a message: the pair of names of a hidden chat, where it is told, and the message itself.
pub(super) fn message(payload: &Value, at: Moment) -> Vec<(String, Event)> {
    let Some(name) = field::text(payload, "id").and_then(|id| MessageName::read(&id)) else { return Vec::new() };
    // what was sent through the gateway was sent by us, and nearly always the answer to that call has told of it
    let by_us = name.ours && field::text(payload, "source").as_deref() == Some("api");
    let mut events = Vec::new();
    let info = payload.pointer("/_data/Info").unwrap_or(&Value::Null);
    let mut chat = name.chat.clone();
    if name::is_hidden(&chat)
        && let Some(shown) = shown_name(info, name.ours)
    {
        let key = format!("names:{chat}:{shown}");
        events.push((key, Event::SameChat { hidden: chat, shown: shown.clone() }));
        chat = shown;
    }
    // one message may be told under both names of its chat
    let message = Box::new(read(payload, info, &name, chat, at));
    events.push(if by_us {
        (format!("taken:{}", name.id), Event::Taken(message))
    } else {
        (format!("message:{}:{}", name.ours, name.id), Event::Message(message))
    });
    events
}

fn read(payload: &Value, info: &Value, name: &MessageName, chat: String, at: Moment) -> Incoming {
    let (media, mut note) = media(payload);
    let place = place(payload);
    let cards: Vec<String> = field::list(payload, "vCards").iter().filter_map(Value::as_str).filter_map(card).collect();
    let body = field::text(payload, "body");
    let text = match (&place, cards.is_empty()) {
        // the body of a place is its picture
        (Some(_), _) => None,
        (None, false) => Some(cards.join("\n")),
        (None, true) => body,
    };
    if !cards.is_empty() {
        note = Some("contacts");
    } else if text.is_none() && media.is_none() && place.is_none() {
        note = note.or(Some("unsupported"));
    }
    Incoming {
        vendor_id: name.vendor_id(),
        group: name::is_group(&chat),
        title: None,
        from: person(payload, info, name, &chat),
        at: field::number(payload, "timestamp").map_or(at, |seconds| Moment(seconds.saturating_mul(1_000))),
        text,
        media: media.into_iter().collect(),
        place,
        reply_to: payload.get("replyTo").and_then(|answered| field::id(answered, "id")),
        ours: name.ours,
        note: note.map(str::to_owned),
        referral: std::collections::BTreeMap::new(),
        chat,
        payload: None,
    }
}

/// Who wrote, and in a dialog of two also whom we wrote to: the contact is the other side.
fn person(payload: &Value, info: &Value, name: &MessageName, chat: &str) -> Person {
    if name::is_group(chat) {
        let writer = ["participant", "author"].into_iter().find_map(|part| field::text(payload, part));
        let writer = writer.and_then(|id| name::chat(&id)).or_else(|| name.writer.clone());
        let shown = writer.as_deref().and_then(name::phone);
        return Person {
            name: push_name(info, name.ours),
            username: None,
            phone: shown.or_else(|| shown_name(info, false).as_deref().and_then(name::phone)),
            vendor_id: writer,
        };
    }
    Person {
        name: push_name(info, name.ours),
        username: None,
        phone: name::phone(chat),
        vendor_id: Some(name.chat.clone()),
    }
}

/// The name that the writer gave himself; of our own messages it is ours and no name of the contact.
fn push_name(info: &Value, ours: bool) -> Option<String> {
    if ours { None } else { field::text(info, "PushName") }
}

/// The chat under the name that shows the phone, as the engine tells it beside the hidden one.
fn shown_name(info: &Value, ours: bool) -> Option<String> {
    let told = field::text(info, if ours { "RecipientAlt" } else { "SenderAlt" })?;
    name::chat(&told).filter(|chat| name::phone(chat).is_some())
}

/// The file, or why there is none though there should be.
fn media(payload: &Value) -> (Option<IncomingMedia>, Option<&'static str>) {
    let told = payload.get("media").filter(|media| media.is_object());
    let path = told.and_then(|media| field::text(media, "url")).and_then(|url| path_of(&url));
    match (told, path) {
        (Some(media), Some(path)) => {
            let mime = field::text(media, "mimetype");
            let file = IncomingMedia {
                kind: kind_of(mime.as_deref().unwrap_or_default()),
                vendor_id: path,
                name: field::text(media, "filename"),
                mime,
                size: None,
            };
            (Some(file), None)
        }
        _ if payload.get("hasMedia").and_then(Value::as_bool).unwrap_or_default() => (None, Some(MEDIA_MISSING)),
        _ => (None, None),
    }
}

/// Only the path of a file is kept: it is fetched from the gateway of the settings with its key, wherever the address led.
fn path_of(address: &str) -> Option<String> {
    let url = url::Url::parse(address).ok()?;
    let path = url.path();
    let at = path.find("/api/files/")?;
    path.get(at..).map(str::to_owned)
}

fn kind_of(mime: &str) -> MediaKind {
    let bare = mime.split(';').next().unwrap_or_default().trim();
    match bare.split('/').next().unwrap_or_default() {
        // pictures are JPEG there, stickers are not
        "image" if bare == "image/webp" => MediaKind::Sticker,
        "image" => MediaKind::Image,
        "video" => MediaKind::Video,
        "audio" if bare == "audio/ogg" => MediaKind::Voice,
        "audio" => MediaKind::Audio,
        _ => MediaKind::Document,
    }
}

fn place(payload: &Value) -> Option<(f64, f64, Option<String>)> {
    let told = payload.get("location").filter(|location| location.is_object())?;
    let degrees = |name: &str, most: f64| {
        let value = told.get(name)?;
        let degrees = value.as_f64().or_else(|| value.as_str()?.trim().parse().ok())?;
        (degrees.abs() <= most).then_some(degrees)
    };
    let beside = ["name", "address", "description"].into_iter().filter_map(|part| field::text(told, part));
    let beside = beside.collect::<Vec<_>>().join(", ");
    Some((degrees("latitude", 90.0)?, degrees("longitude", 180.0)?, Some(beside).filter(|text| !text.is_empty())))
}

/// A vCard as one line: the name and the phones.
fn card(text: &str) -> Option<String> {
    let mut name = None;
    let mut phones = Vec::new();
    for line in text.lines() {
        let Some((key, value)) = line.split_once(':') else { continue };
        let key = key.split(';').next().unwrap_or_default();
        // a group may stand before the property: `item1.TEL`
        let key = key.rsplit('.').next().unwrap_or_default().to_ascii_uppercase();
        match key.as_str() {
            "FN" => name = Some(value.trim().replace("\\,", ",").replace("\\;", ";")),
            "TEL" => phones.push(value.trim().to_owned()),
            _ => {}
        }
    }
    let line = name.into_iter().chain(phones).collect::<Vec<_>>().join(" ");
    Some(line).filter(|line| !line.is_empty())
}
