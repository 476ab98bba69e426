//! Sending: one message is one call, and a file of ours is uploaded before it.

use serde_json::{Map, Value, json};

use super::{ABOUT, call, code, content, media, phone_number_id, template};
use crate::messenger::parcel::refused;
use crate::messenger::{Wire, field};
use crate::model::message::{Media, Outgoing, Peer};
use crate::model::moment::Moment;
use crate::model::result::Code;
use crate::model::vendor::Answer;

pub(super) async fn send(wire: &Wire, message: &Outgoing, now: Moment) -> Answer {
    match try_send(wire, message, now).await {
        Ok(answer) | Err(answer) => answer,
    }
}

async fn try_send(wire: &Wire, message: &Outgoing, now: Moment) -> Result<Answer, Answer> {
    check(message, now)?;
    let mut body = recipient(&message.to)?;
    // comes back in every status, and may not be longer than 512 characters
    body.insert("biz_opaque_callback_data".to_owned(), json!(message.key));
    if let Some(id) = &message.reply_to {
        body.insert("context".to_owned(), json!({"message_id": id}));
    }
    // checked whole before a file is uploaded for it
    let file = match file_of(message) {
        Some(file) => Some(media::place(wire, file).await?),
        None => None,
    };
    body.extend(match &message.content.template {
        Some(template) => template::body(template, file.as_ref()),
        None => content::body(&message.content, file.as_ref()),
    });
    let path = format!("{}/messages", phone_number_id(wire));
    let request = call(wire, reqwest::Method::POST, &path).json(&body);
    let made = code::result_of(wire.http.call(request, wire.http.limits()).await)?;
    Ok(done(&message.to, &made))
}

fn file_of(message: &Outgoing) -> Option<&Media> {
    match &message.content.template {
        Some(template) => template.header_media.as_ref(),
        None => message.content.media.as_ref(),
    }
}

/// What needs no call to be known.
fn check(message: &Outgoing, now: Moment) -> Result<(), Answer> {
    if message.content.template.is_none() {
        content::check(&message.content)?;
        // groups take none of these
        if message.content.interactive.is_some() && is_group(&message.to) {
            return Err(refused(Code::NotSupported));
        }
        if message.window_until.is_some_and(|until| until <= now) {
            return Err(refused(Code::WindowClosed));
        }
    }
    let limit = |media: &Media| media::limit_of(media.kind);
    match file_of(message) {
        Some(file) if file.size.is_some_and(|size| size > limit(file)) => Err(refused(Code::FileTooBig)),
        _ => Ok(()),
    }
}

/// A phone, the vendor's id of a person who hides the phone (`RU.8120…`), or a group.
pub(super) fn recipient(to: &Peer) -> Result<Map<String, Value>, Answer> {
    let (kind, name, address) = match to {
        Peer::Phone(digits) => ("individual", "to", format!("+{digits}")),
        Peer::Chat(chat) if is_phone(chat) => ("individual", "to", format!("+{chat}")),
        Peer::Chat(chat) if is_person(chat) => ("individual", "recipient", chat.clone()),
        Peer::Chat(chat) => ("group", "to", chat.clone()),
        Peer::Username(_) | Peer::Email(_) => return Err(refused(Code::NotSupported)),
    };
    let body = json!({"messaging_product": "whatsapp", "recipient_type": kind, name: address});
    Ok(body.as_object().cloned().unwrap_or_default())
}

/// Whether it is neither a phone nor a person.
pub(super) fn is_group(to: &Peer) -> bool {
    matches!(to, Peer::Chat(chat) if !is_phone(chat) && !is_person(chat))
}

fn is_phone(chat: &str) -> bool {
    chat.len() <= 15 && chat.chars().all(|c| c.is_ascii_digit())
}

fn is_person(chat: &str) -> bool {
    chat.split_once('.').is_some_and(|(country, rest)| {
        country.len() == 2
            && country.chars().all(|c| c.is_ascii_uppercase())
            && !rest.is_empty()
            && rest.chars().all(|c| c.is_ascii_alphanumeric())
    })
}

/// Held and paused messages were taken too: a later status tells what became of them.
fn done(to: &Peer, made: &Value) -> Answer {
    let ids: Vec<String> = field::list(made, "messages").iter().filter_map(|made| field::id(made, "id")).collect();
    if ids.is_empty() {
        return Answer::Unsure { seen: "a success without a message id".to_owned(), resendable: false };
    }
    // Meta may know the number in another spelling, and will use that from now on
    let contact = field::list(made, "contacts").first();
    let chat = contact.and_then(|contact| field::id(contact, "wa_id").or_else(|| field::id(contact, "user_id")));
    Answer::Done { vendor_ids: ids, chat: chat.filter(|chat| *chat != to.chat_id()) }
}

/// The longest text and caption.
pub(super) const fn text_limits() -> (usize, usize) {
    (ABOUT.text_limit, ABOUT.caption_limit)
}
