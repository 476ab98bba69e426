//! The message of VK, read as ours.

use serde_json::Value;

use super::send::name;
use crate::messenger::field;
use crate::model::message::{CROPPED, Event, Incoming, IncomingMedia, MediaKind, Person};
use crate::model::moment::Moment;

/// Chats of many have numbers above this.
pub(super) const FIRST_CHAT: i64 = 2_000_000_000;

/// How deep messages inside messages are followed.
const DEEPEST: u8 = 3;

pub(super) fn is_group(chat: &str) -> bool {
    chat.parse::<i64>().is_ok_and(|chat| chat > FIRST_CHAT)
}

/// The moment of a message or a comment.
pub(super) fn date(object: &Value) -> Option<Moment> {
    Some(Moment(field::number(object, "date")?.saturating_mul(1_000)))
}

/// A message as an event; none where it is a service message that we do not use. What the community itself wrote, through
/// us, another program or a person, is told like everything else.
pub(super) fn message(body: &Value, group: &str) -> Option<Event> {
    let chat = field::id(body, "peer_id")?;
    if let Some(action) = body.get("action").filter(|action| action.is_object()) {
        return membership(&chat, action, group);
    }
    let from = field::id(body, "from_id")?;
    let (lines, media) = contents(body);
    let place = place(body);
    let note = note(body);
    if lines.is_empty() && media.is_empty() && place.is_none() && note.is_none() {
        return None;
    }
    let answered = body.get("reply_message").and_then(|message| field::number(message, "conversation_message_id"));
    Some(Event::Message(Box::new(Incoming {
        vendor_id: name(&chat, field::number(body, "conversation_message_id")?),
        group: is_group(&chat),
        title: None,
        ours: from == format!("-{group}"),
        from: Person { vendor_id: Some(from), ..Person::default() },
        at: date(body)?,
        text: Some(lines.join("\n")).filter(|text| !text.is_empty()),
        media,
        place,
        // a notification is named by its tag, whatever that holds
        reply_to: answered.map(|number| name(&chat, number)).or_else(|| field::text(body, "message_tag")),
        note: note.map(str::to_owned),
        referral: field::texts(body, &["ref", "ref_source"]),
        chat,
        // a button of the keyboard writes its words, and its data beside them
        payload: field::text(body, "payload"),
    })))
}

/// The text, what can only be told in words, and the files. Messages that were passed on are quoted line by line.
pub(super) fn contents(body: &Value) -> (Vec<String>, Vec<IncomingMedia>) {
    let (mut lines, mut media) = (Vec::new(), Vec::new());
    gather(body, 0, &mut lines, &mut media);
    (lines, media)
}

fn gather(body: &Value, depth: u8, lines: &mut Vec<String>, media: &mut Vec<IncomingMedia>) {
    let said = field::text(body, "text");
    let linked = field::list(body, "attachments").iter().filter_map(link);
    let mark = if depth == 0 { "" } else { "> " };
    for text in said.into_iter().chain(linked) {
        lines.extend(text.lines().map(|line| format!("{mark}{line}")));
    }
    media.extend(field::list(body, "attachments").iter().filter_map(file));
    if depth < DEEPEST {
        for passed_on in field::list(body, "fwd_messages") {
            gather(passed_on, depth + 1, lines, media);
        }
    }
}

/// The community was taken into a chat or put out of it; other news of chats are not used.
fn membership(chat: &str, action: &Value, group: &str) -> Option<Event> {
    let us = field::id(action, "member_id") == Some(format!("-{group}"));
    let allowed = match field::text(action, "type")?.as_str() {
        "chat_invite_user" | "chat_invite_user_by_link" => true,
        "chat_kick_user" => false,
        _ => return None,
    };
    us.then(|| Event::Allowed { chat: chat.to_owned(), allowed })
}

fn place(body: &Value) -> Option<(f64, f64, Option<String>)> {
    let geo = body.get("geo")?;
    let at = geo.get("coordinates")?;
    let beside = geo.get("place").and_then(|place| field::text(place, "title"));
    Some((at.get("latitude")?.as_f64()?, at.get("longitude")?.as_f64()?, beside))
}

/// Contents that are only named; a pressed button brings its data beside its text.
fn note(body: &Value) -> Option<&'static str> {
    const NAMED: [&str; 5] = ["poll", "gift", "call", "story", "wall_reply"];
    if matches!(body.get("is_cropped"), Some(Value::Bool(true))) {
        return Some(CROPPED);
    }
    let kinds = || field::list(body, "attachments").iter().filter_map(|one| one.get("type")?.as_str());
    let named = NAMED.into_iter().find(|name| kinds().any(|kind| kind == *name));
    let known = |kind: &str| NAMED.contains(&kind) || KNOWN.contains(&kind);
    named
        .or_else(|| field::text(body, "payload").map(|_| "button"))
        .or_else(|| kinds().any(|kind| !known(kind)).then_some("unsupported"))
        // an answer to a notification of VK Notify
        .or_else(|| field::text(body, "message_tag").map(|_| "notify"))
}

/// Attachments that become a file or a line.
const KNOWN: [&str; 10] =
    ["photo", "doc", "audio_message", "audio", "sticker", "graffiti", "video", "link", "market", "wall"];

/// What has no file of its own is told as an address.
fn link(attachment: &Value) -> Option<String> {
    let kind = field::text(attachment, "type")?;
    let object = attachment.get(&kind)?;
    let numbered = |what: &str| {
        let (owner, id) = (field::id(object, "owner_id")?, field::id(object, "id")?);
        Some(format!("https://vk.com/{what}{owner}_{id}"))
    };
    match kind.as_str() {
        "link" => field::text(object, "url"),
        "video" => numbered("video"),
        "wall" => {
            let owner = field::id(object, "owner_id").or_else(|| field::id(object, "to_id"))?;
            Some(format!("https://vk.com/wall{owner}_{}", field::id(object, "id")?))
        }
        "market" => {
            let price = object.get("price").and_then(|price| field::text(price, "text"));
            Some([field::text(object, "title"), price].into_iter().flatten().collect::<Vec<_>>().join(", "))
        }
        // an artist who forbids it leaves no address
        "audio" if field::text(object, "url").is_none() => track(object),
        _ => None,
    }
    .filter(|line| !line.is_empty())
}

fn track(audio: &Value) -> Option<String> {
    let parts: Vec<String> = ["artist", "title"].into_iter().filter_map(|part| field::text(audio, part)).collect();
    Some(parts.join(" — ")).filter(|name| !name.is_empty())
}

fn file(attachment: &Value) -> Option<IncomingMedia> {
    let kind = field::text(attachment, "type")?;
    let object = attachment.get(&kind)?;
    let of = |kind, url: Option<String>, mime: Option<&str>, name: Option<String>| {
        let vendor_id = url.filter(|url| url.starts_with("http"))?;
        Some(IncomingMedia { kind, vendor_id, name, mime: mime.map(str::to_owned), size: None })
    };
    match kind.as_str() {
        "photo" => of(MediaKind::Image, largest(field::list(object, "sizes")), Some("image/jpeg"), None),
        "sticker" => of(MediaKind::Sticker, largest(field::list(object, "images")), Some("image/png"), None),
        "graffiti" => of(MediaKind::Image, field::text(object, "url"), Some("image/png"), None),
        "audio" => {
            let name = track(object).map(|name| format!("{name}.mp3"));
            of(MediaKind::Audio, field::text(object, "url"), Some("audio/mpeg"), name)
        }
        "audio_message" => of(MediaKind::Voice, field::text(object, "link_ogg"), Some("audio/ogg"), None)
            .or_else(|| of(MediaKind::Voice, field::text(object, "link_mp3"), Some("audio/mpeg"), None)),
        "doc" => {
            let size = field::number(object, "size").and_then(|size| size.try_into().ok());
            let file = of(MediaKind::Document, field::text(object, "url"), None, field::text(object, "title"))?;
            Some(IncomingMedia { size, ..file })
        }
        _ => None,
    }
}

/// The sizes of a picture stand in no order.
fn largest(sizes: &[Value]) -> Option<String> {
    let side = |size: &Value, name| field::number(size, name).unwrap_or_default();
    let area = |size: &&Value| side(size, "width").saturating_mul(side(size, "height"));
    field::text(sizes.iter().max_by_key(area)?, "url")
}
