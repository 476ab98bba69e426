//! Messages of customers, and those that our own side wrote on the phone.

use serde_json::Value;

use crate::messenger::field;
use crate::model::message::{Event, Incoming, IncomingMedia, MediaKind, Person};
use crate::model::moment::Moment;

/// A message of a customer with its key against repetition.
pub(super) fn message(value: &Value, said: &Value) -> Option<(String, Event)> {
    let id = field::id(said, "id")?;
    let writer = field::id(said, "from").or_else(|| field::id(said, "from_user_id"))?;
    let group = field::id(said, "group_id");
    let chat = group.clone().unwrap_or_else(|| writer.clone());
    let event = match field::text(said, "type").as_deref() {
        Some("reaction") => reaction(said, chat)?,
        Some("system") => moved(said, chat),
        _ => {
            let mut incoming = read(said, &id, chat)?;
            incoming.group = group.is_some();
            incoming.from = person(value, said);
            Event::Message(Box::new(incoming))
        }
    };
    Some((format!("{id}:message"), event))
}

/// A message that our own side wrote in the app on the phone.
pub(super) fn echo(said: &Value) -> Option<(String, Event)> {
    let (id, chat) = (field::id(said, "id")?, field::id(said, "to")?);
    let mut incoming = read(said, &id, chat)?;
    incoming.ours = true;
    Some((format!("{id}:message"), Event::Message(Box::new(incoming))))
}

/// What Meta tells of an advertisement, for the CRM; its pictures are left out.
const REFERRAL: [&str; 7] = ["source_url", "source_id", "source_type", "headline", "body", "media_type", "ctwa_clid"];

fn read(said: &Value, id: &str, chat: String) -> Option<Incoming> {
    let kind = field::text(said, "type").unwrap_or_default();
    let object = said.get(&kind).unwrap_or(&Value::Null);
    let (text, note) = words(&kind, object);
    // an advertisement led the customer here
    let note = note.or_else(|| said.get("referral").map(|_| "ad".to_owned()));
    Some(Incoming {
        vendor_id: id.to_owned(),
        chat,
        group: false,
        title: None,
        from: Person::default(),
        at: Moment(field::number(said, "timestamp")?.saturating_mul(1_000)),
        text,
        media: media(&kind, object).into_iter().collect(),
        place: (kind == "location").then(|| place(object)).flatten(),
        reply_to: said.get("context").and_then(|context| field::id(context, "id")),
        ours: false,
        note,
        payload: payload(&kind, object),
        referral: said.get("referral").map(|from| field::texts(from, &REFERRAL)).unwrap_or_default(),
    })
}

/// What a pressed button or a chosen row sends back.
fn payload(kind: &str, object: &Value) -> Option<String> {
    match kind {
        "button" => field::text(object, "payload"),
        "interactive" => {
            let reply = |name: &str| object.get(name);
            let pressed = reply("button_reply").or_else(|| reply("list_reply"));
            pressed.and_then(|pressed| field::text(pressed, "id")).or_else(|| {
                // the answers of a form, as JSON in a text
                reply("nfm_reply").and_then(|form| field::text(form, "response_json"))
            })
        }
        _ => None,
    }
}

/// The text of a kind, and its name where it is no ordinary message.
fn words(kind: &str, object: &Value) -> (Option<String>, Option<String>) {
    let caption = || field::text(object, "caption");
    let (text, note) = match kind {
        "text" => (field::text(object, "body"), None),
        "image" | "video" | "audio" | "document" | "sticker" => (caption(), None),
        "location" => (None, None),
        "contacts" => (cards(object), Some("contacts")),
        "button" => (field::text(object, "text"), Some("button")),
        "interactive" => chosen(object),
        "order" => (field::text(object, "text"), Some("order")),
        _ => (None, Some("unsupported")),
    };
    (text, note.map(str::to_owned))
}

fn chosen(object: &Value) -> (Option<String>, Option<&'static str>) {
    let reply = |name: &str| object.get(name);
    if let Some(pressed) = reply("button_reply").or_else(|| reply("list_reply")) {
        return (field::text(pressed, "title"), Some("button"));
    }
    (reply("nfm_reply").and_then(|form| field::text(form, "body")), Some("form"))
}

/// One line for each card.
fn cards(object: &Value) -> Option<String> {
    let line = |card: &Value| {
        let name = card.get("name").and_then(|name| field::text(name, "formatted_name"));
        let phones = field::list(card, "phones").iter().filter_map(|phone| field::text(phone, "phone"));
        name.into_iter().chain(phones).collect::<Vec<_>>().join(" ")
    };
    let lines: Vec<String> = object.as_array()?.iter().map(line).filter(|line| !line.is_empty()).collect();
    Some(lines.join("\n")).filter(|lines| !lines.is_empty())
}

fn media(kind: &str, object: &Value) -> Option<IncomingMedia> {
    let kind = match kind {
        "image" => MediaKind::Image,
        "video" => MediaKind::Video,
        "audio" if object.get("voice").and_then(Value::as_bool) == Some(true) => MediaKind::Voice,
        "audio" => MediaKind::Audio,
        "document" => MediaKind::Document,
        "sticker" => MediaKind::Sticker,
        _ => return None,
    };
    Some(IncomingMedia {
        kind,
        vendor_id: field::id(object, "id").filter(|id| id.chars().all(|c| c.is_ascii_alphanumeric()))?,
        name: field::text(object, "filename"),
        mime: field::text(object, "mime_type"),
        size: None,
    })
}

fn place(object: &Value) -> Option<(f64, f64, Option<String>)> {
    let parts: Vec<String> = ["name", "address"].into_iter().filter_map(|part| field::text(object, part)).collect();
    let beside = Some(parts.join(", ")).filter(|beside| !beside.is_empty());
    Some((object.get("latitude")?.as_f64()?, object.get("longitude")?.as_f64()?, beside))
}

fn reaction(said: &Value, chat: String) -> Option<Event> {
    let object = said.get("reaction")?;
    Some(Event::Reaction {
        chat,
        vendor_id: field::id(object, "message_id")?,
        // without one it is taken back
        emoji: field::text(object, "emoji"),
        by: field::id(said, "from_user_id").or_else(|| field::id(said, "from")),
        ours: false,
        at: Moment(field::number(said, "timestamp")?.saturating_mul(1_000)),
    })
}

fn moved(said: &Value, from: String) -> Event {
    let object = said.get("system").unwrap_or(&Value::Null);
    match (field::text(object, "type").as_deref(), field::id(object, "wa_id")) {
        (Some("user_changed_number"), Some(to)) => Event::Moved { from, to },
        _ => Event::Ignored { what: "system".to_owned() },
    }
}

/// The writer. The phone may be hidden, and then only Meta's own id names him.
fn person(value: &Value, said: &Value) -> Person {
    let (phone, user) = (field::id(said, "from"), field::id(said, "from_user_id"));
    let is_writer = |contact: &&Value| {
        let (wa_id, user_id) = (field::id(contact, "wa_id"), field::id(contact, "user_id"));
        (wa_id.is_some() && wa_id == phone) || (user_id.is_some() && user_id == user)
    };
    let contact = field::list(value, "contacts").iter().find(is_writer);
    let profile = contact.and_then(|contact| contact.get("profile")).unwrap_or(&Value::Null);
    Person {
        name: field::text(profile, "name"),
        username: field::text(profile, "username").map(|name| name.to_lowercase()),
        phone,
        vendor_id: user.or_else(|| contact.and_then(|contact| field::id(contact, "user_id"))),
    }
}
