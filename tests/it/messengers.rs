//! The suite that every messenger of the catalogue must pass. A new messenger adds its row in `case`, its folder of
//! fixtures and its schema; everything here then runs for it too.

mod avito;
pub(crate) mod case;
mod changes;
pub(crate) mod email;
mod faults;
mod groups;
pub(crate) mod incoming;
mod outgoing;
pub(crate) mod page;
mod posted;
mod reactions;
mod schemas;
mod second_opinion;
mod telegram_bot;
mod vk;
mod vk_notify;
mod waba;
mod waba_groups;
mod watching;
mod whatsapp_web;
pub(crate) mod wire;

use switchboard::messenger::{Field, FieldKind, catalogue, of};
use switchboard::model::message::{Event, Kind};
use switchboard::model::pace::Pace;

#[test]
fn every_messenger_is_found_by_its_kind_and_only_once() {
    for messenger in catalogue() {
        let kind = messenger.about().kind;
        assert_eq!(of(kind).map(|found| found.about().kind), Some(kind));
        assert_eq!(catalogue().iter().filter(|other| other.about().kind == kind).count(), 1);
    }
}

/// Whoever is posted to runs through the suite of this folder; whoever listens, through one beside its real server.
#[test]
fn every_messenger_is_proven() {
    let posted: Vec<Kind> = case::cases().iter().map(|case| case.messenger.about().kind).collect();
    for messenger in catalogue() {
        let about = messenger.about();
        assert!(posted.contains(&about.kind) != email::LISTENING.contains(&about.kind), "{}", about.kind.slug());
        assert_eq!(about.abilities.listens, email::LISTENING.contains(&about.kind), "{}", about.kind.slug());
    }
}

/// What a messenger that listens hears where its fixtures are told to it.
fn heard(kind: Kind) -> Vec<(String, Event)> {
    match kind {
        Kind::Email => email::heard(),
        Kind::Telegram => crate::telegram::heard(),
        other => panic!("{} listens: its fixtures have a row here", other.slug()),
    }
}

/// Every word is there twice, a secret is called one, and what a field says of others is true of them.
fn check_form(what: &str, form: &[Field]) {
    let both = |words: (&str, &str)| !words.0.is_empty() && !words.1.is_empty();
    let options = |field: &Field| match field.kind {
        FieldKind::Choice { options } => options,
        _ => &[],
    };
    // whether a field may have a value
    let takes = |name: &str, value: &str| {
        let field = form.iter().find(|field| field.name == name).unwrap_or_else(|| panic!("{what} has no {name}"));
        match field.kind {
            FieldKind::Choice { options } => options.iter().any(|option| option.value == value),
            FieldKind::Number { from, to } => value.parse().is_ok_and(|number: i64| (from..=to).contains(&number)),
            FieldKind::Switch => ["", "yes"].contains(&value),
            FieldKind::Text | FieldKind::Lines => true,
        }
    };
    for field in form {
        let name = field.name;
        assert!(!name.is_empty() && both(field.label) && field.hint.is_none_or(both), "{what}.{name}");
        assert!(field.part.is_none_or(both), "{what}.{name}");
        assert!(field.label.0.chars().any(char::is_alphabetic), "{what}: {name} has no words");
        let secret = ["token", "secret", "pin", "password"].iter().any(|word| name.contains(word));
        assert_eq!(field.secret, secret, "{what}.{name}");
        assert!(field.begins.is_empty() || takes(name, field.begins), "{what}.{name} begins with {}", field.begins);
        for option in options(field) {
            assert!(!option.value.is_empty() && both(option.title), "{what}.{name}");
            assert!(option.fills.iter().all(|(other, value)| takes(other, value)), "{what}.{name} {}", option.value);
        }
        assert!(matches!(field.kind, FieldKind::Choice { .. }) != options(field).is_empty(), "{what}.{name}");
        if let Some(only) = field.only {
            assert!(only.values.iter().all(|value| takes(only.field, value)), "{what}.{name}");
        }
    }
}

#[test]
fn every_card_is_complete() {
    for messenger in catalogue() {
        let about = messenger.about();
        let what = about.kind.slug();
        assert!(!about.title.0.is_empty() && !about.title.1.is_empty(), "{what}");
        assert!(!about.form.is_empty(), "{what}");
        check_form(what, about.form);
        assert!(about.text_limit >= about.caption_limit && about.caption_limit > 0, "{what}");
        let files = !about.media_limits.is_empty() || about.abilities.templates_only;
        assert!(files && about.media_limits.iter().all(|(_, limit)| *limit > 0), "{what}");
        // a gateway and a mailbox have no address of their vendor
        let named = about.vendor.starts_with("https://") || messenger.links_device() || about.kind == Kind::Email;
        assert!(named && !about.vendor.ends_with('/'), "{what}");
        let Pace::Gap { from_ms, to_ms, live_ms } = about.pace else { panic!("{what}: a channel keeps a gap") };
        assert!(about.floor_ms > 0 && from_ms >= about.floor_ms && to_ms >= from_ms && live_ms > 0, "{what}");
        assert!(serde_json::to_value(about).unwrap()["kind"] == what);
        page::checked(about.kind, about.form.len() + about.media_limits.len());
    }
}
