//! What only some messengers have: groups, changes by customers, comments.

use base64::Engine as _;
use serde_json::{Value, json};
use switchboard::model::message::Kind;
use switchboard::model::open_line::Settings;

use super::{CUSTOMER, said};
use crate::trips::stage::Stage;
use crate::trips::{telegram, vk, whatsapp_web};

/// Waits for the only chat, in which something is so.
async fn only_chat(stage: &Stage, what: &str, is: impl Fn(&Value) -> bool) -> Value {
    let is = &is;
    stage.wait_for(what, |stage| async move { stage.chats().await.into_iter().find(|chat| is(chat)) }).await
}

on_both_databases! {
    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_group_is_one_chat_with_its_authors_and_its_title(url: &str) {
        let stage = Stage::set(url).await;
        let phone = whatsapp_web::linked(&stage).await;
        stage.connected(Kind::WhatsappWeb, Settings::default()).await;
        let groups = format!("/api/v1/channels/{}/groups", phone.channel);
        let made = json!({ "title": "Заказ 15", "people": [CUSTOMER, "79990000002"] });
        let made = stage.act_over(&stage.api_with("POST", &groups, made).await).await;
        let group = made["chat"].as_str().unwrap().to_owned();
        let say = async |phone: &str, text: &str| {
            let said = json!({ "messenger": "whatsapp_web", "text": text, "group": group });
            stage.control("POST", &format!("/_/phones/{phone}/say"), said).await;
        };
        say(CUSTOMER, "Где заказ?").await;
        let named = |chat: &Value| said(chat).len() == 1 && chat["name"] == "Заказ 15";
        let chat = only_chat(&stage, "the group is heard and called by its title", named).await;
        let first = said(&chat).remove(0);
        assert!(first.starts_with("[b]") && first.contains("+79990000001") && first.ends_with("\nГде заказ?"), "{first}");
        assert_eq!(chat["contact"], 0, "a group is no customer: {chat}");
        // phones are hidden where the settings say so, and everybody speaks in the same chat
        stage.connected(Kind::WhatsappWeb, Settings { group_phones: false, ..Settings::default() }).await;
        say("79990000002", "И мой?").await;
        let chat = only_chat(&stage, "another member is heard", |chat| said(chat).len() == 2).await;
        let second = said(&chat).remove(1);
        assert!(!second.contains("79990000002") && second.ends_with("\nИ мой?"), "{second}");
        assert_eq!(stage.chats().await.len(), 1);
        stage.operator(&chat, json!({ "user": 27, "text": "Оба едут" })).await;
        stage.wait_for("the answer is in the group", |stage| async move {
            stage.came(CUSTOMER).await.contains(&"Оба едут".to_owned()).then_some(())
        }).await;
        let renamed = stage.api_with("PATCH", &format!("{groups}/{group}"), json!({ "title": "Заказы 15 и 16" })).await;
        stage.act_over(&renamed).await;
        only_chat(&stage, "the chat is called as the group is", |chat| chat["name"] == "Заказы 15 и 16").await;
        stage.clear().await;
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn what_a_customer_changes_and_takes_back_changes_in_the_chat(url: &str) {
        let stage = Stage::set(url).await;
        telegram::signed_in(&stage).await;
        stage.connected(Kind::Telegram, Settings::default()).await;
        let path = format!("/_/phones/{CUSTOMER}/say");
        let number = stage.control("POST", &path, json!({ "messenger": "telegram", "text": "Вторник" })).await["id"].clone();
        only_chat(&stage, "the customer is heard", |chat| said(chat) == ["Вторник"]).await;
        let number = number.as_i64().or_else(|| number.as_str()?.parse().ok()).unwrap();
        stage.control("POST", &format!("/_/mtproto/phones/{CUSTOMER}/edit"), json!({ "id": number, "text": "Среда" })).await;
        let chat = only_chat(&stage, "the text is the new one", |chat| said(chat) == ["Среда"]).await;
        assert_eq!(chat["messages"][0]["edited"], true, "{chat}");
        stage.control("POST", &format!("/_/mtproto/phones/{CUSTOMER}/delete"), json!({ "ids": [number] })).await;
        only_chat(&stage, "it is gone", |chat| chat["messages"][0]["deleted"] == true).await;
        stage.clear().await;
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn voices_places_and_cards_of_people_come_into_the_chat(url: &str) {
        let stage = Stage::set(url).await;
        telegram::signed_in(&stage).await;
        whatsapp_web::linked(&stage).await;
        let voice = base64::engine::general_purpose::STANDARD.encode(b"OggS\0\x02\0\0\0\0\0\0\0\0 a voice");
        for kind in [Kind::Waba, Kind::Telegram, Kind::WhatsappWeb] {
            stage.connected(kind, Settings::default()).await;
            let is = |chat: &Value| chat["connector"] == format!("switchboard_{}", kind.slug());
            let say = async |mut said: Value| {
                said["messenger"] = json!(kind.slug());
                stage.customer_says(said).await;
            };
            say(json!({ "media": { "kind": "voice", "name": "voice.ogg", "mime": "audio/ogg", "base64": voice } })).await;
            let heard = |chat: &Value| is(chat) && chat["messages"][0]["files"][0]["size"].as_u64() > Some(0);
            let chat = only_chat(&stage, "the voice is there", heard).await;
            let file = &chat["messages"][0]["files"][0];
            // the portal plays by the ending of the name
            let name = file["name"].as_str().unwrap();
            let ending = std::path::Path::new(name).extension().and_then(std::ffi::OsStr::to_str).unwrap_or_default();
            assert!(["ogg", "oga", "opus"].contains(&ending), "{kind:?}: {file}");
            assert_eq!((said(&chat)[0].as_str(), file["size"].as_u64()), ("", Some(22)), "{kind:?}: {chat}");
            say(json!({ "place": { "latitude": 55.75, "longitude": 37.62 } })).await;
            say(json!({ "card": { "name": "Анна", "phone": "79161234567" } })).await;
            let chat = only_chat(&stage, "all of it is there", |chat| is(chat) && said(chat).len() == 3).await;
            let all = said(&chat);
            assert!(all[1].contains("pt=37.62,55.75"), "{kind:?}: {all:?}");
            assert!(all[2].contains("Анна") && all[2].contains("79161234567"), "{kind:?}: {all:?}");
        }
        stage.clear().await;
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_comment_comes_with_its_post_and_is_answered_in_private(url: &str) {
        let stage = Stage::set(url).await;
        vk::community(&stage).await;
        stage.connected(Kind::Vk, Settings::default()).await;
        let path = format!("/_/phones/{CUSTOMER}/say");
        stage.control("POST", &path, json!({ "messenger": "vk", "text": "А доставка есть?", "comment": true })).await;
        let chat = only_chat(&stage, "the comment is there", |chat| said(chat).len() == 1).await;
        assert!(said(&chat)[0].starts_with("А доставка есть?"), "{chat}");
        let about = chat["description"].as_str().unwrap();
        assert!(about.contains("https://vk.com/wall-200000001_40"), "{about}");
        stage.control("POST", &path, json!({ "messenger": "vk", "text": "", "allow": true })).await;
        stage.operator(&chat, json!({ "user": 27, "text": "Есть" })).await;
        stage.wait_for("the answer is private", |stage| async move {
            stage.came(CUSTOMER).await.contains(&"Есть".to_owned()).then_some(())
        }).await;
        stage.clear().await;
    }
}
