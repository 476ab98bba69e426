//! Deliveries of the Callback API: the secret in the body is compared, then the one event becomes at most one of ours.

use serde_json::Value;

use super::send::name;
use super::{group_id, incoming};
use crate::messenger::{Delivery, NotTaken, Received, Reply, Wire, field};
use crate::model::message::{Event, Incoming, Person};
use crate::model::moment::Moment;
use crate::net::signature::same_secret;

/// The whole answer to every event. Another word («remove») would take our address out of the community's settings.
const TAKEN: &str = "ok";

pub(super) fn receive(wire: &Wire, delivery: &Delivery<'_>) -> Result<Received, NotTaken> {
    let body: Value = serde_json::from_slice(delivery.body).map_err(|error| NotTaken::Unreadable(error.to_string()))?;
    if !body.is_object() {
        return Err(NotTaken::Unreadable("not an object".to_owned()));
    }
    let ours = field::secret(&wire.secrets, "secret");
    let group = field::id(&body, "group_id");
    if body.get("type").and_then(Value::as_str) == Some("confirmation") {
        // it carries the secret only if VK knows one already; the code that it asks for opens nothing
        let known = !ours.is_empty() && group == Some(group_id(wire));
        return if known { Ok(Received { proof: true, ..Received::default() }) } else { Err(NotTaken::Forged) };
    }
    if !same_secret(&ours, &field::text(&body, "secret").unwrap_or_default()) {
        return Err(NotTaken::Forged);
    }
    let reply = Reply { mime: "text/plain", body: TAKEN.to_owned() };
    let group = group.ok_or_else(|| NotTaken::Unreadable("no group_id".to_owned()))?;
    if group != group_id(wire) {
        return Ok(Received { elsewhere: vec![group], reply, ..Received::default() });
    }
    let key = field::text(&body, "event_id").ok_or_else(|| NotTaken::Unreadable("no event_id".to_owned()))?;
    let kind = field::text(&body, "type").unwrap_or_default();
    let object = body.get("object").unwrap_or(&Value::Null);
    let event = read(&kind, object, &group, delivery.at);
    let event = event.unwrap_or_else(|| Event::Ignored { what: field::short(&kind) });
    Ok(Received { events: vec![(key, event)], reply, ..Received::default() })
}

fn read(kind: &str, object: &Value, group: &str, at: Moment) -> Option<Event> {
    match kind {
        // older versions had no wrapper
        "message_new" => incoming::message(object.get("message").unwrap_or(object), group),
        "message_reply" => incoming::message(object, group),
        "message_edit" => edited(object, at),
        "message_event" => pressed(object, at),
        "message_read" => read_up_to(object, at),
        "message_allow" => Some(Event::Allowed { chat: field::id(object, "user_id")?, allowed: true }),
        "message_deny" => Some(Event::Allowed { chat: field::id(object, "user_id")?, allowed: false }),
        "message_reaction_event" => reaction(object),
        "wall_reply_new" => comment(object),
        _ => None,
    }
}

fn edited(object: &Value, at: Moment) -> Option<Event> {
    let chat = field::id(object, "peer_id")?;
    let vendor_id = name(&chat, field::number(object, "conversation_message_id")?);
    let at = field::number(object, "update_time").map_or(at, |seconds| Moment(seconds.saturating_mul(1_000)));
    Some(Event::Edited { chat, vendor_id, text: field::text(object, "text"), at })
}

/// A button that calls back: what stands on it is not told, its data is.
fn pressed(object: &Value, at: Moment) -> Option<Event> {
    let chat = field::id(object, "peer_id")?;
    let under = field::number(object, "conversation_message_id");
    let data = object.get("payload");
    let data = data.map(|data| data.as_str().map_or_else(|| data.to_string(), str::to_owned));
    Some(Event::Message(Box::new(Incoming {
        vendor_id: format!("button:{}", field::id(object, "event_id")?),
        group: incoming::is_group(&chat),
        title: None,
        from: Person { vendor_id: field::id(object, "user_id"), ..Person::default() },
        at,
        text: data.clone(),
        media: Vec::new(),
        place: None,
        reply_to: under.map(|number| name(&chat, number)),
        ours: false,
        note: Some("button".to_owned()),
        referral: std::collections::BTreeMap::new(),
        chat,
        payload: data,
    })))
}

/// Read marks of the community itself come too, and say nothing about our messages.
fn read_up_to(object: &Value, at: Moment) -> Option<Event> {
    let by_customer = field::number(object, "from_id")? > 0;
    let up_to = field::number(object, "conversation_message_id")?;
    by_customer.then_some(Event::Read { chat: field::id(object, "peer_id")?, up_to, at })
}

/// VK numbers its reactions; the number stands for the picture.
fn reaction(object: &Value) -> Option<Event> {
    let chat = field::id(object, "peer_id")?;
    let vendor_id = name(&chat, field::number(object, "cmid")?);
    let (emoji, by) = (field::id(object, "reaction_id"), field::id(object, "reacted_id"));
    // communities have negative numbers, and only ours is in its own chats
    let ours = by.as_ref().is_some_and(|by| by.starts_with('-'));
    Some(Event::Reaction { chat, vendor_id, emoji, by: by.filter(|_| !ours), ours, at: Moment(0) })
}

/// A comment under a post joins the private dialog of its writer, where it is answered too. The community's own comments and
/// those of other communities have no such dialog.
fn comment(object: &Value) -> Option<Event> {
    let from = field::number(object, "from_id").filter(|from| *from > 0)?;
    let owner = field::number(object, "post_owner_id").or_else(|| field::number(object, "owner_id"))?;
    let (post, id) = (field::number(object, "post_id")?, field::number(object, "id")?);
    let (mut lines, media) = incoming::contents(object);
    lines.push(format!("https://vk.com/wall{owner}_{post}?reply={id}"));
    Some(Event::Message(Box::new(Incoming {
        vendor_id: format!("wall{owner}_{post}_{id}"),
        chat: from.to_string(),
        group: false,
        title: None,
        from: Person { vendor_id: Some(from.to_string()), ..Person::default() },
        at: incoming::date(object)?,
        text: Some(lines.join("\n")),
        media,
        place: None,
        reply_to: None,
        ours: false,
        note: Some("comment".to_owned()),
        payload: None,
        referral: std::collections::BTreeMap::new(),
    })))
}
