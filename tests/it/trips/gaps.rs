//! Half an hour in which what a vendor posts does not reach us: it is filled in order, nothing comes twice, and what cannot be
//! filled is marked. The clock of the server stands in the tester's hand.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use switchboard::model::clock::{Clock, HandClock};
use switchboard::serve::Role;

use super::stage::Stage;
use super::whatsapp_web::{Phone, linked};

const CUSTOMERS: [&str; 2] = ["79990000001", "79990000002"];
const MINUTE_MS: i64 = 60_000;

/// A server without a pump, and the clock that it goes by; the vendor's clock goes along.
struct Scene {
    stage: Stage,
    clock: Arc<HandClock>,
}

impl Scene {
    async fn set(database: &str) -> Self {
        let clock = Arc::new(HandClock::at(chrono::Utc::now().into()));
        let roles = [Role::Http, Role::Feeder, Role::Listener].into_iter().collect();
        let stage = Stage::at(database, Arc::clone(&clock) as Arc<dyn Clock>, roles).await;
        Self { stage, clock }
    }

    /// So many minutes pass, here and at the vendor.
    async fn pass(&self, minutes: i64) {
        self.stage.control("POST", "/_/clock", json!({ "advance_ms": minutes * MINUTE_MS })).await;
        self.clock.advance_ms(minutes * MINUTE_MS);
    }

    async fn says(&self, phone: &str, messenger: &str, text: &str) {
        let said = json!({ "messenger": messenger, "text": text });
        self.stage.control("POST", &format!("/_/phones/{phone}/say"), said).await;
    }

    async fn card(&self, channel: &str) -> Value {
        self.stage.api("GET", &format!("/api/v1/channels/{channel}")).await
    }

    /// Waits while the clock goes on, a second at a time.
    async fn until(&self, what: &str, mut look: impl AsyncFnMut() -> bool) {
        for _ in 0..1_500 {
            if look().await {
                return;
            }
            self.clock.advance_ms(1_000);
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("not in time: {what}");
    }

    async fn history_is(&self, channel: &str, said: &[&str]) {
        let mut seen = Vec::new();
        for _ in 0..1_500 {
            seen = self.stage.history(channel).await;
            if seen == said {
                return;
            }
            self.clock.advance_ms(1_000);
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("the history is {seen:?}, not {said:?}");
    }

    /// Links a phone. What the gateway tells of the linking itself is known by its moment, so our clock, which stands still
    /// meanwhile, goes ahead; then the gateway's catches up.
    async fn linked(&self) -> Phone {
        self.clock.advance_ms(MINUTE_MS);
        let phone = linked(&self.stage).await;
        self.stage.control("POST", "/_/clock", json!({ "advance_ms": 2 * MINUTE_MS })).await;
        self.clock.advance_ms(MINUTE_MS);
        phone
    }

    async fn listens(&self, channel: &str) {
        self.until("the channel is watched", async || !self.card(channel).await["listening"]["connected_at"].is_null())
            .await;
    }
}

async fn seller(stage: &Stage) -> String {
    let made = json!({ "id": 94_235_311, "client_id": "own", "client_secret": "secret", "name": "Пётр" });
    stage.control("POST", "/_/avito/accounts", made).await;
    let card = stage.attach_channel("avito", json!({ "client_id": "own", "client_secret": "secret" })).await;
    card["id"].as_str().unwrap().to_owned()
}

/// The seller answers at Avito itself.
async fn writes_in_the_cabinet(stage: &Stage, chat: &str, text: &str) {
    let client = crate::rig::client();
    let form = [("grant_type", "client_credentials"), ("client_id", "own"), ("client_secret", "secret")];
    let token = client.post(format!("{}/avito/token", stage.base)).form(&form).send().await.unwrap();
    let token: Value = token.json().await.unwrap();
    let chat = chat.replace('/', "%2F");
    let path = format!("{}/avito/messenger/v1/accounts/94235311/chats/{chat}/messages", stage.base);
    let body = json!({ "type": "text", "message": { "text": text } });
    let sent = client.post(path).bearer_auth(token["access_token"].as_str().unwrap()).json(&body).send().await.unwrap();
    assert_eq!(sent.status().as_u16(), 200);
}

on_both_databases! {
    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn half_an_hour_of_avito_is_filled_in_order_and_nothing_comes_twice(url: &str) {
        let scene = Scene::set(url).await;
        let channel = seller(&scene.stage).await;
        scene.listens(&channel).await;
        scene.says(CUSTOMERS[0], "avito", "Раз").await;
        scene.history_is(&channel, &["< Раз"]).await;
        scene.stage.control("POST", "/_/avito/accounts/94235311", json!({ "hushed": true })).await;
        for (phone, text) in [(CUSTOMERS[0], "Два"), (CUSTOMERS[1], "Три"), (CUSTOMERS[0], "Четыре")] {
            scene.pass(10).await;
            scene.says(phone, "avito", text).await;
        }
        let all = ["< Раз", "< Два", "< Три", "< Четыре"];
        scene.history_is(&channel, &all).await;
        scene.stage.control("POST", "/_/avito/accounts/94235311", json!({ "hushed": false })).await;
        scene.says(CUSTOMERS[1], "avito", "Пять").await;
        let all = ["< Раз", "< Два", "< Три", "< Четыре", "< Пять"];
        scene.history_is(&channel, &all).await;
        // further looks find nothing new
        for _ in 0..3 {
            scene.pass(3).await;
            scene.says(CUSTOMERS[0], "avito", "").await;
        }
        let card = scene.card(&channel).await;
        assert!(card["listening"]["gap_at"].is_null(), "{card}");
        let history = scene.stage.history(&channel).await;
        assert_eq!(history.iter().filter(|line| line.len() > 3).count(), 5, "{history:?}");
        scene.stage.clear().await;
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_chat_of_avito_gets_its_names_and_its_read_marks_and_is_marked_as_read(url: &str) {
        let scene = Scene::set(url).await;
        let channel = seller(&scene.stage).await;
        let chat = "u2i-79990000001~94235311/x";
        scene.says(CUSTOMERS[0], "avito", "Ещё продаёте?").await;
        scene.history_is(&channel, &["< Ещё продаёте?"]).await;
        let path = format!("/api/v1/channels/{channel}/chats/{}", chat.replace('/', "%2F"));
        scene.until("the chat has its names", async || {
            let told = scene.stage.api("GET", &path).await;
            told["title"] == "Покупатель 79990000001 · Mazda 3" && told["link"] == "https://avito.ru/1768287444"
        })
        .await;
        writes_in_the_cabinet(&scene.stage, chat, "Да").await;
        scene.history_is(&channel, &["< Ещё продаёте?", "> Да"]).await;
        let status = async || {
            let told = scene.stage.api("GET", "/api/v1/messages").await;
            let all = told["messages"].as_array().unwrap().clone();
            all.into_iter().find(|one| one["content"]["text"] == "Да").unwrap()["status"].clone()
        };
        assert_eq!(status().await, "sent");
        scene.stage.control("POST", &format!("/_/phones/{}/read", CUSTOMERS[0]), json!({})).await;
        scene.until("the answer was read", async || status().await == "viewed").await;
        let accounts = scene.stage.control("GET", "/_/avito/accounts", Value::Null).await;
        assert_eq!(accounts["accounts"][0]["read"], json!([]), "{accounts}");
        scene.stage.api("POST", &format!("{path}/read")).await;
        let accounts = scene.stage.control("GET", "/_/avito/accounts", Value::Null).await;
        assert_eq!(accounts["accounts"][0]["read"], json!([chat]), "{accounts}");
        // switching off takes the subscription back
        scene.stage.api("POST", &format!("/api/v1/channels/{channel}/detach")).await;
        let accounts = scene.stage.control("GET", "/_/avito/accounts", Value::Null).await;
        assert_eq!(accounts["accounts"][0]["subscriptions"], json!([]), "{accounts}");
        scene.stage.clear().await;
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_token_of_avito_that_runs_out_while_nobody_writes_is_renewed_by_the_watch(url: &str) {
        let scene = Scene::set(url).await;
        let channel = seller(&scene.stage).await;
        scene.listens(&channel).await;
        // one that was given just now would not be renewed
        scene.pass(10).await;
        let hushed = json!({ "hushed": true, "expire": true });
        scene.stage.control("POST", "/_/avito/accounts/94235311", hushed).await;
        scene.says(CUSTOMERS[0], "avito", "Раз").await;
        scene.history_is(&channel, &["< Раз"]).await;
        assert_eq!(scene.card(&channel).await["state"], "connected");
        scene.stage.clear().await;
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn half_an_hour_of_whatsapp_web_is_filled_in_order_and_nothing_comes_twice(url: &str) {
        let scene = Scene::set(url).await;
        let phone = scene.linked().await;
        scene.listens(&phone.channel).await;
        let session = format!("/_/waha/sessions/{}", phone.session);
        scene.says(CUSTOMERS[0], "whatsapp_web", "Раз").await;
        scene.history_is(&phone.channel, &["< Раз"]).await;
        scene.stage.control("POST", &format!("{session}/hush"), json!({ "on": true })).await;
        scene.pass(10).await;
        scene.says(CUSTOMERS[0], "whatsapp_web", "Два").await;
        scene.pass(10).await;
        let own = json!({ "to": CUSTOMERS[1], "text": "Сам написал" });
        scene.stage.control("POST", &format!("{session}/say"), own).await;
        scene.pass(10).await;
        scene.says(CUSTOMERS[1], "whatsapp_web", "Три").await;
        scene.stage.control("POST", &format!("{session}/hush"), json!({ "on": false })).await;
        // the live one is faster than what fills the gap
        scene.says(CUSTOMERS[0], "whatsapp_web", "Четыре").await;
        let all = ["< Раз", "< Два", "> Сам написал", "< Три", "< Четыре"];
        scene.history_is(&phone.channel, &all).await;
        let card = scene.card(&phone.channel).await;
        assert!(card["listening"]["gap_at"].is_null(), "{card}");
        for _ in 0..3 {
            scene.pass(11).await;
            scene.says(CUSTOMERS[1], "whatsapp_web", "ещё").await;
        }
        scene.until("the last ones came", async || scene.stage.history(&phone.channel).await.len() == 8).await;
        scene.stage.clear().await;
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_gateway_that_is_away_is_told_of_and_what_came_meanwhile_is_filled_in(url: &str) {
        let scene = Scene::set(url).await;
        let phone = scene.linked().await;
        scene.listens(&phone.channel).await;
        let session = format!("/_/waha/sessions/{}", phone.session);
        scene.stage.control("POST", &format!("{session}/hush"), json!({ "on": true })).await;
        let fault = json!({ "vendor": "waha", "method": "session", "kind": "cut_before", "times": 40 });
        scene.stage.control("POST", "/_/faults", fault).await;
        scene.until("the gateway is told to be away", async || {
            let card = scene.card(&phone.channel).await;
            card["listening"]["error"].is_string() && card["listening"]["error_at"].is_i64()
        })
        .await;
        scene.says(CUSTOMERS[0], "whatsapp_web", "Раз").await;
        scene.stage.control("DELETE", "/_/faults", Value::Null).await;
        scene.history_is(&phone.channel, &["< Раз"]).await;
        scene.until("it is there again", async || scene.card(&phone.channel).await["listening"]["error"].is_null()).await;
        assert_eq!(scene.card(&phone.channel).await["state"], "connected");
        scene.stage.clear().await;
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn what_was_said_while_the_phone_had_removed_the_device_is_marked(url: &str) {
        let scene = Scene::set(url).await;
        let phone = scene.linked().await;
        scene.listens(&phone.channel).await;
        let session = format!("/_/waha/sessions/{}", phone.session);
        scene.stage.control("POST", &format!("{session}/move"), json!({ "status": "SCAN_QR_CODE" })).await;
        scene.until("the channel is to be linked", async || scene.card(&phone.channel).await["state"] == "relink").await;
        scene.pass(30).await;
        scene.stage.control("POST", &format!("{session}/move"), json!({ "status": "WORKING" })).await;
        scene.until("the channel works", async || scene.card(&phone.channel).await["state"] == "connected").await;
        let card = scene.card(&phone.channel).await;
        assert!(card["listening"]["gap_at"].is_i64(), "{card}");
        scene.stage.clear().await;
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_word_about_the_session_that_was_lost_is_found_by_looking(url: &str) {
        let scene = Scene::set(url).await;
        let phone = scene.linked().await;
        scene.listens(&phone.channel).await;
        let session = format!("/_/waha/sessions/{}", phone.session);
        scene.stage.control("POST", &format!("{session}/hush"), json!({ "on": true })).await;
        scene.stage.control("POST", &format!("{session}/move"), json!({ "status": "FAILED" })).await;
        scene.until("the channel is lost", async || scene.card(&phone.channel).await["state"] == "lost").await;
        scene.stage.clear().await;
    }
}
