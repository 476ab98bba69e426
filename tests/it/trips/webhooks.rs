//! Webhooks end to end: what happens in a channel reaches a receiver on a socket, signed, numbered and in order, whatever becomes
//! of the receiver meanwhile.

use std::net::TcpListener;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use parking_lot::Mutex;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use switchboard::model::clock::{Clock, HandClock};
use switchboard::serve::Role;
use wiremock::matchers::path;
use wiremock::{Mock, MockServer, Request, ResponseTemplate};

use super::stage::{self, Stage};

const CUSTOMER: &str = "79990000001";
const HOUR_MS: i64 = 3_600_000;

/// One attempt, as the receiver saw it.
#[derive(Clone)]
struct Heard {
    id: String,
    seconds: i64,
    signature: String,
    body: String,
    status: u16,
}

impl Heard {
    fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap()
    }

    fn number(&self) -> i64 {
        self.json()["meta"]["number"].as_i64().unwrap()
    }

    fn item(&self) -> Value {
        self.json()["data"][0].clone()
    }

    fn text(&self) -> String {
        self.item()["message"]["text"].as_str().unwrap().to_owned()
    }
}

/// A program of an integrator.
struct Receiver {
    server: MockServer,
    heard: Arc<Mutex<Vec<Heard>>>,
    answer: Arc<Mutex<(u16, Option<&'static str>)>>,
}

impl Receiver {
    async fn start() -> Self {
        Self::on(TcpListener::bind("127.0.0.1:0").unwrap()).await
    }

    async fn on(listener: TcpListener) -> Self {
        let server = MockServer::builder().listener(listener).start().await;
        let (heard, answer) = (Arc::<Mutex<Vec<Heard>>>::default(), Arc::new(Mutex::new((200, None))));
        let (list, says) = (Arc::clone(&heard), Arc::clone(&answer));
        let take = move |request: &Request| {
            let header = |name: &str| request.headers[name].to_str().unwrap().to_owned();
            let (status, wait) = *says.lock();
            list.lock().push(Heard {
                id: header("webhook-id"),
                seconds: header("webhook-timestamp").parse().unwrap(),
                signature: header("webhook-signature"),
                body: String::from_utf8(request.body.clone()).unwrap(),
                status,
            });
            let answer = ResponseTemplate::new(status);
            if let Some(wait) = wait { answer.insert_header("retry-after", wait) } else { answer }
        };
        Mock::given(path("/hook")).respond_with(take).mount(&server).await;
        Self { server, heard, answer }
    }

    fn url(&self) -> String {
        format!("{}/hook", self.server.uri())
    }

    /// What it answers from now on.
    fn say(&self, status: u16, wait: Option<&'static str>) {
        *self.answer.lock() = (status, wait);
    }

    fn heard(&self) -> Vec<Heard> {
        self.heard.lock().clone()
    }

    /// What it took, in the order of coming.
    fn taken(&self) -> Vec<Heard> {
        self.heard().into_iter().filter(|one| one.status == 200).collect()
    }

    fn texts(&self) -> Vec<String> {
        self.taken().iter().map(Heard::text).collect()
    }
}

/// HMAC-SHA256 from its definition (RFC 2104), so that nothing here is proven by the code that it proves.
fn hmac(key: &[u8], data: &str) -> Vec<u8> {
    let pad = |byte: u8| (0..64).map(|n| key.get(n).copied().unwrap_or(0) ^ byte).collect::<Vec<u8>>();
    let inner = Sha256::new().chain_update(pad(0x36)).chain_update(data).finalize();
    Sha256::new().chain_update(pad(0x5c)).chain_update(inner).finalize().to_vec()
}

/// What a receiver does with every request, as `docs/webhooks.md` tells it.
fn is_signed(secret: &str, heard: &Heard) -> bool {
    let key = BASE64.decode(secret.strip_prefix("whsec_").unwrap()).unwrap();
    let mac = hmac(&key, &format!("{}.{}.{}", heard.id, heard.seconds, heard.body));
    heard.signature.split(' ').any(|one| one == format!("v1,{}", BASE64.encode(&mac)))
}

async fn channel(stage: &Stage) -> String {
    stage.api("GET", "/api/v1/channels").await["channels"][0]["id"].as_str().unwrap().to_owned()
}

/// Sets the webhook of the only channel up: its id and its secret.
async fn hook(stage: &Stage, url: &str, events: &[&str]) -> (String, Value) {
    let path = format!("/api/v1/channels/{}/webhook", channel(stage).await);
    let kept = stage.api_with("PUT", &path, json!({ "url": url, "events": events })).await;
    (kept["webhook"]["id"].as_str().unwrap().to_owned(), kept["secret"].clone())
}

async fn card(stage: &Stage) -> Value {
    stage.api("GET", "/api/v1/webhooks").await["webhooks"][0].clone()
}

async fn events(stage: &Stage, id: &str, state: &str) -> Vec<Value> {
    let path = format!("/api/v1/webhooks/{id}/events?state={state}");
    stage.api("GET", &path).await["events"].as_array().unwrap().clone()
}

async fn say(stage: &Stage, text: &str) {
    let said = json!({ "messenger": "waba", "text": text });
    stage.control("POST", &format!("/_/phones/{CUSTOMER}/say"), said).await;
}

async fn by_hand(url: &str) -> (Stage, Arc<HandClock>) {
    let clock = Arc::new(HandClock::at(chrono::Utc::now().into()));
    let stage = Stage::at(url, Arc::clone(&clock) as Arc<dyn Clock>, Role::ALL.into()).await;
    (stage, clock)
}

async fn leap(stage: &Stage, clock: &HandClock, ms: i64) {
    stage.control("POST", "/_/clock", json!({ "advance_ms": ms })).await;
    clock.advance_ms(ms);
}

/// Waits while the clocks go on, a second at a time.
async fn until(stage: &Stage, clock: &HandClock, what: &str, mut look: impl AsyncFnMut() -> bool) {
    for _ in 0..2_000 {
        if look().await {
            return;
        }
        leap(stage, clock, 1_000).await;
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("not in time: {what}: {}", card(stage).await);
}

const BOTH: [&str; 2] = ["message", "messageStatus"];

on_both_databases! {
    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_webhook_hears_of_messages_and_statuses_in_order_and_once(url: &str) {
        let (stage, receiver) = (Stage::without_portal(url).await, Receiver::start().await);
        let (id, secret) = hook(&stage, &receiver.url(), &BOTH).await;
        say(&stage, "Есть ли доставка?").await;
        let message = json!({ "to": format!("+{CUSTOMER}"), "text": "Да, завтра", "tracking": "order-15", "urgent": true });
        let sent = stage.sent(message, "delivered").await["id"].clone();
        let taken = stage.wait_for("the receiver hears of the delivery", |_| {
            let taken = receiver.taken();
            async move { taken.iter().any(|one| one.item()["type"] == "delivered").then_some(taken) }
        }).await;
        let numbers: Vec<i64> = taken.iter().map(Heard::number).collect();
        assert_eq!(numbers, (1..=4).collect::<Vec<_>>(), "each once, in order, without a gap");
        let secret = secret.as_str().unwrap();
        for (one, number) in taken.iter().zip(1..) {
            assert!(is_signed(secret, one), "{}", one.body);
            assert!(!is_signed(secret, &Heard { body: one.body.replace('1', "2"), ..one.clone() }));
            assert_eq!(one.id, format!("{id}-{number}"));
            let meta = &one.json()["meta"];
            assert_eq!((&meta["licenseId"], &meta["messengerType"]), (&json!(stage.line), &json!("waba")), "{meta}");
        }
        let of = |topic: &str| taken.iter().filter(|one| one.json()["meta"]["type"] == topic).map(Heard::item).collect::<Vec<_>>();
        let (messages, statuses) = (of("message"), of("messageStatus"));
        let came = messages.iter().find(|item| item["side"] == "in").unwrap();
        assert_eq!((&came["message"]["text"], &came["fromMe"]), (&json!("Есть ли доставка?"), &json!(false)));
        assert_eq!((&came["chat"]["id"], &came["fromUser"]["phone"]), (&json!(CUSTOMER), &json!(CUSTOMER)), "{came}");
        let left = messages.iter().find(|item| item["side"] == "out").unwrap();
        assert_eq!((&left["id"], &left["message"]["text"]), (&sent, &json!("Да, завтра")));
        assert_eq!((&left["fromApi"], &left["fromApp"]["tracking"]), (&json!(true), &json!("order-15")), "{left}");
        let types: Vec<&str> = statuses.iter().map(|item| item["type"].as_str().unwrap()).collect();
        assert_eq!(types, ["sent", "delivered"]);
        assert!(statuses.iter().all(|item| item["id"] == sent && item["error"].is_null()), "{statuses:?}");
        let last = stage.wait_for("all of it is written down as delivered", |stage| async move {
            let card = card(stage).await;
            (card["waiting"] == 0).then_some(card)
        }).await;
        assert_eq!((&last["last"]["outcome"], &last["failed"], &last["last_number"]), (&json!("delivered"), &json!(0), &json!(4)));
        assert_eq!(events(&stage, &id, "delivered").await.len(), 4);
        stage.clear().await;
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_message_that_fails_is_told_with_its_code_and_only_to_whom_it_concerns(url: &str) {
        let (stage, receiver) = (Stage::without_portal(url).await, Receiver::start().await);
        hook(&stage, &receiver.url(), &["messageStatus"]).await;
        say(&stage, "Не об этом").await;
        // nobody has WhatsApp there
        stage.sent(json!({ "to": "+79161234567", "text": "Здравствуйте", "urgent": true }), "error").await;
        let item = stage.wait_for("the failure is told", |_| {
            let taken = receiver.taken();
            async move { taken.iter().map(Heard::item).find(|item| item["type"] == "error") }
        }).await;
        assert!(item["error"]["code"].is_string(), "{item}");
        assert!(receiver.taken().iter().all(|one| one.json()["meta"]["type"] == "messageStatus"));
        stage.clear().await;
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_receiver_that_was_down_gets_everything_in_order_and_once(url: &str) {
        let (stage, clock) = by_hand(url).await;
        let place = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        hook(&stage, &format!("http://{place}/hook"), &BOTH).await;
        let said: Vec<String> = (0..6).map(|n| format!("Вопрос {n}")).collect();
        for text in &said[..3] {
            say(&stage, text).await;
        }
        until(&stage, &clock, "nobody is there", async || {
            let card = card(&stage).await;
            card["waiting"] == 3 && card["last"]["outcome"] == "no_answer"
        }).await;
        let receiver = Receiver::on(TcpListener::bind(place).unwrap()).await;
        receiver.say(500, None);
        for text in &said[3..] {
            say(&stage, text).await;
        }
        until(&stage, &clock, "it does not work yet", async || {
            let card = card(&stage).await;
            card["waiting"] == 6 && card["last"]["status"] == 500
        }).await;
        receiver.say(200, None);
        until(&stage, &clock, "it has everything", async || receiver.taken().len() >= 6 && card(&stage).await["waiting"] == 0).await;
        assert_eq!(receiver.texts(), said);
        // what stood behind was not even tried before its turn
        let tried: Vec<i64> = receiver.heard().iter().filter(|one| one.status == 500).map(Heard::number).collect();
        assert!(!tried.is_empty() && tried.iter().all(|number| *number == 1), "{tried:?}");
        stage.clear().await;
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn what_nobody_took_for_a_day_fails_and_is_sent_again_when_asked(url: &str) {
        let (stage, clock) = by_hand(url).await;
        let receiver = Receiver::start().await;
        receiver.say(500, None);
        let (id, _) = hook(&stage, &receiver.url(), &BOTH).await;
        for text in ["Раз", "Два", "Три"] {
            say(&stage, text).await;
        }
        until(&stage, &clock, "all wait", async || card(&stage).await["waiting"] == 3 && !receiver.heard().is_empty()).await;
        leap(&stage, &clock, 23 * HOUR_MS).await;
        until(&stage, &clock, "it is tried still", async || receiver.heard().len() > 2).await;
        assert_eq!(card(&stage).await["failed"], 0, "a day is not over");
        leap(&stage, &clock, 2 * HOUR_MS).await;
        until(&stage, &clock, "all failed", async || card(&stage).await["failed"] == 3).await;
        let failed = events(&stage, &id, "failed").await;
        let shown: Vec<_> = failed.iter().map(|one| (one["number"].as_i64().unwrap(), one["item"]["message"]["text"].as_str().unwrap())).collect();
        assert_eq!(shown, [(1, "Раз"), (2, "Два"), (3, "Три")]);
        assert_eq!((&failed[0]["reason"], &failed[0]["status"]), (&json!("http_status"), &json!(500)));
        assert!(failed[0]["attempts"].as_i64().unwrap() > 2);
        receiver.say(200, None);
        let path = format!("/api/v1/webhooks/{id}/replay");
        assert_eq!(stage.api_with("POST", &path, json!({ "from": 2, "to": 3 })).await, json!({ "events": 2 }));
        until(&stage, &clock, "both are there", async || receiver.taken().len() == 2 && card(&stage).await["waiting"] == 0).await;
        assert_eq!(receiver.texts(), ["Два", "Три"]);
        let names: Vec<String> = receiver.taken().into_iter().map(|one| one.id).collect();
        assert_eq!(names, [format!("{id}-2"), format!("{id}-3")], "they are known by the ids that they had");
        assert_eq!(events(&stage, &id, "failed").await.len(), 1);
        // what was delivered is forgotten after a week, what was not after a month
        leap(&stage, &clock, 8 * 24 * HOUR_MS).await;
        until(&stage, &clock, "what was delivered is forgotten", async || events(&stage, &id, "delivered").await.is_empty()).await;
        assert_eq!(events(&stage, &id, "failed").await.len(), 1);
        leap(&stage, &clock, 23 * 24 * HOUR_MS).await;
        // whoever signed in has to do so again by now, so the store is asked
        let (company, id) = (stage.company, id.parse().unwrap());
        until(&stage, &clock, "what was not is forgotten too", async || {
            let all = stage.server.app.store.read(move |conn| switchboard::on!(conn, webhook::events(company, id, None, (0, 10))));
            all.await.unwrap().is_empty()
        }).await;
        stage.clear().await;
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_receiver_that_is_gone_switches_its_webhook_off(url: &str) {
        let (stage, receiver) = (Stage::without_portal(url).await, Receiver::start().await);
        receiver.say(410, None);
        let (id, _) = hook(&stage, &receiver.url(), &BOTH).await;
        say(&stage, "Раз").await;
        let off = stage.wait_for("it is off", |stage| async move {
            let card = card(stage).await;
            (card["state"] == "off" && card["failed"] == 1).then_some(card)
        }).await;
        assert_eq!((&off["reason"], &off["last"]["outcome"], &off["last"]["status"]), (&json!("gone"), &json!("gone"), &json!(410)));
        say(&stage, "Два").await;
        stage.wait_for_history(&channel(&stage).await, &history(&["Раз", "Два"])).await;
        assert_eq!(card(&stage).await["last_number"], 1, "nothing is written down for it");
        let path = format!("/api/v1/webhooks/{id}/replay");
        let (status, told) = stage.api_reply("POST", &path, json!({ "from": 1, "to": 9 })).await;
        assert_eq!((status, &told["error"]["code"]), (409, &json!("webhook_off")));
        receiver.say(204, None);
        let (again, secret) = hook(&stage, &receiver.url(), &BOTH).await;
        assert_eq!((again.as_str(), &secret), (id.as_str(), &Value::Null), "it is the same one, with its secret");
        assert_eq!((&card(&stage).await["state"], &card(&stage).await["reason"]), (&json!("on"), &Value::Null));
        say(&stage, "Три").await;
        assert_eq!(stage.api_with("POST", &path, json!({ "from": 1, "to": 1 })).await, json!({ "events": 1 }));
        stage.wait_for("both are there", |_| {
            let heard = receiver.heard();
            async move {
                let mut texts: Vec<String> = heard.iter().filter(|one| one.status == 204).map(Heard::text).collect();
                texts.sort();
                (texts == ["Раз", "Три"]).then_some(())
            }
        }).await;
        // and whoever takes it away hears of nothing more
        let path = format!("/api/v1/channels/{}/webhook", channel(&stage).await);
        assert_eq!((stage.status_of("DELETE", &path).await, stage.status_of("DELETE", &path).await), (204, 404));
        say(&stage, "Четыре").await;
        stage.wait_for_history(&channel(&stage).await, &history(&["Раз", "Два", "Три", "Четыре"])).await;
        assert!(card(&stage).await.is_null() && receiver.heard().iter().all(|one| one.text() != "Четыре"));
        stage.clear().await;
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_receiver_that_asks_to_wait_is_left_alone_so_long(url: &str) {
        let (stage, clock) = by_hand(url).await;
        let receiver = Receiver::start().await;
        receiver.say(503, Some("600"));
        hook(&stage, &receiver.url(), &BOTH).await;
        say(&stage, "Раз").await;
        until(&stage, &clock, "it was asked", async || card(&stage).await["last"]["status"] == 503).await;
        receiver.say(200, None);
        for _ in 0..100 {
            leap(&stage, &clock, 5_000).await;
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        assert_eq!(receiver.heard().len(), 1, "ten minutes are not over");
        until(&stage, &clock, "it has it", async || receiver.texts() == ["Раз"]).await;
        stage.clear().await;
    }
}

/// The history of the customer's channel: the greetings of everybody, and this.
fn history<'a>(said: &[&'a str]) -> Vec<&'a str> {
    let shown = |text: &&'a str| match *text {
        "Раз" => "< Раз",
        "Два" => "< Два",
        "Три" => "< Три",
        _ => "< Четыре",
    };
    std::iter::repeat_n("< Добрый день", usize::try_from(stage::CUSTOMERS).unwrap())
        .chain(said.iter().map(shown))
        .collect()
}
