//! Deliveries: the proof of the address, and batches signed with the app's secret over their raw bytes.

use serde_json::Value;
use sha2::{Digest as _, Sha256};

use super::{code, incoming, phone_number_id};
use crate::messenger::{Delivery, NotTaken, Received, Reply, Wire, field};
use crate::model::message::{Event, Receipt};
use crate::model::moment::Moment;
use crate::model::status::Status;
use crate::net::signature::{same_secret, verify_sha256_hex};

pub(super) fn receive(wire: &Wire, delivery: &Delivery<'_>) -> Result<Received, NotTaken> {
    if delivery.method == "GET" {
        return prove(wire, delivery.query);
    }
    // the older header with SHA-1 is not looked at
    let header = delivery.headers.iter().find(|(name, _)| name == "x-hub-signature-256");
    let signature = header.and_then(|(_, value)| value.strip_prefix("sha256=")).unwrap_or_default();
    if !verify_sha256_hex(field::secret(&wire.secrets, "app_secret").as_bytes(), delivery.body, signature) {
        return Err(NotTaken::Forged);
    }
    let body: Value = serde_json::from_slice(delivery.body).map_err(|error| NotTaken::Unreadable(error.to_string()))?;
    if !body.is_object() {
        return Err(NotTaken::Unreadable("not an object".to_owned()));
    }
    Ok(read_batch(wire, &body))
}

/// Meta asks whether the address is ours, and takes the challenge back as a plain text.
fn prove(wire: &Wire, query: &str) -> Result<Received, NotTaken> {
    let asked = |name: &str| {
        let found = form_urlencoded::parse(query.as_bytes()).find(|(key, _)| key == name);
        found.map(|(_, value)| value.into_owned()).unwrap_or_default()
    };
    let ours = field::secret(&wire.secrets, "verify_token");
    if !same_secret(&ours, &asked("hub.verify_token")) || asked("hub.mode") != "subscribe" {
        return Err(NotTaken::Forged);
    }
    let reply = Reply { mime: "text/plain", body: asked("hub.challenge") };
    Ok(Received { reply, ..Received::default() })
}

/// One address serves all numbers of an app, so a batch may speak of numbers that are other channels.
fn read_batch(wire: &Wire, body: &Value) -> Received {
    let mut received = Received::default();
    let (ours, account) = (phone_number_id(wire), field::id(&wire.settings, "waba_id"));
    for entry in field::list(body, "entry") {
        for change in field::list(entry, "changes") {
            let value = change.get("value").unwrap_or(&Value::Null);
            let number = value.get("metadata").and_then(|data| field::id(data, "phone_number_id"));
            match number {
                Some(number) if number != ours => {
                    if !received.elsewhere.contains(&number) {
                        received.elsewhere.push(number);
                    }
                }
                None if field::id(entry, "id") != account => {}
                _ => read_change(entry, change, value, &mut received.events),
            }
        }
    }
    received
}

fn read_change(entry: &Value, change: &Value, value: &Value, events: &mut Vec<(String, Event)>) {
    let kind = field::text(change, "field").unwrap_or_default();
    match kind.as_str() {
        "messages" => {
            events.extend(field::list(value, "statuses").iter().filter_map(receipt));
            events.extend(field::list(value, "messages").iter().filter_map(|said| incoming::message(value, said)));
            let troubles = field::list(value, "errors").iter().map(code::said);
            events.extend(troubles.map(|seen| (change_key(entry, change), Event::Trouble { seen })));
        }
        "smb_message_echoes" => {
            events.extend(field::list(value, "message_echoes").iter().filter_map(incoming::echo));
        }
        "message_template_status_update" => {
            events.extend(template(value).map(|event| (change_key(entry, change), event)));
        }
        "phone_number_quality_update" => {
            let seen = field::text(value, "event").unwrap_or(kind);
            events.extend(about_account(change_key(entry, change), quality_word(&seen), &seen));
        }
        "phone_number_name_update" | "business_capability_update" => {
            events.push((change_key(entry, change), Event::Restanding { seen: field::short(&kind) }));
        }
        "message_template_quality_update" | "template_category_update" => {
            events.extend(rating(value).map(|event| (change_key(entry, change), event)));
        }
        "user_preferences" => {
            events.extend(field::list(value, "user_preferences").iter().filter_map(preference));
        }
        "group_lifecycle_update" | "group_settings_update" => {
            let groups = field::list(value, "groups").iter().enumerate();
            let name = change_key(entry, change);
            events.extend(groups.map(|(n, one)| (format!("{name}:{n}"), about_group(one))));
        }
        "account_alerts" | "account_update" => {
            let seen = field::text(value, "event").or_else(|| field::text(value, "alert_type")).unwrap_or(kind);
            events.extend(about_account(change_key(entry, change), account_word(&seen), &seen));
        }
        _ => events.push((change_key(entry, change), Event::Ignored { what: field::short(&kind) })),
    }
}

fn receipt(status: &Value) -> Option<(String, Event)> {
    let (vendor_id, word) = (field::id(status, "id")?, field::text(status, "status")?);
    let key = format!("{vendor_id}:{word}");
    let known = match word.as_str() {
        "sent" => Status::Sent,
        "delivered" => Status::Delivered,
        "read" | "played" => Status::Viewed,
        "failed" => Status::Error,
        _ => return Some((key, Event::Ignored { what: field::short(&format!("status {word}")) })),
    };
    let error = (known == Status::Error).then(|| code::read_status_error(field::list(status, "errors")));
    let receipt = Receipt {
        vendor_id,
        key: field::text(status, "biz_opaque_callback_data"),
        status: known,
        at: Moment(field::number(status, "timestamp")?.saturating_mul(1_000)),
        error,
    };
    Some((key, Event::Receipt(receipt)))
}

fn template(value: &Value) -> Option<Event> {
    Some(Event::Template {
        name: field::text(value, "message_template_name")?,
        language: field::text(value, "message_template_language")?,
        state: field::text(value, "event")?,
        reason: field::text(value, "reason").filter(|reason| reason != "NONE"),
    })
}

fn rating(value: &Value) -> Option<Event> {
    Some(Event::TemplateRated {
        name: field::text(value, "message_template_name")?,
        language: field::text(value, "message_template_language")?,
        quality: field::text(value, "new_quality_score"),
        category: field::text(value, "new_category"),
    })
}

/// A customer takes marketing no more, or takes it again.
fn preference(told: &Value) -> Option<(String, Event)> {
    let (chat, word) = (field::id(told, "wa_id")?, field::text(told, "value")?);
    let at = field::number(told, "timestamp")?;
    let key = format!("preference:{chat}:{word}:{at}");
    let of_marketing = field::text(told, "category").as_deref() == Some("marketing_messages");
    let event = match word.as_str() {
        "stop" | "resume" if of_marketing => {
            let seen = field::short(&field::text(told, "detail").unwrap_or_else(|| word.clone()));
            Event::Marketing { chat, wanted: word == "resume", seen }
        }
        _ => Event::Ignored { what: field::short(&format!("preference {word}")) },
    };
    Some((key, event))
}

/// A group was made, renamed or deleted, by us or in the application; one that could not be made is no group.
fn about_group(told: &Value) -> Event {
    let kind = field::text(told, "type").unwrap_or_default();
    let failed = !field::list(told, "errors").is_empty();
    let chat = field::id(told, "group_id").filter(|_| !failed);
    // a change of settings tells each of them with its end
    let changed = told.get("group_subject").and_then(|subject| field::text(subject, "text"));
    let title = field::text(told, "subject").or(changed);
    match (kind.as_str(), chat, title) {
        ("group_delete", Some(chat), _) => Event::Group { chat, title: None, inside: false },
        ("group_create" | "group_settings_update", Some(chat), Some(title)) => {
            Event::Group { chat, title: Some(title), inside: true }
        }
        _ => Event::Ignored { what: field::short(&kind) },
    }
}

/// Customers block or report the number so often that Meta flags it; the flag goes when the quality has become better.
fn quality_word(seen: &str) -> Event {
    match seen {
        "FLAGGED" | "UNFLAGGED" => Event::Suspicion { seen: field::short(seen), lifted: seen == "UNFLAGGED" },
        _ => Event::Ignored { what: field::short(seen) },
    }
}

/// Words about the account are many and grow; those of punishment are trouble, and two of them are about what was written.
fn account_word(seen: &str) -> Event {
    const TROUBLE: [&str; 5] = ["VIOLATION", "RESTRICTION", "DISABLED", "DELETED", "BAN"];
    if ["VIOLATION", "RESTRICTION"].iter().any(|word| seen.contains(word)) {
        Event::Suspicion { seen: field::short(seen), lifted: false }
    } else if TROUBLE.iter().any(|word| seen.contains(word)) {
        Event::Trouble { seen: field::short(seen) }
    } else {
        Event::Ignored { what: field::short(seen) }
    }
}

/// What a word about the account means, and that Meta is to be asked how it stands now: the words are not all known, and no shape of
/// theirs is published.
fn about_account(key: String, event: Event, seen: &str) -> Vec<(String, Event)> {
    let look = (format!("{key}:standing"), Event::Restanding { seen: field::short(seen) });
    if matches!(event, Event::Ignored { .. }) { vec![look] } else { vec![(key, event), look] }
}

/// Such changes have no id of their own, so what they say, and when, is their name.
fn change_key(entry: &Value, change: &Value) -> String {
    let time = entry.get("time").map(Value::to_string).unwrap_or_default();
    // the same words in another order are the same change
    let mut sorted = change.clone();
    sorted.sort_all_objects();
    let digest = Sha256::digest(format!("{time}{sorted}").as_bytes());
    format!("change:{}", hex::encode(digest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_of_suspicion_are_told_apart_from_trouble_and_from_what_is_of_no_matter() {
        let suspected = |seen: &str, lifted| Event::Suspicion { seen: seen.to_owned(), lifted };
        assert_eq!(quality_word("FLAGGED"), suspected("FLAGGED", false));
        assert_eq!(quality_word("UNFLAGGED"), suspected("UNFLAGGED", true));
        assert!(matches!(quality_word("UPGRADE"), Event::Ignored { .. }));
        for word in ["ACCOUNT_VIOLATION", "ACCOUNT_RESTRICTION"] {
            assert_eq!(account_word(word), suspected(word, false));
        }
        assert!(matches!(account_word("ACCOUNT_DELETED"), Event::Trouble { .. }));
        assert!(matches!(account_word("VERIFIED_ACCOUNT"), Event::Ignored { .. }));
    }
}
