//! The responsible person of a card and the operator of its chat follow each other.

use std::sync::Arc;

use serde_json::json;
use switchboard::model::clock::{Clock, HandClock};
use switchboard::model::message::Kind;
use switchboard::model::open_line::Settings;
use switchboard::serve::Role;

use super::outage::until;
use crate::trips::stage::Stage;

/// Who answers in the dialog of a customer, and who is responsible for the card, as they were seen last.
async fn people(stage: &Stage, customer: &str) -> (Option<i64>, Option<i64>) {
    let chats = stage.server.app.store.read(|conn| switchboard::on!(conn, open_line::active_since(0, "", 10)));
    let chats = chats.await.unwrap();
    chats.into_iter().find(|chat| chat.chat == customer).map_or((None, None), |chat| (chat.owner, chat.assigned))
}

/// Whose the chat of a customer is in the portal; none where there is no chat.
async fn owner(stage: &Stage, customer: &str) -> Option<i64> {
    let chats = stage.chats().await;
    let mine = |chat: &&serde_json::Value| chat["external"].as_str().unwrap().ends_with(&format!("-{customer}"));
    chats.iter().find(mine).and_then(|chat| chat["owner"].as_i64())
}

on_both_databases! {
    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn whoever_becomes_responsible_in_the_card_gets_the_chat_and_back(url: &str) {
        let clock = Arc::new(HandClock::at(chrono::Utc::now().into()));
        let stage = Stage::at(url, Arc::clone(&clock) as Arc<dyn Clock>, Role::ALL.into()).await;
        stage.install().await;
        stage.connected(Kind::Waba, Settings { sync_responsible: true, ..Settings::default() }).await;
        let responsible = async |kind: &str, id: i64, user: i64| {
            stage.control("POST", "/_/b24/demo/responsible", json!({ "kind": kind, "id": id, "user": user })).await;
        };
        let both = async |customer: &str, who: (Option<i64>, Option<i64>)| {
            until(&stage, &clock, &format!("{who:?} of {customer}"), async || people(&stage, customer).await == who).await;
        };
        // a customer with a deal, and one who is a contact alone
        for (customer, kind, id) in [("79990000002", "deal", 8062), ("79990000005", "contact", 279)] {
            let said = json!({ "messenger": "waba", "text": "Здравствуйте" });
            stage.control("POST", &format!("/_/phones/{customer}/say"), said).await;
            both(customer, (None, Some(27))).await;
            // nobody has taken the dialog yet
            responsible(kind, id, 33).await;
            both(customer, (Some(33), Some(33))).await;
            assert_eq!(owner(&stage, customer).await, Some(33));
            // back: whoever answers is responsible
            let chats = stage.chats().await;
            stage.operator(chats.last().unwrap(), json!({ "user": 27, "text": "Слушаю" })).await;
            both(customer, (Some(27), Some(27))).await;
            responsible(kind, id, 1).await;
            both(customer, (Some(1), Some(1))).await;
            assert_eq!(owner(&stage, customer).await, Some(1));
        }
        // portals tell of what we changed too: it is no news, and nothing goes to and fro
        let lane = stage.lane("portal").await;
        until(&stage, &clock, "nothing waits", async || stage.waiting(lane).await.is_empty()).await;
        let count = async |method: &str| stage.calls("bitrix24", method).await.len();
        assert_eq!((count("imopenlines.operator.transfer").await, count("crm.item.update").await), (4, 2));
        stage.clear().await;
    }
}
