//! A Telegram account end to end: signed in by its code, customers who write, strangers who are written to with care.

use serde_json::{Value, json};
use switchboard::serve::Running;

use super::stage::Stage;

const CUSTOMER: &str = "79990000001";
const OWNER: &str = "79031112233";
pub(super) const ACCOUNT: i64 = 4_000_000_001;

/// Signs in by phone and code; the card of the channel.
pub(super) async fn signed_in(stage: &Stage) -> Value {
    let account = json!({ "id": ACCOUNT, "phone": OWNER, "name": "Ромашка", "username": "romashka" });
    stage.control("POST", "/_/mtproto/accounts", account).await;
    sign_in(stage, json!({ "messenger": "telegram", "answers": { "phone": OWNER } })).await
}

async fn sign_in(stage: &Stage, first: Value) -> Value {
    let path = format!("/api/v1/lines/{}/channels", stage.line);
    let told = stage.api_with("POST", &path, first).await;
    assert_eq!((told["step"].as_str(), told["fields"][0]["name"].as_str()), (Some("form"), Some("code")), "{told}");
    let code = stage.control("GET", "/_/mtproto/accounts", Value::Null).await["accounts"][0]["code"].clone();
    let second = json!({ "messenger": "telegram", "answers": { "code": code }, "kept": told["kept"] });
    let told = stage.api_with("POST", &path, second).await;
    assert_eq!(told["step"], "done", "{told}");
    let card = stage.api("GET", &format!("/api/v1/channels/{}", told["channel"].as_str().unwrap())).await;
    stage.set_pace(card["lane"].as_i64().unwrap()).await;
    lines(stage, 1).await;
    card
}

/// Waits until so many lines of the account are open.
async fn lines(stage: &Stage, count: u64) {
    stage
        .wait_for(&format!("{count} lines are open"), |stage| async move {
            let told = stage.control("GET", "/_/mtproto/accounts", Value::Null).await;
            (told["accounts"][0]["lines"] == count).then_some(())
        })
        .await;
}

async fn customer_says(stage: &Stage, text: &str) {
    let path = format!("/_/phones/{CUSTOMER}/say");
    stage.control("POST", &path, json!({ "messenger": "telegram", "text": text })).await;
}

/// What a phone got through the account, in order.
async fn got(stage: &Stage, phone: &str) -> Vec<String> {
    let told = stage.control("GET", &format!("/_/phones/{phone}"), Value::Null).await;
    let all = told["messages"].as_array().unwrap().iter();
    let ours = all.filter(|one| one["messenger"] == "telegram" && one["direction"] == "received");
    ours.map(|one| one["text"].as_str().unwrap().to_owned()).collect()
}

fn to(channel: &Value, to: &str, text: &str) -> Value {
    json!({ "to": to, "text": text, "channel": channel["id"], "urgent": true })
}

async fn say(stage: &Stage, channel: &Value, whom: &str, text: &str) -> String {
    stage.api_with("POST", "/api/v1/messages", to(channel, whom, text)).await["id"].as_str().unwrap().to_owned()
}

on_both_databases! {
    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn an_account_talks_in_both_directions(url: &str) {
        let stage = Stage::without_portal(url).await;
        let channel = signed_in(&stage).await;
        assert_eq!((channel["title"].as_str(), channel["messenger"].as_str()), (Some("Ромашка"), Some("telegram")), "{channel}");
        let id = channel["id"].as_str().unwrap();
        customer_says(&stage, "Здравствуйте!").await;
        stage.wait_for_history(id, &["< Здравствуйте!"]).await;
        // by phone: it is the person who wrote, so nobody is put into the contacts
        let sent = stage.sent(to(&channel, CUSTOMER, "Добрый день"), "sent").await;
        stage.control("POST", &format!("/_/phones/{CUSTOMER}/read"), json!({})).await;
        stage.wait_for_message(sent["id"].as_str().unwrap(), "viewed").await;
        // the owner answers on the phone
        let said = json!({ "text": "С телефона", "ours": true });
        stage.control("POST", &format!("/_/mtproto/phones/{CUSTOMER}/say"), said).await;
        customer_says(&stage, "Спасибо").await;
        stage.wait_for_history(id, &["< Здравствуйте!", "> Добрый день", "> С телефона", "< Спасибо"]).await;
        assert_eq!(got(&stage, CUSTOMER).await, ["Добрый день", "С телефона"]);
        stage.clear().await;
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn strangers_are_written_to_with_care_and_names_are_not_counted(url: &str) {
        let stage = Stage::without_portal(url).await;
        let channel = signed_in(&stage).await;
        let strangers = ["79990000002", "79990000003"];
        let first = say(&stage, &channel, strangers[0], "раз").await;
        stage.wait_for_message(&first, "sent").await;
        let second = say(&stage, &channel, strangers[1], "два").await;
        // names go on meanwhile, and so does whoever was written to before
        for name in ["@client_79990000004", "@client_79990000005"] {
            let named = say(&stage, &channel, name, "по имени").await;
            stage.wait_for_message(&named, "sent").await;
        }
        let again = say(&stage, &channel, strangers[0], "ещё раз").await;
        stage.wait_for_message(&again, "sent").await;
        assert_eq!(stage.api("GET", &format!("/api/v1/messages/{second}")).await["status"], "waiting");
        assert_eq!(got(&stage, strangers[0]).await, ["раз", "ещё раз"]);
        assert!(got(&stage, strangers[1]).await.is_empty());
        assert_eq!(stage.calls("mtproto", "contacts.importContacts").await.len(), 1);
        stage.clear().await;
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn an_account_that_may_not_write_to_strangers_is_marked_and_its_dialogs_go_on(url: &str) {
        let stage = Stage::set(url).await;
        let channel = signed_in(&stage).await;
        let id = channel["id"].as_str().unwrap();
        customer_says(&stage, "Здравствуйте!").await;
        stage.wait_for_history(id, &["< Здравствуйте!"]).await;
        stage.control("POST", &format!("/_/mtproto/accounts/{ACCOUNT}"), json!({ "limited": true })).await;
        let first = say(&stage, &channel, "79990000002", "раз").await;
        let path = format!("/api/v1/channels/{id}");
        let seen = stage.wait_for("the channel is suspected", |stage| {
            let path = path.clone();
            async move {
                let seen = stage.api("GET", &path).await;
                (seen["state"] == "spam").then_some(seen)
            }
        });
        assert_eq!(seen.await["health"]["error"]["code"], "spam_suspected");
        let told = stage.wait_for("the portal is told", |stage| async move {
            stage.portal().await["notices"].as_array().unwrap().last().cloned()
        });
        let told = told.await;
        let text = told["text"].as_str().unwrap();
        assert!(text.contains("подозревает спам") && text.contains("@SpamBot"), "{text}");
        // no further stranger is tried, by phone or by name, and whoever wrote is answered
        let second = say(&stage, &channel, "79990000003", "два").await;
        let third = say(&stage, &channel, "@client_79990000004", "три").await;
        stage.sent(to(&channel, &format!("@client_{CUSTOMER}"), "Добрый день"), "sent").await;
        for waiting in [&first, &second, &third] {
            assert_eq!(stage.api("GET", &format!("/api/v1/messages/{waiting}")).await["status"], "waiting");
        }
        assert_eq!(stage.calls("mtproto", "contacts.importContacts").await.len(), 1);
        assert!(stage.calls("mtproto", "contacts.resolveUsername").await.is_empty());
        assert_eq!(stage.calls("mtproto", "messages.sendMessage").await.len(), 2);
        // the rest is that of the channel, not of the people: once it is over the next one is written to
        stage.control("POST", &format!("/_/mtproto/accounts/{ACCOUNT}"), json!({ "limited": false })).await;
        stage.sql("UPDATE first_gates SET held_until = held_until - 86400000").await;
        stage.sent(to(&channel, "@client_79990000005", "четыре"), "sent").await;
        stage.clear().await;
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_line_that_breaks_comes_back_and_nothing_is_lost(url: &str) {
        let stage = Stage::without_portal(url).await;
        let channel = signed_in(&stage).await;
        let id = channel["id"].as_str().unwrap();
        customer_says(&stage, "1").await;
        stage.wait_for_history(id, &["< 1"]).await;
        stage.control("POST", &format!("/_/mtproto/accounts/{ACCOUNT}"), json!({ "hang_up": true })).await;
        for text in ["2", "3", "4"] {
            customer_says(&stage, text).await;
        }
        stage.wait_for_history(id, &["< 1", "< 2", "< 3", "< 4"]).await;
        // a call that is cut off is made again, and reaches nobody twice
        let fault = json!({ "vendor": "mtproto", "method": "messages.sendMessage", "kind": "cut", "times": 1 });
        stage.control("POST", "/_/faults", fault).await;
        let sent = say(&stage, &channel, CUSTOMER, "Один раз").await;
        stage.wait_for_message(&sent, "sent").await;
        stage.wait_for_history(id, &["< 1", "< 2", "< 3", "< 4", "> Один раз"]).await;
        assert_eq!(got(&stage, CUSTOMER).await, ["Один раз"]);
        assert_eq!(stage.calls("mtproto", "messages.sendMessage").await.len(), 2);
        stage.clear().await;
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_session_that_is_ended_on_the_phone_loses_the_channel_and_the_account_comes_back(url: &str) {
        let stage = Stage::without_portal(url).await;
        let channel = signed_in(&stage).await;
        let id = channel["id"].as_str().unwrap();
        stage.control("POST", &format!("/_/mtproto/accounts/{ACCOUNT}"), json!({ "revoke": true })).await;
        let path = format!("/api/v1/channels/{id}");
        stage
            .wait_for("the channel is lost", |stage| {
                let path = path.clone();
                async move { (stage.api("GET", &path).await["state"] == "lost").then_some(()) }
            })
            .await;
        customer_says(&stage, "пока никто не слышит").await;
        let again = json!({ "messenger": "telegram", "channel": id, "answers": { "phone": OWNER } });
        let card = sign_in(&stage, again).await;
        assert_eq!((card["id"].as_str(), card["state"].as_str()), (Some(id), Some("connected")), "{card}");
        stage.wait_for_history(id, &["< пока никто не слышит"]).await;
        stage.clear().await;
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_channel_that_is_switched_off_is_signed_out(url: &str) {
        let stage = Stage::without_portal(url).await;
        let channel = signed_in(&stage).await;
        let path = format!("/api/v1/channels/{}/detach", channel["id"].as_str().unwrap());
        stage.api_with("POST", &path, json!({})).await;
        lines(&stage, 0).await;
        let told = stage.control("GET", "/_/mtproto/accounts", Value::Null).await;
        assert_eq!(told["accounts"][0]["sessions"], 0);
        stage.clear().await;
    }
}

/// Two processes on one database: whoever pumps the lane keeps the line, and the key is never used in two places.
async fn hand_over(url: &str) {
    let stage = Stage::without_portal(url).await;
    let channel = signed_in(&stage).await;
    let id = channel["id"].as_str().unwrap();
    customer_says(&stage, "1").await;
    stage.wait_for_history(id, &["< 1"]).await;
    let other: Running = stage.another_server(url).await;
    for n in 0..10 {
        let sent = say(&stage, &channel, CUSTOMER, &format!("из {n}")).await;
        stage.wait_for_message(&sent, "sent").await;
    }
    other.stop().await;
    customer_says(&stage, "2").await;
    stage
        .wait_for("the second word is heard", |stage| async move {
            stage.history(id).await.contains(&"< 2".to_owned()).then_some(())
        })
        .await;
    assert_eq!(got(&stage, CUSTOMER).await.len(), 10);
    let told = stage.api("GET", &format!("/api/v1/channels/{id}")).await;
    assert_eq!(told["state"], "connected", "{told}");
    stage.clear().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_line_follows_the_lane_from_process_to_process() {
    hand_over(&crate::postgres::fresh_database()).await;
}
