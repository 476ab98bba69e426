//! The real binary: deliveries, what it needs when nothing happens, how soon it is ready.

use std::collections::HashSet;
use std::process::Stdio;
use std::sync::Arc;
use std::time::{Duration, Instant};

use secrecy::SecretString;
use serde_json::{Value, json};
use switchboard::app::App;
use switchboard::flow::credentials;
use switchboard::model::clock::SystemClock;
use switchboard::model::id::PortalId;
use switchboard::model::pace::Pace;
use switchboard::serve::Roles;
use switchboard::store::row::{NewLane, PortalRow};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::process::{Child as Process, Command};

use crate::Asked;
use crate::child::{cpu_s, memory_mb};
use crate::load::{Loaded, Vendor};
use crate::report::{mark, not_ours, result, rounded};
use crate::stage::{self, House, Seed};

/// A server that runs.
pub struct Served {
    process: Process,
    pub port: u16,
    /// From its start until it said that it is ready, in milliseconds.
    ready_ms: f64,
}

impl Served {
    /// Starts the binary and waits until it is ready.
    pub async fn start(asked: &Asked, roles: Option<&str>, more: &[(&str, &str)]) -> Self {
        Self::run(Command::new(env!("CARGO_BIN_EXE_switchboard")), asked, roles, more).await
    }

    /// The same on the first core of the machine alone.
    pub async fn start_on_one_core(asked: &Asked) -> Self {
        Self::start_on_one_core_with(asked, &[]).await
    }

    /// The same with more settings.
    pub async fn start_on_one_core_with(asked: &Asked, more: &[(&str, &str)]) -> Self {
        let mut command = Command::new("taskset");
        command.args(["--cpu-list", "0", env!("CARGO_BIN_EXE_switchboard")]);
        Self::run(command, asked, None, more).await
    }

    async fn run(mut command: Command, asked: &Asked, roles: Option<&str>, more: &[(&str, &str)]) -> Self {
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let listen = format!("127.0.0.1:{port}");
        command.args(["serve", "--listen", &listen]);
        command.args(roles.iter().flat_map(|roles| ["--roles", roles]));
        command.env_remove("DATABASE_URL").envs(stage::settings(&asked.url, more));
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).kill_on_drop(true);
        let begun = Instant::now();
        let process = command.spawn().unwrap();
        while !is_ready(port).await {
            assert!(begun.elapsed() < Duration::from_mins(1), "the server is not ready");
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        Self { process, port, ready_ms: rounded(begun.elapsed().as_secs_f64() * 1000.0, 1) }
    }

    pub fn pid(&self) -> u32 {
        self.process.id().unwrap()
    }

    pub async fn kill(mut self) {
        self.process.kill().await.unwrap();
    }
}

async fn is_ready(port: u16) -> bool {
    let ask = async {
        let mut stream = TcpStream::connect(("127.0.0.1", port)).await?;
        stream.write_all(b"GET /health/ready HTTP/1.1\r\nhost: 127.0.0.1\r\nconnection: close\r\n\r\n").await?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await?;
        Ok::<_, std::io::Error>(answer.starts_with(b"HTTP/1.1 200"))
    };
    ask.await.unwrap_or(false)
}

/// An installed portal, whose deliveries the fixtures are.
async fn portal(app: &App, house: House) {
    let inner = app.clone();
    let made = app.store.write(move |conn| {
        let pace = Pace::Bucket { per_second_milli: 2000, burst: 50 };
        let lane = NewLane { kind: "portal".into(), pace, hours: None };
        let id = PortalId::new().to_string();
        let token = SecretString::from("00112233445566778899aabbccddeeff".to_owned());
        let row = PortalRow {
            company: house.company.to_string(),
            member_id: "a1b2c3d4e5f60718293a4b5c6d7e8f90".into(),
            domain: "example.bitrix24.ru".into(),
            client_endpoint: "https://example.bitrix24.ru/rest/".into(),
            server_endpoint: "https://oauth.bitrix24.tech/rest/".into(),
            application_token: credentials::seal(&inner, "portals", &id, &token),
            state: "installed".into(),
            lane: switchboard::on!(conn, lane::create(house.company, &lane))?,
            hook_key: "key".into(),
            robot_url: None,
            event_at: None,
            created_at: 0,
            id,
        };
        switchboard::on!(conn, portal::create(&row))
    });
    made.await.unwrap();
}

/// Deliveries of robots: 5 000 a second, then as many as 100 connections can, then a kill -9 under that load.
pub async fn hook(asked: &Asked) {
    let (rate, seconds) = (asked.number("rate", 5_000, 1_000), asked.number("seconds", 10, 2));
    let server = stage::server(&asked.url, &[], Roles::new(), Arc::new(SystemClock::new())).await;
    let house = stage::house(&server.app).await;
    portal(&server.app, house).await;
    server.stop().await;
    let served = Served::start(asked, Some("http"), &[]).await;
    let (mut figures, acked) = drive(asked, served, "robot", (rate, seconds)).await;
    figures["killed_lost"] = json!(lost(asked, &acked).await);
    result(&figures);
}

/// Posts at a rate, then as fast as 100 connections can, and kills the server under that load. The figures, and what was
/// acknowledged before the kill, a token a line.
pub async fn drive(asked: &Asked, served: Served, what: &str, (rate, seconds): (i64, i64)) -> (Value, String) {
    let mut paced = Loaded::start(asked, served.port, what, rate, seconds, None);
    not_ours(paced.child.pid);
    mark("paced");
    let at_rate = paced.figures().await;
    mark("-");
    paced.child.wait().await;
    let mut most = Loaded::start(asked, served.port, what, 0, seconds, None);
    not_ours(most.child.pid);
    mark("most");
    let at_most = most.figures().await;
    mark("-");
    most.child.wait().await;
    let memory = memory_mb(served.pid(), "VmHWM");
    let path = std::env::temp_dir().join(format!("switchboard-acked-{}", std::process::id())).display().to_string();
    let mut killed = Loaded::start(asked, served.port, what, 0, 3, Some(&path));
    tokio::time::sleep(Duration::from_millis(1_500)).await;
    served.kill().await;
    let told = killed.figures().await;
    killed.child.wait().await;
    let acked = std::fs::read_to_string(&path).unwrap();
    std::fs::remove_file(&path).unwrap();
    let figures = json!({
        "asked_per_s": rate, "paced_per_s": at_rate["per_s"], "paced_p50_ms": at_rate["p50_ms"],
        "paced_p99_ms": at_rate["p99_ms"], "paced_max_ms": at_rate["max_ms"], "most_per_s": at_most["per_s"],
        "most_p99_ms": at_most["p99_ms"], "rss_mb": memory, "killed_acked": told["taken"],
    });
    (figures, acked)
}

/// How many of the acknowledged deliveries are not in the database.
async fn lost(asked: &Asked, tokens: &str) -> usize {
    let server = stage::server(&asked.url, &[], Roles::new(), Arc::new(SystemClock::new())).await;
    let rows = server.app.store.read(|conn| switchboard::on!(conn, hook::waiting(i64::MAX))).await.unwrap();
    let kept: HashSet<String> = rows.into_iter().map(|row| row.key).collect();
    let lost = tokens.lines().filter(|token| !kept.contains(&format!("robot:{token}"))).count();
    server.stop().await;
    lost
}

/// Ten lines with a channel each, and nothing to do.
pub async fn idle(asked: &Asked) {
    let server = stage::server(&asked.url, &[], Roles::new(), Arc::new(SystemClock::new())).await;
    for _ in 0..10 {
        let house = stage::house(&server.app).await;
        assert!(house.line > 0);
    }
    let house = stage::house(&server.app).await;
    stage::channels(&server.app, house, 10, Pace::CAREFUL).await;
    server.stop().await;
    let served = Served::start(asked, None, &[]).await;
    tokio::time::sleep(Duration::from_secs(2)).await;
    let (seconds, before) = (asked.number("seconds", 20, 3), cpu_s(served.pid()));
    tokio::time::sleep(Duration::from_secs(seconds.unsigned_abs())).await;
    let cores = (cpu_s(served.pid()) - before) / seconds as f64;
    result(&json!({
        "rss_mb": memory_mb(served.pid(), "VmRSS"), "peak_rss_mb": memory_mb(served.pid(), "VmHWM"),
        "idle_cores": rounded(cores, 4),
    }));
    served.kill().await;
}

/// From the start of the process until it is ready: on an empty database, again, and after a kill with many lanes and a long
/// queue. There the first call of a lane is waited for too: ten lanes run, all are loaded.
pub async fn start(asked: &Asked) {
    let (lanes, errands) = (asked.number("lanes", 100_000, 2_000), asked.number("errands", 1_000_000, 20_000));
    let served = Served::start(asked, None, &[]).await;
    let new_ms = served.ready_ms;
    served.kill().await;
    let served = Served::start(asked, None, &[]).await;
    let empty_ms = served.ready_ms;
    served.kill().await;
    let server = stage::server(&asked.url, &[], Roles::new(), Arc::new(SystemClock::new())).await;
    let house = stage::house(&server.app).await;
    let seed = Seed { house, lanes, first: 0, errands, pace: Pace::CAREFUL, lead_ms: None };
    seed.write(&server.app).await;
    server.app.store.write(|conn| conn.batch("UPDATE lanes SET state = 1 WHERE id > 10")).await.unwrap();
    server.stop().await;
    let vendor = Vendor::start(asked).await;
    let address = format!("http://127.0.0.1:{}", vendor.port);
    let begun = Instant::now();
    let served = Served::start(asked, None, &[("SWITCHBOARD_VENDORS__TELEGRAM_BOT", &address)]).await;
    let mut lines = vendor.lines;
    lines.next_line().await.unwrap().unwrap();
    let first_ms = rounded(begun.elapsed().as_secs_f64() * 1000.0, 1);
    result(&json!({
        "new_ms": new_ms, "empty_ms": empty_ms, "full_ms": served.ready_ms, "full_first_call_ms": first_ms,
        "full_rss_mb": memory_mb(served.pid(), "VmHWM"), "lanes": lanes, "errands": errands,
    }));
    served.kill().await;
    vendor.child.wait().await;
}
