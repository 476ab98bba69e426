//! A Telegram account beside the sandbox's Telegram: the client speaks the library's own types, the sandbox reads and writes the
//! published schema, and both have only the bytes in common.

pub(crate) mod changing;
pub(crate) mod groups;
pub(crate) mod listening;
pub(crate) mod sending;
mod steps;

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::{Value, json};
use switchboard::messenger::telegram::Telegram;
use switchboard::messenger::{
    AttachError, AttachNext, AttachStep, Attachment, Boxed, Deaf, Ear, Heard, Messenger as _, Wire,
};
use switchboard::model::clock::{Clock as _, HandClock};
use switchboard::model::message::Event;
use switchboard::model::moment::Moment;
use switchboard::model::vendor::Answer;
use switchboard::sandbox;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::messengers::wire::patient;

pub const PHONE: &str = "79031112233";
pub const ACCOUNT: i64 = 4_000_000_001;
pub const CUSTOMER: &str = "79990000001";

/// A Telegram with one account and three customers.
pub struct Town {
    sandbox: Option<sandbox::Running>,
    base: String,
    client: reqwest::Client,
}

impl Town {
    pub async fn build() -> Self {
        let config = sandbox::Config { bind: ([127, 0, 0, 1], 0).into(), public: None, switchboard: None };
        let sandbox = sandbox::Running::start(config).await.unwrap();
        let town = Self { base: sandbox.base(), sandbox: Some(sandbox), client: crate::rig::client() };
        let account = json!({ "id": ACCOUNT, "phone": PHONE, "name": "Ромашка", "username": "romashka" });
        town.control("POST", "/_/mtproto/accounts", account).await;
        town.control("POST", "/_/phones", json!({ "from": CUSTOMER, "count": 3, "name": "Анна" })).await;
        town
    }

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

    pub async fn change(&self, what: Value) {
        self.control("POST", &format!("/_/mtproto/accounts/{ACCOUNT}"), what).await;
    }

    pub async fn account(&self) -> Value {
        self.control("GET", "/_/mtproto/accounts", Value::Null).await["accounts"][0].clone()
    }

    /// The customer says something; the number of the message.
    pub async fn say(&self, text: &str) -> String {
        self.say_all(json!({ "text": text })).await
    }

    pub async fn say_all(&self, mut said: Value) -> String {
        said["messenger"] = json!("telegram");
        let told = self.control("POST", &format!("/_/phones/{CUSTOMER}/say"), said).await;
        told["id"].as_str().unwrap().to_owned()
    }

    /// What a customer got, newest last.
    pub async fn got(&self, phone: &str) -> Vec<Value> {
        let told = self.control("GET", &format!("/_/phones/{phone}"), Value::Null).await;
        let mut all = told["messages"].as_array().unwrap().clone();
        all.retain(|one| one["direction"] == "received");
        all
    }

    pub async fn chat(&self, phone: &str) -> String {
        self.control("GET", &format!("/_/phones/{phone}"), Value::Null).await["chat_id"].to_string()
    }

    /// The calls of a function, as the sandbox wrote them down.
    pub async fn calls(&self, method: &str) -> Vec<Value> {
        let path = format!("/_/ledger?vendor=mtproto&method={method}&limit=10000");
        self.control("GET", &path, Value::Null).await["entries"].as_array().unwrap().clone()
    }

    pub async fn fault(&self, method: &str, mut fault: Value) {
        fault["vendor"] = json!("mtproto");
        fault["method"] = json!(method);
        fault["times"] = json!(1);
        self.control("POST", "/_/faults", fault).await;
    }

    /// The way to this Telegram with these secrets.
    pub fn wire(&self, secrets: &Value) -> Wire {
        patient(&format!("{}/mtproto", self.base), secrets, &json!({}))
    }

    pub async fn step(&self, answers: Value, kept: Value) -> Result<AttachNext, AttachError> {
        let keys = json!({ "client_id": "12345", "client_secret": "0123456789abcdef0123456789abcdef" });
        let step = AttachStep {
            answers: answers.as_object().unwrap().clone(),
            webhook_url: String::new(),
            return_url: String::new(),
            kept,
        };
        Telegram.attach(&self.wire(&keys), &step).await
    }

    /// Signs in by phone and code; the secrets, and where listening begins.
    pub async fn sign_in(&self) -> (Value, Value) {
        let AttachNext::Form { kept, .. } = self.step(json!({ "phone": PHONE }), Value::Null).await.unwrap() else {
            panic!("no form for the code")
        };
        let code = self.account().await["code"].clone();
        match self.step(json!({ "code": code }), kept).await.unwrap() {
            AttachNext::Done(Attachment { secrets, cursor, .. }) => {
                (serde_json::from_str(secrets.expose_secret()).unwrap(), cursor)
            }
            other => panic!("{other:?}"),
        }
    }

    pub async fn clear(mut self) {
        if let Some(sandbox) = self.sandbox.take() {
            sandbox.stop().await;
        }
    }
}

/// An ear that remembers.
pub struct Memory {
    clock: HandClock,
    kept: Mutex<Kept>,
    heard: watch::Sender<usize>,
    connected: watch::Sender<usize>,
}

#[derive(Default)]
struct Kept {
    told: Vec<String>,
    events: Vec<(String, Event)>,
    keys: HashSet<String>,
    cursor: Value,
    gaps: usize,
    notes: BTreeMap<String, String>,
}

impl Memory {
    /// Remembers nothing but where it begins.
    pub fn from(cursor: Value) -> Arc<Self> {
        Arc::new(Self {
            clock: HandClock::at(chrono::Utc::now().into()),
            kept: Mutex::new(Kept { cursor, ..Kept::default() }),
            heard: watch::Sender::default(),
            connected: watch::Sender::default(),
        })
    }

    pub fn told(&self) -> Vec<String> {
        self.kept.lock().told.clone()
    }

    pub fn gaps(&self) -> usize {
        self.kept.lock().gaps
    }

    pub async fn has_heard(&self, count: usize) -> Vec<String> {
        let mut heard = self.heard.subscribe();
        let waited = tokio::time::timeout(Duration::from_secs(20), heard.wait_for(|heard| *heard >= count));
        assert!(waited.await.is_ok(), "{count} events are not heard: {:#?}", self.told());
        self.told()
    }

    pub async fn has_connected(&self, times: usize) {
        let mut connected = self.connected.subscribe();
        let waited = tokio::time::timeout(Duration::from_secs(20), connected.wait_for(|seen| *seen >= times));
        assert!(waited.await.is_ok(), "the account does not connect");
    }
}

impl Ear for Memory {
    fn hear(&self, heard: Heard) -> Boxed<'_, Result<(), Deaf>> {
        let mut kept = self.kept.lock();
        for (key, event) in heard.events {
            // as the store does it: what came before is dropped by its key
            if kept.keys.insert(key.clone()) {
                let told = crate::messengers::incoming::tell(&event);
                kept.told.push(told);
                kept.events.push((key, event));
            }
        }
        kept.cursor = heard.cursor;
        kept.gaps += usize::from(heard.gap);
        self.heard.send_replace(kept.told.len());
        Box::pin(std::future::ready(Ok(())))
    }

    fn note(&self, notes: Vec<(String, String)>) -> Boxed<'_, Result<(), Deaf>> {
        self.kept.lock().notes.extend(notes);
        Box::pin(std::future::ready(Ok(())))
    }

    fn notes(&self) -> Boxed<'_, Result<Vec<(String, String)>, Deaf>> {
        let notes = self.kept.lock().notes.clone().into_iter().collect();
        Box::pin(std::future::ready(Ok(notes)))
    }

    fn connected(&self) -> Boxed<'_, ()> {
        self.connected.send_modify(|times| *times += 1);
        Box::pin(std::future::ready(()))
    }

    fn rest(&self, ms: i64) -> Boxed<'_, ()> {
        let until = self.clock.tick().plus_ms(ms);
        self.clock.sleep_until(until)
    }

    fn now(&self) -> Moment {
        self.clock.now()
    }
}

/// An account that is listened to, and may send.
pub struct Account {
    pub wire: Wire,
    pub memory: Arc<Memory>,
    listening: JoinHandle<Answer>,
}

impl Account {
    pub async fn open(town: &Town) -> Self {
        let (secrets, cursor) = town.sign_in().await;
        Self::listen(town.wire(&secrets), Memory::from(cursor)).await
    }

    pub async fn listen(wire: Wire, memory: Arc<Memory>) -> Self {
        let times = *memory.connected.borrow() + 1;
        let (way, ear) = (wire.clone(), Arc::clone(&memory));
        let listening = tokio::spawn(async move {
            let cursor = ear.kept.lock().cursor.clone();
            Telegram.listen(&way, cursor, &*ear).await
        });
        memory.has_connected(times).await;
        Self { wire, memory, listening }
    }

    /// Why the listening ended.
    pub async fn ended(self) -> (Answer, Wire, Arc<Memory>) {
        let answer = tokio::time::timeout(Duration::from_secs(20), self.listening).await;
        (answer.expect("the listening ends").unwrap(), self.wire, self.memory)
    }

    /// Stops listening, as a process does that ends.
    pub async fn stop(self) -> (Wire, Arc<Memory>) {
        self.listening.abort();
        let _ = self.listening.await;
        (self.wire, self.memory)
    }
}

/// What an account hears when customers write all that they can, each event with its key.
pub fn heard() -> Vec<(String, Event)> {
    let told = async || {
        let town = Town::build().await;
        let account = Account::open(&town).await;
        town.say("Здравствуйте!").await;
        town.say_all(json!({ "text": "Вот", "media": { "kind": "image", "name": "a.jpg", "mime": "image/jpeg" } }))
            .await;
        town.say_all(json!({ "text": "", "place": { "latitude": 55.7, "longitude": 37.6 } })).await;
        let ours = json!({ "text": "С телефона", "ours": true });
        town.control("POST", &format!("/_/mtproto/phones/{CUSTOMER}/say"), ours).await;
        account.memory.has_heard(4).await;
        let (_, memory) = account.stop().await;
        town.clear().await;
        memory.kept.lock().events.clone()
    };
    // whoever asks may be inside a runtime of its own
    let running = std::thread::spawn(move || {
        tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(told())
    });
    running.join().unwrap()
}

pub fn secrets(of: &Value) -> SecretString {
    SecretString::from(of.to_string())
}
