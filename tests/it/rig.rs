//! A whole server in this process, on a free port and a real database.

use std::sync::Arc;

use argon2::{Algorithm, Argon2, Params, PasswordHasher as _, Version};
use serde_json::{Value, json};
use switchboard::config::{Config, Sources};
use switchboard::model::clock::{Clock, HandClock};
use switchboard::model::id::{ChannelId, CompanyId, LaneId, LineId, UserId};
use switchboard::model::moment::Moment;
use switchboard::model::pace::Pace;
use switchboard::serve::{Role, Running};
use switchboard::store::row::{ChannelRow, NewLane, NewLine, NewUser};

/// The moment at which the clock of a rig stands first: 2026-01-05 09:00 UTC, a Monday.
pub const START: Moment = Moment(1_767_603_600_000);

const PASSWORD: &str = "a long enough password";

/// A password as it is kept, but stretched as little as can be: what the hash costs is written in it, and nearly every test signs
/// two people in. That a real one takes its time is for the tests of signing in.
pub fn cheap_hash(password: &str) -> String {
    let least = Params::new(Params::MIN_M_COST, Params::MIN_T_COST, Params::MIN_P_COST, None).unwrap();
    Argon2::new(Algorithm::default(), Version::default(), least).hash_password(password.as_bytes()).unwrap().to_string()
}

/// A client that reaches this machine alone. It reads no certificates: doing so for each of a thousand would take minutes.
pub fn client() -> reqwest::Client {
    plain_client().build().unwrap()
}

/// The same, with more to choose.
pub fn plain_client() -> reqwest::ClientBuilder {
    // a second call finds the provider of the first one in place
    let _ = rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::builder().tls_certs_only([]).no_proxy()
}

/// The server.
pub struct Rig {
    pub base: String,
    pub server: Running,
    pub clock: Arc<HandClock>,
    client: reqwest::Client,
}

/// A company with one user of each role and one line.
pub struct Tenant {
    pub company: CompanyId,
    pub line: LineId,
    pub admin: String,
    pub operator: String,
}

/// An answer.
#[derive(Debug)]
pub struct Reply {
    pub status: u16,
    pub headers: reqwest::header::HeaderMap,
    pub text: String,
}

impl Reply {
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("{error}: {}", self.text))
    }

    /// The code of the error.
    pub fn code(&self) -> String {
        self.json()["error"]["code"].as_str().unwrap_or_default().to_owned()
    }
}

impl Rig {
    /// A server that only answers requests: nothing is pumped, so what is accepted stays.
    pub async fn start(database: &str) -> Self {
        Self::start_with(database, &[]).await
    }

    /// The same with more settings, as the environment gives them.
    pub async fn start_with(database: &str, settings: &[(&str, &str)]) -> Self {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        let config = config(database, &base, settings);
        let clock = Arc::new(HandClock::at(START));
        let roles = [Role::Http].into_iter().collect();
        let server = Running::start_on(Some(listener), config, roles, Arc::clone(&clock) as Arc<dyn Clock>);
        Self { base, server: server.await.unwrap(), clock, client: client() }
    }

    /// Makes a company; its users are `admin@<name>` and `operator@<name>`.
    pub async fn tenant(&self, name: &str) -> Tenant {
        let company = CompanyId::new();
        let hash = cheap_hash(PASSWORD);
        let named = name.to_owned();
        let line = self.server.app.store.write(move |conn| {
            switchboard::on!(conn, company::create(company, &named, "Europe/Moscow", START.0))?;
            for role in ["admin", "operator"] {
                let login = format!("{role}@{named}");
                let user = NewUser {
                    id: UserId::new(),
                    name: login.clone(),
                    login,
                    role: role.into(),
                    password_hash: hash.clone(),
                };
                switchboard::on!(conn, user::create(company, &user, START.0))?;
            }
            let line = NewLine {
                name: "Линия".into(),
                plan: "paid".into(),
                expires_at: START.plus_ms(365 * 86_400_000),
                hours: None,
            };
            switchboard::on!(conn, line::create(company, &line, START.0))
        });
        let line = line.await.unwrap();
        let (admin, operator) =
            (self.sign_in(&format!("admin@{name}")).await, self.sign_in(&format!("operator@{name}")).await);
        Tenant { company, line, admin, operator }
    }

    /// A channel of a line that was attached at some time; nobody answers behind it.
    pub async fn channel(&self, tenant: &Tenant, account: &str) -> (ChannelId, LaneId) {
        self.channel_of(tenant, "waba", account).await
    }

    /// The same of any messenger.
    pub async fn channel_of(&self, tenant: &Tenant, messenger: &'static str, account: &str) -> (ChannelId, LaneId) {
        let (company, line, id) = (tenant.company, tenant.line, ChannelId::new());
        let account = account.to_owned();
        let made = self.server.app.store.write(move |conn| {
            let pace = Pace::Gap { from_ms: 15_000, to_ms: 15_000, live_ms: 1_000 };
            let new = NewLane { kind: "channel".into(), pace, hours: None };
            let number = switchboard::on!(conn, lane::create(company, &new))?;
            let row = ChannelRow {
                id: id.to_string(),
                company: company.to_string(),
                line,
                lane: number,
                messenger: messenger.into(),
                account: account.clone(),
                state: "connected".into(),
                secrets: String::new(),
                settings: json!({ "title": "Номер", "address": account }).to_string(),
                hook_key: format!("key-{account}"),
                lost_reason: None,
                connected_at: START.0,
                created_at: START.0,
            };
            switchboard::on!(conn, channel::create(&row))?;
            Ok(number)
        });
        (id, made.await.unwrap())
    }

    /// Signs in; the answer is the token.
    pub async fn sign_in(&self, login: &str) -> String {
        let reply = self.post("/api/v1/tokens", "", json!({ "login": login, "password": PASSWORD })).await;
        assert_eq!(reply.status, 201, "{reply:?}");
        reply.json()["token"].as_str().unwrap().to_owned()
    }

    pub async fn get(&self, path: &str, token: &str) -> Reply {
        self.send(self.request("GET", path, token)).await
    }

    pub async fn post(&self, path: &str, token: &str, body: Value) -> Reply {
        self.send(self.request("POST", path, token).json(&body)).await
    }

    /// A request to be changed before it is sent.
    pub fn request(&self, method: &str, path: &str, token: &str) -> reqwest::RequestBuilder {
        let request = self.client.request(method.parse().unwrap(), format!("{}{path}", self.base));
        if token.is_empty() { request } else { request.bearer_auth(token) }
    }

    pub async fn send(&self, request: reqwest::RequestBuilder) -> Reply {
        let request = request.build().unwrap();
        let (method, path) = (request.method().to_string(), request.url().path().to_owned());
        let reply = self.client.execute(request).await.unwrap();
        let (status, headers) = (reply.status().as_u16(), reply.headers().clone());
        let reply = Reply { status, headers, text: reply.text().await.unwrap() };
        crate::http::openapi::hold(&method, &path, &reply);
        reply
    }
}

/// Settings of a server under test.
pub fn config(database: &str, base: &str, more: &[(&str, &str)]) -> Config {
    let key = format!("1:{}", "01".repeat(32));
    let usual = [
        ("SWITCHBOARD_DATABASE__URL", database),
        ("SWITCHBOARD_KEYS", &key),
        ("SWITCHBOARD_SERVER__PUBLIC_URL", base),
        ("SWITCHBOARD_SERVER__WORKERS", "1"),
        ("SWITCHBOARD_SERVER__STOP_S", "5"),
        ("SWITCHBOARD_VENDORS__ALLOW_HTTP", "true"),
        ("SWITCHBOARD_VENDORS__ALLOW_NETWORKS", "127.0.0.0/8"),
        ("SWITCHBOARD_LIMITS__SIGN_INS_PER_MINUTE", "1000"),
        ("SWITCHBOARD_FILES__FOLDER", env!("CARGO_TARGET_TMPDIR")),
    ];
    let environment = usual.iter().chain(more).map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    // a later entry wins over an earlier one
    Config::read(&Sources { file: None, environment: environment.collect() }).unwrap()
}
