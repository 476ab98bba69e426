//! A town for crashes: the sandbox and the proxy in this process, a database with lanes and a portal, and servers that are
//! processes of their own.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use switchboard::config::{Config, Sources};
use switchboard::flow::channel;
use switchboard::model::clock::SystemClock;
use switchboard::model::errand::Errand;
use switchboard::model::id::{ChannelId, CompanyId, LaneId, LineId, UserId};
use switchboard::model::message::Kind;
use switchboard::model::moment::Moment;
use switchboard::model::pace::Pace;
use switchboard::sandbox;
use switchboard::serve::{Role, Running};
use switchboard::store::row::{DialogRow, NewLine, NewUser};
use switchboard::store::{self, Conn, Options, outbox};

use super::front::Front;
use super::process::{Journal, Server};
use crate::postgres::Folder;

/// The gap of every lane, in milliseconds.
pub const GAP_MS: i64 = 100;

/// The first of the customers' phones, and how many there are.
pub const FIRST_PHONE: i64 = 79_990_000_001;
pub const CUSTOMERS: i64 = 20;

const SECRET: &str = "0123456789abcdef0123456789abcdef";

/// A channel with its lane.
#[derive(Debug, Clone)]
pub struct Lane {
    pub id: LaneId,
    pub channel: String,
    pub line: LineId,
    /// How the vendor names the number.
    pub who: String,
}

/// The town.
pub struct Town {
    pub base: String,
    pub front: Arc<Front>,
    pub address: String,
    pub token: String,
    pub settings: PathBuf,
    pub options: Options,
    pub company: CompanyId,
    pub lanes: Vec<Lane>,
    pub journal: Arc<Journal>,
    pub client: reqwest::Client,
    sandbox: sandbox::Running,
    _folder: Folder,
}

impl Town {
    /// Builds everything up on this database, with so many lanes.
    pub async fn build(database: &str, lanes: usize) -> Self {
        let config = sandbox::Config { bind: ([127, 0, 0, 1], 0).into(), public: None, switchboard: None };
        let sandbox = sandbox::Running::start(config).await.unwrap();
        // a connection that is kept may be closed by the other side in the moment it is used
        let client = crate::rig::plain_client().pool_max_idle_per_host(0).build().unwrap();
        let base = sandbox.base();
        let (front, address) = Front::start();
        let folder = Folder::new();
        let (path, text) = (folder.path().join("switchboard.toml"), settings(database, &base, &address));
        std::fs::write(&path, &text).unwrap();
        let config = Config::read(&Sources { file: Some((path.display().to_string(), text)), environment: Vec::new() });
        let port = free_port();
        let mut config = config.unwrap();
        config.server.listen = ([127, 0, 0, 1], port).into();
        front.aim(&[port]);
        let server = Running::start(config, Role::ALL.into(), Arc::new(SystemClock::new())).await.unwrap();
        let company = CompanyId::new();
        let token = sign_up(&server, company, &client, &address).await;
        let mut town = Self {
            base,
            front,
            address,
            token,
            settings: path,
            options: Options::new(database),
            company,
            lanes: Vec::new(),
            journal: Arc::default(),
            client,
            sandbox,
            _folder: folder,
        };
        for n in 0..lanes {
            let lane = town.attach(&server, n).await;
            town.lanes.push(lane);
        }
        let phones = json!({ "from": FIRST_PHONE.to_string(), "count": CUSTOMERS, "name": "Клиент", "window": 24 });
        town.control("POST", "/_/phones", phones).await;
        town.install().await;
        server.stop().await;
        town
    }

    async fn attach(&self, server: &Running, n: usize) -> Lane {
        let (who, account) = (format!("10654035224{n:04}"), format!("10229012934{n:04}"));
        let number = json!({ "id": who, "account": account, "number": format!("7495000{n:04}"), "token": format!("EAA{n}"),
            "app_secret": SECRET, "verify_token": "verify-me" });
        self.control("POST", "/_/waba/numbers", number).await;
        let (store, company) = (&server.app.store, self.company);
        let line =
            NewLine {
                name: format!("Линия {n}"), plan: "paid".into(), expires_at: Moment(i64::MAX / 2), hours: None
            };
        let line = store.write(move |conn| switchboard::on!(conn, line::create(company, &line, 0))).await.unwrap();
        let answers = json!({ "phone_number_id": who, "waba_id": account, "token": format!("EAA{n}"), "app_secret": SECRET,
            "verify_token": "verify-me" });
        let step = channel::Step { answers: answers.as_object().unwrap().clone(), ..channel::Step::default() };
        channel::attach(&server.app, company, line, Kind::Waba, step).await.unwrap();
        let row =
            store.read(move |conn| switchboard::on!(conn, channel::of_line(company, line))).await.unwrap().remove(0);
        let hook = channel::webhook_url(&server.app, &row.hook_key);
        let change = json!({ "webhook": hook, "subscribed": true });
        self.control("POST", &format!("/_/waba/accounts/{account}"), change).await;
        let (number, id, pace) = (row.lane, row.id.clone(), Pace::Gap { from_ms: GAP_MS, to_ms: GAP_MS, live_ms: 50 });
        let made = store.write(move |conn| {
            switchboard::on!(conn, lane::set_pace(company, number, &pace, None))?;
            greet(conn, company, &id)
        });
        made.await.unwrap();
        Lane { id: number, channel: row.id, line, who }
    }

    async fn install(&self) {
        let portal = json!({ "client_id": "local.switchboard", "client_secret": "portal-secret",
            "installer_url": format!("{}/bitrix24/install", self.address), "event_url": format!("{}/bitrix24/event", self.address) });
        self.control("POST", "/_/b24/demo", portal).await;
        self.control("POST", "/_/b24/demo/limits", json!({ "rate": 0 })).await;
        let done = self.control("POST", "/_/b24/demo/install", json!({ "mode": "page", "finish": true })).await;
        assert_eq!(done["page"]["status"], 200, "{done}");
        let deal = json!({ "id": 8061, "title": "Сделка", "name": "Иван", "phone": "+79990000001" });
        self.control("POST", "/_/b24/demo/deals", deal).await;
    }

    /// Starts a server of its own at a port.
    pub fn server(&self, port: u16) -> Server {
        Server::start(&self.settings, port, &self.journal)
    }

    /// Makes every call to a vendor slow.
    pub async fn slow(&self, vendor: &str, delay_ms: u64) {
        let fault = json!({ "vendor": vendor, "kind": "slow", "delay_ms": delay_ms });
        self.control("POST", "/_/faults", fault).await;
    }

    /// Reads or writes the database directly, whether a server runs on it or not.
    pub fn database<T>(&self, work: impl FnOnce(&mut Conn) -> store::Result<T>) -> T {
        work(&mut store::connect(&self.options).unwrap()).unwrap()
    }

    /// Errands that wait or fly, and whether they fly.
    pub fn outbox(&self) -> Vec<(Errand, bool)> {
        self.database(|conn| {
            let mut all = Vec::new();
            for lane in switchboard::on!(conn, lane::of_company(self.company))? {
                let errands = outbox::look(conn, lane.id, 100_000)?;
                all.extend(errands.into_iter().map(|(errand, flying, _)| (errand, flying)));
            }
            Ok(all)
        })
    }

    /// What is claimed or open at this moment.
    pub fn in_air(&self) -> impl Iterator<Item = Errand> {
        self.outbox().into_iter().filter_map(|(errand, flying)| flying.then_some(errand))
    }

    /// How many shards each process holds that holds any, fewest first.
    pub fn shares(&self) -> Vec<usize> {
        let mut shares = std::collections::BTreeMap::<_, usize>::new();
        for (_, owner) in
            self.database(|conn| switchboard::on!(conn, owner::shards(switchboard::store::owner::Post::Pump)))
        {
            *shares.entry(owner).or_default() += 1;
        }
        let mut shares: Vec<usize> = shares.into_values().collect();
        shares.sort_unstable();
        shares
    }

    /// Sends a message by the API; its text names it.
    pub async fn send(&self, lane: usize, text: &str) {
        let message = json!({ "channel": self.lanes[lane].channel, "to": FIRST_PHONE.to_string(), "text": text });
        let request = self.client.post(format!("{}/api/v1/messages", self.address)).json(&message);
        assert_eq!(request.bearer_auth(&self.token).send().await.unwrap().status(), 202);
    }

    /// Asks the sandbox's control.
    pub async fn control(&self, method: &str, path: &str, body: Value) -> Value {
        let mut request = self.client.request(method.parse().unwrap(), format!("{}{path}", self.base));
        if !body.is_null() {
            request = request.json(&body);
        }
        let reply = request.send().await.unwrap();
        let (status, text) = (reply.status(), reply.text().await.unwrap());
        assert!(status.is_success(), "{method} {path}: {status} {text}");
        serde_json::from_str(&text).unwrap_or_default()
    }

    /// How many messages the vendor took.
    pub async fn taken(&self) -> u64 {
        let ledger = self.control("GET", "/_/ledger?limit=0", Value::Null).await;
        let of_messages = |row: &&Value| row["vendor"] == "waba" && row["method"] == "messages" && row["status"] == 200;
        ledger["counts"].as_array().unwrap().iter().filter(of_messages).filter_map(|row| row["calls"].as_u64()).sum()
    }

    /// Waits until something that others do has happened.
    pub async fn wait_for<T>(&self, what: &str, limit: Duration, mut look: impl AsyncFnMut() -> Option<T>) -> T {
        let end = tokio::time::Instant::now() + limit;
        let mut beat = tokio::time::interval(Duration::from_millis(25));
        loop {
            beat.tick().await;
            if let Some(found) = look().await {
                return found;
            }
            assert!(tokio::time::Instant::now() < end, "not in time: {what}; {:?}", self.journal.troubles.lock());
        }
    }

    /// Takes the sandbox down.
    pub async fn clear(self) {
        self.sandbox.stop().await;
    }
}

/// Every customer has written first, so the window of 24 hours is open.
fn greet(conn: &mut Conn, company: CompanyId, channel: &str) -> store::Result<()> {
    let now = i64::try_from(std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap().as_millis()).unwrap();
    for n in 0..CUSTOMERS {
        let row = DialogRow {
            id: format!("dlg_{}", uuid::Uuid::now_v7().simple()),
            company: company.to_string(),
            channel: channel.to_owned(),
            contact: None,
            chat: (FIRST_PHONE + n).to_string(),
            title: "Клиент".into(),
            is_group: false,
            allowed: true,
            incoming_at: Some(now),
            thread: None,
            created_at: now,
            led_at: None,
            free_until: None,
        };
        assert!(switchboard::on!(conn, dialog::create(&row))?);
    }
    assert!(channel.parse::<ChannelId>().is_ok());
    Ok(())
}

async fn sign_up(server: &Running, company: CompanyId, client: &reqwest::Client, address: &str) -> String {
    let new = NewUser {
        id: UserId::new(),
        login: "admin@example.com".into(),
        name: "Админ".into(),
        role: "admin".into(),
        password_hash: crate::rig::cheap_hash("a long enough password"),
    };
    let made = server.app.store.write(move |conn| {
        switchboard::on!(conn, company::create(company, "Ромашка", "Europe/Moscow", 0))?;
        switchboard::on!(conn, user::create(company, &new, 0))
    });
    made.await.unwrap();
    let body = json!({ "login": "admin@example.com", "password": "a long enough password" });
    let reply = client.post(format!("{address}/api/v1/tokens")).json(&body).send().await.unwrap();
    let reply: Value = reply.json().await.unwrap();
    reply["token"].as_str().unwrap().to_owned()
}

/// A port of loopback that is free now.
pub fn free_port() -> u16 {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

pub fn settings(database: &str, base: &str, address: &str) -> String {
    let (host, files) = (base.trim_start_matches("http://"), env!("CARGO_TARGET_TMPDIR"));
    format!(
        r#"
keys = ["1:0101010101010101010101010101010101010101010101010101010101010101"]
[server]
public_url = "{address}"
workers = 1
[database]
url = "{database}"
readers = 4
[outbox]
status_delay_ms = 100
[pace]
portal_per_second = 100
portal_burst = 200
[files]
folder = "{files}"
[vendors]
telegram_bot = "{base}/tg"
waba = "{base}/graph/v23.0"
oauth_hosts = ["{host}"]
allow_http = true
allow_networks = ["127.0.0.0/8"]
[bitrix24]
client_id = "local.switchboard"
client_secret = "portal-secret"
[log]
level = "warn,switchboard=info,switchboard::loops::pump=debug"
[limits]
requests_per_second = 10000
requests_burst = 10000
"#
    )
}
