//! Answers of a portal that are none: pages, refusals, nothing at all, tokens that ran out. Nothing is lost, nothing is there twice.

use std::sync::Arc;

use serde_json::{Value, json};
use switchboard::flow::open_line::settings;
use switchboard::model::clock::{Clock, HandClock};
use switchboard::model::message::Kind;
use switchboard::model::open_line::Settings;
use switchboard::serve::Role;

use super::outage::{has, until};
use super::{CUSTOMER, LINE, message, said};
use crate::trips::stage::Stage;

async fn by_hand(url: &str) -> (Stage, Arc<HandClock>) {
    let clock = Arc::new(HandClock::at(chrono::Utc::now().into()));
    let stage = Stage::at(url, Arc::clone(&clock) as Arc<dyn Clock>, Role::ALL.into()).await;
    stage.install().await;
    stage.connected(Kind::Waba, Settings::default()).await;
    (stage, clock)
}

/// What a portal answers instead of an answer, by a name: pages, 503, 429, 500, nothing, 401.
fn bad() -> [(&'static str, Value); 6] {
    [
        ("страница", json!({ "kind": "html" })),
        ("503", json!({ "kind": "busy" })),
        ("429", json!({ "kind": "busy", "code": "OPERATION_TIME_LIMIT", "after_ms": 5_000 })),
        ("500", json!({ "kind": "down" })),
        ("пусто", json!({ "kind": "empty" })),
        ("токен", json!({ "kind": "token_expired" })),
    ]
}

async fn plan(stage: &Stage, method: &str, bad: &Value) {
    let mut fault = bad.clone();
    (fault["vendor"], fault["method"], fault["times"]) = (json!("bitrix24"), json!(method), json!(1));
    stage.control("POST", "/_/faults", fault).await;
}

on_both_databases! {
    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn whatever_a_portal_answers_each_message_and_each_mark_comes_once(url: &str) {
        let (stage, clock) = by_hand(url).await;
        let (mut words, mut expected) = (Vec::new(), Vec::new());
        for (name, bad) in bad() {
            plan(&stage, "imconnector.send.messages", &bad).await;
            let question = format!("вопрос {name}");
            stage.customer_says(json!({ "messenger": "waba", "text": question })).await;
            until(&stage, &clock, &format!("{question} is there"), async || has(&stage, &question).await).await;
            plan(&stage, "batch", &bad).await;
            let chat = stage.chats().await.remove(0);
            let id = stage.operator(&chat, json!({ "text": format!("ответ {name}") })).await;
            until(&stage, &clock, &format!("the mark of {name} is there"), async || {
                message(&stage.chats().await[0], id)["delivered"] == true
            }).await;
            // a call that was taken and answered with nothing is made again, and the portal counts the first one alone
            words.push((id, if name == "пусто" { 2 } else { 1 }));
            expected.extend([question, format!("ответ {name}")]);
        }
        let lane = stage.lane("portal").await;
        until(&stage, &clock, "nothing waits", async || stage.waiting(lane).await.is_empty()).await;
        let left = stage.control("GET", "/_/faults", Value::Null).await;
        assert_eq!(left["faults"].as_array().map(Vec::len), Some(0), "each answer was met: {left}");
        let chat = stage.chats().await.remove(0);
        assert_eq!(said(&chat), expected);
        for (id, most) in words {
            let told = message(&chat, id);
            assert_eq!((&told["deliveries"], told["external"].as_array().map(Vec::len)), (&json!(most), Some(1)), "{told}");
        }
        assert_eq!(stage.came(CUSTOMER).await, bad().map(|(name, _)| format!("ответ {name}")));
        assert_eq!(stage.row().await.unwrap().state, "installed");
        stage.clear().await;
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_token_that_runs_out_in_the_middle_of_a_batch_costs_nothing(url: &str) {
        let (stage, clock) = by_hand(url).await;
        let customers = ["79990000001", "79990000002", "79990000003"];
        for customer in customers {
            let said = json!({ "messenger": "waba", "text": format!("это {customer}") });
            stage.control("POST", &format!("/_/phones/{customer}/say"), said).await;
            until(&stage, &clock, "the customer is heard", async || has(&stage, customer).await).await;
        }
        // the first mark is taken, the second one meets the end of the token, and the rest of the batch too
        let chats = stage.chats().await;
        let fault = json!({ "vendor": "bitrix24", "method": "batch/imconnector.send.status.delivery", "kind": "token_expired",
            "match": chats[1]["external"], "times": 1 });
        stage.control("POST", "/_/faults", fault).await;
        let mut ids = Vec::new();
        for chat in &chats {
            ids.push(stage.operator(chat, json!({ "text": "Ответ" })).await);
        }
        until(&stage, &clock, "all marks are there", async || {
            let chats = stage.chats().await;
            chats.iter().zip(&ids).all(|(chat, id)| message(chat, *id)["delivered"] == true)
        }).await;
        let lane = stage.lane("portal").await;
        until(&stage, &clock, "nothing waits", async || stage.waiting(lane).await.is_empty()).await;
        for (chat, id) in stage.chats().await.iter().zip(&ids) {
            assert_eq!(message(chat, *id)["deliveries"], 1, "{chat}");
        }
        assert_eq!(stage.row().await.unwrap().state, "installed", "the portal is not lost over it");
        // the portal goes on as it did
        stage.customer_says(json!({ "messenger": "waba", "text": "Спасибо" })).await;
        until(&stage, &clock, "it is heard", async || has(&stage, "Спасибо").await).await;
        stage.clear().await;
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn whoever_connects_reads_what_the_portal_did(url: &str) {
        let (stage, _) = by_hand(url).await;
        let portal = stage.portal_id().await;
        for (name, bad) in bad() {
            plan(&stage, "imconnector.status", &bad).await;
            let told = settings::refresh(&stage.server.app, stage.company, portal, Kind::Waba, LINE).await;
            if name == "токен" {
                assert_eq!(told.unwrap().state, "on", "a token is renewed without a word");
                continue;
            }
            let error = told.unwrap_err();
            let (ru, en) = error.words();
            assert_eq!(error.code(), "portal_refused");
            assert!(ru.starts_with("портал не выполнил запрос, повторите через минуту"), "{name}: {ru}");
            assert!(![&ru, &en].iter().any(|text| text.contains('<') || text.contains('{')), "{name}: {ru} {en}");
            // what works goes on, whatever one answer was
            let read = settings::read(&stage.server.app, stage.company, portal, Kind::Waba, LINE).await.unwrap();
            assert_eq!(read.state, "on", "{name}");
        }
        stage.clear().await;
    }
}
