//! Reactions in both directions, in every messenger that has them: ours show on the phone, theirs in the history.

use serde_json::{Value, json};

use super::stage::Stage;
use super::{telegram, whatsapp_web};

const CUSTOMER: &str = "79990000001";

/// The message on the customer's phone that says this.
async fn bubble(stage: &Stage, messenger: &str, text: &str) -> Value {
    stage
        .wait_for("the message is on the phone", |stage| async move {
            let phone = stage.control("GET", &format!("/_/phones/{CUSTOMER}"), Value::Null).await;
            let all = phone["messages"].as_array().unwrap().clone();
            all.into_iter().rev().find(|one| one["messenger"] == messenger && one["text"] == text)
        })
        .await
}

/// Asks for a reaction of ours and waits for its end.
async fn react(stage: &Stage, id: &str, emoji: Option<&str>) -> Value {
    let path = format!("/api/v1/messages/{id}/reaction");
    let asked = match emoji {
        Some(emoji) => stage.api_with("PUT", &path, json!({ "emoji": emoji })).await,
        None => stage.api_with("DELETE", &path, json!({})).await,
    };
    let change = asked["id"].as_str().unwrap_or_else(|| panic!("{asked}")).to_owned();
    stage
        .wait_for("the reaction is over", |stage| {
            let (path, change) = (format!("/api/v1/messages/{id}"), change.clone());
            async move {
                let message = stage.api("GET", &path).await;
                let all = message["changes"].as_array().unwrap().clone();
                let mine = all.into_iter().find(|one| one["id"] == *change)?;
                (mine["state"] != "waiting").then_some(message)
            }
        })
        .await
}

/// Waits until the people's reactions to a message are these: emoji, and whether it is ours.
async fn reactions_are(stage: &Stage, id: &str, wanted: &[(&str, bool)]) {
    let path = &format!("/api/v1/messages/{id}");
    stage
        .wait_for(&format!("the reactions are {wanted:?}"), |stage| async move {
            let told = stage.api("GET", path).await["reactions"].as_array().unwrap().clone();
            let mut told: Vec<_> =
                told.iter().map(|one| (one["emoji"].as_str().unwrap().to_owned(), one["ours"] == true)).collect();
            told.sort_by_key(|(_, ours)| *ours);
            let same = told.iter().map(|(emoji, ours)| (emoji.as_str(), *ours)).eq(wanted.iter().copied());
            same.then_some(())
        })
        .await;
}

/// Both sides react to what we sent, change their minds, and take it back; we react to what they wrote too.
async fn there_and_back(stage: &Stage, messenger: &'static str, message: Value) {
    let sent = stage.sent(message, "sent").await;
    let id = sent["id"].as_str().unwrap();
    let shown = bubble(stage, messenger, "Готово").await;
    for (emoji, reaction) in [(Some("👍"), json!("👍")), (Some("🔥"), json!("🔥"))] {
        let told = react(stage, id, emoji).await;
        assert_eq!(told["changes"].as_array().unwrap().last().unwrap()["state"], "done", "{told}");
        assert_eq!(bubble(stage, messenger, "Готово").await["reaction"], reaction);
    }
    let customer = |emoji: Option<&str>| json!({ "messenger": messenger, "id": shown["id"], "emoji": emoji });
    let path = format!("/_/phones/{CUSTOMER}/react");
    stage.control("POST", &path, customer(Some("❤"))).await;
    reactions_are(stage, id, &[("❤", false), ("🔥", true)]).await;
    let told = react(stage, id, None).await;
    assert_eq!(told["changes"].as_array().unwrap().last().unwrap()["state"], "done", "{told}");
    assert_eq!(bubble(stage, messenger, "Готово").await["reaction"], Value::Null);
    reactions_are(stage, id, &[("❤", false)]).await;
    stage.control("POST", &path, customer(None)).await;
    reactions_are(stage, id, &[]).await;
    // what they wrote is reacted to under the name that it came in with
    let say = json!({ "messenger": messenger, "text": "Спасибо" });
    stage.control("POST", &format!("/_/phones/{CUSTOMER}/say"), say).await;
    let theirs = stage.wait_for("the thanks are heard", |stage| async move {
        let all = stage.api("GET", "/api/v1/messages").await["messages"].as_array().unwrap().clone();
        all.into_iter().find(|one| one["content"]["text"] == "Спасибо")
    });
    let theirs = theirs.await["id"].as_str().unwrap().to_owned();
    react(stage, &theirs, Some("🙏")).await;
    assert_eq!(bubble(stage, messenger, "Спасибо").await["reaction"], "🙏");
}

on_both_databases! {
    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn whatsapp_business_reacts_and_hears_of_reactions(url: &str) {
        let stage = Stage::without_portal(url).await;
        stage.control("POST", "/_/phones", json!({ "id": CUSTOMER, "online": false })).await;
        there_and_back(&stage, "waba", json!({ "to": CUSTOMER, "text": "Готово", "messenger": "waba" })).await;
        stage.clear().await;
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn whatsapp_web_reacts_and_hears_of_reactions(url: &str) {
        let stage = Stage::without_portal(url).await;
        let phone = whatsapp_web::linked(&stage).await;
        stage.control("POST", "/_/phones", json!({ "id": CUSTOMER, "online": false })).await;
        there_and_back(&stage, "whatsapp_web", json!({ "to": CUSTOMER, "text": "Готово", "channel": phone.channel })).await;
        stage.clear().await;
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_bot_reacts_and_hears_of_reactions(url: &str) {
        let stage = Stage::without_portal(url).await;
        let token = "100200300:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
        stage.attach_channel("telegram_bot", json!({ "token": token })).await;
        let chat = stage.control("GET", &format!("/_/phones/{CUSTOMER}"), Value::Null).await["chat_id"].to_string();
        let text = json!({ "to": chat, "text": "Готово", "messenger": "telegram_bot" });
        there_and_back(&stage, "telegram_bot", text.clone()).await;
        // what the vendor does not take has its reason
        let sent = stage.sent(text, "sent").await;
        let told = react(&stage, sent["id"].as_str().unwrap(), Some("🫥")).await;
        let last = told["changes"].as_array().unwrap().last().unwrap();
        assert_eq!((&last["state"], &last["code"]), (&json!("failed"), &json!("reaction_bad")), "{last}");
        assert_eq!(told["reactions"], json!([]));
        stage.clear().await;
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn an_account_reacts_and_hears_of_reactions(url: &str) {
        let stage = Stage::without_portal(url).await;
        let channel = telegram::signed_in(&stage).await;
        there_and_back(&stage, "telegram", json!({ "to": CUSTOMER, "text": "Готово", "channel": channel["id"] })).await;
        stage.clear().await;
    }
}
