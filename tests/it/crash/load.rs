//! Load that goes on while servers die: messages of the API, robots, and rows of SMS, each with a text of its own.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use serde_json::json;
use switchboard::store::Options;
use tokio::task::JoinHandle;

use super::town::{CUSTOMERS, FIRST_PHONE, Lane, Town};

/// So many messages may wait: lanes always have work, and the end does not take long.
const MOST_WAITING: u64 = 50;

/// Clients of the API.
const CLIENTS: usize = 3;

/// The load on a town.
pub struct Load {
    shared: Arc<Shared>,
    tasks: Vec<JoinHandle<()>>,
}

struct Shared {
    town: Arc<Town>,
    /// What waited at the last look, and what was asked since.
    waiting: AtomicU64,
    asked: AtomicU64,
    over: AtomicBool,
    acknowledged: Mutex<BTreeSet<String>>,
}

impl Load {
    /// Begins.
    pub fn begin(town: &Arc<Town>) -> Self {
        let shared = Arc::new(Shared {
            town: Arc::clone(town),
            waiting: AtomicU64::default(),
            asked: AtomicU64::default(),
            over: AtomicBool::default(),
            acknowledged: Mutex::default(),
        });
        let mut tasks = vec![tokio::spawn(watch(Arc::clone(&shared)))];
        tasks.extend((0..CLIENTS).map(|n| tokio::spawn(use_api(Arc::clone(&shared), n))));
        tasks.push(tokio::spawn(fire_robots(Arc::clone(&shared))));
        tasks.push(tokio::spawn(send_letters(Arc::clone(&shared))));
        Self { shared, tasks }
    }

    /// Messages of the API that are acknowledged by now.
    pub fn acknowledged(&self) -> BTreeSet<String> {
        self.shared.acknowledged.lock().clone()
    }

    /// Ends it. Gives back the texts whose request was acknowledged.
    pub async fn end(self) -> BTreeSet<String> {
        self.shared.over.store(true, Ordering::SeqCst);
        for task in self.tasks {
            task.await.unwrap();
        }
        let mut texts = std::mem::take(&mut *self.shared.acknowledged.lock());
        for passed in self.shared.town.front.passed.lock().iter().filter(|passed| passed.status == 200) {
            let field = if passed.path.starts_with("/bitrix24/robot") { "properties[message]" } else { "message_body" };
            let mut fields = form_urlencoded::parse(passed.body.as_bytes());
            texts.extend(fields.find(|(name, _)| name == field).map(|(_, text)| text.into_owned()));
        }
        texts
    }
}

impl Shared {
    /// Waits until there is room for one more; tells whether the load goes on.
    async fn room(&self) -> bool {
        let mut beat = tokio::time::interval(Duration::from_millis(5));
        while !self.over.load(Ordering::SeqCst) {
            beat.tick().await;
            if self.waiting.load(Ordering::SeqCst) + self.asked.load(Ordering::SeqCst) < MOST_WAITING {
                self.asked.fetch_add(1, Ordering::SeqCst);
                return true;
            }
        }
        false
    }

    fn lane(&self, n: usize) -> &Lane {
        &self.town.lanes[n % self.town.lanes.len()]
    }
}

async fn watch(shared: Arc<Shared>) {
    let mut beat = tokio::time::interval(Duration::from_millis(100));
    while !shared.over.load(Ordering::SeqCst) {
        beat.tick().await;
        let (options, asked) = (shared.town.options.clone(), shared.asked.load(Ordering::SeqCst));
        let looked = tokio::task::spawn_blocking(move || waiting(&options)).await.unwrap();
        // while the database is away nobody knows, and nothing more is asked than there was room for
        if let Ok(waiting) = looked {
            shared.waiting.store(waiting, Ordering::SeqCst);
            shared.asked.fetch_sub(asked, Ordering::SeqCst);
        }
    }
}

/// Errands in the outbox, and deliveries that nobody has worked.
fn waiting(options: &Options) -> switchboard::store::Result<u64> {
    let conn = &mut switchboard::store::connect(options)?;
    let depth: i64 = switchboard::on!(conn, errand::depth())?.iter().map(|(_, count, _)| *count).sum();
    let (hooks, _) = switchboard::on!(conn, hook::backlog())?;
    Ok(u64::try_from(depth + hooks).unwrap())
}

fn phone(n: usize) -> String {
    (FIRST_PHONE + i64::try_from(n).unwrap() % CUSTOMERS).to_string()
}

/// A program that repeats its request with the same key until it is acknowledged.
async fn use_api(shared: Arc<Shared>, client: usize) {
    let mut n = client;
    while shared.room().await {
        let text = format!("api {n}");
        let message = json!({ "channel": shared.lane(n).channel, "to": phone(n * 7), "text": text });
        let mut beat = tokio::time::interval(Duration::from_millis(20));
        loop {
            beat.tick().await;
            let request = shared.town.client.post(format!("{}/api/v1/messages", shared.town.address));
            let request = request.bearer_auth(&shared.town.token).header("Idempotency-Key", &text).json(&message);
            let Ok(reply) = request.send().await else { continue };
            let status = reply.status().as_u16();
            if status == 202 {
                break;
            }
            assert!(status >= 500, "{status}: {}", reply.text().await.unwrap());
        }
        shared.acknowledged.lock().insert(text);
        n += CLIENTS;
    }
}

/// A portal whose deals change their stage. It tells each robot once and never again.
async fn fire_robots(shared: Arc<Shared>) {
    let mut n = 0;
    while shared.room().await {
        let properties = json!({ "line_id": shared.lane(n).line.to_string(), "channel": "auto", "recipients": "all",
            "queue": if n % 3 == 0 { "mailing" } else { "messages" }, "async_result": "Y", "card_comment": "N",
            "open_lines": "N", "phones": phone(n * 3), "message": format!("robot {n}") });
        let call = json!({ "deal": 8061, "properties": properties, "use_subscription": "Y", "timeout_s": 660 });
        shared.town.control("POST", "/_/b24/demo/robots/switchboard_send/fire", call).await;
        n += 1;
        tokio::time::sleep(Duration::from_millis(40)).await;
    }
}

/// SMS of automations, and letters of CRM-marketing, which become mailings.
async fn send_letters(shared: Arc<Shared>) {
    let mut n = 0;
    while shared.room().await {
        let kind = if n % 2 == 0 { "bizproc" } else { "sender" };
        let letter = json!({ "code": format!("switchboard_{}", shared.lane(n).line), "kind": kind, "to": [phone(n * 11)],
            "text": format!("sms {n}") });
        shared.town.control("POST", "/_/b24/demo/letters", letter).await;
        n += 1;
        tokio::time::sleep(Duration::from_millis(80)).await;
    }
}
