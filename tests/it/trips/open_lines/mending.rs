//! What goes wrong and is mended without anybody: lines that stop and go on, files that are not taken, words that come back.

use std::sync::Arc;

use base64::Engine as _;
use serde_json::{Value, json};
use switchboard::model::clock::{Clock, HandClock};
use switchboard::model::errand::Work;
use switchboard::model::message::Kind;
use switchboard::model::open_line::Settings;
use switchboard::serve::Role;

use super::outage::{has, until};
use super::{CUSTOMER, LINE, message, said, says};
use crate::trips::stage::Stage;

async fn by_hand(url: &str, settings: Settings) -> (Stage, Arc<HandClock>) {
    let clock = Arc::new(HandClock::at(chrono::Utc::now().into()));
    let stage = Stage::at(url, Arc::clone(&clock) as Arc<dyn Clock>, Role::ALL.into()).await;
    stage.install().await;
    stage.connected(Kind::Waba, settings).await;
    (stage, clock)
}

async fn state(stage: &Stage) -> String {
    let portal = stage.portal_id().await;
    let found =
        switchboard::flow::open_line::settings::read(&stage.server.app, stage.company, portal, Kind::Waba, LINE);
    found.await.unwrap().state
}

fn says_in_waba(text: &str) -> Value {
    json!({ "messenger": "waba", "text": text })
}

on_both_databases! {
    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_line_that_was_off_goes_on_without_anybody_looking(url: &str) {
        let (stage, clock) = by_hand(url, Settings::default()).await;
        stage.control("POST", "/_/b24/demo/lines/12", json!({ "active": false })).await;
        for text in ["Раз", "Два"] {
            stage.customer_says(says_in_waba(text)).await;
        }
        until(&stage, &clock, "the line is known to be off", async || state(&stage).await == "inactive").await;
        stage.control("POST", "/_/b24/demo/lines/12", json!({ "active": true })).await;
        until(&stage, &clock, "both are there", async || has(&stage, "Два").await).await;
        assert_eq!(said(&stage.chats().await[0]), ["Раз", "Два"]);
        assert_eq!(state(&stage).await, "on");
        stage.clear().await;
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_portal_without_the_connector_or_the_right_loses_nothing(url: &str) {
        let (stage, clock) = by_hand(url, Settings::default()).await;
        let refusals = [("IMCONNECTOR_NO_CORRECT_PROVIDER", 400), ("insufficient_scope", 401), ("ERROR_METHOD_NOT_FOUND", 404)];
        for (code, status) in refusals {
            let method = "imconnector.send.messages";
            let fault = json!({ "vendor": "bitrix24", "method": method, "kind": "refuse", "code": code, "status": status, "times": 1 });
            stage.control("POST", "/_/faults", fault).await;
            stage.customer_says(says_in_waba(code)).await;
            until(&stage, &clock, "it is there when the portal has it again", async || has(&stage, code).await).await;
        }
        assert_eq!(said(&stage.chats().await[0]), refusals.map(|(code, _)| code));
        stage.clear().await;
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_file_that_the_portal_does_not_take_costs_the_file_alone(url: &str) {
        let stage = Stage::set(url).await;
        stage.connected(Kind::Waba, Settings::default()).await;
        stage.control("POST", "/_/b24/demo/habits", json!({ "refuses_files": true })).await;
        let media = json!({ "kind": "document", "name": "договор.pdf", "mime": "application/pdf",
            "base64": base64::engine::general_purpose::STANDARD.encode("%PDF-1.4") });
        stage.customer_says(json!({ "messenger": "waba", "text": "Вот договор", "media": media })).await;
        let chat = stage.chat_where("the words are there", CUSTOMER, says("Вот договор")).await;
        let all = said(&chat);
        assert_eq!(all.len(), 1, "{all:?}");
        assert!(all[0].contains("Файл не принят порталом: договор.pdf"), "{all:?}");
        stage.clear().await;
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn what_comes_back_with_other_blanks_is_known(url: &str) {
        let stage = Stage::set(url).await;
        stage.connected(Kind::Waba, Settings { author: Some(33), ..Settings::default() }).await;
        stage.customer_says(says_in_waba("Есть новости?")).await;
        stage.chat_where("the customer is heard", CUSTOMER, says("новости")).await;
        stage.sent(json!({ "to": CUSTOMER, "text": "\nЗаказ\u{a0}готов \n\n Ждём" }), "delivered").await;
        stage.chat_where("it came back and is marked", CUSTOMER, |chat| {
            chat["messages"].as_array().unwrap().iter().any(|one| one["author"] == 33 && one["delivered"] == true)
        }).await;
        assert_eq!(stage.came(CUSTOMER).await.len(), 1, "nothing was sent twice");
        stage.clear().await;
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn what_a_person_decides_about_a_message_shows_in_the_open_line(url: &str) {
        let stage = Stage::set(url).await;
        stage.connected(Kind::Waba, Settings::default()).await;
        stage.customer_says(says_in_waba("Когда заказ?")).await;
        let chat = stage.chat_where("the customer is heard", CUSTOMER, says("Когда заказ?")).await;
        let lost = json!({ "vendor": "waba", "method": "messages", "kind": "cut_before", "times": 1 });
        let decide = async |id: &str, decision: &str| {
            let path = format!("/api/v1/messages/{id}/decide");
            assert_eq!(stage.api_reply("POST", &path, json!({ "decision": decision })).await.0, 204);
        };
        // of the API: it is shown when somebody has seen that it came, and not before
        for (text, decision) in [("Не дошло", "not_sent"), ("Готов", "sent")] {
            stage.control("POST", "/_/faults", lost.clone()).await;
            let message = stage.sent(json!({ "to": CUSTOMER, "text": text }), "unknown").await;
            assert_eq!(said(&stage.chats().await[0]), ["Когда заказ?"]);
            decide(message["id"].as_str().unwrap(), decision).await;
        }
        let seen = stage.chat_where("it is shown", CUSTOMER, says("Готов")).await;
        assert_eq!(said(&seen), ["Когда заказ?", "Готов"]);
        // of an operator: the clock at it ends, or he reads why it did not come
        for (text, decision) in [("Заберёте?", "sent"), ("Ждём", "not_sent")] {
            stage.control("POST", "/_/faults", lost.clone()).await;
            let id = stage.operator(&chat, json!({ "text": text })).await;
            let unknown = |chat: &Value| said(chat).iter().filter(|one| one.contains("Неизвестно")).count();
            let before = stage.chats().await.iter().map(unknown).sum::<usize>();
            stage.chat_where("the operator is told", CUSTOMER, |chat| unknown(chat) > before).await;
            let company = stage.company;
            let rows = stage.server.app.store.read(move |conn| switchboard::on!(conn, message::newest(company, 1)));
            decide(&rows.await.unwrap()[0].id, decision).await;
            stage.chat_where("it is told how it ended", CUSTOMER, |chat| match decision {
                "sent" => message(chat, id)["delivered"] == true,
                _ => said(chat).iter().any(|one| one.contains("сотрудник установил")),
            }).await;
        }
        assert!(stage.came(CUSTOMER).await.is_empty(), "nothing is sent again");
        stage.clear().await;
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn an_answer_to_a_mailing_stands_behind_it(url: &str) {
        let settings = Settings { mailing_creates_chat: true, ..Settings::default() };
        let (stage, clock) = by_hand(url, settings).await;
        // the portal is away while the letter leaves, so it still waits to be shown
        stage.control("POST", "/_/faults", json!({ "vendor": "bitrix24", "kind": "html" })).await;
        stage.letter(1, "Скидка в субботу").await;
        until(&stage, &clock, "the letter is on the phone", async || stage.came(CUSTOMER).await.len() == 1).await;
        // nobody answers before the call that brought the letter is over
        let left = async || stage.api("GET", "/api/v1/messages").await["messages"].to_string().contains("Скидка в субботу");
        until(&stage, &clock, "it is known to have left", left).await;
        stage.customer_says(says_in_waba("А в воскресенье?")).await;
        let lane = stage.lane("portal").await;
        let posts = async || {
            let waiting = stage.waiting(lane).await;
            waiting.iter().filter(|errand| matches!(errand.work, Work::OpenLine { .. })).count()
        };
        until(&stage, &clock, "both wait", async || posts().await == 2).await;
        stage.control("DELETE", "/_/faults", Value::Null).await;
        until(&stage, &clock, "both are shown", async || has(&stage, "воскресенье").await && has(&stage, "Скидка").await).await;
        let all = said(&stage.chats().await[0]);
        assert_eq!(all, ["Скидка в субботу", "А в воскресенье?"]);
        stage.clear().await;
    }
}
