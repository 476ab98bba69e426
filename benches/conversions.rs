//! From the bytes of a vendor to our events: the fixtures of each messenger, with their proofs, as many as there are.
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
use secrecy::SecretString;
use serde_json::{Value, json};
use switchboard::messenger::email::Habits;
use switchboard::messenger::email::letter::{Around, Folder, read};
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
    group.finish();
}

criterion_group!(conversions, deliveries);
criterion_main!(conversions);
