//! Deliveries: the secret in the address is compared, then the one message of the body becomes an event.

use serde_json::{Map, Value};

use super::user_id;
use crate::messenger::{Delivery, NotTaken, Received, Wire, field};
use crate::model::message::{Event, Incoming, IncomingMedia, MediaKind, Person, Receipt};
use crate::model::moment::Moment;
use crate::model::status::Status;
use crate::net::signature::same_secret;

pub(super) fn receive(wire: &Wire, delivery: &Delivery<'_>) -> Result<Received, NotTaken> {
    // a header with a signature comes too, made in a way that Avito does not tell
    let theirs = form_urlencoded::parse(delivery.query.as_bytes()).find(|(name, _)| name == "s");
    let theirs = theirs.map(|(_, value)| value.into_owned()).unwrap_or_default();
    if !same_secret(&field::secret(&wire.secrets, "secret"), &theirs) {
        return Err(NotTaken::Forged);
    }
    let body: Value = serde_json::from_slice(delivery.body).map_err(|error| NotTaken::Unreadable(error.to_string()))?;
    let fields = body.as_object().ok_or_else(|| NotTaken::Unreadable("not an object".to_owned()))?;
    if fields.is_empty() {
        // Avito tries the address so before it subscribes it
        return Ok(Received::default());
    }
    let payload = body.get("payload").unwrap_or(&Value::Null);
    let value = payload.get("value").unwrap_or(&Value::Null);
    let kind = field::text(payload, "type").unwrap_or_default();
    if kind != "message" {
        let key = field::text(&body, "id").ok_or_else(|| NotTaken::Unreadable("no id".to_owned()))?;
        return Ok(of_events(vec![(key, Event::Ignored { what: field::short(&kind) })]));
    }
    let account = field::id(value, "user_id").ok_or_else(|| NotTaken::Unreadable("no user_id".to_owned()))?;
    if account != user_id(wire) {
        return Ok(Received { elsewhere: vec![account], ..Received::default() });
    }
    let id = field::id(value, "id").ok_or_else(|| NotTaken::Unreadable("no id of the message".to_owned()))?;
    Ok(of_events(read(value, id, &account)))
}

fn of_events(events: Vec<(String, Event)>) -> Received {
    Received { events, ..Received::default() }
}

/// A deletion comes with the id of what is deleted, so the type belongs to the key. Our own message that was read meanwhile
/// brings the moment along.
pub(super) fn read(value: &Value, id: String, account: &str) -> Vec<(String, Event)> {
    let kind = field::text(value, "type").unwrap_or_default();
    let (key, read_key) = (format!("{id}:{kind}"), format!("{id}:read"));
    let Some(event) = message(value, &id, &kind, account) else {
        return vec![(key, Event::Ignored { what: field::short(&kind) })];
    };
    let ours = matches!(&event, Event::Message(message) if message.ours);
    let read_at = field::number(value, "read").filter(|at| ours && *at > 0);
    let viewed = read_at.map(|at| {
        let at = Moment(at.saturating_mul(1_000));
        (read_key, Event::Receipt(Receipt { vendor_id: id, key: None, status: Status::Viewed, at, error: None }))
    });
    [(key, event)].into_iter().chain(viewed).collect()
}

fn message(value: &Value, id: &str, kind: &str, account: &str) -> Option<Event> {
    let chat = field::id(value, "chat_id")?;
    if kind == "deleted" {
        // when is not told
        return Some(Event::Deleted { chat, vendor_ids: vec![id.to_owned()], at: Moment(0) });
    }
    let author = field::id(value, "author_id")?;
    let content = value.get("content").unwrap_or(&Value::Null);
    let (text, media, note) = contents(kind, content);
    let place = content.get("location").filter(|_| kind == "location").and_then(place);
    if text.is_none() && media.is_none() && place.is_none() && note.is_none() {
        return None;
    }
    Some(Event::Message(Box::new(Incoming {
        vendor_id: id.to_owned(),
        chat,
        group: false,
        title: None,
        ours: author == account,
        // Avito's own bots have no number
        from: Person { vendor_id: Some(author).filter(|author| author != "0"), ..Person::default() },
        at: Moment(field::number(value, "created")?.saturating_mul(1_000)),
        text,
        media: media.into_iter().collect(),
        place,
        reply_to: value.get("quote").and_then(|quote| field::id(quote, "id")),
        note: note.map(str::to_owned),
        payload: None,
        referral: std::collections::BTreeMap::new(),
    })))
}

type Contents = (Option<String>, Option<IncomingMedia>, Option<&'static str>);

/// The text, the file, and what the message is when it is neither.
fn contents(kind: &str, content: &Value) -> Contents {
    let inner = content.get(kind).unwrap_or(&Value::Null);
    match kind {
        "text" => (field::text(content, "text"), None, None),
        "link" => (field::text(inner, "url").or_else(|| field::text(inner, "text")), None, None),
        "item" => (item(inner), None, None),
        "image" => (None, image(inner), None),
        "voice" => (None, voice(inner), None),
        "location" => (None, None, None),
        "system" => (field::text(content, "text"), None, Some("system")),
        "call" | "appCall" => (None, None, Some("call")),
        // files and films come empty: they are seen in Avito only
        _ => (None, None, Some("unsupported")),
    }
}

fn item(item: &Value) -> Option<String> {
    let parts = ["title", "price_string", "item_url"].into_iter().filter_map(|part| field::text(item, part));
    Some(parts.collect::<Vec<_>>().join(", ")).filter(|line| !line.is_empty())
}

/// Sizes are named as `1280x960`.
fn image(image: &Value) -> Option<IncomingMedia> {
    let sizes: &Map<String, Value> = image.get("sizes")?.as_object()?;
    let area = |name: &str| {
        let (width, height) = name.split_once('x')?;
        Some(width.parse::<u64>().ok()?.saturating_mul(height.parse().ok()?))
    };
    let (_, url) = sizes.iter().max_by_key(|(name, _)| area(name))?;
    let url = url.as_str().filter(|url| url.starts_with("http"))?;
    Some(file(MediaKind::Image, url.to_owned(), "image/jpeg"))
}

/// The address of a voice note is asked for when it is fetched.
fn voice(voice: &Value) -> Option<IncomingMedia> {
    let id = field::text(voice, "voice_id")?;
    Some(file(MediaKind::Voice, format!("{}{id}", super::send::VOICE), "audio/mp4"))
}

fn file(kind: MediaKind, vendor_id: String, mime: &str) -> IncomingMedia {
    IncomingMedia { kind, vendor_id, name: None, mime: Some(mime.to_owned()), size: None }
}

fn place(location: &Value) -> Option<(f64, f64, Option<String>)> {
    let beside = field::text(location, "title").or_else(|| field::text(location, "text"));
    Some((location.get("lat")?.as_f64()?, location.get("lon")?.as_f64()?, beside))
}
