//! A VK community end to end: attached, written to, answered, read, cut off, and attached again.

use serde_json::{Value, json};

use super::stage::Stage;

const PHONE: &str = "79990000001";
const PERSON: &str = "390000001";
const KEY: &str = "vk1.a.first-key-of-the-community";

pub(super) async fn community(stage: &Stage) -> String {
    let made = json!({ "id": 200_000_001, "token": KEY, "name": "Ромашка", "screen_name": "romashka" });
    stage.control("POST", "/_/vk/communities", made).await;
    let card = stage.attach_channel("vk", json!({ "token": KEY })).await;
    assert_eq!((&card["title"], &card["address"]), (&json!("Ромашка"), &json!("vk.com/romashka")));
    stage
        .wait_for("VK has confirmed our address", |stage| async move {
            let server = servers(stage).await.as_array().unwrap().first().cloned()?;
            (server["status"] == "ok").then_some(())
        })
        .await;
    card["id"].as_str().unwrap().to_owned()
}

async fn servers(stage: &Stage) -> Value {
    stage.control("GET", "/_/vk/communities", Value::Null).await["communities"][0]["servers"].clone()
}

async fn says(stage: &Stage, more: Value) {
    let mut said = json!({ "messenger": "vk", "text": "" });
    said.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    stage.control("POST", &format!("/_/phones/{PHONE}/say"), said).await;
}

async fn on_the_phone(stage: &Stage) -> Vec<String> {
    let phone = stage.control("GET", &format!("/_/phones/{PHONE}"), Value::Null).await;
    let messages = phone["messages"].as_array().unwrap().iter();
    let ours = messages.filter(|one| one["messenger"] == "vk" && one["direction"] == "received");
    ours.map(|one| one["text"].as_str().unwrap().to_owned()).collect()
}

fn to_the_person(text: &str) -> Value {
    json!({ "to": PERSON, "text": text, "messenger": "vk" })
}

/// The titles of the dialogs of a channel, and whether their people have names.
async fn names(stage: &Stage, channel: &str) -> Vec<(String, bool)> {
    let company = stage.company;
    let read = stage.server.app.store.read(move |conn| switchboard::on!(conn, dialog::newest(company, 100)));
    let mut found = Vec::new();
    for row in read.await.unwrap().into_iter().filter(|row| row.channel == channel) {
        let (chat, id) = (row.chat.clone(), row.channel.parse().unwrap());
        let nameless = stage.server.app.store.read(move |conn| switchboard::on!(conn, dialog::is_nameless(id, &chat)));
        found.push((row.title, !nameless.await.unwrap()));
    }
    found
}

/// Messages that a phone got in a chat of many.
async fn texts_in(stage: &Stage, phone: &str, chat: &str) -> Vec<String> {
    let phone = stage.control("GET", &format!("/_/phones/{phone}"), Value::Null).await;
    let messages = phone["messages"].as_array().unwrap().iter();
    messages.filter(|one| one["tag"] == chat).map(|one| one["text"].as_str().unwrap().to_owned()).collect()
}

async fn chats(stage: &Stage) -> Value {
    stage.control("GET", "/_/vk/communities", Value::Null).await["communities"][0]["chats"].clone()
}

on_both_databases! {
    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_chat_of_a_community_is_made_written_into_renamed_and_left(url: &str) {
        const BORIS: &str = "79990000002";
        let stage = Stage::without_portal(url).await;
        let channel = community(&stage).await;
        let groups = format!("/api/v1/channels/{channel}/groups");
        // Anna wrote before; Boris never did, and may only be invited, which he does not allow either
        says(&stage, json!({ "text": "Здравствуйте", "led_by": ["lead_42", "site"] })).await;
        stage.control("POST", "/_/phones", json!({ "id": BORIS })).await;
        stage.wait_for_history(&channel, &["< Здравствуйте"]).await;
        let messages = stage.api("GET", "/api/v1/messages").await;
        assert_eq!(messages["messages"][0]["referral"], json!({ "ref": "lead_42", "ref_source": "site" }), "{messages}");
        let body = json!({ "title": "Заказ 15", "people": [PERSON, "390000002"] });
        let made = stage.act_over(&stage.api_with("POST", &groups, body).await).await;
        assert_eq!(made["state"], "done", "{made}");
        let outcomes: Vec<&str> = made["people"].as_array().unwrap().iter().map(|one| one["outcome"].as_str().unwrap()).collect();
        assert_eq!(outcomes, ["added", "invited"], "{made}");
        let chat = made["chat"].as_str().unwrap().to_owned();
        assert!(made["invite"].as_str().unwrap().starts_with("https://vk.me/join/"), "{made}");
        stage.wait_for_message(made["people"][1]["message"].as_str().unwrap(), "error").await;
        let message = json!({ "to": chat, "text": "Всем привет", "channel": channel });
        stage.sent(message, "sent").await;
        assert_eq!(texts_in(&stage, PHONE, &chat).await, ["Всем привет"]);
        says(&stage, json!({ "text": "И вам", "group": chat })).await;
        stage.wait_for("the answer came into the chat", |stage| {
            let (channel, chat) = (channel.clone(), chat.clone());
            async move {
                let told = stage.api("GET", &format!("/api/v1/channels/{channel}/chats/{chat}")).await;
                (stage.history(&channel).await.contains(&"< И вам".to_owned()) && told["group"] == true).then_some(())
            }
        })
        .await;
        let renamed = stage.act_over(&stage.api_with("PATCH", &format!("{groups}/{chat}"), json!({ "title": "Заказ 15, готов" })).await).await;
        assert_eq!((renamed["state"].as_str(), &chats(&stage).await[0]["title"]), (Some("done"), &json!("Заказ 15, готов")));
        let left = stage.act_over(&stage.api_with("DELETE", &format!("{groups}/{chat}"), Value::Null).await).await;
        assert_eq!((left["state"].as_str(), &chats(&stage).await[0]["here"]), (Some("done"), &json!(false)));
        // a place on the map
        let place = json!({ "to": PERSON, "channel": channel, "place": { "latitude": 55.7539, "longitude": 37.6208, "title": "Офис" } });
        stage.sent(place, "sent").await;
        assert_eq!(on_the_phone(&stage).await.last().unwrap(), "55.7539 37.6208 Офис");
        stage.clear().await;
    }
}

on_both_databases! {
    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn whoever_writes_in_vk_gets_a_name_that_is_asked_for_once(url: &str) {
        let stage = Stage::without_portal(url).await;
        let channel = community(&stage).await;
        stage.control("POST", "/_/phones", json!({ "id": PHONE, "name": "Анна" })).await;
        // the first question fails, so it is asked again with the next message
        stage.control("POST", "/_/faults", json!({ "vendor": "vk", "method": "users.get", "kind": "down", "times": 1 })).await;
        says(&stage, json!({ "text": "Раз" })).await;
        stage.wait_for("the question was asked", |stage| async move {
            (stage.calls("vk", "users.get").await.len() == 1).then_some(())
        })
        .await;
        let named = [("Анна".to_owned(), true)];
        stage.wait_for("the person has a name", |stage| {
            let (named, channel) = (named.clone(), channel.clone());
            async move {
                says(stage, json!({ "text": "и" })).await;
                (names(stage, &channel).await == named).then_some(())
            }
        })
        .await;
        let asked = stage.calls("vk", "users.get").await.len();
        says(&stage, json!({ "text": "Ещё" })).await;
        stage.wait_for("the last message is there", |stage| {
            let channel = channel.clone();
            async move { (stage.history(&channel).await.last()? == "< Ещё").then_some(()) }
        })
        .await;
        assert_eq!(stage.calls("vk", "users.get").await.len(), asked);
        assert_eq!(names(&stage, &channel).await, named);
        stage.clear().await;
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_message_that_came_cut_is_fetched_whole(url: &str) {
        let stage = Stage::without_portal(url).await;
        let channel = community(&stage).await;
        let method = "messages.getByConversationMessageId";
        stage.control("POST", "/_/faults", json!({ "vendor": "vk", "method": method, "kind": "down", "times": 1 })).await;
        says(&stage, json!({ "text": "Очень длинное сообщение целиком", "cropped": true })).await;
        says(&stage, json!({ "text": "Короткое" })).await;
        stage.wait_for_history(&channel, &["< Очень длинное сообщение целиком", "< Короткое"]).await;
        assert_eq!(stage.calls("vk", method).await.len(), 2);
        stage.clear().await;
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_community_that_is_switched_off_is_not_posted_from_any_more(url: &str) {
        let stage = Stage::without_portal(url).await;
        let channel = community(&stage).await;
        let detach = format!("/api/v1/channels/{channel}/detach");
        stage.control("POST", "/_/faults", json!({ "vendor": "vk", "method": "groups.deleteCallbackServer", "kind": "down", "times": 1 })).await;
        let failed = reqwest::StatusCode::from_u16(stage.status_of("POST", &detach).await).unwrap();
        assert!(!failed.is_success(), "what the vendor was not told is not done");
        assert_eq!(servers(&stage).await.as_array().unwrap().len(), 1);
        assert_eq!(stage.status_of("POST", &detach).await, 204);
        assert_eq!(servers(&stage).await, json!([]));
        assert_eq!(stage.api("GET", &format!("/api/v1/channels/{channel}")).await["state"], "off");
        // a key that was taken away has nothing to be told
        stage.attach_channel("vk", json!({ "token": KEY })).await;
        stage.control("POST", "/_/vk/communities/200000001", json!({ "token": "vk1.a.another-key-of-the-community" })).await;
        assert_eq!(stage.status_of("POST", &detach).await, 204);
        stage.clear().await;
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_customer_writes_in_vk_is_answered_and_reads(url: &str) {
        let stage = Stage::without_portal(url).await;
        let channel = community(&stage).await;
        let refused = stage.sent(to_the_person("Раз"), "error").await;
        assert_eq!(refused["code"], "cannot_write_first", "{refused}");
        says(&stage, json!({ "text": "Здравствуйте" })).await;
        stage.wait_for_history(&channel, &["> Раз", "< Здравствуйте"]).await;
        let sent = stage.sent(to_the_person("Добрый день!"), "sent").await;
        // VK tells the community of its own message too
        stage.wait_for_history(&channel, &["> Раз", "< Здравствуйте", "> Добрый день!"]).await;
        assert_eq!(on_the_phone(&stage).await, ["Добрый день!"]);
        stage.control("POST", &format!("/_/phones/{PHONE}/read"), json!({})).await;
        let viewed = stage.wait_for_message(sent["id"].as_str().unwrap(), "viewed").await;
        assert_eq!(viewed["chat"], PERSON);
        stage.clear().await;
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_message_that_was_cut_off_is_sent_again_and_arrives_once(url: &str) {
        let stage = Stage::without_portal(url).await;
        let channel = community(&stage).await;
        says(&stage, json!({ "text": "Здравствуйте" })).await;
        stage.wait_for_history(&channel, &["< Здравствуйте"]).await;
        let fault = json!({ "vendor": "vk", "method": "messages.send", "kind": "cut", "times": 2 });
        stage.control("POST", "/_/faults", fault).await;
        stage.sent(to_the_person("Добрый день!"), "sent").await;
        assert_eq!(on_the_phone(&stage).await, ["Добрый день!"]);
        assert_eq!(stage.calls("vk", "messages.send").await.len(), 3);
        stage.wait_for_history(&channel, &["< Здравствуйте", "> Добрый день!"]).await;
        stage.clear().await;
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn the_same_delivery_ten_times_makes_one_message(url: &str) {
        let stage = Stage::without_portal(url).await;
        let channel = community(&stage).await;
        let hook = servers(&stage).await[0]["url"].as_str().unwrap().to_owned();
        let company = stage.company;
        let rows = stage.server.app.store.read(move |conn| switchboard::on!(conn, channel::of_company(company)));
        let row = rows.await.unwrap().into_iter().find(|row| row.messenger == "vk").unwrap();
        let wire = switchboard::flow::perform::wire(&stage.server.app, &row).unwrap();
        let secrets: Value = serde_json::from_str(secrecy::ExposeSecret::expose_secret(&wire.secrets)).unwrap();
        let message = json!({ "peer_id": 390_000_001, "from_id": 390_000_001, "date": 1_795_171_200, "id": 5,
            "conversation_message_id": 5, "text": "Одно слово" });
        let body = json!({ "type": "message_new", "group_id": 200_000_001, "event_id": "a1b2", "secret": secrets["secret"],
            "object": { "message": message } });
        let posts = (0..10).map(|_| crate::rig::client().post(&hook).json(&body).send());
        for reply in futures_util::future::join_all(posts).await {
            let reply = reply.unwrap();
            assert_eq!((reply.status().as_u16(), reply.text().await.unwrap().as_str()), (200, "ok"));
        }
        says(&stage, json!({ "text": "и другое" })).await;
        stage.wait_for_history(&channel, &["< Одно слово", "< и другое"]).await;
        stage.clear().await;
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_comment_joins_the_private_dialog_and_is_answered_there(url: &str) {
        let stage = Stage::without_portal(url).await;
        let channel = community(&stage).await;
        says(&stage, json!({ "text": "А доставка есть?", "comment": true })).await;
        let told = "< А доставка есть?\nhttps://vk.com/wall-200000001_40?reply=";
        stage.wait_for("the comment came", |stage| {
            let channel = channel.clone();
            async move { stage.history(&channel).await.first().is_some_and(|line| line.starts_with(told)).then_some(()) }
        }).await;
        says(&stage, json!({ "allow": true })).await;
        stage.sent(to_the_person("Есть"), "sent").await;
        assert_eq!(on_the_phone(&stage).await, ["Есть"]);
        stage.clear().await;
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_revoked_key_loses_the_community_and_a_new_one_brings_it_back(url: &str) {
        let stage = Stage::without_portal(url).await;
        let channel = community(&stage).await;
        says(&stage, json!({ "text": "Здравствуйте" })).await;
        stage.wait_for_history(&channel, &["< Здравствуйте"]).await;
        let second = "vk1.a.second-key-of-the-community";
        stage.control("POST", "/_/vk/communities/200000001", json!({ "token": second })).await;
        let waits = stage.api_with("POST", "/api/v1/messages", to_the_person("Добрый день!")).await;
        stage.wait_for("the channel is lost", |stage| {
            let path = format!("/api/v1/channels/{channel}");
            async move { (stage.api("GET", &path).await["state"] == "lost").then_some(()) }
        }).await;
        let card = stage.attach_channel("vk", json!({ "token": second })).await;
        assert_eq!((&card["id"], &card["lane_state"]), (&json!(channel), &json!("held")));
        let decide = json!({ "decision": "send_all" });
        stage.api_with("POST", &format!("/api/v1/channels/{channel}/decide"), decide).await;
        stage.wait_for_message(waits["id"].as_str().unwrap(), "sent").await;
        // the same entry was mended, none was added
        assert_eq!(servers(&stage).await.as_array().unwrap().len(), 1);
        says(&stage, json!({ "text": "Спасибо" })).await;
        stage.wait_for_history(&channel, &["< Здравствуйте", "> Добрый день!", "< Спасибо"]).await;
        stage.clear().await;
    }
}
