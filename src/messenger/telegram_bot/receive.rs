//! Deliveries: the secret in the header is compared, then the one update of the body becomes at most one event.

use serde_json::{Value, json};

use super::incoming::{chat_of, message};
use crate::messenger::{Delivery, NotTaken, Received, Reply, Wire, field};
use crate::model::message::{Event, Incoming};
use crate::model::moment::Moment;
use crate::net::signature::same_secret;

const SECRET_HEADER: &str = "x-telegram-bot-api-secret-token";

pub(super) fn receive(wire: &Wire, delivery: &Delivery<'_>) -> Result<Received, NotTaken> {
    let theirs =
        delivery.headers.iter().find(|(name, _)| name == SECRET_HEADER).map_or("", |(_, value)| value.as_str());
    if !same_secret(&field::secret(&wire.secrets, "secret"), theirs) {
        return Err(NotTaken::Forged);
    }
    let update: Value =
        serde_json::from_slice(delivery.body).map_err(|error| NotTaken::Unreadable(error.to_string()))?;
    let key = update.get("update_id").filter(|id| id.is_i64()).map(Value::to_string);
    let key = key.ok_or_else(|| NotTaken::Unreadable("no update_id".to_owned()))?;
    let event = read_update(&update, delivery.at);
    Ok(Received { events: vec![(key, event)], reply: settle_button(&update), ..Received::default() })
}

/// A pressed button spins in the client until it is answered; the answer may ride on our 200, and its fate is of no matter.
fn settle_button(update: &Value) -> Reply {
    let Some(id) = update.get("callback_query").and_then(|query| field::id(query, "id")) else {
        return Reply::default();
    };
    let call = json!({"method": "answerCallbackQuery", "callback_query_id": id});
    Reply { mime: "application/json", body: call.to_string() }
}

fn read_update(update: &Value, at: Moment) -> Event {
    // besides its id an update has exactly one field
    let found = update.as_object().and_then(|fields| fields.iter().find(|(name, _)| *name != "update_id"));
    let Some((kind, body)) = found else { return ignored("empty update") };
    let event = match kind.as_str() {
        "message" | "channel_post" | "business_message" => message(body),
        "edited_message" | "edited_channel_post" | "edited_business_message" => edited(body, at),
        "callback_query" => pressed(body, at),
        "my_chat_member" => membership(body),
        "message_reaction" => reaction(body),
        "deleted_business_messages" => deleted(body, at),
        _ => None,
    };
    event.unwrap_or_else(|| ignored(kind))
}

fn ignored(what: &str) -> Event {
    Event::Ignored { what: field::short(what) }
}

fn edited(body: &Value, at: Moment) -> Option<Event> {
    let text = field::text(body, "text").or_else(|| field::text(body, "caption"));
    let at = field::number(body, "edit_date").map_or(at, |seconds| Moment(seconds.saturating_mul(1_000)));
    Some(Event::Edited { chat: chat_of(body)?, vendor_id: field::id(body, "message_id")?, text, at })
}

/// A button is a message of its sender: what stands on it is not told, its data is.
fn pressed(body: &Value, at: Moment) -> Option<Event> {
    let under = body.get("message")?;
    let chat = under.get("chat")?;
    Some(Event::Message(Box::new(Incoming {
        vendor_id: format!("button:{}", field::id(body, "id")?),
        chat: chat_of(under)?,
        group: super::incoming::is_group(chat),
        title: field::text(chat, "title"),
        from: super::incoming::person(body.get("from")?),
        at,
        text: field::text(body, "data"),
        media: Vec::new(),
        place: None,
        reply_to: field::id(under, "message_id"),
        ours: false,
        note: Some("button".to_owned()),
        payload: field::text(body, "data"),
        referral: std::collections::BTreeMap::new(),
    })))
}

fn membership(body: &Value) -> Option<Event> {
    let member = body.get("new_chat_member")?;
    let may = |right: &str| member.get(right).and_then(Value::as_bool).unwrap_or_default();
    let allowed = match member.get("status")?.as_str()? {
        "member" | "administrator" | "creator" => true,
        "restricted" => may("is_member") && may("can_send_messages"),
        _ => false,
    };
    Some(Event::Allowed { chat: chat_of(body)?, allowed })
}

fn reaction(body: &Value) -> Option<Event> {
    let emoji = field::list(body, "new_reaction").iter().rev().find_map(|reaction| field::text(reaction, "emoji"));
    let of = |who: &str| body.get(who).and_then(|who| field::id(who, "id"));
    Some(Event::Reaction {
        chat: chat_of(body)?,
        vendor_id: field::id(body, "message_id")?,
        emoji,
        // whoever hides behind a channel reacts in its name
        by: of("user").or_else(|| of("actor_chat")),
        ours: false,
        at: Moment(field::number(body, "date").unwrap_or_default().saturating_mul(1_000)),
    })
}

fn deleted(body: &Value, at: Moment) -> Option<Event> {
    let vendor_ids = field::list(body, "message_ids").iter().map(Value::to_string).collect();
    Some(Event::Deleted { chat: chat_of(body)?, vendor_ids, at })
}
