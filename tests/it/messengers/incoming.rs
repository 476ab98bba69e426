//! What comes in: proofs, fixtures, repetition, the future, and garbage.

use proptest::prelude::*;
use serde_json::{Value, json};
use switchboard::messenger::{NotTaken, Received};
use switchboard::model::message::{Event, Incoming};

use super::case::{Case, Proof, cases};

/// An event in one line, as the expectations write it.
pub(crate) fn tell(event: &Event) -> String {
    match event {
        Event::Message(message) => tell_message(message),
        Event::Taken(message) => format!("taken: {}", tell_message(message)),
        Event::Letter(letter) => super::email::tell(letter),
        Event::Edited { chat, vendor_id, text, at: _ } => {
            format!("edited {vendor_id} in {chat}: {}", text.as_deref().unwrap_or(""))
        }
        Event::Deleted { chat, vendor_ids, at: _ } => format!("deleted {} in {chat}", vendor_ids.join(",")),
        Event::Receipt(receipt) => {
            let key = receipt.key.as_deref().unwrap_or("no key");
            let error = receipt.error.as_ref().map(|(code, text)| format!(" {code}: {text}")).unwrap_or_default();
            format!("{} {} ({key}) at {}{error}", receipt.status, receipt.vendor_id, receipt.at.0)
        }
        Event::Reaction { chat, vendor_id, emoji, by, ours, at } => {
            let by = if *ours { "us" } else { by.as_deref().unwrap_or("somebody") };
            format!(
                "reaction {} to {vendor_id} in {chat} by {by} at {}",
                emoji.as_deref().unwrap_or("taken back"),
                at.0
            )
        }
        Event::Read { chat, up_to, at } => format!("read up to {up_to} in {chat} at {}", at.0),
        Event::Allowed { chat, allowed } => format!("{} in {chat}", if *allowed { "allowed" } else { "forbidden" }),
        Event::Moved { from, to } => format!("moved {from} to {to}"),
        Event::Template { name, language, state, reason } => {
            format!("template {name} {language} {state} {}", reason.as_deref().unwrap_or(""))
        }
        Event::TemplateRated { name, language, quality, category } => {
            let (quality, category) = (quality.as_deref().unwrap_or("-"), category.as_deref().unwrap_or("-"));
            format!("template {name} {language} rated {quality} in {category}")
        }
        Event::Link { link, seen, at } => format!("link {link:?} ({seen}) at {}", at.0),
        Event::Chat { chat, name, about, link } => format!("chat {chat} with {name:?} about {about:?} at {link:?}"),
        Event::Group { chat, title, inside } => {
            format!("{} group {chat} {}", if *inside { "in" } else { "out of" }, title.as_deref().unwrap_or(""))
        }
        Event::Marketing { chat, wanted, seen } => {
            format!("marketing {} by {chat}: {seen}", if *wanted { "wanted" } else { "refused" })
        }
        Event::SameChat { hidden, shown } => format!("{hidden} is {shown}"),
        Event::Suspicion { seen, lifted } => format!("{} {seen}", if *lifted { "cleared" } else { "suspected" }),
        Event::Restanding { seen } => format!("asks how it stands: {seen}"),
        Event::Trouble { seen } => format!("trouble {seen}"),
        Event::Ignored { what } => format!("ignored {what}"),
    }
}

fn tell_message(message: &Incoming) -> String {
    let mut line = format!("message {} in {}", message.vendor_id, message.chat);
    let mut add = |what: &str, value: Option<String>| {
        if let Some(value) = value {
            line.extend([" | ", what, " ", &value]);
        }
    };
    let title = message.title.clone().unwrap_or_default();
    add("group", message.group.then_some(title));
    let from = &message.from;
    add("from", from.name.clone());
    add("name", from.username.clone());
    add("phone", from.phone.clone());
    add("id", from.vendor_id.clone());
    add("at", Some(message.at.0.to_string()));
    add("text", message.text.clone());
    for media in &message.media {
        let parts = [
            Some(media.vendor_id.clone()),
            media.name.clone(),
            media.mime.clone(),
            media.size.map(|size| size.to_string()),
        ];
        let parts: Vec<String> = parts.into_iter().flatten().collect();
        add("media", Some(format!("{:?} {}", media.kind, parts.join(" "))));
    }
    add("place", message.place.clone().map(|(lat, lon, beside)| format!("{lat} {lon} {}", beside.unwrap_or_default())));
    add("answers", message.reply_to.clone());
    add("note", message.note.clone());
    add("sends back", message.payload.clone());
    for (name, value) in &message.referral {
        add("led by", Some(format!("{name}={value}")));
    }
    add("by", message.ours.then(|| "us".to_owned()));
    line
}

/// What `expected.txt` of the folder says: the name of a file, and below it a line for each event, `key => event`.
fn expected(case: &Case) -> Vec<(String, Vec<String>)> {
    let mut files: Vec<(String, Vec<String>)> = Vec::new();
    for line in String::from_utf8(case.fixture("expected.txt")).unwrap().lines() {
        match line.strip_prefix("  ") {
            Some(event) => files.last_mut().unwrap().1.push(event.to_owned()),
            None => files.push((line.to_owned(), Vec::new())),
        }
    }
    files
}

#[test]
pub(super) fn every_fixture_is_received_as_expected() {
    for case in cases() {
        let expected = expected(&case);
        let names: Vec<&String> = expected.iter().map(|(name, _)| name).collect();
        let files = case.deliveries();
        assert_eq!(files.iter().collect::<Vec<_>>(), names, "{}: one for every file, in their order", case.name());
        for (name, events) in expected {
            let received = case.receive(&case.fixture(&name)).unwrap_or_else(|error| panic!("{name}: {error}"));
            let line =
                |(key, event): &(String, Event)| format!("{key} => {}", tell(event)).trim_end().replace('\n', "⏎");
            assert_eq!(received.events.iter().map(line).collect::<Vec<_>>(), events, "{name}");
            case.checked(1);
        }
    }
}

#[test]
pub(super) fn a_forged_delivery_is_refused() {
    for case in cases() {
        let body = case.fixture(&case.deliveries()[0]);
        let good = case.proof_of(&body);
        let mut other_end = good.clone();
        let last = if other_end.pop() == Some('0') { '1' } else { '0' };
        other_end.push(last);
        let forged = [String::new(), good[1..].to_owned(), format!("{good}0"), other_end];
        assert!(case.receive_proven(&body, Some(&good)).is_ok());
        assert_eq!(case.receive_proven(&body, None), Err(NotTaken::Forged), "{}", case.name());
        for value in forged {
            let answer = case.receive_proven(&body, Some(&value));
            assert_eq!(answer, Err(NotTaken::Forged), "{}: {value}", case.name());
            case.checked(1);
        }
    }
}

#[test]
pub(super) fn a_channel_without_a_secret_takes_nothing() {
    for mut case in cases() {
        let body = case.fixture(&case.deliveries()[0]);
        case.secrets = json!({});
        for value in ["", "sha256=", "null"] {
            assert_eq!(case.receive_proven(&body, Some(value)), Err(NotTaken::Forged));
            case.checked(1);
        }
    }
}

#[test]
pub(super) fn the_same_delivery_twice_gives_the_same_keys_and_no_key_twice() {
    for case in cases() {
        let mut seen = std::collections::HashSet::new();
        for name in case.deliveries() {
            let keys = |received: Received| received.events.into_iter().map(|(key, _)| key).collect::<Vec<_>>();
            let body = case.fixture(&name);
            let first = keys(case.receive(&body).unwrap());
            assert_eq!(first, keys(case.receive(&body).unwrap()), "{name}");
            let distinct: std::collections::HashSet<&String> = first.iter().collect();
            assert_eq!(distinct.len(), first.len(), "{name}");
            seen.extend(first);
            case.checked(1);
        }
        // the fixtures share a few of their message ids: the keys must still tell most of them apart
        assert!(seen.len() * 10 >= case.deliveries().len() * 7, "{}", case.name());
    }
}

#[test]
pub(super) fn a_field_that_nobody_knows_yet_changes_nothing() {
    for case in cases() {
        for name in case.deliveries() {
            let mut body = case.fixture_json(&name);
            let before = case.receive(&case.fixture(&name)).unwrap();
            sprinkle(&mut body);
            let after = case.receive(body.to_string().as_bytes()).unwrap();
            // changes without an id of their own are named by what they say
            let lines = |received: &Received| received.events.iter().map(|(_, event)| tell(event)).collect::<Vec<_>>();
            // the second one carries data of whoever made the button, which are told as they are
            if !["update_unknown_future_type.json", "cb_message_event.json"].contains(&name.as_str()) {
                assert_eq!(lines(&before), lines(&after), "{name}");
            }
        }
    }
}

/// Puts an unknown field into every object below the first.
fn sprinkle(value: &mut Value) {
    let inner: Vec<&mut Value> = match value {
        Value::Object(fields) => fields.values_mut().collect(),
        Value::Array(elements) => elements.iter_mut().collect(),
        _ => return,
    };
    for value in inner {
        sprinkle(value);
        if let Value::Object(fields) = value {
            fields.insert("zz_future".to_owned(), json!({"new": [1, "two"]}));
        }
    }
}

#[test]
pub(super) fn what_is_no_json_object_is_unreadable() {
    for case in cases() {
        for body in ["", "null", "[]", "1", "\"text\"", "{", "{\"a\":", "<html>", "\u{0}", "a=b&c=d"] {
            let answer = case.receive(body.as_bytes());
            assert!(matches!(answer, Err(NotTaken::Unreadable(_))), "{}: {body}: {answer:?}", case.name());
            case.checked(1);
        }
        let deep = format!("{}1{}", "[".repeat(100_000), "]".repeat(100_000));
        assert!(matches!(case.receive(deep.as_bytes()), Err(NotTaken::Unreadable(_))));
    }
}

/// One change somewhere in a body.
fn mutate(body: &mut Vec<u8>, at: prop::sample::Index, kind: u8, byte: u8) {
    let Some(at) = (!body.is_empty()).then(|| at.index(body.len())) else { return };
    match kind {
        0 => body[at] = byte,
        1 => body.insert(at, byte),
        2 => drop(body.remove(at)),
        3 => body.truncate(at),
        _ => drop(body.splice(at..at, b"{\"chat\":".iter().copied())),
    }
}

/// Another value in place of one somewhere in the tree.
fn replace(value: &mut Value, steps: &[prop::sample::Index], with: &Value) {
    let Some((step, rest)) = steps.split_first() else {
        *value = with.clone();
        return;
    };
    let mut inner: Vec<&mut Value> = match value {
        Value::Object(fields) => fields.values_mut().collect(),
        Value::Array(elements) => elements.iter_mut().collect(),
        _ => Vec::new(),
    };
    if inner.is_empty() {
        *value = with.clone();
        return;
    }
    let at = step.index(inner.len());
    replace(inner.remove(at), rest, with);
}

fn any_value() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(Value::Null),
        Just(json!([])),
        Just(json!({})),
        Just(json!([{"id": 1}, null])),
        Just(json!(i64::MIN)),
        Just(json!(u64::MAX)),
        Just(json!(1.5e300)),
        Just(json!(true)),
        Just(json!("9223372036854775808")),
        ".{0,8}".prop_map(Value::from),
    ]
}

/// How often each kind of damage is done.
const DAMAGES: u32 = 512;

/// Both kinds of damage, for the page.
pub(super) fn damaged_deliveries_break_nothing() {
    broken_bytes_are_read_or_refused_and_never_more();
    values_of_a_wrong_kind_are_read_or_refused_and_never_more();
    for case in cases() {
        case.checked(2 * DAMAGES as usize);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, cases: DAMAGES, ..ProptestConfig::default() })]

    #[test]
    fn broken_bytes_are_read_or_refused_and_never_more(
        which in any::<prop::sample::Index>(),
        changes in prop::collection::vec((any::<prop::sample::Index>(), 0_u8..5, any::<u8>()), 1..6),
    ) {
        for case in cases() {
            let names = case.deliveries();
            let mut body = case.fixture(&names[which.index(names.len())]);
            for (at, kind, byte) in &changes {
                mutate(&mut body, *at, *kind, *byte);
            }
            // where the proof lies in the body, the change may have met it
            let forged = matches!(case.receive(&body), Err(NotTaken::Forged));
            prop_assert!(!forged || matches!(case.proof, Proof::Body(..)));
        }
    }

    #[test]
    fn values_of_a_wrong_kind_are_read_or_refused_and_never_more(
        which in any::<prop::sample::Index>(),
        steps in prop::collection::vec(any::<prop::sample::Index>(), 0..9),
        with in any_value(),
    ) {
        for case in cases() {
            let names = case.deliveries();
            let mut body = case.fixture_json(&names[which.index(names.len())]);
            replace(&mut body, &steps, &with);
            let forged = matches!(case.receive(body.to_string().as_bytes()), Err(NotTaken::Forged));
            prop_assert!(!forged || matches!(case.proof, Proof::Body(..)));
        }
    }
}
