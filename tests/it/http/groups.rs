//! Groups over the API: what is refused before anything is queued, and whose they are.

use serde_json::{Value, json};

use crate::rig::Rig;

on_both_databases! {
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_messenger_that_makes_no_groups_says_so_with_a_stable_code(database: &str) {
    let rig = Rig::start(database).await;
    let (ours, theirs) = (rig.tenant("ours.example").await, rig.tenant("theirs.example").await);
    let (channel, _) = rig.channel_of(&ours, "telegram_bot", "200").await;
    let path = format!("/api/v1/channels/{channel}/groups");
    let body = json!({ "title": "Группа", "people": ["+7 999 000-00-01"] });
    let reply = rig.post(&path, &ours.operator, body.clone()).await;
    assert_eq!((reply.status, reply.code().as_str()), (422, "not_supported"), "{reply:?}");
    for (method, path) in [("PATCH", format!("{path}/1@g.us")), ("DELETE", format!("{path}/1@g.us"))] {
        let reply = rig.send(rig.request(method, &path, &ours.operator).json(&json!({ "title": "x" }))).await;
        assert_eq!((reply.status, reply.code().as_str()), (422, "not_supported"), "{reply:?}");
    }
    assert_eq!(rig.post(&path, &theirs.admin, body).await.status, 404);
    assert_eq!(rig.get(&path, &theirs.admin).await.status, 404);
    assert_eq!(rig.get("/api/v1/group-acts/ga_00000000000000000000000000000000", &ours.admin).await.status, 404);
    assert_eq!(rig.get(&path, &ours.operator).await.json()["groups"], json!([]));
    rig.server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_wrong_with_a_group_is_named_by_its_field(database: &str) {
    let rig = Rig::start(database).await;
    let tenant = rig.tenant("one.example").await;
    let (id, _) = rig.channel_of(&tenant, "whatsapp_web", "100").await;
    let path = format!("/api/v1/channels/{id}/groups");
    let many: Vec<String> = (0..51).map(|n| format!("+799900001{n:02}")).collect();
    for (body, field, code) in [
        (json!({ "title": " ", "people": ["+7 999 000-00-01"] }), "title", "message_empty"),
        (json!({ "title": "я".repeat(101), "people": ["+7 999 000-00-01"] }), "title", "message_too_long"),
        (json!({ "title": "Группа", "people": [] }), "people", "address_empty"),
        (json!({ "title": "Группа", "people": many }), "people", "request_bad"),
        (json!({ "title": "Группа", "people": ["+7 999 000-00-01", "кто-то@"] }), "people[1]", "bad_value"),
        (json!({ "title": "Группа", "people": ["+7 999 000-00-01"], "invitation": "я".repeat(1001) }), "invitation", "bad_value"),
    ] {
        let reply = rig.post(&path, &tenant.operator, body).await;
        assert_eq!((reply.status, reply.code().as_str(), &reply.json()["error"]["field"]), (422, code, &json!(field)), "{reply:?}");
    }
    let made = rig.post(&path, &tenant.operator, json!({ "title": "Группа", "people": ["+7 999 000-00-01"] })).await;
    assert_eq!(made.status, 202);
    let act = rig.get(&format!("/api/v1/group-acts/{}", made.json()["id"].as_str().unwrap()), &tenant.operator).await.json();
    assert_eq!((&act["state"], &act["act"], &act["chat"]), (&json!("waiting"), &json!("create"), &Value::Null));
    let queue = rig.get("/api/v1/queue", &tenant.operator).await.json();
    assert_eq!(queue["lanes"][0]["errands"][0]["to"], "Группа", "{queue}");
    rig.server.stop().await;
}
}
