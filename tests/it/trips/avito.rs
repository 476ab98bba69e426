//! An account of Avito end to end: attached both ways, written to, answered, cut off, and renewed once.

use serde_json::{Value, json};

use super::stage::Stage;

const PHONE: &str = "79990000001";
pub(super) const CHAT: &str = "u2i-79990000001~94235311/x";

pub(super) async fn account(stage: &Stage) -> String {
    let made = json!({ "id": 94_235_311, "client_id": "application", "client_secret": "secret-of-the-application",
        "name": "Пётр", "redirect": "https://switchboard.example.test/back" });
    stage.control("POST", "/_/avito/accounts", made).await;
    let keys = json!({ "client_id": "application", "client_secret": "secret-of-the-application" });
    let card = stage.attach_channel("avito", keys).await;
    assert_eq!((&card["title"], &card["state"]), (&json!("Пётр"), &json!("connected")));
    card["id"].as_str().unwrap().to_owned()
}

async fn says(stage: &Stage, text: &str) {
    let said = json!({ "messenger": "avito", "text": text });
    stage.control("POST", &format!("/_/phones/{PHONE}/say"), said).await;
}

async fn on_the_phone(stage: &Stage) -> Vec<String> {
    let phone = stage.control("GET", &format!("/_/phones/{PHONE}"), Value::Null).await;
    let messages = phone["messages"].as_array().unwrap().iter();
    let ours = messages.filter(|one| one["messenger"] == "avito" && one["direction"] == "received");
    ours.map(|one| one["text"].as_str().unwrap().to_owned()).collect()
}

fn to_the_chat(text: &str) -> Value {
    json!({ "to": CHAT, "text": text, "messenger": "avito" })
}

on_both_databases! {
    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_buyer_writes_in_avito_and_is_answered(url: &str) {
        let stage = Stage::without_portal(url).await;
        let channel = account(&stage).await;
        let nobody = stage.sent(to_the_chat("Раз"), "error").await;
        assert_eq!(nobody["code"], "nobody", "{nobody}");
        stage.control("POST", "/_/avito/accounts/94235311", json!({ "doubles": 3 })).await;
        says(&stage, "Ещё продаёте?").await;
        stage.wait_for_history(&channel, &["> Раз", "< Ещё продаёте?"]).await;
        stage.sent(to_the_chat("Да, актуально"), "sent").await;
        // Avito tells the account of its own message too, here twice
        says(&stage, "Беру").await;
        stage.wait_for_history(&channel, &["> Раз", "< Ещё продаёте?", "> Да, актуально", "< Беру"]).await;
        assert_eq!(on_the_phone(&stage).await, ["Да, актуально"]);
        stage.clear().await;
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn the_same_delivery_ten_times_makes_one_message(url: &str) {
        let stage = Stage::without_portal(url).await;
        let channel = account(&stage).await;
        let accounts = stage.control("GET", "/_/avito/accounts", Value::Null).await;
        let hook = accounts["accounts"][0]["subscriptions"][0].as_str().unwrap().to_owned();
        let value = json!({ "id": "m1", "chat_id": CHAT, "user_id": 94_235_311, "author_id": 5, "created": 1_795_171_200,
            "type": "text", "content": { "text": "Одно слово" } });
        let body = json!({ "id": "d1", "payload": { "type": "message", "value": value } });
        let posts = (0..10).map(|_| crate::rig::client().post(&hook).json(&body).send());
        for reply in futures_util::future::join_all(posts).await {
            assert_eq!(reply.unwrap().status().as_u16(), 200);
        }
        let forged = crate::rig::client().post(hook.split('?').next().unwrap()).json(&body).send().await.unwrap();
        assert_eq!(forged.status().as_u16(), 403);
        says(&stage, "и другое").await;
        stage.wait_for_history(&channel, &["< Одно слово", "< и другое"]).await;
        stage.clear().await;
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_message_that_was_cut_off_is_known_by_its_echo_and_never_sent_again(url: &str) {
        let stage = Stage::without_portal(url).await;
        let channel = account(&stage).await;
        says(&stage, "Ещё продаёте?").await;
        stage.wait_for_history(&channel, &["< Ещё продаёте?"]).await;
        let fault = json!({ "vendor": "avito", "method": "messages", "kind": "cut", "times": 1 });
        stage.control("POST", "/_/faults", fault).await;
        stage.sent(to_the_chat("Да"), "sent").await;
        assert_eq!(on_the_phone(&stage).await, ["Да"]);
        assert_eq!(stage.calls("avito", "messages").await.len(), 1);
        stage.wait_for_history(&channel, &["< Ещё продаёте?", "> Да"]).await;
        stage.clear().await;
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_token_that_ran_out_is_renewed_once_for_all_calls_in_the_air(url: &str) {
        let stage = Stage::without_portal(url).await;
        let channel = account(&stage).await;
        says(&stage, "Ещё продаёте?").await;
        stage.wait_for_history(&channel, &["< Ещё продаёте?"]).await;
        stage.control("DELETE", "/_/ledger", Value::Null).await;
        stage.control("POST", "/_/avito/accounts/94235311", json!({ "expire": true })).await;
        // live answers follow each other fast, so that several of them meet the old token
        let slow = json!({ "vendor": "avito", "method": "token", "kind": "slow", "delay_ms": 400, "times": 1 });
        stage.control("POST", "/_/faults", slow).await;
        let mut ids = Vec::new();
        for n in 1..=5 {
            let mut message = to_the_chat(&n.to_string());
            message["urgent"] = json!(true);
            // chats of others keep nobody waiting: only the first one is there
            if n > 1 {
                message["to"] = json!(format!("u2i-7999000000{n}~94235311/x"));
                let said = json!({ "messenger": "avito", "text": "Здравствуйте" });
                stage.control("POST", &format!("/_/phones/7999000000{n}/say"), said).await;
            }
            ids.push(stage.api_with("POST", "/api/v1/messages", message).await["id"].as_str().unwrap().to_owned());
        }
        for id in &ids {
            stage.wait_for_message(id, "sent").await;
        }
        assert_eq!(stage.calls("avito", "token").await.len(), 1);
        let card = stage.api("GET", &format!("/api/v1/channels/{channel}")).await;
        assert_eq!(card["state"], "connected");
        stage.clear().await;
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn keys_that_are_gone_and_a_subscription_that_ended_lose_the_account(url: &str) {
        let stage = Stage::without_portal(url).await;
        let channel = account(&stage).await;
        says(&stage, "Ещё продаёте?").await;
        stage.wait_for_history(&channel, &["< Ещё продаёте?"]).await;
        stage.control("POST", "/_/avito/accounts/94235311", json!({ "paid": false })).await;
        let waits = stage.api_with("POST", "/api/v1/messages", to_the_chat("Да")).await;
        let lost = stage.wait_for("the channel is lost", |stage| {
            let path = format!("/api/v1/channels/{channel}");
            async move { Some(stage.api("GET", &path).await).filter(|card| card["state"] == "lost") }
        }).await;
        assert!(lost["lost_reason"].as_str().unwrap().contains("402"), "{lost}");
        let keys = stage.control("POST", "/_/avito/accounts/94235311", json!({ "paid": true, "revoke": true })).await;
        let card = stage.attach_channel("avito", keys).await;
        assert_eq!((&card["id"], &card["lane_state"]), (&json!(channel), &json!("held")));
        let decide = json!({ "decision": "send_all" });
        stage.api_with("POST", &format!("/api/v1/channels/{channel}/decide"), decide).await;
        stage.wait_for_message(waits["id"].as_str().unwrap(), "sent").await;
        let accounts = stage.control("GET", "/_/avito/accounts", Value::Null).await;
        assert_eq!(accounts["accounts"][0]["subscriptions"].as_array().unwrap().len(), 1, "{accounts}");
        stage.clear().await;
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_seller_signs_in_at_the_site_and_the_pair_is_renewed(url: &str) {
        let stage = Stage::without_portal(url).await;
        let made = json!({ "id": 94_235_311, "client_id": "application", "client_secret": "secret-of-the-application",
            "name": "Пётр", "redirect": "https://switchboard.example.test/back" });
        stage.control("POST", "/_/avito/accounts", made).await;
        let path = format!("/api/v1/lines/{}/channels", stage.line);
        let first = stage.api_with("POST", &path, json!({ "messenger": "avito" })).await;
        assert_eq!(first["step"], "redirect", "{first}");
        let client = crate::rig::plain_client().redirect(reqwest::redirect::Policy::none()).build().unwrap();
        let page = client.get(first["url"].as_str().unwrap()).send().await.unwrap();
        let back = url::Url::parse(page.headers()["location"].to_str().unwrap()).unwrap();
        let answers: serde_json::Map<String, Value> =
            back.query_pairs().map(|(name, value)| (name.into_owned(), json!(value))).collect();
        let step = json!({ "messenger": "avito", "answers": answers, "kept": first["kept"] });
        let done = stage.api_with("POST", &path, step).await;
        assert_eq!(done["step"], "done", "{done}");
        let channel = done["channel"].as_str().unwrap();
        for text in ["Раз", "Два"] {
            says(&stage, text).await;
            // the pair of the time before is good once, so the second renewal uses what the first one brought
            stage.control("POST", "/_/avito/accounts/94235311", json!({ "expire": true })).await;
            stage.sent(to_the_chat(text), "sent").await;
        }
        assert_eq!(stage.api("GET", &format!("/api/v1/channels/{channel}")).await["state"], "connected");
        stage.clear().await;
    }
}
