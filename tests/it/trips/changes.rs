//! Messages that are changed and deleted after they have left, in every messenger that lets them be: the bubble on the phone changes,
//! the history keeps what was said before.

use serde_json::{Value, json};

use super::stage::Stage;
use super::{avito, telegram, vk, whatsapp_web};

const CUSTOMER: &str = "79990000001";

/// The bubbles of a messenger on the customer's phone: text, whether it was changed, whether it was deleted.
async fn bubbles(stage: &Stage, messenger: &str) -> Vec<(String, bool, bool)> {
    let phone = stage.control("GET", &format!("/_/phones/{CUSTOMER}"), Value::Null).await;
    let all = phone["messages"].as_array().unwrap().iter();
    let ours = all.filter(|one| one["messenger"] == messenger && one["direction"] == "received");
    let shown =
        |one: &Value| (one["text"].as_str().unwrap().to_owned(), one["edited"] == true, one["status"] == "deleted");
    ours.map(shown).collect()
}

/// Asks for a change and waits for its end; the message afterwards.
async fn change(stage: &Stage, id: &str, text: Option<&str>) -> Value {
    let path = format!("/api/v1/messages/{id}");
    let asked = match text {
        Some(text) => stage.api_with("PATCH", &path, json!({ "text": text })).await,
        None => stage.api_with("DELETE", &path, json!({})).await,
    };
    let change = asked["id"].as_str().unwrap_or_else(|| panic!("{asked}")).to_owned();
    stage
        .wait_for("the change is over", |stage| {
            let (path, change) = (path.clone(), change.clone());
            async move {
                let message = stage.api("GET", &path).await;
                let all = message["changes"].as_array().unwrap().clone();
                let mine = all.iter().find(|one| one["id"] == *change)?;
                (mine["state"] != "waiting").then_some(message)
            }
        })
        .await
}

fn last(message: &Value) -> Value {
    message["changes"].as_array().unwrap().last().unwrap().clone()
}

/// Sends a text, changes it where that is possible, deletes it, and looks at both sides each time.
async fn there_and_back(stage: &Stage, messenger: &'static str, message: Value, edits: bool) {
    let sent = stage.sent(message, "sent").await;
    let id = sent["id"].as_str().unwrap();
    // a gateway answers before the phone has it
    stage
        .wait_for("it is on the phone", |stage| async move {
            bubbles(stage, messenger).await.pop().filter(|(text, ..)| text == "Ошбика")
        })
        .await;
    if edits {
        let changed = change(stage, id, Some("Исправлено")).await;
        assert_eq!(last(&changed)["state"], "done", "{changed}");
        assert_eq!(
            (&changed["content"]["text"], &changed["versions"][0]["text"]),
            (&json!("Исправлено"), &json!("Ошбика"))
        );
        assert!(changed["edited_at"].is_i64() && changed["deleted_at"].is_null());
        assert_eq!(bubbles(stage, messenger).await.pop(), Some(("Исправлено".to_owned(), true, false)));
    }
    let gone = change(stage, id, None).await;
    assert_eq!(last(&gone)["state"], "done", "{gone}");
    assert!(gone["deleted_at"].is_i64(), "{gone}");
    let (text, _, deleted) = bubbles(stage, messenger).await.pop().unwrap();
    assert!(deleted, "{text}");
    let (status, refused) = stage.api_reply("DELETE", &format!("/api/v1/messages/{id}"), json!({})).await;
    assert_eq!((status, &refused["error"]["code"]), (409, &json!("deleted")));
    let versions = stage.api("GET", &format!("/api/v1/messages/{id}")).await["versions"].clone();
    assert_eq!(
        versions.as_array().map(Vec::len),
        Some(usize::from(edits)),
        "the vendor's word of our own change adds nothing"
    );
}

async fn bot(stage: &Stage) {
    let token = "100200300:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
    stage.attach_channel("telegram_bot", json!({ "token": token })).await;
}

async fn chat_of(stage: &Stage) -> String {
    stage.control("GET", &format!("/_/phones/{CUSTOMER}"), Value::Null).await["chat_id"].to_string()
}

on_both_databases! {
    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_bot_changes_and_deletes_what_it_said(url: &str) {
        let stage = Stage::without_portal(url).await;
        bot(&stage).await;
        let chat = chat_of(&stage).await;
        let text = json!({ "to": chat, "text": "Ошбика", "messenger": "telegram_bot" });
        there_and_back(&stage, "telegram_bot", text.clone(), true).await;
        // a call that was cut off is made again, and what is so already is no trouble
        let sent = stage.sent(text.clone(), "sent").await;
        let fault = json!({ "vendor": "telegram", "method": "editMessageText", "kind": "cut", "times": 1 });
        stage.control("POST", "/_/faults", fault).await;
        let changed = change(&stage, sent["id"].as_str().unwrap(), Some("Исправлено")).await;
        assert_eq!(last(&changed)["state"], "done", "{changed}");
        assert_eq!(stage.calls("telegram", "editMessageText").await.len(), 3);
        // what the vendor refuses for good stays as it was, with its reason
        let fault = json!({ "vendor": "telegram", "method": "deleteMessage", "kind": "refuse", "code": 400, "times": 1,
            "text": "Bad Request: message can't be deleted" });
        stage.control("POST", "/_/faults", fault).await;
        let kept = change(&stage, sent["id"].as_str().unwrap(), None).await;
        assert_eq!((&last(&kept)["state"], &last(&kept)["code"]), (&json!("failed"), &json!("unchangeable")), "{kept}");
        assert!(kept["deleted_at"].is_null() && last(&kept)["reason"].as_str().unwrap().contains("can't be deleted"));
        stage.clear().await;
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn whatsapp_web_changes_and_deletes_what_it_said(url: &str) {
        let stage = Stage::without_portal(url).await;
        let phone = whatsapp_web::linked(&stage).await;
        stage.control("POST", "/_/phones", json!({ "id": CUSTOMER, "online": false })).await;
        let text = json!({ "to": CUSTOMER, "text": "Ошбика", "channel": phone.channel });
        there_and_back(&stage, "whatsapp_web", text, true).await;
        stage.clear().await;
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn an_account_changes_and_deletes_what_it_said(url: &str) {
        let stage = Stage::without_portal(url).await;
        let channel = telegram::signed_in(&stage).await;
        let text = json!({ "to": CUSTOMER, "text": "Ошбика", "channel": channel["id"] });
        there_and_back(&stage, "telegram", text, true).await;
        stage.clear().await;
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_community_changes_and_deletes_what_it_said_and_keeps_its_files(url: &str) {
        let stage = Stage::without_portal(url).await;
        let channel = vk::community(&stage).await;
        let said = json!({ "messenger": "vk", "text": "Здравствуйте" });
        stage.control("POST", &format!("/_/phones/{CUSTOMER}/say"), said).await;
        stage.wait_for_history(&channel, &["< Здравствуйте"]).await;
        let text = json!({ "to": "390000001", "text": "Ошбика", "messenger": "vk" });
        there_and_back(&stage, "vk", text, true).await;
        let file = stage.upload("Счёт.pdf", "application/pdf", b"%PDF-1.4 ...".to_vec()).await;
        let message = json!({ "to": "390000001", "text": "Счёт за май", "messenger": "vk", "file": { "source": file["source"] } });
        let sent = stage.sent(message, "sent").await;
        let changed = change(&stage, sent["id"].as_str().unwrap(), Some("Счёт за июнь")).await;
        assert_eq!(last(&changed)["state"], "done", "{changed}");
        let phone = stage.control("GET", &format!("/_/phones/{CUSTOMER}"), Value::Null).await;
        let bubble = phone["messages"].as_array().unwrap().last().unwrap();
        assert_eq!((&bubble["text"], &bubble["media"]["name"]), (&json!("Счёт за июнь"), &json!("Счёт.pdf")), "{bubble}");
        stage.clear().await;
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn avito_deletes_what_was_said_and_changes_nothing(url: &str) {
        let stage = Stage::without_portal(url).await;
        let channel = avito::account(&stage).await;
        stage.control("POST", &format!("/_/phones/{CUSTOMER}/say"), json!({ "messenger": "avito", "text": "Ещё есть?" })).await;
        stage.wait_for_history(&channel, &["< Ещё есть?"]).await;
        let text = json!({ "to": avito::CHAT, "text": "Ошбика", "messenger": "avito" });
        let sent = stage.sent(text.clone(), "sent").await;
        let path = format!("/api/v1/messages/{}", sent["id"].as_str().unwrap());
        let (status, refused) = stage.api_reply("PATCH", &path, json!({ "text": "x" })).await;
        assert_eq!((status, &refused["error"]["code"]), (422, &json!("not_supported")));
        there_and_back(&stage, "avito", text, false).await;
        stage.clear().await;
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn customers_change_and_delete_and_are_answered_by_quotes(url: &str) {
        let stage = Stage::without_portal(url).await;
        let channel = telegram::signed_in(&stage).await;
        let id = channel["id"].as_str().unwrap();
        let said = json!({ "messenger": "telegram", "text": "Вторник" });
        let told = stage.control("POST", &format!("/_/phones/{CUSTOMER}/say"), said).await;
        let number = told["id"].as_str().unwrap().parse::<i64>().unwrap();
        stage.wait_for_history(id, &["< Вторник"]).await;
        let ours = stage.api("GET", "/api/v1/messages").await["messages"][0]["id"].as_str().unwrap().to_owned();
        let edit = json!({ "id": number, "text": "Среда" });
        stage.control("POST", &format!("/_/mtproto/phones/{CUSTOMER}/edit"), edit).await;
        let path = format!("/api/v1/messages/{ours}");
        let edited = stage.wait_for("the change is heard", |stage| {
            let path = path.clone();
            async move { Some(stage.api("GET", &path).await).filter(|told| told["edited_at"].is_i64()) }
        });
        let edited = edited.await;
        assert_eq!((&edited["content"]["text"], &edited["versions"][0]["text"]), (&json!("Среда"), &json!("Вторник")));
        let answer = json!({ "to": edited["chat"], "text": "Хорошо", "channel": id, "reply_to": ours });
        stage.sent(answer, "sent").await;
        let calls = stage.calls("mtproto", "messages.sendMessage").await;
        assert_eq!(calls.last().unwrap()["params"]["reply_to"]["reply_to_msg_id"], number, "{calls:?}");
        stage.control("POST", &format!("/_/mtproto/phones/{CUSTOMER}/delete"), json!({ "ids": [number] })).await;
        stage.wait_for("the deletion is heard", |stage| {
            let path = path.clone();
            async move { stage.api("GET", &path).await["deleted_at"].is_i64().then_some(()) }
        })
        .await;
        stage.clear().await;
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn places_and_contacts_arrive_as_what_they_are(url: &str) {
        let stage = Stage::set(url).await;
        bot(&stage).await;
        let chat = chat_of(&stage).await;
        let place = json!({ "latitude": 55.7539, "longitude": 37.6208, "title": "Офис", "address": "Тверская, 1" });
        let card = json!({ "name": "Анна", "phone": "+7 916 123-45-67" });
        for (messenger, to) in [("telegram_bot", chat.as_str()), ("waba", CUSTOMER)] {
            for part in [json!({ "place": place }), json!({ "contacts": [card] })] {
                let mut message = json!({ "to": to, "messenger": messenger });
                message.as_object_mut().unwrap().extend(part.as_object().unwrap().clone());
                let id = stage.api_with("POST", "/api/v1/messages", message).await["id"].as_str().unwrap().to_owned();
                stage.wait_for("the message has left", |stage| {
                    let path = format!("/api/v1/messages/{id}");
                    async move {
                        let told = stage.api("GET", &path).await;
                        assert_ne!(told["status"], "error", "{told}");
                        matches!(told["status"].as_str(), Some("sent" | "delivered" | "viewed")).then_some(())
                    }
                })
                .await;
            }
        }
        let texts: Vec<String> = bubbles(&stage, "telegram_bot").await.into_iter().map(|(text, ..)| text).collect();
        assert_eq!(texts, ["55.7539 37.6208 Офис Тверская, 1", "Анна +79161234567"]);
        stage.clear().await;
    }
}
