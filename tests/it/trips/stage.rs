//! A stage for trips: the sandbox on a socket, a server beside it, a line with both messengers, an installed portal.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use diesel::RunQueryDsl as _;
use serde_json::{Value, json};
use switchboard::config::{Config, Sources};
use switchboard::flow::channel;
use switchboard::model::clock::{Clock, SystemClock};
use switchboard::model::errand::Errand;
use switchboard::model::id::{CompanyId, LineId, UserId};
use switchboard::model::message::Kind;
use switchboard::model::moment::Moment;
use switchboard::model::pace::Pace;
use switchboard::sandbox;
use switchboard::serve::{self, Role, Running};
use switchboard::store::row::{NewLine, NewUser, PortalRow};
use switchboard::store::{Conn, outbox};

/// The gap between messages on this stage, in milliseconds: short, so that tests are.
pub const GAP_MS: i64 = 300;

/// How many customers there are on every stage, by their phones from +79990000001 on: few, because each of them writes first,
/// on hundreds of stages.
pub const CUSTOMERS: i64 = 8;

/// The stage.
pub struct Stage {
    pub base: String,
    pub server: Running,
    pub line: LineId,
    pub company: CompanyId,
    pub address: String,
    sandbox: sandbox::Running,
    token: String,
    client: reqwest::Client,
}

impl Stage {
    /// Sets everything up on this database.
    pub async fn set(database: &str) -> Self {
        let stage = Self::without_portal(database).await;
        stage.install().await;
        stage
    }

    /// The same before anybody has installed the application.
    pub async fn without_portal(database: &str) -> Self {
        Self::at(database, Arc::new(SystemClock::new()), Role::ALL.into()).await
    }

    /// The same by another clock, with a part of the server.
    pub async fn at(database: &str, clock: Arc<dyn Clock>, roles: serve::Roles) -> Self {
        Self::with(database, clock, roles, "").await
    }

    /// The same with more settings, where `{base}` is the sandbox.
    pub async fn with(database: &str, clock: Arc<dyn Clock>, roles: serve::Roles, more: &str) -> Self {
        let config = sandbox::Config { bind: ([127, 0, 0, 1], 0).into(), public: None, switchboard: None };
        let sandbox = sandbox::Running::start(config).await.unwrap();
        let base = sandbox.base();
        // the address is known before the server listens: vendors are told of it while channels are attached
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let address = format!("http://127.0.0.1:{port}");
        let server = Running::start(settings(database, &base, port, more), roles, clock);
        let server = server.await.unwrap();
        let company = CompanyId::new();
        let line = server.app.store.write(move |conn| {
            switchboard::on!(conn, company::create(company, "Ромашка", "Europe/Moscow", 0))?;
            let line =
                NewLine {
                    name: "Продажи".into(), plan: "paid".into(), expires_at: Moment(i64::MAX / 2), hours: None
                };
            switchboard::on!(conn, line::create(company, &line, 0))
        });
        let line = line.await.unwrap();
        let client = crate::rig::client();
        let token = token(&server, company, &client, &address).await;
        let stage = Self { base, server, line, company, address, sandbox, token, client };
        stage.attach(company).await;
        stage.make_portal().await;
        stage
    }

    async fn attach(&self, company: CompanyId) {
        self.control("POST", "/_/settings", json!({ "status_delay_ms": 0 })).await;
        self.control("POST", "/_/telegram/bots", json!({ "token": "100200300:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA" }))
            .await;
        let number = json!({ "id": "106540352242922", "account": "102290129340398", "token": "EAAtoken", "app_secret": "0123456789abcdef0123456789abcdef",
            "verify_token": "verify-me" });
        self.control("POST", "/_/waba/numbers", number).await;
        let phones =
            json!({ "from": "79990000001", "count": CUSTOMERS, "name": "Клиент", "started": true, "window": 24 });
        self.control("POST", "/_/phones", phones).await;
        let answers = json!({ "phone_number_id": "106540352242922", "waba_id": "102290129340398", "token": "EAAtoken",
            "app_secret": "0123456789abcdef0123456789abcdef", "verify_token": "verify-me" });
        let step = channel::Step { answers: answers.as_object().unwrap().clone(), ..channel::Step::default() };
        channel::attach(&self.server.app, company, self.line, Kind::Waba, step).await.unwrap();
        let channels = self.server.app.store.read(move |conn| switchboard::on!(conn, channel::of_company(company)));
        let waba = channels.await.unwrap().remove(0);
        let hook = channel::webhook_url(&self.server.app, &waba.hook_key);
        self.control("POST", "/_/waba/accounts/102290129340398", json!({ "webhook": hook, "subscribed": true })).await;
        self.set_pace(waba.lane).await;
        // every customer wrote first: the window of 24 hours is open
        for n in 0..CUSTOMERS {
            let say = json!({ "messenger": "waba", "text": "Добрый день" });
            self.control("POST", &format!("/_/phones/{}/say", 79_990_000_001 + n), say).await;
        }
        let store = Arc::clone(&self.server.app.store);
        self.wait_for("every greeting is worked", move |_| {
            let store = Arc::clone(&store);
            async move {
                let dialogs =
                    store.read(move |conn| switchboard::on!(conn, dialog::newest(company, 100))).await.unwrap();
                let open = dialogs.iter().filter(|dialog| dialog.incoming_at.is_some()).count();
                (i64::try_from(open).unwrap() == CUSTOMERS).then_some(())
            }
        })
        .await;
    }

    async fn make_portal(&self) {
        let portal = json!({ "client_id": "local.switchboard", "client_secret": "portal-secret",
            "installer_url": format!("{}/bitrix24/install", self.address), "event_url": format!("{}/bitrix24/event", self.address) });
        self.control("POST", "/_/b24/demo", portal).await;
        self.control("POST", "/_/b24/demo/limits", json!({ "rate": 0 })).await;
        let deal = json!({ "id": 8061, "title": "Сделка", "name": "Иван", "phone": "+79990000001" });
        self.control("POST", "/_/b24/demo/deals", deal).await;
    }

    /// An administrator installs the application by its page.
    pub async fn install(&self) {
        let done = self.control("POST", "/_/b24/demo/install", json!({ "mode": "page", "finish": true })).await;
        assert_eq!(done["page"]["status"], 200, "{done}");
        let card = self.control("GET", "/_/b24/demo", Value::Null).await;
        assert!(card.to_string().contains("switchboard_send"), "{card}");
    }

    /// A second server on the same database, as another process would be; it serves no pages.
    pub async fn another_server(&self, database: &str) -> Running {
        let roles = [Role::Pump, Role::Feeder, Role::Keeper].into();
        Running::start(settings(database, &self.base, 1, ""), roles, Arc::new(SystemClock::new())).await.unwrap()
    }

    /// Fires the robot on the deal; fields that are not given have their defaults.
    pub async fn fire(&self, properties: Value) -> Value {
        self.fire_within(properties, 660).await
    }

    /// The same with the time-out of the step, in seconds; 0 waits without end.
    pub async fn fire_within(&self, properties: Value, timeout_s: i64) -> Value {
        let mut all = json!({ "line_id": "", "channel": "auto", "recipients": "all", "queue": "messages", "async_result": "Y",
            "card_comment": "Y", "open_lines": "Y" });
        for (name, value) in properties.as_object().unwrap() {
            all[name] = value.clone();
        }
        let call = json!({ "deal": 8061, "properties": all, "use_subscription": "Y", "timeout_s": timeout_s });
        self.control("POST", "/_/b24/demo/robots/switchboard_send/fire", call).await
    }

    /// The newest step, once the robot has its answer.
    pub async fn answered_step(&self) -> Value {
        self.wait_for("the robot is answered", |stage| async move {
            let steps = stage.control("GET", "/_/b24/demo/steps?deal=8061", Value::Null).await;
            let step = steps["steps"][0].clone();
            (!step["returned"].is_null() && step["returned"] != json!({})).then_some(step)
        })
        .await
    }

    /// The newest step of the deal, answered or not.
    pub async fn step(&self) -> Value {
        self.control("GET", "/_/b24/demo/steps?deal=8061", Value::Null).await["steps"][0].clone()
    }

    /// Fires the robot and waits for its answer: the step's results.
    pub async fn answer_to(&self, properties: Value) -> Value {
        let fired = self.fire(properties).await["steps"][0].clone();
        let step = self.wait_for("the robot is answered", |stage| {
            let fired = fired.clone();
            async move {
                let steps = stage.control("GET", "/_/b24/demo/steps?deal=8061", Value::Null).await;
                let mut steps = steps["steps"].as_array().unwrap().clone();
                steps.retain(|step| step["n"] == fired && step["state"] == "answered");
                steps.pop()
            }
        });
        step.await["returned"].clone()
    }

    /// What was written under the deal.
    pub async fn comments(&self) -> Vec<String> {
        let card = self.portal().await;
        let deals = card["crm"]["deals"].as_array().unwrap();
        let deal = deals.iter().find(|deal| deal["id"] == 8061).unwrap();
        let comments = deal["comments"].as_array().unwrap();
        comments.iter().map(|comment| comment["text"].as_str().unwrap().to_owned()).collect()
    }

    /// The portal as the sandbox has it.
    pub async fn portal(&self) -> Value {
        self.control("GET", "/_/b24/demo", Value::Null).await
    }

    /// The portal as the server knows it.
    pub async fn row(&self) -> Option<PortalRow> {
        let company = self.company;
        let rows = self.server.app.store.read(move |conn| switchboard::on!(conn, portal::of_company(company)));
        let mut rows = rows.await.unwrap();
        assert!(rows.len() < 2, "the same portal twice: {rows:?}");
        rows.pop()
    }

    /// Waits until the server knows the portal in this state.
    pub async fn wait_for_state(&self, state: &str) -> PortalRow {
        self.wait_for(&format!("the portal is {state}"), |stage| async move {
            stage.row().await.filter(|row| row.state == state)
        })
        .await
    }

    /// Changes a row directly, where the product has no way to.
    pub async fn sql(&self, sql: &'static str) {
        self.server.app.store.write(move |conn| conn.batch(sql)).await.unwrap();
        self.server.app.known.forget();
    }

    /// Waits until somebody waits for a row that another transaction holds; PostgreSQL alone.
    pub async fn somebody_waits_for_a_row(&self, what: &str) {
        let waits = "SELECT count(*) AS waiting FROM pg_stat_activity \
                     WHERE datname = current_database() AND wait_event_type = 'Lock'";
        self.wait_for(what, |stage| async move {
            let seen = stage.server.app.store.read(move |conn| match conn {
                Conn::Postgres(conn) => Ok(diesel::sql_query(waits).get_result::<Waits>(&mut **conn).unwrap().waiting),
                Conn::Sqlite(_) => unreachable!(),
            });
            (seen.await.unwrap() > 0).then_some(())
        })
        .await;
    }

    /// The lane of the only channel, or of the portal.
    pub async fn lane(&self, kind: &str) -> i64 {
        let company = self.company;
        let lanes = self.server.app.store.read(move |conn| switchboard::on!(conn, lane::of_company(company)));
        lanes.await.unwrap().into_iter().find(|lane| lane.kind == kind).unwrap().id
    }

    /// The lane that was made last.
    pub async fn newest_lane(&self) -> i64 {
        let company = self.company;
        let lanes = self.server.app.store.read(move |conn| switchboard::on!(conn, lane::of_company(company)));
        lanes.await.unwrap().pop().unwrap().id
    }

    /// Gives a lane the pace of this stage.
    pub async fn set_pace(&self, lane: i64) {
        self.set_pace_of(lane, GAP_MS).await;
    }

    /// Gives a lane a pace.
    pub async fn set_pace_of(&self, lane: i64, gap_ms: i64) {
        let pace = Pace::Gap { from_ms: gap_ms, to_ms: gap_ms, live_ms: 50 };
        let (company, store) = (self.company, &self.server.app.store);
        store.write(move |conn| switchboard::on!(conn, lane::set_pace(company, lane, &pace, None))).await.unwrap();
        self.server.app.bell.changed(lane);
    }

    /// What waits in a lane.
    pub async fn waiting(&self, lane: i64) -> Vec<Errand> {
        let look = self.server.app.store.read(move |conn| outbox::look(conn, lane, 1000));
        look.await.unwrap().into_iter().map(|(errand, ..)| errand).collect()
    }

    /// Posts a form to the server, as the portal's queue does.
    pub async fn post(&self, path: &str, form: impl Into<reqwest::Body>) -> (u16, String) {
        let request = self.client.post(format!("{}{path}", self.address)).body(form);
        let reply = request.header("content-type", "application/x-www-form-urlencoded").send().await.unwrap();
        (reply.status().as_u16(), reply.text().await.unwrap())
    }

    /// The calls of a vendor's method, as the sandbox wrote them down.
    pub async fn calls(&self, vendor: &str, method: &str) -> Vec<Value> {
        let path = format!("/_/ledger?vendor={vendor}&method={method}&limit=10000");
        self.control("GET", &path, Value::Null).await["entries"].as_array().unwrap().clone()
    }

    /// Sends a CRM-marketing letter to so many customers.
    pub async fn letter(&self, count: i64, text: &str) {
        let code = format!("switchboard_{}", self.line);
        let letter = json!({ "code": code, "text": text, "count": count, "kind": "sender" });
        self.control("POST", "/_/b24/demo/letters", letter).await;
    }

    pub async fn last_letter(&self) -> Value {
        self.control("GET", "/_/b24/demo/letters/last", Value::Null).await
    }

    /// The only mailing, as the API lists it.
    pub async fn only_mailing(&self) -> String {
        let list = self.api("GET", "/api/v1/mailings").await;
        assert_eq!(list["mailings"].as_array().map(Vec::len), Some(1), "{list}");
        list["mailings"][0]["id"].as_str().unwrap().to_owned()
    }

    /// Attaches a channel to the line, and gives it the pace of this stage; its card.
    pub async fn attach_channel(&self, messenger: &str, answers: Value) -> Value {
        let path = format!("/api/v1/lines/{}/channels", self.line);
        let done = self.api_with("POST", &path, json!({ "messenger": messenger, "answers": answers })).await;
        let card = self.api("GET", &format!("/api/v1/channels/{}", done["channel"].as_str().unwrap())).await;
        self.set_pace(card["lane"].as_i64().unwrap()).await;
        card
    }

    /// Sends a text through the API and waits until it has this status.
    pub async fn sent(&self, message: Value, status: &str) -> Value {
        let id = self.api_with("POST", "/api/v1/messages", message).await["id"].as_str().unwrap().to_owned();
        self.wait_for_message(&id, status).await
    }

    /// Waits until a message has this status.
    pub async fn wait_for_message(&self, id: &str, status: &str) -> Value {
        let path = format!("/api/v1/messages/{id}");
        self.wait_for(&format!("the message is {status}"), |stage| {
            let path = path.clone();
            async move {
                let message = stage.api("GET", &path).await;
                (message["status"] == status).then_some(message)
            }
        })
        .await
    }

    /// Waits until a group act is over.
    pub async fn act_over(&self, made: &Value) -> Value {
        let path = format!("/api/v1/group-acts/{}", made["id"].as_str().unwrap());
        self.wait_for("the act is over", |stage| {
            let path = path.clone();
            async move {
                let act = stage.api("GET", &path).await;
                (act["state"] != "waiting").then_some(act)
            }
        })
        .await
    }

    /// What the history of a channel says, oldest first: `>` before ours, `<` before theirs.
    pub async fn history(&self, channel: &str) -> Vec<String> {
        let company = self.company;
        let rows = self.server.app.store.read(move |conn| switchboard::on!(conn, message::newest(company, 1000)));
        let mut rows = rows.await.unwrap();
        rows.retain(|row| row.channel == channel);
        rows.reverse();
        let text =
            |content: &str| serde_json::from_str::<Value>(content).unwrap()["text"].as_str().unwrap_or("").to_owned();
        rows.iter().map(|row| format!("{} {}", if row.outgoing { ">" } else { "<" }, text(&row.content))).collect()
    }

    /// Waits until the history of a channel says this.
    pub async fn wait_for_history(&self, channel: &str, said: &[&str]) {
        let seen = std::sync::Mutex::new(Vec::new());
        let seen = &seen;
        let end = tokio::time::Instant::now() + Duration::from_mins(2);
        while tokio::time::Instant::now() < end {
            let now = self.history(channel).await;
            if now == said {
                return;
            }
            *seen.lock().unwrap() = now;
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        panic!("the history is {:?}, not {said:?}", seen.lock().unwrap());
    }

    /// What a phone got from us, in order.
    pub async fn texts(&self, phone: &str) -> Vec<String> {
        let phone = self.control("GET", &format!("/_/phones/{phone}"), Value::Null).await;
        let messages = phone["messages"].as_array().unwrap();
        let ours =
            messages.iter().filter(|message| message["from_customer"] != json!(true) && message["mine"] != json!(true));
        ours.filter_map(|message| message["text"].as_str())
            .filter(|text| *text != "Добрый день")
            .map(str::to_owned)
            .collect()
    }

    /// When the calls of a vendor began, in microseconds of the sandbox.
    pub async fn vendor_starts_us(&self, vendor: &str, method: &str) -> Vec<i64> {
        let path = format!("/_/ledger?vendor={vendor}&method={method}&limit=10000");
        let ledger = self.control("GET", &path, Value::Null).await;
        ledger["entries"].as_array().unwrap().iter().filter_map(|entry| entry["at_us"].as_i64()).collect()
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

    /// Asks the API of the server with a body.
    pub async fn api_with(&self, method: &str, path: &str, body: Value) -> Value {
        let request = self.client.request(method.parse().unwrap(), format!("{}{path}", self.address));
        let reply = request.bearer_auth(&self.token).json(&body).send().await.unwrap();
        let (status, text) = (reply.status(), reply.text().await.unwrap());
        assert!(status.is_success(), "{method} {path}: {status} {text}");
        serde_json::from_str(&text).unwrap_or_default()
    }

    /// How the API answers a call without a body.
    pub async fn status_of(&self, method: &str, path: &str) -> u16 {
        let request = self.client.request(method.parse().unwrap(), format!("{}{path}", self.address));
        request.bearer_auth(&self.token).send().await.unwrap().status().as_u16()
    }

    /// What the API says of a body that it refuses.
    pub async fn refused(&self, path: &str, body: Value) -> Value {
        let request = self.client.post(format!("{}{path}", self.address)).bearer_auth(&self.token).json(&body);
        let reply = request.send().await.unwrap();
        assert_eq!(reply.status().as_u16(), 422, "{path}");
        reply.json::<Value>().await.unwrap()["error"].take()
    }

    /// Uploads a file; its card.
    pub async fn upload(&self, name: &str, mime: &str, body: Vec<u8>) -> Value {
        let request = self.client.post(format!("{}/api/v1/files", self.address)).query(&[("name", name)]);
        let reply = request.bearer_auth(&self.token).header("content-type", mime).body(body).send().await.unwrap();
        assert_eq!(reply.status().as_u16(), 201);
        reply.json().await.unwrap()
    }

    /// The same where the server may refuse: the status and the body.
    pub async fn api_reply(&self, method: &str, path: &str, body: Value) -> (u16, Value) {
        let request = self.client.request(method.parse().unwrap(), format!("{}{path}", self.address));
        let reply = request.bearer_auth(&self.token).json(&body).send().await.unwrap();
        (reply.status().as_u16(), reply.json().await.unwrap_or_default())
    }

    /// Asks the server's API.
    pub async fn api(&self, method: &str, path: &str) -> Value {
        let request = self.client.request(method.parse().unwrap(), format!("{}{path}", self.address));
        let reply = request.bearer_auth(&self.token).send().await.unwrap();
        let (status, text) = (reply.status(), reply.text().await.unwrap());
        assert!(status.is_success(), "{method} {path}: {status} {text}");
        serde_json::from_str(&text).unwrap_or_default()
    }

    /// What Prometheus reads.
    pub async fn metrics(&self) -> String {
        self.client.get(format!("{}/metrics", self.address)).send().await.unwrap().text().await.unwrap()
    }

    /// Waits until something that others do has happened; the limit is only there so that a broken test ends.
    pub async fn wait_for<'a, T, F, W>(&'a self, what: &str, look: W) -> T
    where
        W: Fn(&'a Self) -> F,
        F: Future<Output = Option<T>>,
    {
        let end = tokio::time::Instant::now() + Duration::from_mins(2);
        loop {
            let began = tokio::time::Instant::now();
            if let Some(found) = look(self).await {
                return found;
            }
            assert!(began < end, "not in time: {what}");
            // a look at thousands of calls keeps a processor busy, and others wait for that processor
            tokio::time::sleep((began.elapsed() * 4).max(Duration::from_millis(20))).await;
        }
    }

    /// Takes everything down in order, once every call to the portal has the shape that the vendor describes.
    pub async fn clear(self) {
        let calls = self.control("GET", "/_/ledger?vendor=bitrix24&limit=10000", Value::Null).await;
        let wrong = super::shapes::wrong(calls["entries"].as_array().unwrap());
        assert!(wrong.is_empty(), "calls that the vendor does not describe so: {wrong:?}");
        self.server.stop().await;
        self.sandbox.stop().await;
    }
}

fn settings(database: &str, base: &str, port: u16, more: &str) -> Config {
    let (host, files) = (base.trim_start_matches("http://"), env!("CARGO_TARGET_TMPDIR"));
    let text = format!(
        r#"
keys = ["1:0101010101010101010101010101010101010101010101010101010101010101"]
[server]
listen = "127.0.0.1:{port}"
public_url = "http://127.0.0.1:{port}"
workers = 1
[database]
url = "{database}"
[outbox]
status_delay_ms = 100
[files]
folder = "{files}"
[vendors]
telegram_bot = "{base}/tg"
waba = "{base}/graph/v23.0"
telegram = "{base}/mtproto"
vk = "{base}/vk/method"
vk_notify = "{base}/notify"
avito = "{base}/avito"
email = "{base}/mail/oauth/token"
whatsapp_web = "{base}/waha"
whatsapp_web_key = "gateway-key"
oauth_hosts = ["{host}"]
allow_http = true
allow_networks = ["127.0.0.0/8"]
[avito]
client_id = "application"
client_secret = "secret-of-the-application"
[telegram]
api_id = "12345"
api_hash = "0123456789abcdef0123456789abcdef"
[bitrix24]
client_id = "local.switchboard"
client_secret = "portal-secret"
[limits]
requests_per_second = 10000
requests_burst = 10000
phone_checks_per_day = 5
[notices]
flap_minutes = 0
"#
    );
    let text = text + &more.replace("{base}", base);
    Config::read(&Sources { file: Some(("trips.toml".into(), text)), environment: Vec::new() }).unwrap()
}

async fn token(server: &Running, company: CompanyId, client: &reqwest::Client, address: &str) -> String {
    let new = NewUser {
        id: UserId::new(),
        login: "admin@example.com".into(),
        name: "Админ".into(),
        role: "admin".into(),
        password_hash: crate::rig::cheap_hash("a long enough password"),
    };
    server.app.store.write(move |conn| switchboard::on!(conn, user::create(company, &new, 0))).await.unwrap();
    let body = json!({ "login": "admin@example.com", "password": "a long enough password" });
    let reply = client.post(format!("{address}/api/v1/tokens")).json(&body).send().await.unwrap();
    let reply: Value = reply.json().await.unwrap();
    reply["token"].as_str().unwrap().to_owned()
}

/// How many wait for a row.
#[derive(diesel::QueryableByName)]
struct Waits {
    #[diesel(sql_type = diesel::sql_types::BigInt)]
    waiting: i64,
}
