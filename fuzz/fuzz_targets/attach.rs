//! What a browser brings back while a channel is attached: the sealed state, and the answers of a person.
#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::{Map, Value, json};
use switchboard::messenger::{AttachStep, Messenger, catalogue};
use switchboard::store::Keyring;
use switchboard_fuzz::wire;

static KEYS: LazyLock<Keyring> =
    LazyLock::new(|| Keyring::parse(&[SecretString::from(format!("1:{}", "01".repeat(32)))]).unwrap());

static RUNTIME: LazyLock<tokio::runtime::Runtime> =
    LazyLock::new(|| tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap());

/// Whoever listens dials servers that the answers name, so they have no place here.
fn messengers() -> impl Iterator<Item = &'static &'static dyn Messenger> {
    catalogue().iter().filter(|messenger| !messenger.about().abilities.listens)
}

// the first line names the messenger, the second one is what was answered, the rest is what was kept
fuzz_target!(|given: &str| {
    let mut lines = given.splitn(3, '\n');
    let [which, answers, kept] = [(); 3].map(|()| lines.next().unwrap_or_default());
    assert!(KEYS.open("attach:company:1:waba", kept).is_none(), "somebody else's state was opened");
    let sealed = KEYS.seal("here", &SecretString::from(kept.to_owned()));
    assert_eq!(KEYS.open("here", &sealed).unwrap().expose_secret(), kept);
    assert!(KEYS.open("there", &sealed).is_none());
    let Some(messenger) = messengers().find(|messenger| messenger.about().kind.slug() == which) else { return };
    let step = AttachStep {
        answers: serde_json::from_str::<Map<String, Value>>(answers).unwrap_or_default(),
        webhook_url: "https://switchboard.example.test/hook/channel/0a1b".to_owned(),
        return_url: String::new(),
        kept: serde_json::from_str(kept).unwrap_or_default(),
    };
    let wire = wire(&json!({"client_id": "1", "client_secret": "2"}), &json!({}));
    if let Err(told) = RUNTIME.block_on(messenger.attach(&wire, &step)) {
        assert!(!told.ru.is_empty() && !told.en.is_empty());
    }
});
