//! From the bytes of a vendor to our events: the fixtures of each messenger, with their proofs, as many as there are; for an account
//! of Telegram, updates by its schema.
//!
//!     cargo bench --bench conversions                all of them; `bench/run --phases conversions` keeps the figures
//!     cargo bench --bench conversions -- email       one of them
#![cfg(test)] // tells the lints that unwrapping is in order here
#![allow(missing_docs, reason = "names tell it")]

use std::collections::HashMap;
use std::hint::black_box;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use grammers_tl_types::{Deserializable as _, Identifiable as _, Serializable as _, enums, types};
use secrecy::SecretString;
use serde_json::{Value, json};
use switchboard::messenger::email::Habits;
use switchboard::messenger::email::letter::{Around, Folder, read};
use switchboard::messenger::telegram::told_updates;
use switchboard::messenger::{Boxed, Delivery, Files, Messenger, OpenFile, Wire, of};
use switchboard::model::message::Kind;
use switchboard::model::moment::Moment;
use switchboard::net::dial::Dial;
use switchboard::net::guard::Policy;
use switchboard::net::http::Http;
use switchboard::net::signature::{hmac_sha256_hex, hmac_sha512_hex};

#[global_allocator] // the binary's own
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const NOW: Moment = Moment(1_795_171_300_000);

struct NoFiles;

impl Files for NoFiles {
    fn open<'a>(&'a self, _: &'a str) -> Boxed<'a, io::Result<OpenFile>> {
        Box::pin(std::future::ready(Err(io::ErrorKind::NotFound.into())))
    }
}

fn wire(secrets: &Value, settings: Value) -> Wire {
    let policy = Policy { plain_http: false, networks: Vec::new() };
    Wire {
        http: Arc::new(Http::new().unwrap()),
        dial: Arc::new(Dial::new(policy, None, Duration::from_secs(1)).unwrap()),
        files: Arc::new(NoFiles),
        lines: Arc::default(),
        vendor: String::new(),
        vendor_key: SecretString::from(String::new()),
        secrets: SecretString::from(secrets.to_string()),
        settings,
        webhook_url: String::new(),
        local: None,
    }
}

/// How a vendor proves a body: a header, or the query.
type Proof = (&'static str, fn(&[u8]) -> Vec<(String, String)>);

/// A messenger that is posted to: its fixtures and their names, its channel, its proof.
fn posted(kind: Kind) -> (&'static str, Wire, Proof) {
    fn header(name: &str, value: String) -> Vec<(String, String)> {
        vec![(name.to_owned(), value)]
    }
    match kind {
        Kind::WhatsappWeb => (
            "whatsapp_web",
            wire(&json!({ "hook_secret": "s" }), json!({ "session": "acc-1", "address": "79031112233" })),
            ("", |body| header("x-webhook-hmac", hmac_sha512_hex(b"s", body))),
        ),
        Kind::Waba => (
            "waba",
            wire(
                &json!({ "token": "t", "app_secret": "s" }),
                json!({ "phone_number_id": "240000000000002", "waba_id": "230000000000001" }),
            ),
            ("", |body| header("x-hub-signature-256", format!("sha256={}", hmac_sha256_hex(b"s", body)))),
        ),
        Kind::TelegramBot => (
            "telegram-bot",
            wire(&json!({ "token": "1:t", "secret": "s" }), json!({})),
            ("", |_| header("x-telegram-bot-api-secret-token", "s".to_owned())),
        ),
        Kind::Vk => (
            "vk",
            wire(&json!({ "token": "t", "secret": "vk-secret-77" }), json!({ "group_id": "200000001" })),
            ("", |_| Vec::new()),
        ),
        Kind::Avito => (
            "avito",
            wire(&json!({ "access_token": "t", "secret": "s" }), json!({ "user_id": "94235311" })),
            ("s=s", |_| Vec::new()),
        ),
        Kind::VkNotify => {
            ("vk-notify", wire(&json!({ "api_token": "t", "secret": "s" }), json!({})), ("s=s", |_| Vec::new()))
        }
        other => panic!("{} is not posted to", other.slug()),
    }
}

fn fixtures(folder: &str, starts: &[&str]) -> Vec<Vec<u8>> {
    let folder: PathBuf = [env!("CARGO_MANIFEST_DIR"), "tests/fixtures", folder].iter().collect();
    let files = std::fs::read_dir(folder).unwrap().map(|file| file.unwrap().path());
    let named = |path: &PathBuf| {
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        starts.iter().any(|start| name.starts_with(start))
    };
    files.filter(named).map(|path| std::fs::read(path).unwrap()).collect()
}

const DELIVERIES: [&str; 9] = ["update_", "in_", "ev_", "status_", "batch_", "group_", "template_", "cb_", "hook_"];

fn deliveries(c: &mut Criterion) {
    rustls::crypto::ring::default_provider().install_default().unwrap();
    let mut group = c.benchmark_group("conversions");
    for kind in [Kind::WhatsappWeb, Kind::Waba, Kind::TelegramBot, Kind::Vk, Kind::VkNotify, Kind::Avito] {
        let (folder, wire, (query, prove)) = posted(kind);
        let messenger: &dyn Messenger = of(kind).unwrap();
        let bodies: Vec<_> = fixtures(folder, &DELIVERIES).into_iter().map(|body| (prove(&body), body)).collect();
        group.throughput(Throughput::Elements(bodies.len() as u64));
        group.bench_function(kind.slug(), |b| {
            b.iter(|| {
                for (headers, body) in &bodies {
                    let delivery = Delivery { method: "POST", query, headers, body, at: NOW };
                    black_box(messenger.receive(&wire, black_box(&delivery)).unwrap());
                }
            });
        });
    }
    let letters = fixtures("email", &["in_"]);
    group.throughput(Throughput::Elements(letters.len() as u64));
    group.bench_function(Kind::Email.slug(), |b| {
        let around = Around {
            own: "sales@company.test",
            folder: Folder::Inbox,
            validity: 7,
            uid: 9,
            at: NOW,
            habits: Habits::default(),
            sizes: HashMap::new(),
        };
        b.iter(|| {
            for letter in &letters {
                black_box(read(black_box(letter), &around));
            }
        });
    });
    let updates = told();
    group.throughput(Throughput::Elements(updates.len() as u64));
    group.bench_function(Kind::Telegram.slug(), |b| {
        b.iter(|| {
            for update in &updates {
                black_box(told_updates(black_box(update)).unwrap());
            }
        });
    });
    group.finish();
}

/// What Telegram tells an account: nobody records it, so these are written by its schema.
fn told() -> Vec<Vec<u8>> {
    let anna = enums::Peer::from(types::PeerUser { user_id: 5 });
    let team = enums::Peer::from(types::PeerChannel { channel_id: 77 });
    let photo = types::Photo {
        has_stickers: false,
        id: 31,
        access_hash: 32,
        file_reference: vec![7; 24],
        date: 1_790_000_000,
        sizes: vec![types::PhotoSize { r#type: "x".to_owned(), w: 800, h: 600, size: 81_920 }.into()],
        video_sizes: None,
        dc_id: 2,
    };
    let photo = types::MessageMediaPhoto {
        spoiler: false,
        live_photo: false,
        photo: Some(photo.into()),
        ttl_seconds: None,
        video: None,
    };
    let text = || message(9, &anna, "Добрый день! Подскажите, пожалуйста, когда привезут заказ 1204?");
    let in_group = types::Message { from_id: Some(anna.clone()), ..message(10, &team, "Завтра до обеда") };
    let new =
        |message: types::Message| types::UpdateNewMessage { message: message.into(), pts: 1, pts_count: 1 }.into();
    let updates: Vec<enums::Update> = vec![
        new(text()),
        new(types::Message { media: Some(photo.into()), ..text() }),
        new(types::Message { out: true, ..text() }),
        types::UpdateNewChannelMessage { message: in_group.into(), pts: 2, pts_count: 1 }.into(),
        types::UpdateEditMessage {
            message: types::Message { edit_date: Some(1_790_000_060), ..text() }.into(),
            pts: 3,
            pts_count: 1,
        }
        .into(),
        types::UpdateDeleteMessages { messages: vec![9, 10], pts: 4, pts_count: 2 }.into(),
        types::UpdateReadHistoryOutbox { peer: anna.clone(), max_id: 9, pts: 5, pts_count: 0 }.into(),
    ];
    let bytes = updates.into_iter().map(|update| {
        let told = types::Updates { updates: vec![update], users: vec![user()], chats: Vec::new(), date: 1, seq: 0 };
        enums::Updates::from(told).to_bytes()
    });
    bytes.collect()
}

/// The schema grows; what is not named here stays as the bytes of an empty message have it.
fn message(id: i32, peer: &enums::Peer, text: &str) -> types::Message {
    let mut bytes = types::Message::CONSTRUCTOR_ID.to_le_bytes().to_vec();
    bytes.extend([0; 8]);
    bytes.extend(id.to_le_bytes());
    bytes.extend(peer.to_bytes());
    bytes.extend(1_790_000_000_i32.to_le_bytes());
    bytes.extend(text.to_owned().to_bytes());
    match enums::Message::from_bytes(&bytes).unwrap() {
        enums::Message::Message(message) => message,
        other => panic!("{other:?}"),
    }
}

fn user() -> enums::User {
    let mut bytes = types::User::CONSTRUCTOR_ID.to_le_bytes().to_vec();
    bytes.extend([0; 8]);
    bytes.extend(5_i64.to_le_bytes());
    let mut user = enums::User::from_bytes(&bytes).unwrap();
    if let enums::User::User(user) = &mut user {
        (user.first_name, user.access_hash) = (Some("Анна".to_owned()), Some(7));
        user.phone = Some("79031112233".to_owned());
    }
    user
}

criterion_group!(conversions, deliveries);
criterion_main!(conversions);
