//! Buttons and lists of WhatsApp Business: shown on the phone, pressed there, and back with what they send.

use serde_json::{Value, json};

use super::stage::Stage;

const CUSTOMER: &str = "79990000001";

async fn bubble(stage: &Stage) -> Value {
    stage
        .wait_for("the question is on the phone", |stage| async move {
            let phone = stage.control("GET", &format!("/_/phones/{CUSTOMER}"), Value::Null).await;
            let all = phone["messages"].as_array().unwrap().clone();
            all.into_iter().rev().find(|one| one["direction"] == "received")
        })
        .await
}

/// The newest message that came in with something sent back.
async fn pressed(stage: &Stage, payload: &str) -> Value {
    stage
        .wait_for("the press is heard", |stage| async move {
            let all = stage.api("GET", "/api/v1/messages").await["messages"].as_array().unwrap().clone();
            all.into_iter().find(|one| one["payload"] == payload)
        })
        .await
}

on_both_databases! {
    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_button_and_a_row_of_a_list_come_back_with_what_they_send(url: &str) {
        let stage = Stage::without_portal(url).await;
        let buttons = json!({ "header": "Запись", "footer": "Ответьте кнопкой", "buttons": [
            { "id": "yes_42", "title": "Приду" }, { "id": "no_42", "title": "Не приду" },
        ] });
        let list = json!({ "list": { "button": "Выбрать время", "sections": [
            { "title": "Утро", "rows": [{ "id": "t9", "title": "9:00", "description": "мастер Иван" }] },
            { "title": "Вечер", "rows": [{ "id": "t19", "title": "19:00" }] },
        ] } });
        for (interactive, shown, press, title) in [
            (buttons, "Запись\nПридёте завтра?\nОтветьте кнопкой", "yes_42", "Приду"),
            (list, "Придёте завтра?", "t19", "19:00"),
        ] {
            let message = json!({ "to": CUSTOMER, "messenger": "waba", "text": "Придёте завтра?", "interactive": interactive });
            let sent = stage.sent(message, "delivered").await;
            assert_eq!(sent["content"]["interactive"], interactive);
            let asked = bubble(&stage).await;
            assert_eq!(asked["text"], shown);
            assert!(asked["buttons"].as_array().unwrap().contains(&json!([title, press])), "{asked}");
            let say = json!({ "messenger": "waba", "text": title, "press": press, "quote": asked["id"] });
            stage.control("POST", &format!("/_/phones/{CUSTOMER}/say"), say).await;
            let came = pressed(&stage, press).await;
            assert_eq!((&came["content"]["text"], &came["chat"]), (&json!(title), &json!(CUSTOMER)));
        }
        let link = json!({ "link": { "title": "Как проехать", "url": "https://example.test/map" } });
        let message = json!({ "to": CUSTOMER, "messenger": "waba", "text": "Ждём вас", "interactive": link });
        stage.sent(message, "delivered").await;
        assert_eq!(bubble(&stage).await["buttons"], json!([["Как проехать", "https://example.test/map"]]));
        stage.clear().await;
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn the_advertisement_that_led_a_customer_here_is_kept_with_the_message(url: &str) {
        let stage = Stage::without_portal(url).await;
        let referral = json!({ "source_url": "https://fb.me/abc123", "source_id": "1202", "source_type": "ad", "headline": "Окна под ключ",
            "body": "Скидка", "media_type": "image", "image_url": "https://example.test/ad.jpg", "ctwa_clid": "ARAkLkA8rmlFeiCktEJQ" });
        let say = json!({ "messenger": "waba", "text": "Пишу по рекламе", "referral": referral });
        stage.control("POST", &format!("/_/phones/{CUSTOMER}/say"), say).await;
        let came = stage.wait_for("the message is heard", |stage| async move {
            let all = stage.api("GET", "/api/v1/messages").await["messages"].as_array().unwrap().clone();
            all.into_iter().find(|one| one["content"]["text"] == "Пишу по рекламе")
        });
        let told = came.await["referral"].clone();
        for name in ["source_url", "source_id", "source_type", "headline", "body", "ctwa_clid"] {
            assert_eq!(told[name], referral[name], "{name}");
        }
        stage.clear().await;
    }
}
