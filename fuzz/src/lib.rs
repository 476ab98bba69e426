//! What the targets share: channels that reach nobody, and deliveries that are signed as their vendor signs them.

use std::io;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use secrecy::SecretString;
use serde_json::{Value, json};
use switchboard::messenger::{Boxed, Delivery, Files, Messenger, NotTaken, OpenFile, Wire, of};
use switchboard::model::message::{Event, Kind};
use switchboard::model::moment::Moment;
use switchboard::net::dial::Dial;
use switchboard::net::guard::Policy;
use switchboard::net::http::Http;
use switchboard::net::signature::{hmac_sha256_hex, hmac_sha512_hex};

/// When everything comes.
pub const NOW: Moment = Moment(1_795_171_300_000);

struct NoFiles;

impl Files for NoFiles {
    fn open<'a>(&'a self, _: &'a str) -> Boxed<'a, io::Result<OpenFile>> {
        Box::pin(std::future::ready(Err(io::ErrorKind::NotFound.into())))
    }
}

/// A channel; no call of it leaves, since its vendor has no address.
pub fn wire(secrets: &Value, settings: &Value) -> Wire {
    static OUT: LazyLock<(Arc<Http>, Arc<Dial>)> = LazyLock::new(|| {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let policy = Policy { plain_http: false, networks: Vec::new() };
        (Arc::new(Http::new().unwrap()), Arc::new(Dial::new(policy, None, Duration::ZERO).unwrap()))
    });
    Wire {
        http: Arc::clone(&OUT.0),
        dial: Arc::clone(&OUT.1),
        lines: Arc::default(),
        files: Arc::new(NoFiles),
        vendor: String::new(),
        vendor_key: SecretString::from("key".to_owned()),
        secrets: SecretString::from(secrets.to_string()),
        settings: settings.clone(),
        webhook_url: String::new(),
        local: None,
    }
}

/// What was read is kept in the database: it must have a key, and read back as it was.
pub fn keeps((key, event): &(String, Event)) {
    assert!(!key.is_empty(), "an event without a key");
    let kept = serde_json::to_string(event).unwrap();
    assert_eq!(&serde_json::from_str::<Event>(&kept).unwrap(), event);
}

/// Whether a zero byte stands in a text or a name of it, which PostgreSQL would not take.
pub fn holds_zero(value: &Value) -> bool {
    match value {
        Value::String(text) => text.contains('\0'),
        Value::Array(items) => items.iter().any(holds_zero),
        Value::Object(map) => map.iter().any(|(name, inner)| name.contains('\0') || holds_zero(inner)),
        _ => false,
    }
}

/// A messenger that is posted to.
pub struct Posted {
    messenger: &'static dyn Messenger,
    wire: Wire,
    header: Option<(&'static str, fn(&[u8]) -> String)>,
    query: &'static str,
}

impl Posted {
    /// Its channel, with the secrets that the fixtures were signed with.
    pub fn new(kind: Kind) -> Self {
        type Header = Option<(&'static str, fn(&[u8]) -> String)>;
        let (secrets, settings, header, query): (Value, Value, Header, &'static str) = match kind {
            Kind::Waba => (
                json!({"token": "t", "app_secret": "app", "verify_token": "v"}),
                json!({"phone_number_id": "240000000000002", "waba_id": "230000000000001"}),
                Some(("x-hub-signature-256", |body| format!("sha256={}", hmac_sha256_hex(b"app", body)))),
                "",
            ),
            Kind::TelegramBot => (
                json!({"token": "7000000001:AAE", "secret": "hook"}),
                json!({}),
                Some(("x-telegram-bot-api-secret-token", |_| "hook".to_owned())),
                "",
            ),
            Kind::Vk => (json!({"token": "t", "secret": "vk-secret-77"}), json!({"group_id": "200000001"}), None, ""),
            Kind::Avito => (
                json!({"client_id": "c", "client_secret": "s", "access_token": "t", "secret": "hook"}),
                json!({"user_id": "94235311"}),
                None,
                "s=hook",
            ),
            Kind::WhatsappWeb => (
                json!({"hook_secret": "hook"}),
                json!({"session": "acc-1", "address": "79031112233"}),
                Some(("x-webhook-hmac", |body| hmac_sha512_hex(b"hook", body))),
                "",
            ),
            Kind::VkNotify => {
                (json!({"api_token": "t", "secret": "hook"}), json!({"provider": "devino"}), None, "s=hook")
            }
            other => panic!("{} is not posted to", other.slug()),
        };
        Self { messenger: of(kind).unwrap(), wire: wire(&secrets, &settings), header, query }
    }

    /// Receives a body as its vendor would post it. What comes of it is kept, so it must read back as it was, and its keys
    /// must be the same whenever it comes.
    pub fn take(&self, body: &[u8]) {
        let headers: Vec<_> = self.header.iter().map(|(name, sign)| ((*name).to_owned(), sign(body))).collect();
        let delivery = Delivery { method: "POST", query: self.query, headers: &headers, body, at: NOW };
        match self.messenger.receive(&self.wire, &delivery) {
            Ok(received) => {
                received.events.iter().for_each(keeps);
                assert_eq!(self.messenger.receive(&self.wire, &delivery).as_ref(), Ok(&received));
            }
            // where the proof lies in the body, a body can miss it
            Err(NotTaken::Forged) => assert!(self.header.is_none() && self.query.is_empty(), "a proof was refused"),
            Err(NotTaken::Unreadable(what)) => assert!(what.len() < 1000, "a reason of {} bytes", what.len()),
        }
    }
}
