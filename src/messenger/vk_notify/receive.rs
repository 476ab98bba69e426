//! Statuses, which are all that comes in. No aggregator signs them: the secret behind our address is the proof, and only
//! words about known messages have any effect.

use chrono::DateTime;
use serde_json::Value;

use crate::messenger::{Delivery, NotTaken, Received, Wire, field};
use crate::model::message::{Event, Receipt};
use crate::model::moment::Moment;
use crate::model::result::Code;
use crate::model::status::Status;
use crate::net::signature::same_secret;

pub(super) fn receive(wire: &Wire, delivery: &Delivery<'_>) -> Result<Received, NotTaken> {
    let given = form_urlencoded::parse(delivery.query.as_bytes()).find(|(name, _)| name == "s");
    let given = given.map(|(_, value)| value.into_owned()).unwrap_or_default();
    if !same_secret(&field::secret(&wire.secrets, "secret"), &given) {
        return Err(NotTaken::Forged);
    }
    let body: Value = serde_json::from_slice(delivery.body).map_err(|error| NotTaken::Unreadable(error.to_string()))?;
    if !body.is_object() {
        return Err(NotTaken::Unreadable("not an object".to_owned()));
    }
    // some post one status, some a list of them
    let lists = ["statuses", "messages", "result"];
    let several: Vec<&Value> = lists.iter().flat_map(|name| field::list(&body, name)).collect();
    let entries = if several.is_empty() { vec![&body] } else { several };
    // a word about a message that is none of this channel's moves nothing here
    let mut elsewhere: Vec<String> = entries.iter().filter_map(|entry| other_account(wire, entry)).collect();
    elsewhere.dedup();
    let events = entries.into_iter().map(|entry| read(entry, delivery.at)).collect();
    Ok(Received { events, elsewhere, ..Received::default() })
}

/// edna knows one address for all cascades of an account, and says which of them it speaks of.
fn other_account(wire: &Wire, entry: &Value) -> Option<String> {
    let own = field::text(&wire.settings, "cascade")?;
    field::id(entry, "cascadeId").filter(|named| *named != own).map(|named| format!("edna/{named}"))
}

fn read(entry: &Value, at: Moment) -> (String, Event) {
    let word = Some(word_of(entry)).filter(|word| !word.is_empty());
    let theirs = ["messageId", "message_id", "id"].iter().find_map(|name| field::id(entry, name)).unwrap_or_default();
    let (Some(word), Some(ours)) = (word, our_key(entry)) else {
        let what = "a callback that names no message of ours".to_owned();
        return (format!("{theirs}:{}", word_of(entry)), Event::Ignored { what });
    };
    let key = format!("{ours}:{theirs}:{word}");
    let at = moment(entry).unwrap_or(at);
    let (status, error) = match meaning(&word) {
        Some((status, code)) => (status, code.map(|code| (code, reason(entry, &word)))),
        // a word that nobody knows is shown as it is: whatever it says, the aggregator has the message
        None => (Status::Sent, Some((Code::Unknown, field::short(&word)))),
    };
    let receipt = Receipt { key: Some(ours.clone()), vendor_id: ours, status, at, error };
    (key, Event::Receipt(receipt))
}

fn word_of(entry: &Value) -> String {
    field::text(entry, "status").or_else(|| field::text(entry, "state")).unwrap_or_default()
}

/// edna brings our id as its own, Devino as the data that we gave it.
fn our_key(entry: &Value) -> Option<String> {
    let data = ["callbackData", "callback_data"].iter().find_map(|name| entry.get(name));
    let data = data.and_then(|data| field::id(data, "id").or_else(|| data.as_str().map(str::to_owned)));
    field::id(entry, "requestId").or(data).filter(|key| !key.is_empty())
}

/// The words of all aggregators.
fn meaning(word: &str) -> Option<(Status, Option<Code>)> {
    Some(match word.to_ascii_lowercase().as_str() {
        "accepted" | "sent" => (Status::Sent, None),
        "delivered" => (Status::Delivered, None),
        "read" => (Status::Viewed, None),
        // nobody there, not seen for a week, or the policy was not met
        "undelivered" => (Status::Error, Some(Code::Nobody)),
        "expired" => (Status::Error, Some(Code::NotDelivered)),
        _ => return None,
    })
}

fn reason(entry: &Value, word: &str) -> String {
    let words = ["error", "reason", "comment"].iter().filter_map(|name| field::text(entry, name));
    let words: Vec<String> = words.collect();
    field::short(&if words.is_empty() { word.to_owned() } else { words.join(", ") })
}

fn moment(entry: &Value) -> Option<Moment> {
    let text = ["statusAt", "status_at", "time"].iter().find_map(|name| field::text(entry, name))?;
    DateTime::parse_from_rfc3339(&text).ok().map(|at| Moment(at.timestamp_millis()))
}
