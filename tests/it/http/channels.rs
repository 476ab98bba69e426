//! Channels: attached against the sandbox, lost, back again, and what waited is decided about.

use serde_json::{Value, json};
use switchboard::flow::channel;
use switchboard::sandbox;

use crate::rig::{Rig, Tenant};

pub(crate) const TOKEN: &str = "100200300:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

pub(crate) async fn sandbox_with_a_bot() -> (sandbox::Running, String) {
    let config = sandbox::Config { bind: ([127, 0, 0, 1], 0).into(), public: None, switchboard: None };
    let vendors = sandbox::Running::start(config).await.unwrap();
    let base = vendors.base();
    let bot = crate::rig::client().post(format!("{base}/_/telegram/bots")).json(&json!({ "token": TOKEN }));
    assert!(bot.send().await.unwrap().status().is_success());
    (vendors, format!("{base}/tg"))
}

pub(crate) async fn attach(rig: &Rig, tenant: &Tenant, token: &str) -> crate::rig::Reply {
    let body = json!({ "messenger": "telegram_bot", "answers": { "token": token } });
    rig.post(&format!("/api/v1/lines/{}/channels", tenant.line), &tenant.admin, body).await
}

pub(super) async fn only_channel(rig: &Rig, tenant: &Tenant) -> Value {
    rig.get("/api/v1/channels", &tenant.admin).await.json()["channels"][0].clone()
}

on_both_databases! {
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_waited_while_a_channel_was_lost_is_held_until_somebody_decides(database: &str) {
    let (vendors, telegram) = sandbox_with_a_bot().await;
    let rig = Rig::start_with(database, &[("SWITCHBOARD_VENDORS__TELEGRAM_BOT", &telegram)]).await;
    let tenant = rig.tenant("one.example").await;
    let wrong = attach(&rig, &tenant, "nonsense").await;
    assert_eq!((wrong.status, wrong.json()["error"]["field"].as_str()), (422, Some("token")));
    let done = attach(&rig, &tenant, TOKEN).await;
    assert_eq!((done.status, done.json()["step"].as_str()), (201, Some("done")), "{}", done.text);
    let seen = only_channel(&rig, &tenant).await;
    assert_eq!((seen["state"].as_str(), seen["lane_state"].as_str()), (Some("connected"), Some("running")));
    assert!(!rig.get("/api/v1/channels", &tenant.admin).await.text.contains("AAAA"), "secrets are never shown");

    let say = json!({ "to": "77", "text": "x", "messenger": "telegram_bot" });
    for _ in 0..3 {
        assert_eq!(rig.post("/api/v1/messages", &tenant.operator, say.clone()).await.status, 202);
    }
    let id = seen["id"].as_str().unwrap().parse().unwrap();
    channel::lose(&rig.server.app, tenant.company, id, "Unauthorized").await.unwrap();
    let seen = only_channel(&rig, &tenant).await;
    assert_eq!((seen["state"].as_str(), seen["lost_reason"].as_str()), (Some("lost"), Some("Unauthorized")));
    assert_eq!(rig.post("/api/v1/messages", &tenant.operator, say.clone()).await.code(), "channel_lost");
    let decide = |decision: Value| rig.post(format!("/api/v1/channels/{id}/decide").leak(), &tenant.admin, json!({ "decision": decision }));
    assert_eq!(decide(json!("discard")).await.code(), "wrong_state", "while it is lost nothing is decided");

    let again = attach(&rig, &tenant, TOKEN).await;
    assert_eq!(again.status, 201, "{}", again.text);
    let seen = only_channel(&rig, &tenant).await;
    assert_eq!((seen["state"].as_str(), seen["lane_state"].as_str()), (Some("connected"), Some("held")));
    assert_eq!(rig.get("/api/v1/channels", &tenant.admin).await.json()["channels"].as_array().unwrap().len(), 1);
    let lane = seen["lane"].as_i64().unwrap();
    assert_eq!(rig.post(&format!("/api/v1/lanes/{lane}/resume"), &tenant.admin, json!({})).await.code(), "wrong_state");

    rig.clock.advance_ms(2 * 3_600_000);
    assert_eq!(rig.post("/api/v1/messages", &tenant.operator, say).await.status, 202);
    let told = decide(json!({ "newer_than_hours": 1 })).await;
    assert_eq!((told.status, told.json()["not_sent"].as_i64()), (200, Some(3)), "{}", told.text);
    let queue = rig.get("/api/v1/queue", &tenant.operator).await.json();
    assert_eq!((queue["lanes"][0]["state"].as_str(), queue["lanes"][0]["waiting"].as_i64()), (Some("running"), Some(1)));
    let messages = rig.get("/api/v1/messages", &tenant.operator).await.json();
    let ended: Vec<_> = messages["messages"].as_array().unwrap().iter().map(|row| (row["status"].as_str(), row["code"].as_str())).collect();
    assert_eq!(ended, [(Some("not_sent"), Some("discarded")); 3]);
    rig.server.stop().await;
    vendors.stop().await;
}
}

on_both_databases! {
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cleared_queue_ends_what_waits_and_tells_its_end_before(database: &str) {
    let rig = Rig::start(database).await;
    let tenant = rig.tenant("one.example").await;
    let (_, lane) = rig.channel(&tenant, "100").await;
    let (_, other) = rig.channel(&tenant, "200").await;
    for number in 0..60 {
        let say = json!({ "to": format!("+7999000{number:04}"), "text": "x" });
        assert_eq!(rig.post("/api/v1/messages", &tenant.operator, say).await.status, 202);
    }
    let queue = rig.get("/api/v1/queue", &tenant.operator).await.json();
    let seen = &queue["lanes"][0];
    assert_eq!((seen["id"].as_i64(), seen["waiting"].as_i64(), seen["errands"].as_array().unwrap().len()), (Some(lane), Some(60), 50));
    // the gap is 15 seconds, the first leaves at once, and the end counts those that are not shown
    assert_eq!(seen["ends_at"].as_i64(), queue["now"].as_i64().map(|now| now + 59 * 15_000));
    assert_eq!(queue["lanes"][1]["ends_at"], json!(null), "nothing waits there");
    let told = rig.post(&format!("/api/v1/lanes/{lane}/clear"), &tenant.admin, json!({})).await;
    assert_eq!((told.status, told.json()["not_sent"].as_i64()), (200, Some(60)), "{}", told.text);
    let queue = rig.get("/api/v1/queue", &tenant.operator).await.json();
    assert_eq!((queue["lanes"][0]["waiting"].as_i64(), queue["lanes"][0]["state"].as_str()), (Some(0), Some("running")));
    let messages = rig.get("/api/v1/messages", &tenant.operator).await.json();
    let ended = messages["messages"].as_array().unwrap();
    assert_eq!(ended.iter().filter(|row| row["status"] == "not_sent" && row["code"] == "discarded").count(), 60);
    let told = rig.post(&format!("/api/v1/lanes/{other}/clear"), &tenant.admin, json!({})).await;
    assert_eq!(told.json()["not_sent"].as_i64(), Some(0), "an empty queue is no error");
    rig.server.stop().await;
}
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn all_messengers_are_listed_and_those_without_a_form_cannot_be_attached() {
    let (_folder, database) = crate::postgres::fresh_sqlite();
    let rig = Rig::start(&database).await;
    let tenant = rig.tenant("one.example").await;
    let listed = rig.get("/api/v1/messengers", &tenant.operator).await.json();
    let listed = listed["messengers"].as_array().unwrap();
    assert_eq!(listed.len(), 8);
    for messenger in listed {
        assert!(
            messenger["title"].as_array().unwrap().iter().all(|title| !title.as_str().unwrap().is_empty()),
            "{messenger}"
        );
        if messenger["about"].is_null() {
            let body = json!({ "messenger": messenger["kind"], "answers": {} });
            let reply = rig.post(&format!("/api/v1/lines/{}/channels", tenant.line), &tenant.admin, body).await;
            assert_eq!(reply.status, 404, "{messenger}");
        }
    }
    rig.server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_address_for_metas_console_is_shown_to_administrators() {
    let (_folder, database) = crate::postgres::fresh_sqlite();
    let rig = Rig::start(&database).await;
    let tenant = rig.tenant("one.example").await;
    rig.channel(&tenant, "100").await;
    let of = async |token: &str| rig.get("/api/v1/channels", token).await.json()["channels"][0]["webhook_url"].clone();
    assert_eq!(of(&tenant.admin).await, json!(format!("{}/hook/channel/key-100", rig.base)));
    assert_eq!(of(&tenant.operator).await, json!(null));
    rig.server.stop().await;
}

on_both_databases! {
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_account_belongs_to_one_company(database: &str) {
    let (vendors, telegram) = sandbox_with_a_bot().await;
    let rig = Rig::start_with(database, &[("SWITCHBOARD_VENDORS__TELEGRAM_BOT", &telegram)]).await;
    let (one, other) = (rig.tenant("one.example").await, rig.tenant("other.example").await);
    assert_eq!(attach(&rig, &one, TOKEN).await.status, 201);
    // the vendor takes the address of a webhook once a second
    let end = tokio::time::Instant::now() + std::time::Duration::from_secs(10);
    let reply = loop {
        let reply = attach(&rig, &other, TOKEN).await;
        if reply.status != 422 || tokio::time::Instant::now() > end {
            break reply;
        }
    };
    assert_eq!((reply.status, reply.code().as_str()), (409, "account_taken"), "{}", reply.text);
    rig.server.stop().await;
    vendors.stop().await;
}
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pace_below_the_floor_of_the_messenger_is_refused() {
    let (_folder, database) = crate::postgres::fresh_sqlite();
    let rig = Rig::start(&database).await;
    let tenant = rig.tenant("one.example").await;
    let (id, _) = rig.channel(&tenant, "100").await;
    let set = async |from_ms: i64, to_ms: i64| {
        let body = json!({ "from_ms": from_ms, "to_ms": to_ms, "live_ms": 500 });
        rig.send(rig.request("PATCH", &format!("/api/v1/channels/{id}"), &tenant.admin).json(&body)).await.status
    };
    assert_eq!((set(1_000, 5_000).await, set(5_000, 4_000).await, set(5_000, i64::MAX).await), (422, 422, 422));
    assert_eq!(set(5_000, 9_000).await, 204);
    let seen = rig.get(&format!("/api/v1/channels/{id}"), &tenant.operator).await.json();
    assert_eq!(seen["pace"], json!({ "from_ms": 5_000, "to_ms": 9_000, "live_ms": 500 }));
    rig.server.stop().await;
}
