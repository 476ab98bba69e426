//! The `Message` of the Bot API, read as ours.

use serde_json::Value;

use crate::messenger::field;
use crate::model::message::{Event, Incoming, IncomingMedia, MediaKind, Person};
use crate::model::moment::Moment;

/// Contents that a person sent and that we only name.
const NAMED: [&str; 12] = [
    "poll",
    "dice",
    "story",
    "game",
    "invoice",
    "paid_media",
    "checklist",
    "gift",
    "giveaway",
    "passport_data",
    "successful_payment",
    "web_app_data",
];

/// The chat where an answer goes. A chat of a business account is named together with its connection, because an answer
/// without it would come from the bot.
pub(super) fn chat_of(body: &Value) -> Option<String> {
    let id = field::id(body.get("chat")?, "id")?;
    Some(match field::text(body, "business_connection_id") {
        Some(connection) => format!("{connection}/{id}"),
        None => id,
    })
}

pub(super) fn is_group(chat: &Value) -> bool {
    chat.get("type").and_then(Value::as_str).is_some_and(|kind| kind != "private")
}

pub(super) fn person(from: &Value) -> Person {
    let names = [field::text(from, "first_name"), field::text(from, "last_name")];
    let name = names.into_iter().flatten().collect::<Vec<_>>().join(" ");
    Person {
        name: Some(name).filter(|name| !name.is_empty()).or_else(|| field::text(from, "title")),
        username: field::text(from, "username").map(|name| name.to_lowercase()),
        phone: None,
        vendor_id: field::id(from, "id"),
    }
}

/// A message as an event; none where it is a service message that we do not use. The parts of an album come one by one.
pub(super) fn message(body: &Value) -> Option<Event> {
    let chat = body.get("chat")?;
    if let Some(to) = field::id(body, "migrate_to_chat_id") {
        return Some(Event::Moved { from: chat_of(body)?, to });
    }
    let mut from = person(body.get("from").or_else(|| body.get("sender_chat")).unwrap_or(chat));
    let contact = body.get("contact");
    from.phone = contact.and_then(|contact| own_phone(contact, &from));
    let (media, place) = (media(body), place(body));
    let text = field::text(body, "text").or_else(|| field::text(body, "caption")).or_else(|| card(contact?));
    let named = NAMED.iter().find(|name| body.get(**name).is_some());
    let note = contact.map(|_| "contacts").or(named.copied());
    if text.is_none() && media.is_none() && place.is_none() && note.is_none() {
        return None;
    }
    // in a business account's private chat the customer has the chat's own id; whoever else writes there is our side
    let business = body.get("business_connection_id").is_some();
    let ours = business && !is_group(chat) && from.vendor_id != field::id(chat, "id");
    Some(Event::Message(Box::new(Incoming {
        vendor_id: field::id(body, "message_id")?,
        chat: chat_of(body)?,
        group: is_group(chat),
        title: field::text(chat, "title"),
        from,
        at: Moment(field::number(body, "date")?.saturating_mul(1_000)),
        text,
        media: media.into_iter().collect(),
        place,
        reply_to: body.get("reply_to_message").and_then(|answered| field::id(answered, "message_id")),
        ours,
        note: note.map(str::to_owned),
        payload: None,
        referral: std::collections::BTreeMap::new(),
    })))
}

/// Only a card with the sender's own id proves that the phone is his.
fn own_phone(contact: &Value, from: &Person) -> Option<String> {
    let own = field::id(contact, "user_id").is_some_and(|id| from.vendor_id.as_ref() == Some(&id));
    let digits: String = field::text(contact, "phone_number")?.chars().filter(char::is_ascii_digit).collect();
    (own && !digits.is_empty()).then_some(digits)
}

fn card(contact: &Value) -> Option<String> {
    let parts = ["first_name", "last_name", "phone_number"];
    let line = parts.into_iter().filter_map(|part| field::text(contact, part)).collect::<Vec<_>>().join(" ");
    Some(line).filter(|line| !line.is_empty())
}

fn place(body: &Value) -> Option<(f64, f64, Option<String>)> {
    // a venue repeats its place beside itself
    let location = body.get("location")?;
    let beside = body.get("venue").map(|venue| {
        ["title", "address"].into_iter().filter_map(|part| field::text(venue, part)).collect::<Vec<_>>().join(", ")
    });
    Some((location.get("latitude")?.as_f64()?, location.get("longitude")?.as_f64()?, beside))
}

fn media(body: &Value) -> Option<IncomingMedia> {
    // the last size of a picture is the largest; an animation repeats itself as a document, so it is asked for first
    let largest = field::list(body, "photo").last().map(|photo| file(photo, MediaKind::Image, Some("image/jpeg")));
    let kinds = [
        ("animation", MediaKind::Video, Some("video/mp4")),
        ("video", MediaKind::Video, Some("video/mp4")),
        ("video_note", MediaKind::Video, Some("video/mp4")),
        ("voice", MediaKind::Voice, Some("audio/ogg")),
        ("audio", MediaKind::Audio, None),
        ("document", MediaKind::Document, None),
    ];
    let other = || kinds.into_iter().find_map(|(name, kind, mime)| Some(file(body.get(name)?, kind, mime)));
    let sticker = || body.get("sticker").map(|sticker| file(sticker, MediaKind::Sticker, Some(sticker_mime(sticker))));
    largest.or_else(other).or_else(sticker)?
}

fn file(from: &Value, kind: MediaKind, mime: Option<&str>) -> Option<IncomingMedia> {
    Some(IncomingMedia {
        kind,
        vendor_id: field::text(from, "file_id")?,
        name: field::text(from, "file_name"),
        mime: field::text(from, "mime_type").or_else(|| mime.map(str::to_owned)),
        size: field::number(from, "file_size").and_then(|size| size.try_into().ok()),
    })
}

fn sticker_mime(sticker: &Value) -> &'static str {
    let is = |what: &str| sticker.get(what).and_then(Value::as_bool).unwrap_or_default();
    match (is("is_video"), is("is_animated")) {
        (true, _) => "video/webm",
        (_, true) => "application/x-tgsticker",
        _ => "image/webp",
    }
}
