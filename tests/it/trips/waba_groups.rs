//! Groups of WhatsApp Business end to end, and customers who take no marketing.

use serde_json::{Value, json};

use super::stage::Stage;

const ANNA: &str = "79990000001";
const BORIS: &str = "79990000002";

async fn group(stage: &Stage) -> Value {
    stage.control("GET", "/_/waba/groups", Value::Null).await["groups"][0].clone()
}

/// The address that a phone was invited by.
async fn invitation(stage: &Stage, phone: &str) -> Option<String> {
    let texts = stage.texts(phone).await;
    texts.iter().find_map(|text| text.lines().find(|line| line.contains("chat.whatsapp.com/")).map(str::to_owned))
}

on_both_databases! {
    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn an_official_number_makes_a_group_that_people_join_by_its_address(url: &str) {
        let stage = Stage::set(url).await;
        let numbers = stage.control("GET", "/_/waba/numbers", Value::Null).await;
        let number = numbers["numbers"][0]["id"].as_str().unwrap().to_owned();
        let account = numbers["numbers"][0]["account"].as_str().unwrap().to_owned();
        let channel = stage.api("GET", "/api/v1/channels").await["channels"][0]["id"].as_str().unwrap().to_owned();
        let groups = format!("/api/v1/channels/{channel}/groups");
        let body = json!({ "title": "Сделка 42", "people": [ANNA, BORIS] });
        // groups are for official accounts, and Meta told what this one is
        let (_, refused) = stage.api_reply("POST", &groups, body.clone()).await;
        assert_eq!(refused["error"]["code"], "not_supported", "{refused}");

        stage.control("POST", &format!("/_/waba/numbers/{number}"), json!({ "official": true, "quality": "YELLOW" })).await;
        let told = json!({ "field": "account_update", "value": { "event": "VERIFIED_ACCOUNT" } });
        stage.control("POST", &format!("/_/waba/accounts/{account}/tell"), told).await;
        stage.wait_for("the number is asked how it stands", |stage| {
            let path = format!("/api/v1/channels/{channel}");
            async move { (stage.api("GET", &path).await["standing"]["quality"] == "YELLOW").then_some(()) }
        }).await;
        let made = stage.act_over(&stage.api_with("POST", &groups, body).await).await;
        assert_eq!(made["state"], "done", "{made}");
        let chat = made["chat"].as_str().unwrap().to_owned();
        let told: Vec<&str> = made["people"].as_array().unwrap().iter().map(|one| one["outcome"].as_str().unwrap()).collect();
        assert_eq!(told, ["invited", "invited"]);
        let link = stage.wait_for("she is invited", |stage| invitation(stage, ANNA)).await;
        assert_eq!(made["invite"], link.as_str());
        stage.control("POST", "/_/waba/groups/join", json!({ "link": link, "phone": ANNA })).await;

        let said = json!({ "messenger": "waba", "text": "Я здесь", "group": chat });
        stage.control("POST", &format!("/_/phones/{ANNA}/say"), said).await;
        stage.wait_for("what she said came into the group", |stage| {
            let path = format!("/api/v1/channels/{channel}/chats/{chat}");
            let channel = channel.clone();
            async move {
                let told = stage.api("GET", &path).await;
                let history = stage.history(&channel).await;
                (history.contains(&"< Я здесь".to_owned()) && told["group"] == true && told["title"] == "Сделка 42").then_some(())
            }
        }).await;
        stage.sent(json!({ "to": chat, "text": "Всем привет", "channel": channel }), "delivered").await;
        assert!(stage.texts(ANNA).await.contains(&"Всем привет".to_owned()));
        assert!(!stage.texts(BORIS).await.contains(&"Всем привет".to_owned()));

        let body = json!({ "title": "Сделка 43" });
        let renamed = stage.act_over(&stage.api_with("PATCH", &format!("{groups}/{chat}"), body).await).await;
        assert_eq!((&renamed["state"], &group(&stage).await["subject"]), (&json!("done"), &json!("Сделка 43")), "{renamed}");
        let left = stage.act_over(&stage.api("DELETE", &format!("{groups}/{chat}")).await).await;
        assert_eq!((&left["state"], group(&stage).await), (&json!("done"), Value::Null), "{left}");
        stage.wait_for("nobody writes into it any more", |stage| {
            let path = groups.clone();
            async move { (stage.api("GET", &path).await["groups"][0]["allowed"] == false).then_some(()) }
        }).await;
        stage.clear().await;
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn who_stops_marketing_in_the_messenger_is_passed_over_until_it_is_resumed_there(url: &str) {
        let stage = Stage::set(url).await;
        let numbers = stage.control("GET", "/_/waba/numbers", Value::Null).await;
        let (number, account) = (&numbers["numbers"][0]["id"], numbers["numbers"][0]["account"].as_str().unwrap());
        let tell = async |word: &str, at: i64| {
            let preference = json!([{ "wa_id": ANNA, "detail": format!("User requested to {word} marketing messages"),
                "category": "marketing_messages", "value": word, "timestamp": at }]);
            let value = json!({ "messaging_product": "whatsapp", "metadata": { "phone_number_id": number },
                "contacts": [{ "wa_id": ANNA }], "user_preferences": preference });
            let body = json!({ "field": "user_preferences", "value": value });
            stage.control("POST", &format!("/_/waba/accounts/{account}/tell"), body).await;
        };
        let company = stage.company;
        let is_out = async || {
            let store = stage.server.app.store.clone();
            store.read(move |conn| switchboard::on!(conn, opt_out::has_any(company, &[ANNA.to_owned()]))).await.unwrap()
        };
        tell("stop", 1_795_171_310).await;
        stage.wait_for("she is passed over", |_| async { is_out().await.then_some(()) }).await;
        tell("resume", 1_795_171_320).await;
        stage.wait_for("she is written to again", |_| async { (!is_out().await).then_some(()) }).await;
        // what she wrote herself is hers to take back
        stage.control("POST", &format!("/_/phones/{ANNA}/say"), json!({ "messenger": "waba", "text": "Стоп" })).await;
        stage.wait_for("she is passed over by her own word", |_| async { is_out().await.then_some(()) }).await;
        tell("resume", 1_795_171_330).await;
        stage.control("POST", &format!("/_/phones/{ANNA}/say"), json!({ "messenger": "waba", "text": "Ещё вопрос" })).await;
        let channel = stage.api("GET", "/api/v1/channels").await["channels"][0]["id"].as_str().unwrap().to_owned();
        stage.wait_for("what she said later was worked", |stage| {
            let channel = channel.clone();
            async move { stage.history(&channel).await.contains(&"< Ещё вопрос".to_owned()).then_some(()) }
        }).await;
        assert!(is_out().await);
        stage.clear().await;
    }
}
