//! VK Notify end to end: attached in two steps, templates sent to phones, statuses that climb, calls that were cut off.

use serde_json::{Value, json};

use super::stage::Stage;

const PHONE: &str = "79990000001";
const KEY: &str = "key-of-the-aggregator";

/// Only companies whose application was approved attach VK Notify.
async fn approve(stage: &Stage) {
    let form = json!({ "edo": false, "legal_form": "ooo", "company_name": "Ромашка", "inn": "7707083893",
        "ogrn": "1027700132195", "kpp": "773601001", "address": "117997, Москва, ул. Вавилова, д. 19",
        "signer_position": "Директор", "signer_name": "Иванов Иван", "signer_basis": "Устава" });
    let made = stage.api_with("POST", "/api/v1/applications", form).await;
    let path = format!("/api/v1/applications/{}/move", made["id"].as_str().unwrap());
    for stage_of_it in ["sent", "approved"] {
        stage.api_with("POST", &path, json!({ "to": stage_of_it })).await;
    }
}

async fn account(stage: &Stage, provider: &str) -> String {
    approve(stage).await;
    let templates = json!({ "order_ready": "Заказ {{order_id}} готов", "hello": "Добро пожаловать!" });
    let name = if provider == "edna" { "5190" } else { "romashka" };
    let made = json!({ "provider": provider, "key": KEY, "name": name, "templates": templates });
    stage.control("POST", "/_/notify/accounts", made).await;
    let answers = if provider == "edna" {
        json!({ "provider": "edna", "api_token": KEY, "cascade": name, "community": "Ромашка" })
    } else {
        json!({ "provider": provider, "api_token": KEY, "service": name, "community": "Ромашка" })
    };
    let card = stage.attach_channel("vk_notify", answers).await;
    assert_eq!((&card["title"], &card["state"]), (&json!("Ромашка"), &json!("connected")));
    let channel = card["id"].as_str().unwrap().to_owned();
    for (name, text) in templates.as_object().unwrap() {
        let path = format!("/api/v1/channels/{channel}/templates");
        stage.api_with("POST", &path, json!({ "name": name, "text": text })).await;
    }
    channel
}

async fn on_the_phone(stage: &Stage) -> Vec<String> {
    let phone = stage.control("GET", &format!("/_/phones/{PHONE}"), Value::Null).await;
    let messages = phone["messages"].as_array().unwrap().iter();
    let ours = messages.filter(|one| one["messenger"] == "vk_notify");
    ours.map(|one| one["text"].as_str().unwrap().to_owned()).collect()
}

fn ready(order: &str) -> Value {
    json!({ "to": PHONE, "messenger": "vk_notify", "template": { "name": "order_ready", "named": { "order_id": order } } })
}

/// The next call of a method is taken, and its answer never comes.
fn cut(method: &str) -> Value {
    json!({ "vendor": "vk_notify", "method": method, "kind": "cut", "times": 1 })
}

on_both_databases! {
    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_notification_climbs_to_read_through_every_aggregator(url: &str) {
        let stage = Stage::without_portal(url).await;
        account(&stage, "devino").await;
        let message = stage.sent(ready("41"), "delivered").await;
        assert_eq!(message["content"]["text"], "Заказ 41 готов");
        stage.control("POST", &format!("/_/phones/{PHONE}/read"), json!({})).await;
        stage.wait_for_message(message["id"].as_str().unwrap(), "viewed").await;
        let edna = account_beside(&stage).await;
        let mut through_edna = ready("42");
        through_edna["channel"] = json!(edna);
        let message = stage.sent(through_edna, "delivered").await;
        stage.control("POST", &format!("/_/phones/{PHONE}/read"), json!({})).await;
        let read = stage.wait_for_message(message["id"].as_str().unwrap(), "viewed").await;
        assert!(read["delivered_at"].as_i64() <= read["viewed_at"].as_i64());
        assert_eq!(on_the_phone(&stage).await, ["Заказ 41 готов", "Заказ 42 готов"]);
        stage.clear().await;
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn free_text_goes_where_it_is_a_template(url: &str) {
        let stage = Stage::set(url).await;
        let channel = account(&stage, "devino").await;
        let says = |text: &str| json!({ "to": PHONE, "messenger": "vk_notify", "text": text });
        stage.sent(says("Заказ A-7 готов"), "delivered").await;
        let refused = stage.sent(says("Скидка 90 %!"), "error").await;
        assert_eq!(refused["code"], "template_needed", "{refused}");
        // robots know texts alone
        let robot = json!({ "phones": PHONE, "channel": "vk_notify", "message": "Добро пожаловать!" });
        let returned = stage.answer_to(robot).await;
        assert_eq!(returned["details"], format!("{PHONE}:Y:"), "{returned}");
        assert_eq!(on_the_phone(&stage).await, ["Заказ A-7 готов", "Добро пожаловать!"]);
        assert_eq!(stage.calls("vk_notify", "messages").await.len(), 3, "a probe and two messages");
        // what the API names must be there
        for (template, code) in [
            (json!({ "name": "order" }), "template_not_found"),
            (json!({ "name": "order_ready" }), "template_bad"),
            (json!({ "name": "hello", "named": { "x": "1" } }), "template_bad"),
        ] {
            let body = json!({ "to": PHONE, "channel": channel, "template": template });
            let error = stage.refused("/api/v1/messages", body).await;
            assert_eq!((&error["code"], &error["field"]), (&json!(code), &json!("template")), "{error}");
        }
        stage.clear().await;
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_call_to_edna_that_was_cut_off_is_repeated_and_arrives_once(url: &str) {
        let stage = Stage::without_portal(url).await;
        account(&stage, "edna").await;
        stage.control("POST", "/_/faults", cut("schedule")).await;
        stage.sent(ready("1"), "delivered").await;
        assert_eq!(stage.calls("vk_notify", "schedule").await.len(), 2);
        assert_eq!(on_the_phone(&stage).await, ["Заказ 1 готов"]);
        stage.clear().await;
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_call_to_devino_that_was_cut_off_is_never_repeated_and_its_statuses_tell_its_fate(url: &str) {
        let stage = Stage::without_portal(url).await;
        account(&stage, "devino").await;
        // its statuses bring our key back, so what became of it is known nevertheless
        stage.control("POST", "/_/faults", cut("messages")).await;
        stage.sent(ready("2"), "delivered").await;
        assert_eq!(stage.calls("vk_notify", "messages").await.len(), 2, "the probe and one message");
        assert_eq!(on_the_phone(&stage).await, ["Заказ 2 готов"]);
        stage.clear().await;
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn nobody_there_and_words_that_nobody_knows_are_shown(url: &str) {
        let stage = Stage::without_portal(url).await;
        account(&stage, "devino").await;
        stage.control("POST", "/_/phones", json!({ "id": PHONE, "vk": false })).await;
        let nobody = stage.sent(ready("1"), "error").await;
        assert_eq!((&nobody["code"], &nobody["reason"]), (&json!("nobody"), &json!("subscriber not found")));
        stage.control("POST", "/_/phones", json!({ "id": PHONE, "vk": true })).await;
        stage.control("POST", "/_/notify/accounts/romashka", json!({ "word": "MODERATION" })).await;
        let message = stage.sent(ready("2"), "sent").await;
        let path = format!("/api/v1/messages/{}", message["id"].as_str().unwrap());
        let shown = stage.wait_for("the word is shown", |stage| {
            let path = path.clone();
            async move {
                let message = stage.api("GET", &path).await;
                (message["reason"] == "MODERATION").then_some(message)
            }
        });
        assert_eq!(shown.await["status"], "sent");
        stage.control("POST", "/_/notify/accounts/romashka", json!({ "word": "", "paid": false })).await;
        let id = stage.api_with("POST", "/api/v1/messages", ready("3")).await["id"].as_str().unwrap().to_owned();
        stage.wait_for("the channel is lost", |stage| async move {
            let channels = stage.api("GET", "/api/v1/channels").await;
            let lost = channels["channels"].as_array().unwrap().iter().any(|one| one["state"] == "lost");
            lost.then_some(())
        })
        .await;
        stage.wait_for_message(&id, "waiting").await;
        stage.clear().await;
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_status_ten_times_moves_a_message_once_and_a_forged_one_not_at_all(url: &str) {
        let stage = Stage::without_portal(url).await;
        let channel = account(&stage, "edna").await;
        let accounts = stage.control("GET", "/_/notify/accounts", Value::Null).await;
        let hook = accounts["accounts"][0]["callback"].as_str().unwrap().to_owned();
        stage.control("POST", "/_/notify/accounts/5190", json!({ "word": "ACCEPTED" })).await;
        let message = stage.sent(ready("1"), "sent").await;
        let key = message["id"].as_str().unwrap();
        let status = |word: &str| json!({ "requestId": key, "messageId": 5, "status": word, "statusAt": "2026-11-26T10:00:00Z" });
        let post = |url: &str, body: Value| crate::rig::client().post(url).json(&body).send();
        let bare = hook.split('?').next().unwrap();
        for forged in [bare.to_owned(), format!("{bare}?s=1"), format!("{hook}0")] {
            assert_eq!(post(&forged, status("READ")).await.unwrap().status().as_u16(), 403);
        }
        let posts = (0..10).map(|_| post(&hook, status("DELIVERED")));
        for reply in futures_util::future::join_all(posts).await {
            assert_eq!(reply.unwrap().status().as_u16(), 200);
        }
        stage.wait_for_message(key, "delivered").await;
        // a late word does not take the delivery back
        post(&hook, status("UNDELIVERED")).await.unwrap();
        post(&hook, json!({ "requestId": "msg_00000000000000000000000000000000", "status": "READ" })).await.unwrap();
        post(&hook, status("READ")).await.unwrap();
        stage.wait_for_message(key, "viewed").await;
        assert_eq!(stage.history(&channel).await, ["> Заказ 1 готов"]);
        stage.clear().await;
    }
}

/// edna beside Devino, on the same line.
async fn account_beside(stage: &Stage) -> String {
    stage
        .control(
            "POST",
            "/_/notify/accounts",
            json!({ "provider": "edna", "key": "other-key", "name": "5190",
        "templates": { "order_ready": "Заказ {{order_id}} готов" } }),
        )
        .await;
    let answers = json!({ "provider": "edna", "api_token": "other-key", "cascade": "5190" });
    let card = stage.attach_channel("vk_notify", answers).await;
    let channel = card["id"].as_str().unwrap().to_owned();
    let path = format!("/api/v1/channels/{channel}/templates");
    stage.api_with("POST", &path, json!({ "name": "order_ready", "text": "Заказ {{order_id}} готов" })).await;
    channel
}
