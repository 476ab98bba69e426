//! Both ways through an open line: texts, files, changes, marks, and each message once.

use base64::Engine as _;
use serde_json::{Value, json};
use switchboard::model::id::MessageId;
use switchboard::model::message::Kind;
use switchboard::model::open_line::{Publish, Settings};

use super::{CUSTOMER, message, said, says};
use crate::trips::stage::Stage;
use crate::trips::whatsapp_web;

on_both_databases! {
    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_customer_and_an_operator_talk_through_an_open_line(url: &str) {
        let stage = Stage::set(url).await;
        stage.connected(Kind::Waba, Settings { signature: true, ..Settings::default() }).await;
        stage.customer_says(json!({ "messenger": "waba", "text": "Есть ли [b]скидка[/b]?" })).await;
        let chat = stage.chat_where("the customer is heard", CUSTOMER, says("скидка")).await;
        assert_eq!(chat["phone"], "+79990000001");
        assert_eq!((&chat["connector"], &chat["line"]), (&json!("switchboard_waba"), &json!(12)));
        let first = chat["messages"][0]["text"].as_str().unwrap();
        assert!(first.contains("[\u{200b}b]"), "a customer writes no codes of the portal: {first}");

        let text = "[b]Да[/b], [url=https://shop.example/s]тут[/url][br]ждём";
        let id = stage.operator(&chat, json!({ "user": 27, "text": text })).await;
        let chat = stage.chat_where("the portal hears of the delivery", CUSTOMER, |chat| {
            message(chat, id)["delivered"] == true
        }).await;
        assert_eq!(
            stage.came(CUSTOMER).await,
            ["*Игорь Смирнов:*\n*Да*, тут (https://shop.example/s)\nждём"]
        );
        let told = message(&chat, id);
        assert_eq!(told["external"].as_array().map(Vec::len), Some(1), "{told}");
        assert!(told["external"][0].as_str().unwrap().parse::<MessageId>().is_ok(), "{told}");
        // read marks go the same way, and nothing is told twice
        stage.control("POST", &format!("/_/phones/{CUSTOMER}/read"), json!({})).await;
        let chat = stage.chat_where("the portal hears of the reading", CUSTOMER, |chat| {
            message(chat, id)["read"] == true
        }).await;
        assert_eq!(message(&chat, id)["deliveries"], 1);
        assert_eq!(said(&chat).len(), 2);
        assert_eq!(stage.chats().await.len(), 1);
        stage.clear().await;
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn changes_go_both_ways_where_the_messenger_has_them(url: &str) {
        let stage = Stage::set(url).await;
        let phone = whatsapp_web::linked(&stage).await;
        stage.connected(Kind::WhatsappWeb, Settings::default()).await;
        stage.customer_says(json!({ "messenger": "whatsapp_web", "text": "Завтра" })).await;
        let chat = stage.chat_where("the customer is heard", CUSTOMER, says("Завтра")).await;
        let id = stage.operator(&chat, json!({ "user": 33, "text": "Ждём в 9" })).await;
        stage.chat_where("it is delivered", CUSTOMER, |chat| message(chat, id)["delivered"] == true).await;
        let path = |act: &str| format!("/_/b24/demo/chats/{}/{act}", chat["id"]);
        stage.control("POST", &path("edit"), json!({ "id": id, "text": "Ждём в 10" })).await;
        stage.wait_for("the text on the phone is the new one", |stage| async move {
            (stage.came(CUSTOMER).await.last().map(String::as_str) == Some("Ждём в 10")).then_some(())
        }).await;
        stage.control("POST", &path("delete"), json!({ "id": id })).await;
        stage.wait_for("the message is gone from the phone", |stage| async move {
            let phone = stage.control("GET", &format!("/_/phones/{CUSTOMER}"), Value::Null).await;
            let last = phone["messages"].as_array().unwrap().last().unwrap().clone();
            (last["status"] == "deleted").then_some(())
        }).await;
        assert!(phone.channel.starts_with("ch_"));
        stage.clear().await;
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_change_that_the_messenger_does_not_make_is_told_to_the_operator(url: &str) {
        let stage = Stage::set(url).await;
        stage.connected(Kind::Waba, Settings::default()).await;
        stage.customer_says(json!({ "messenger": "waba", "text": "Да" })).await;
        let chat = stage.chat_where("the customer is heard", CUSTOMER, says("Да")).await;
        let id = stage.operator(&chat, json!({ "text": "Отлично" })).await;
        stage.chat_where("it is delivered", CUSTOMER, |chat| message(chat, id)["delivered"] == true).await;
        let path = format!("/_/b24/demo/chats/{}/edit", chat["id"]);
        stage.control("POST", &path, json!({ "id": id, "text": "Хорошо" })).await;
        let chat = stage.chat_where("the operator is told", CUSTOMER, says("Изменение не передано клиенту")).await;
        let note = chat["messages"].as_array().unwrap().last().unwrap().clone();
        assert_eq!(note["author"], 0, "a note of the system: {note}");
        // what cannot be sent at all is told too
        let fault = json!({ "vendor": "waba", "method": "messages", "kind": "refuse", "code": 131_026, "status": 400, "times": 1 });
        stage.control("POST", "/_/faults", fault).await;
        let id = stage.operator(&chat, json!({ "text": "Ещё раз" })).await;
        let chat = stage.chat_where("the operator is told why", CUSTOMER, says("Сообщение не доставлено")).await;
        assert_eq!(message(&chat, id)["delivered"], false);
        stage.clear().await;
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn files_go_both_ways_whole(url: &str) {
        let stage = Stage::set(url).await;
        stage.connected(Kind::Waba, Settings::default()).await;
        let content = base64::engine::general_purpose::STANDARD.encode("%PDF-1.4 договор");
        let media = json!({ "kind": "document", "name": "договор.pdf", "mime": "application/pdf", "base64": content });
        stage.customer_says(json!({ "messenger": "waba", "text": "Вот договор", "media": media })).await;
        let chat = stage.chat_where("the file is in the chat", CUSTOMER, |chat| {
            chat["messages"].as_array().unwrap().iter().any(|one| one["files"][0]["size"].as_u64() > Some(0))
        }).await;
        let message = chat["messages"].as_array().unwrap().last().unwrap();
        assert_eq!((&message["text"], &message["files"][0]["name"]), (&json!("Вот договор"), &json!("договор.pdf")));
        assert_eq!(message["files"][0]["size"], "%PDF-1.4 договор".len());

        let file = |name: &str, mime: &str, text: &str| {
            json!({ "name": name, "mime": mime, "base64": base64::engine::general_purpose::STANDARD.encode(text) })
        };
        let files = [file("счёт.pdf", "application/pdf", "%PDF-1.4 счёт"), file("фото.png", "image/png", "\u{89}PNG")];
        let id = stage.operator(&chat, json!({ "user": 27, "text": "Счёт", "files": files })).await;
        let chat = stage.chat_where("all parts are delivered", CUSTOMER, |chat| {
            super::message(chat, id)["delivered"] == true
        }).await;
        assert_eq!(super::message(&chat, id)["external"].as_array().map(Vec::len), Some(3));
        let phone = stage.control("GET", &format!("/_/phones/{CUSTOMER}"), Value::Null).await;
        let names: Vec<Value> = phone["messages"].as_array().unwrap().iter().map(|one| one["media"]["name"].clone()).collect();
        assert!(names.contains(&json!("счёт.pdf")), "{names:?}");
        stage.clear().await;
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn places_answers_and_cards_are_shown_in_words(url: &str) {
        let stage = Stage::set(url).await;
        stage.connected(Kind::Waba, Settings::default()).await;
        let first = json!({ "messenger": "waba", "text": "Где вы?" });
        let first = stage.control("POST", &format!("/_/phones/{CUSTOMER}/say"), first).await["id"].clone();
        stage.customer_says(json!({ "messenger": "waba", "place": { "latitude": 55.75, "longitude": 37.62 } })).await;
        stage.customer_says(json!({ "messenger": "waba", "text": "Так где?", "quote": first })).await;
        let chat = stage.chat_where("everything is there", CUSTOMER, says("Так где?")).await;
        let all = said(&chat);
        assert!(all[1].contains("pt=37.62,55.75"), "{all:?}");
        assert!(all[2].contains(">>Где вы?") && all[2].ends_with("Так где?"), "{all:?}");
        stage.clear().await;
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn what_was_sent_elsewhere_is_shown_once_and_is_not_sent_again(url: &str) {
        let stage = Stage::set(url).await;
        stage.connected(Kind::Waba, Settings { author: Some(33), ..Settings::default() }).await;
        // by the API, in the name of an employee: the portal tells of it as of what he wrote
        stage.sent(json!({ "to": CUSTOMER, "text": "Заказ готов" }), "delivered").await;
        let chat = stage.chat_where("it is in the chat under a name", CUSTOMER, |chat| {
            chat["messages"][0]["author"] == 33 && chat["messages"][0]["delivered"] == true
        }).await;
        assert_eq!(said(&chat), ["Заказ готов"]);
        // by a robot
        let answer = stage.answer_to(json!({ "phones": "+79990000001", "message": "Оплатите счёт" })).await;
        assert_eq!(answer["status"], "Y");
        let chat = stage.chat_where("the robot is in the chat", CUSTOMER, says("Оплатите счёт")).await;
        assert_eq!(said(&chat), ["Заказ готов", "Оплатите счёт"]);
        stage.chat_where("both came back and are marked", CUSTOMER, |chat| {
            chat["messages"].as_array().unwrap().iter().all(|one| one["delivered"] == true)
        }).await;
        assert_eq!(stage.came(CUSTOMER).await, ["Заказ готов", "Оплатите счёт"], "nothing was sent twice");
        stage.clear().await;
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn settings_say_what_is_shown_and_who_makes_a_chat(url: &str) {
        let stage = Stage::set(url).await;
        let publish = Publish { api: false, ..Publish::default() };
        let settings = Settings { publish, ignored: vec!["+7 999 000-00-02".into()], ..Settings::default() };
        stage.connected(Kind::Waba, settings).await;
        stage.sent(json!({ "to": CUSTOMER, "text": "Тихо" }), "delivered").await;
        // a letter of CRM-marketing makes no chats unless it is told to
        stage.letter(2, "Скидка").await;
        let say = |phone: &str, text: &str| (format!("/_/phones/{phone}/say"), json!({ "messenger": "waba", "text": text }));
        for (path, body) in [say("79990000002", "Я никто"), say("79990000003", "Добрый вечер")] {
            stage.control("POST", &path, body).await;
        }
        stage.chat_where("whoever is not ignored is heard", "79990000003", says("Добрый вечер")).await;
        let answer = stage.answer_to(json!({ "phones": "+79990000003", "message": "Робот" })).await;
        assert_eq!(answer["status"], "Y");
        let chat = stage.chat_where("a note of the system", "79990000003", says("Робот")).await;
        assert_eq!(chat["messages"][1]["author"], 0);
        assert_eq!(stage.chats().await.len(), 1, "{:?}", stage.chats().await);
        stage.clear().await;
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn names_are_cleaned_and_the_chat_is_called_as_the_customer_is(url: &str) {
        let stage = Stage::set(url).await;
        stage.connected(Kind::Waba, Settings::default()).await;
        let name = "🔥 Магазин №1 «Ромашка» на Тверской улице 🔥";
        stage.control("POST", "/_/phones", json!({ "id": "79991112233", "name": name })).await;
        let say = json!({ "messenger": "waba", "text": "Привет" });
        stage.control("POST", "/_/phones/79991112233/say", say).await;
        let chat = stage.chat_where("the chat has the whole name", "79991112233", |chat| chat["name"] == name).await;
        assert_eq!(said(&chat), ["Привет"]);
        stage.clear().await;
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn events_in_every_spelling_twice_and_out_of_order_are_one_message_each(url: &str) {
        let stage = Stage::set(url).await;
        stage.connected(Kind::Waba, Settings::default()).await;
        stage.customer_says(json!({ "messenger": "waba", "text": "Жду" })).await;
        let chat = stage.chat_where("the customer is heard", CUSTOMER, says("Жду")).await;
        let habits = json!({ "literal": true, "doubles": true, "reversed": true, "no_tokens": true });
        stage.control("POST", "/_/b24/demo/habits", habits).await;
        let mut ids = Vec::new();
        for text in ["Раз & два = 100%", "Три"] {
            ids.push(stage.operator(&chat, json!({ "text": text })).await);
        }
        stage.chat_where("both are delivered", CUSTOMER, |chat| {
            ids.iter().all(|id| message(chat, *id)["delivered"] == true)
        }).await;
        let mut texts = stage.came(CUSTOMER).await;
        texts.sort();
        assert_eq!(texts, ["Раз & два = 100%", "Три"]);
        // an event of somebody who is not the portal changes nothing
        let forged = "event=ONIMCONNECTORMESSAGEADD&auth[member_id]=x&auth[application_token]=y&data[CONNECTOR]=switchboard_waba";
        assert_eq!(stage.post("/bitrix24/event", forged).await.0, 403);
        stage.clear().await;
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn the_chat_and_its_card_follow_each_other(url: &str) {
        let stage = Stage::set(url).await;
        let settings = Settings { sync_title: true, sync_responsible: true, ..Settings::default() };
        stage.connected(Kind::Waba, settings).await;
        let (customer, said) = ("79990000002", json!({ "messenger": "waba", "text": "Здравствуйте" }));
        stage.control("POST", &format!("/_/phones/{customer}/say"), said).await;
        let named = |chat: &Value| chat["name"] == "Иван Кузнецов";
        let chat = stage.chat_where("the chat is called as the contact", customer, named).await;
        stage.operator(&chat, json!({ "user": 27, "text": "Слушаю" })).await;
        stage.wait_for("both are remembered", |stage| async move {
            (people(stage).await == (Some(27), Some(27))).then_some(())
        }).await;
        // another operator takes over: he becomes responsible
        stage.operator(&chat, json!({ "user": 33, "text": "Теперь я" })).await;
        stage.wait_for("the deal is his", |stage| async move {
            (people(stage).await == (Some(33), Some(33))).then_some(())
        }).await;
        stage.clear().await;
    }
}

/// Who answers in the only dialog, and who is responsible for its card, as they were seen last.
async fn people(stage: &Stage) -> (Option<i64>, Option<i64>) {
    let chats = stage.server.app.store.read(|conn| switchboard::on!(conn, open_line::active_since(0, "", 10)));
    let chat = chats.await.unwrap().remove(0);
    (chat.owner, chat.assigned)
}
