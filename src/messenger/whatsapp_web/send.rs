//! Sending: one message is one call. What does not fit into one is refused before anything leaves, since two calls would break
//! the pace and could leave half a message at the recipient's.

use std::sync::atomic::Ordering;

use reqwest::Method;
use reqwest::header::{CONTENT_LENGTH, CONTENT_TYPE};
use serde_json::{Map, Value, json};

use super::answer::result_of;
use super::file::{self, Letter};
use super::name::{self, MessageName};
use super::{ABOUT, call, session_of};
use crate::messenger::parcel::refused;
use crate::messenger::{Wire, field};
use crate::model::message::{Card, Content, Media, MediaKind, Outgoing, Peer, Place};
use crate::model::result::Code;
use crate::model::vendor::Answer;

pub(super) async fn send(wire: &Wire, message: &Outgoing) -> Answer {
    match try_send(wire, message).await {
        Ok(answer) | Err(answer) => answer,
    }
}

async fn try_send(wire: &Wire, message: &Outgoing) -> Result<Answer, Answer> {
    check(&message.content)?;
    let chat = recipient(&message.to)?;
    let mut fields = Map::new();
    fields.insert("session".to_owned(), json!(session_of(wire)));
    fields.insert("chatId".to_owned(), json!(chat));
    if let Some(id) = &message.reply_to {
        fields.insert("reply_to".to_owned(), json!(name::answered(id, &chat)));
    }
    let text = message.content.text.as_deref().filter(|text| !text.trim().is_empty());
    let made = match &message.content.media {
        Some(media) => send_file(wire, fields, media, text).await?,
        None => send_named(wire, fields, &message.content, &name::own_id(&message.key)).await?,
    };
    Ok(done(message, &chat, &made))
}

/// What carries an id of our choice, and may be sent again with it.
async fn send_named(wire: &Wire, mut fields: Map<String, Value>, content: &Content, id: &str) -> Result<Value, Answer> {
    fields.insert("id".to_owned(), json!(id));
    let path = if let Some(place) = &content.place {
        put_place(&mut fields, place);
        "/api/sendLocation"
    } else if content.cards.is_empty() {
        let text = content.text.as_deref().unwrap_or_default();
        fields.insert("text".to_owned(), json!(text));
        fields.insert("linkPreview".to_owned(), json!(text.contains("https://") || text.contains("http://")));
        "/api/sendText"
    } else {
        let cards: Vec<Value> = content.cards.iter().map(|card| json!({"vcard": vcard(card)})).collect();
        fields.insert("contacts".to_owned(), json!(cards));
        "/api/sendContactVcard"
    };
    let request = call(wire, Method::POST, path).json(&fields);
    result_of(wire.http.call(request, wire.http.limits()).await, true)
}

async fn send_file(
    wire: &Wire,
    mut fields: Map<String, Value>,
    media: &Media,
    caption: Option<&str>,
) -> Result<Value, Answer> {
    if let Some(caption) = caption {
        fields.insert("caption".to_owned(), json!(caption));
    }
    let path = match media.kind {
        MediaKind::Image => "/api/sendImage",
        MediaKind::Video => {
            fields.insert("convert".to_owned(), json!(false));
            "/api/sendVideo"
        }
        MediaKind::Voice => {
            // only opus inside ogg is played as a voice
            fields.insert("convert".to_owned(), json!(!media.mime.starts_with("audio/ogg")));
            "/api/sendVoice"
        }
        MediaKind::Audio | MediaKind::Document | MediaKind::Sticker => "/api/sendFile",
    };
    let letter = Letter::write(wire, &fields, media).await?;
    let broke = letter.witness();
    let request = call(wire, Method::POST, path)
        .header(CONTENT_TYPE, "application/json")
        .header(CONTENT_LENGTH, letter.length)
        .body(letter.body);
    let result = result_of(wire.http.call(request, wire.http.limits().with_file()).await, false);
    result.map_err(|answer| match answer {
        // where our own file broke off, the call was cut by us and nothing was taken
        Answer::Unsure { seen, .. } if broke.load(Ordering::Relaxed) => Answer::Down { seen },
        other => other,
    })
}

/// What needs no call to be known.
fn check(content: &Content) -> Result<(), Answer> {
    let length = content.text.as_deref().map_or(0, |text| text.chars().count());
    let blank = content.text.as_deref().is_none_or(|text| text.trim().is_empty());
    let parts = [content.media.is_some(), content.place.is_some(), !content.cards.is_empty()];
    let parts = parts.into_iter().filter(|there| *there).count();
    if content.template.is_some() || content.interactive.is_some() || parts > 1 {
        return Err(refused(Code::NotSupported));
    }
    let Some(media) = &content.media else {
        return match parts {
            // a place and a card have no text beside them
            1 if !blank => Err(refused(Code::NotSupported)),
            0 if blank => Err(refused(Code::MessageEmpty)),
            0 if length > ABOUT.text_limit => Err(refused(Code::MessageTooLong)),
            _ => Ok(()),
        };
    };
    let limit = file::limit_of(media.kind);
    if limit == 0 || (!blank && !has_caption(media.kind)) {
        return Err(refused(Code::NotSupported));
    }
    if length > ABOUT.caption_limit {
        return Err(refused(Code::MessageTooLong));
    }
    if media.size.is_some_and(|size| size > limit) { Err(refused(Code::FileTooBig)) } else { Ok(()) }
}

const fn has_caption(kind: MediaKind) -> bool {
    matches!(kind, MediaKind::Image | MediaKind::Video | MediaKind::Document)
}

/// A phone, or a chat by the name that the gateway gives it.
pub(super) fn recipient(to: &Peer) -> Result<String, Answer> {
    match to {
        Peer::Phone(digits) => Ok(format!("{digits}@c.us")),
        Peer::Chat(digits) if name::is_number(digits) => Ok(format!("{digits}@c.us")),
        Peer::Chat(chat) => name::chat(chat).ok_or_else(|| refused(Code::AddressBad)),
        Peer::Username(_) | Peer::Email(_) => Err(refused(Code::NotSupported)),
    }
}

fn put_place(fields: &mut Map<String, Value>, place: &Place) {
    let (latitude, longitude) = place.degrees();
    fields.insert("latitude".to_owned(), json!(latitude));
    fields.insert("longitude".to_owned(), json!(longitude));
    fields.insert("title".to_owned(), json!(place.beside()));
}

fn vcard(card: &Card) -> String {
    let name: String = card.name.chars().filter(|c| !c.is_control()).collect();
    let name = name.replace('\\', "\\\\").replace(';', "\\;").replace(',', "\\,");
    let digits: String = card.phone.chars().filter(char::is_ascii_digit).collect();
    format!("BEGIN:VCARD\nVERSION:3.0\nFN:{name}\nTEL;type=CELL;type=VOICE;waid={digits}:+{digits}\nEND:VCARD")
}

/// What we named ourselves is known by that name. A file is named by the gateway, and a success that does not name it cannot
/// be told from a page that looks like one.
fn done(message: &Outgoing, chat: &str, made: &Value) -> Answer {
    let told = field::text(made, "id").or_else(|| field::text(made.get("id")?, "_serialized"));
    let told = told.map(|id| MessageName::read(&id).map_or(id, |name| name.id));
    let own = message.content.media.is_none().then(|| name::own_id(&message.key));
    let Some(id) = told.or(own.filter(|_| made.is_object())) else {
        let resendable = message.content.media.is_none();
        return Answer::Unsure { seen: "a success without a message id".to_owned(), resendable };
    };
    Answer::Done { vendor_ids: vec![id], chat: Some(chat.to_owned()) }
}
