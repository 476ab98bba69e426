//! Deliveries: signed over their raw bytes, one event in each.

use serde_json::Value;
use sha2::{Digest as _, Sha256};

use super::incoming;
use super::name::{self, MessageName};
use super::session_of;
use crate::messenger::{Delivery, NotTaken, Received, Wire, field};
use crate::model::message::{Event, Link, Receipt};
use crate::model::moment::Moment;
use crate::model::result::Code;
use crate::model::status::Status;
use crate::net::signature::verify_sha512_hex;

const SIGNATURE_HEADER: &str = "x-webhook-hmac";

pub(super) fn receive(wire: &Wire, delivery: &Delivery<'_>) -> Result<Received, NotTaken> {
    let header = delivery.headers.iter().find(|(name, _)| name == SIGNATURE_HEADER);
    let signature = header.map_or("", |(_, value)| value.as_str());
    let secret = field::secret(&wire.secrets, "hook_secret");
    if !verify_sha512_hex(secret.as_bytes(), delivery.body, signature) {
        return Err(NotTaken::Forged);
    }
    let told: Value = serde_json::from_slice(delivery.body).map_err(|error| NotTaken::Unreadable(error.to_string()))?;
    if !told.is_object() {
        return Err(NotTaken::Unreadable("not an object".to_owned()));
    }
    // a session that the channel had before may still say goodbye to the same address
    let events = if field::text(&told, "session").is_some_and(|session| session != session_of(wire)) {
        vec![(own_key(&told, delivery.body), Event::Ignored { what: "another session".to_owned() })]
    } else {
        read(wire, &told, delivery)
    };
    Ok(Received { events, ..Received::default() })
}

fn read(wire: &Wire, told: &Value, delivery: &Delivery<'_>) -> Vec<(String, Event)> {
    let kind = field::text(told, "event").unwrap_or_default();
    let payload = told.get("payload").unwrap_or(&Value::Null);
    let at = field::number(told, "timestamp").map_or(delivery.at, Moment);
    let found = match kind.as_str() {
        // the second also brings what the first brings
        "message" | "message.any" => incoming::message(payload, at),
        "message.ack" | "message.ack.group" => receipt(payload, at).into_iter().collect(),
        "message.edited" => edited(payload, at).into_iter().collect(),
        "message.revoked" => revoked(payload, at).into_iter().collect(),
        "message.reaction" => reaction(payload, at).into_iter().collect(),
        "session.status" => link(wire, told, payload, at).into_iter().collect(),
        _ => Vec::new(),
    };
    if found.is_empty() {
        let what = Event::Ignored { what: field::short(&kind) };
        return vec![(own_key(told, delivery.body), what)];
    }
    found
}

/// The gateway names each of its deliveries; a repetition has the same name.
fn own_key(told: &Value, body: &[u8]) -> String {
    field::id(told, "id").unwrap_or_else(|| format!("body:{}", hex::encode(Sha256::digest(body))))
}

fn receipt(payload: &Value, at: Moment) -> Option<(String, Event)> {
    let name = MessageName::read(&field::text(payload, "id")?)?;
    let ours = payload.get("fromMe").and_then(Value::as_bool).unwrap_or(name.ours);
    let ack = field::number(payload, "ack")?;
    let status = match ack {
        -1 => Status::Error,
        1 => Status::Sent,
        2 => Status::Delivered,
        3 | 4 => Status::Viewed,
        _ => return None,
    };
    if !ours {
        return None;
    }
    let error = (status == Status::Error).then(|| (Code::Refused, "WhatsApp: ACK ERROR".to_owned()));
    // in a group everybody acknowledges for himself
    let who = field::text(payload, "participant").unwrap_or_default();
    let key = format!("ack:{}:{who}:{ack}", name.id);
    Some((key, Event::Receipt(Receipt { vendor_id: name.id, key: None, status, at, error })))
}

fn edited(payload: &Value, at: Moment) -> Option<(String, Event)> {
    let name = MessageName::read(&field::text(payload, "id")?)?;
    let original = name.sibling(&field::text(payload, "editedMessageId")?);
    let (vendor_id, text) = (original.vendor_id(), field::text(payload, "body"));
    let event = Event::Edited { chat: name.chat.clone(), vendor_id, text, at };
    Some((format!("edited:{}:{}", original.id, name.id), event))
}

fn revoked(payload: &Value, at: Moment) -> Option<(String, Event)> {
    let action = payload.get("after").filter(|after| after.is_object()).or_else(|| payload.get("before"))?;
    let name = MessageName::read(&field::text(action, "id")?)?;
    let original = field::text(payload, "revokedMessageId").map_or_else(|| name.clone(), |id| name.sibling(&id));
    let event = Event::Deleted { chat: name.chat.clone(), vendor_ids: vec![original.vendor_id()], at };
    Some((format!("revoked:{}", original.id), event))
}

fn reaction(payload: &Value, at: Moment) -> Option<(String, Event)> {
    let name = MessageName::read(&field::text(payload, "id")?)?;
    let reaction = payload.get("reaction")?;
    let target = MessageName::read(&field::text(reaction, "messageId")?)?;
    let event = Event::Reaction {
        chat: name.chat.clone(),
        vendor_id: target.vendor_id(),
        // an empty one is taken back
        emoji: field::text(reaction, "text"),
        by: (!name.ours).then(|| name.writer.clone().unwrap_or_else(|| name.chat.clone())),
        ours: name.ours,
        at: field::number(payload, "timestamp").map_or(at, |seconds| Moment(seconds.saturating_mul(1_000))),
    };
    Some((format!("reaction:{}", name.id), event))
}

fn link(wire: &Wire, told: &Value, payload: &Value, at: Moment) -> Option<(String, Event)> {
    let status = field::text(payload, "status")?;
    let own = told.get("me").and_then(|me| field::text(me, "id")).and_then(|id| name::chat(&id));
    let link = link_of(&status, own.as_deref().and_then(name::phone).as_deref(), wire)?;
    let key = field::id(told, "id").unwrap_or_else(|| format!("{}:{}", status, at.0));
    Some((format!("link:{key}"), Event::Link { link, seen: field::short(&status), at }))
}

/// What the word of the gateway means for the channel; none where it says nothing of it. `phone` is the one that is linked.
pub(super) fn link_of(status: &str, phone: Option<&str>, wire: &Wire) -> Option<Link> {
    match status {
        // a person may scan the code with the phone of another account
        "WORKING" if phone.zip(field::text(&wire.settings, "address")).is_some_and(|(own, ours)| own != ours) => {
            Some(Link::Off)
        }
        "WORKING" => Some(Link::Up),
        "SCAN_QR_CODE" | "PASSKEY_REQUIRED" | "PASSKEY_CONFIRMATION_REQUIRED" => Some(Link::Relink),
        "FAILED" | "STOPPED" => Some(Link::Off),
        _ => None,
    }
}
