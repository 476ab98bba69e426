//! Many mailboxes in one process, measured: run by hand, with the binary that is shipped.
//!
//! `MEASURED=target/release/switchboard cargo test --test it five_hundred -- --ignored --nocapture`

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use diesel::connection::SimpleConnection;
use diesel::sql_types::BigInt;
use diesel::sqlite::SqliteConnection;
use diesel::{Connection, RunQueryDsl};
use serde_json::json;
use switchboard::flow::channel::{self, Step};
use switchboard::model::message::Kind;

use super::trips::House;
use super::{Post, address, letter};

const MAILBOXES: usize = 500;

/// What a process has cost so far.
struct Cost {
    resident_kb: u64,
    cpu_ms: u64,
}

fn cost(process: &Child) -> Cost {
    let read = |name: &str| std::fs::read_to_string(format!("/proc/{}/{name}", process.id())).unwrap();
    let status = read("status");
    let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    let stat = read("stat");
    // behind the name, which may hold blanks: user and system time are the 12th and 13th
    let fields: Vec<&str> = stat.rsplit_once(')').unwrap().1.split_whitespace().collect();
    let ticks: u64 = fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap();
    Cost {
        resident_kb: resident.trim().trim_end_matches(" kB").parse().unwrap(),
        // the kernel counts in hundredths of a second
        cpu_ms: ticks * 10,
    }
}

/// The server as a process of its own, ended with the test.
struct Server(Child);

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn start(database: &str, authority: &Path) -> Server {
    let binary =
        std::env::var_os("MEASURED").map_or_else(|| PathBuf::from(env!("CARGO_BIN_EXE_switchboard")), PathBuf::from);
    println!("the binary is {}", binary.display());
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let mut command = Command::new(binary);
    command.arg("serve").stdout(Stdio::null());
    for (name, value) in [
        ("DATABASE__URL", database),
        ("SERVER__LISTEN", &format!("127.0.0.1:{port}")),
        ("SERVER__PUBLIC_URL", "https://switchboard.example.test"),
        ("VENDORS__CA_FILE", authority.to_str().unwrap()),
        ("VENDORS__ALLOW_NETWORKS", "127.0.0.0/8"),
        ("KEYS", &format!("1:{}", "01".repeat(32))),
    ] {
        command.env(format!("SWITCHBOARD_{name}"), value);
    }
    Server(command.spawn().unwrap())
}

/// Beside the running server: it alone has the store.
fn count(conn: &mut SqliteConnection, of: &str) -> usize {
    let rows = diesel::dsl::sql::<BigInt>(&format!("(SELECT count(*) FROM {of})"));
    usize::try_from(diesel::select(rows).get_result::<i64>(conn).unwrap()).unwrap()
}

async fn reaches(what: &str, count: usize, mut look: impl AsyncFnMut() -> usize) -> Duration {
    let began = Instant::now();
    while look().await < count {
        assert!(began.elapsed() < Duration::from_mins(5), "{what}: {} of {count}", look().await);
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    began.elapsed()
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "it measures: half a thousand mailboxes at a real server"]
async fn five_hundred_mailboxes_idle_in_one_process_under_20_mb_each() {
    let post = Post::start_for_many();
    let (_folder, database) = crate::postgres::fresh_sqlite();
    let house = House::open(&database, &post, json!({})).await;
    let mut all = vec![house.own.clone()];
    for _ in 1..MAILBOXES {
        let own = address("many");
        let answers = post.form(&own).as_object().cloned().unwrap();
        let step = Step { answers, ..Step::default() };
        channel::attach(&house.server.app, house.company, house.line, Kind::Email, step).await.unwrap();
        all.push(own);
    }
    let authority = post.authority();
    house.server.stop().await;
    let mut look = SqliteConnection::establish(database.trim_start_matches("sqlite:")).unwrap();
    look.batch_execute("PRAGMA busy_timeout = 5000; UPDATE listenings SET connected_at = NULL").unwrap();

    let server = start(&database, &authority);
    let listening = async || count(&mut look, "listenings WHERE connected_at IS NOT NULL");
    let took = reaches("mailboxes are connected", MAILBOXES, listening).await;
    let connected = cost(&server.0);
    println!("{MAILBOXES} mailboxes connected in {} ms, {} ms of processor", took.as_millis(), connected.cpu_ms);
    println!("resident {} KB, {} KB for each", connected.resident_kb, connected.resident_kb / MAILBOXES as u64);
    tokio::time::sleep(Duration::from_secs(30)).await;
    let steady = cost(&server.0);
    println!(
        "after 30 s of IDLE: resident {} KB, {} ms of processor in them",
        steady.resident_kb,
        steady.cpu_ms - connected.cpu_ms
    );

    for own in &all {
        post.deliver(own, &letter("anna@example.test", own, &format!("{own}.1"), "S", "text"));
    }
    let messages = async || count(&mut look, "messages");
    let took = reaches("letters are in the history", MAILBOXES, messages).await;
    let after = cost(&server.0);
    println!(
        "a letter to each: all heard in {} ms, {} ms of processor",
        took.as_millis(),
        after.cpu_ms - steady.cpu_ms
    );
    println!("resident {} KB, {} KB for each", after.resident_kb, after.resident_kb / MAILBOXES as u64);
    assert!(after.resident_kb / (MAILBOXES as u64) < 20 << 10);
}
