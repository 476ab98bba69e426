//! How much memory a large file takes on its way: that of the server's own process, as the kernel counts it.
//!
//! `cargo test --test it files::memory -- --nocapture` prints the figures.

use std::sync::Arc;
use std::time::{Duration, Instant};

use secrecy::SecretString;
use serde_json::{Value, json};
use switchboard::config::{Config, Sources};
use switchboard::flow::credentials;
use switchboard::model::clock::SystemClock;
use switchboard::model::id::{ChannelId, CompanyId, UserId};
use switchboard::model::moment::Moment;
use switchboard::model::pace::Pace;
use switchboard::on;
use switchboard::serve::Running;
use switchboard::store::row::{ChannelRow, DialogRow, NewLane, NewLine, NewUser};

use super::server::{Server, sha256};
use crate::crash::process::{Journal, Server as Process};

const SIZE: u64 = 60 << 20;

/// What a file may take besides, in kilobytes.
const MOST_KB: u64 = 16 << 10;

const PASSWORD: &str = "a long enough password";

/// A server in a process of its own, and its API.
struct House {
    process: Process,
    address: String,
    token: String,
    client: reqwest::Client,
    channels: Vec<String>,
    _folder: crate::postgres::Folder,
}

impl House {
    async fn open(vendor: &Server) -> Self {
        let folder = crate::postgres::Folder::new();
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let address = format!("http://127.0.0.1:{port}");
        let text = settings(&folder.path().join("switchboard.db").display().to_string(), &vendor.base, &address);
        let channels = furnish(&text).await;
        let path = folder.path().join("switchboard.toml");
        std::fs::write(&path, text).unwrap();
        let process = Process::start(&path, port, &Arc::new(Journal::default()));
        process.ready().await;
        let client = crate::rig::client();
        let body = json!({ "login": "admin", "password": PASSWORD });
        let signed = client.post(format!("{address}/api/v1/tokens")).json(&body).send().await.unwrap();
        let token = signed.json::<Value>().await.unwrap()["token"].as_str().unwrap().to_owned();
        Self { process, address, token, client, channels, _folder: folder }
    }

    async fn api(&self, request: reqwest::RequestBuilder) -> Value {
        let reply = request.bearer_auth(&self.token).send().await.unwrap();
        let (status, text) = (reply.status(), reply.text().await.unwrap());
        assert!(status.is_success(), "{status} {text}");
        serde_json::from_str(&text).unwrap()
    }

    /// Sends a message and waits until the vendor has taken it.
    async fn send(&self, channel: usize, to: &str, more: Value) {
        let mut body = json!({ "to": to, "channel": self.channels[channel], "urgent": true });
        body.as_object_mut().unwrap().extend(more.as_object().cloned().unwrap());
        let made = self.api(self.client.post(format!("{}/api/v1/messages", self.address)).json(&body)).await;
        let at = format!("{}/api/v1/messages/{}", self.address, made["id"].as_str().unwrap());
        let (end, mut beat) =
            (Instant::now() + Duration::from_mins(2), tokio::time::interval(Duration::from_millis(50)));
        loop {
            let told = self.api(self.client.get(&at)).await;
            match told["status"].as_str().unwrap() {
                "sent" | "delivered" => return,
                "waiting" | "flying" if Instant::now() < end => beat.tick().await,
                other => panic!("{other}: {told}"),
            };
        }
    }

    /// The most memory that the process held while something was done, beyond what it held before, in kilobytes.
    async fn peak<T>(&self, what: impl Future<Output = T>) -> (T, u64) {
        let process = format!("/proc/{}", self.process.id());
        std::fs::write(format!("{process}/clear_refs"), "5").unwrap();
        let before = status(&process, "VmRSS:");
        let done = what.await;
        (done, status(&process, "VmHWM:").saturating_sub(before))
    }
}

fn status(process: &str, name: &str) -> u64 {
    let text = std::fs::read_to_string(format!("{process}/status")).unwrap();
    let line = text.lines().find_map(|line| line.strip_prefix(name)).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

fn settings(database: &str, vendor: &str, address: &str) -> String {
    format!(
        r#"
keys = ["1:0101010101010101010101010101010101010101010101010101010101010101"]
[server]
public_url = "{address}"
workers = 1
[database]
url = "sqlite:{database}"
[vendors]
waba = "{vendor}/graph"
whatsapp_web = "{vendor}/waha"
whatsapp_web_key = "key"
allow_http = true
allow_networks = ["127.0.0.0/8"]
[telegram_bot]
local_server = "{vendor}/tg"
local_folder = "/nowhere"
"#
    )
}

/// A company, its administrator, and three channels: WABA, WhatsApp Web, a bot of Telegram.
async fn furnish(settings: &str) -> Vec<String> {
    let sources = Sources { file: Some(("test.toml".to_owned(), settings.to_owned())), environment: Vec::new() };
    let config = Config::read(&sources).unwrap();
    let server = Running::start_on(None, config, [].into(), Arc::new(SystemClock::new())).await.unwrap();
    let company = CompanyId::new();
    let password_hash = crate::rig::cheap_hash(PASSWORD);
    let line = server.app.store.write(move |conn| {
        on!(conn, company::create(company, "Ромашка", "Europe/Moscow", 0))?;
        let user = NewUser {
            id: UserId::new(),
            name: "Анна".into(),
            login: "admin".into(),
            role: "admin".into(),
            password_hash: password_hash.clone(),
        };
        on!(conn, user::create(company, &user, 0))?;
        let line =
            NewLine {
                name: "Продажи".into(), plan: "paid".into(), expires_at: Moment(i64::MAX / 2), hours: None
            };
        on!(conn, line::create(company, &line, 0))
    });
    let line = line.await.unwrap();
    let mut made = Vec::new();
    for (messenger, settings, secrets) in [
        ("waba", json!({ "phone_number_id": "106540352242922" }), json!({ "token": "EAAtoken" })),
        ("whatsapp_web", json!({ "session": "one" }), json!({ "hook_secret": "secret" })),
        ("telegram_bot", json!({}), json!({ "token": "100200300:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA" })),
    ] {
        made.push(attach(&server, company, line, messenger, &settings, &secrets).await);
    }
    server.stop().await;
    made
}

async fn attach(
    server: &Running,
    company: CompanyId,
    line: i64,
    messenger: &'static str,
    settings: &Value,
    secrets: &Value,
) -> String {
    let id = ChannelId::new().to_string();
    let sealed = credentials::seal(&server.app, "channels", &id, &SecretString::from(secrets.to_string()));
    let (settings, now, named) = (settings.to_string(), server.app.clock.now().0, id.clone());
    let written = server.app.store.write(move |conn| {
        let pace = Pace::Gap { from_ms: 1_000, to_ms: 1_000, live_ms: 10 };
        let lane = on!(conn, lane::create(company, &NewLane { kind: "channel".into(), pace, hours: None }))?;
        let row = ChannelRow {
            id: named.clone(),
            company: company.to_string(),
            line,
            lane,
            messenger: messenger.into(),
            account: messenger.into(),
            state: "connected".into(),
            secrets: sealed.clone(),
            settings: settings.clone(),
            hook_key: messenger.into(),
            lost_reason: None,
            connected_at: now,
            created_at: now,
        };
        on!(conn, channel::create(&row))?;
        let dialog = DialogRow {
            id: format!("di_{}", uuid::Uuid::now_v7().simple()),
            company: company.to_string(),
            channel: named.clone(),
            contact: None,
            chat: "79990000001".into(),
            title: "Клиент".into(),
            is_group: false,
            allowed: true,
            incoming_at: Some(now),
            thread: None,
            created_at: now,
            led_at: None,
            free_until: None,
        };
        on!(conn, dialog::create(&dialog))
    });
    assert!(written.await.unwrap());
    id
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_large_file_passes_with_little_memory() {
    let vendor = Server::start();
    let house = House::open(&vendor).await;
    let (waba, web, bot) = ((0, "+79990000001"), (1, "79990000001@c.us"), (2, "100"));
    for (channel, to) in [waba, web, bot] {
        house.send(channel, to, json!({ "text": "Здравствуйте!" })).await;
    }
    let file = |source: String| json!({ "file": { "source": source, "name": "a.pdf", "mime": "application/pdf" } });
    let mut figures = Vec::new();
    for (what, (channel, to), size, source) in [
        ("WhatsApp Business, size told", waba, SIZE, vendor.file(SIZE, true)),
        ("WhatsApp Business, size not told", waba, SIZE, vendor.file(SIZE, false)),
        ("WhatsApp Web, size told", web, SIZE, vendor.file(SIZE, true)),
        ("WhatsApp Web, size not told", web, SIZE, vendor.file(SIZE, false)),
        ("Telegram bot, a server of one's own", bot, SIZE, vendor.file(SIZE, true)),
    ] {
        let posted = || vendor.posted.lock().values().map(|posted| posted.size).max().unwrap();
        vendor.posted.lock().clear();
        let ((), peak) = house.peak(house.send(channel, to, file(source))).await;
        assert!(posted() >= size, "{what}: {}", posted());
        figures.push((what, peak));
    }
    let pieces = futures_util::stream::iter(super::server::pieces(SIZE).map(Ok::<_, std::io::Error>));
    let upload = house.client.post(format!("{}/api/v1/files?name=a.pdf", house.address)).bearer_auth(&house.token);
    let upload = async { house.api(upload.body(reqwest::Body::wrap_stream(pieces))).await };
    let (made, peak) = house.peak(upload).await;
    assert_eq!((made["size"].as_u64(), made["sha256"].as_str()), (Some(SIZE), Some(sha256(SIZE).as_str())));
    figures.push(("upload", peak));
    let (bytes, peak) =
        house.peak(async { reqwest::get(made["url"].as_str().unwrap()).await.unwrap().bytes().await }).await;
    assert_eq!(bytes.unwrap().len() as u64, SIZE);
    figures.push(("download by link", peak));
    for (what, peak) in &figures {
        println!("{what}: {:.1} MB", f64::from(u32::try_from(*peak).unwrap()) / 1024.0);
    }
    assert!(figures.iter().all(|(_, peak)| *peak < MOST_KB), "{figures:?}");
}
