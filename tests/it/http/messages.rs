//! Messages of the API, and the queue that they wait in.

use serde_json::{Value, json};

use crate::rig::{Rig, START, Tenant};

async fn post(rig: &Rig, tenant: &Tenant, body: Value, key: &str) -> (u16, String) {
    let request = rig.request("POST", "/api/v1/messages", &tenant.operator).header("idempotency-key", key).json(&body);
    let reply = rig.send(request).await;
    (reply.status, reply.json()["id"].as_str().unwrap_or_default().to_owned())
}

on_both_databases! {
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_repeated_request_is_accepted_once_and_gives_the_same_id(database: &str) {
    let rig = Rig::start(database).await;
    let (tenant, other) = (rig.tenant("one.example").await, rig.tenant("other.example").await);
    let (channel, _) = rig.channel(&tenant, "100").await;
    rig.channel(&other, "200").await;
    let body = json!({ "to": "8 999 000-00-01", "text": "Ваш заказ готов", "tracking": "order-1" });
    let first = post(&rig, &tenant, body.clone(), "order-1").await;
    rig.clock.advance_ms(60_000);
    assert_eq!(first.0, 202);
    assert_eq!(post(&rig, &tenant, body.clone(), "order-1").await, first);
    assert_ne!(post(&rig, &tenant, body.clone(), "order-2").await.1, first.1);
    assert_ne!(post(&rig, &other, body.clone(), "order-1").await.1, first.1, "keys of companies do not meet");
    let found = rig.get(&format!("/api/v1/messages/{}", first.1), &tenant.operator).await.json();
    assert_eq!((found["status"].as_str(), found["channel"].as_str()), (Some("waiting"), Some(&*channel.to_string())));
    assert_eq!((found["chat"].as_str(), found["content"]["text"].as_str()), (Some("79990000001"), Some("Ваш заказ готов")));
    let queue = rig.get("/api/v1/queue", &tenant.operator).await.json();
    assert_eq!(queue["lanes"][0]["waiting"], 2);
    rig.server.stop().await;
}
}

on_both_databases! {
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_can_never_be_sent_is_refused_with_its_field(database: &str) {
    let rig = Rig::start(database).await;
    let tenant = rig.tenant("one.example").await;
    let cases = [
        (json!({ "to": "+79990000001", "text": "x" }), "channel_not_found", "channel"),
        (json!({ "to": "", "text": "x" }), "address_bad", "to"),
        (json!({ "to": "+79990000001", "text": "x", "line": 999 }), "line_not_found", "line"),
    ];
    for (body, code, field) in cases {
        let reply = rig.post("/api/v1/messages", &tenant.operator, body).await;
        assert_eq!((reply.status, reply.code().as_str()), (422, code), "{}", reply.text);
        assert_eq!(reply.json()["error"]["field"], field);
    }
    rig.channel(&tenant, "100").await;
    for (text, code) in [(" ", "message_empty"), (&*"x".repeat(5_000), "message_too_long")] {
        let reply = rig.post("/api/v1/messages", &tenant.operator, json!({ "to": "+79990000001", "text": text })).await;
        assert_eq!(reply.code(), code);
    }
    rig.clock.advance_ms(366 * 86_400_000);
    let tokens = rig.sign_in("operator@one.example").await;
    let reply = rig.post("/api/v1/messages", &tokens, json!({ "to": "+79990000001", "text": "x" })).await;
    assert_eq!(reply.code(), "line_expired");
    rig.server.stop().await;
}
}

on_both_databases! {
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_queue_shows_ranks_recipients_and_when_each_leaves(database: &str) {
    let rig = Rig::start(database).await;
    let tenant = rig.tenant("one.example").await;
    let (_, lane) = rig.channel(&tenant, "100").await;
    for (to, urgent) in [("+79990000001", false), ("+79990000002", false), ("+79990000003", true)] {
        let body = json!({ "to": to, "text": "Здравствуйте", "urgent": urgent });
        assert_eq!(rig.post("/api/v1/messages", &tenant.operator, body).await.status, 202);
    }
    let queue = rig.get("/api/v1/queue", &tenant.operator).await.json();
    let lane_out = &queue["lanes"][0];
    assert_eq!((queue["now"].as_i64(), lane_out["id"].as_i64()), (Some(START.0), Some(lane)));
    assert_eq!(lane_out["title"], "Линия · WhatsApp Business (WABA)");
    let errands: Vec<_> = lane_out["errands"].as_array().unwrap().iter()
        .map(|errand| (errand["rank"].as_i64().unwrap(), errand["to"].as_str().unwrap(), errand["eta_at"].as_i64().unwrap() - START.0))
        .collect();
    assert_eq!(errands, [(0, "79990000003", 0), (1, "79990000001", 0), (1, "79990000002", 15_000)]);
    assert_eq!(rig.post(&format!("/api/v1/lanes/{lane}/pause"), &tenant.admin, json!({})).await.status, 204);
    let queue = rig.get("/api/v1/queue", &tenant.operator).await.json();
    assert_eq!((queue["lanes"][0]["state"].as_str(), &queue["lanes"][0]["next_at"]), (Some("paused"), &Value::Null));
    assert_eq!(queue["lanes"][0]["errands"][1]["eta_at"], Value::Null);
    let again = rig.post(&format!("/api/v1/lanes/{lane}/pause"), &tenant.admin, json!({})).await;
    assert_eq!((again.status, again.code().as_str()), (409, "wrong_state"));
    assert_eq!(rig.post(&format!("/api/v1/lanes/{lane}/resume"), &tenant.admin, json!({})).await.status, 204);
    // Tuesdays from ten to twelve by Moscow: tomorrow at 07:00 UTC, and it is Monday, 09:00 UTC
    let hours = json!({ "days": [2], "from_minute": 600, "to_minute": 720, "zone": "Europe/Moscow" });
    let patch = json!({ "name": "Линия", "hours": hours });
    let changed = rig.send(rig.request("PATCH", &format!("/api/v1/lines/{}", tenant.line), &tenant.admin).json(&patch)).await;
    assert_eq!(changed.status, 204, "{}", changed.text);
    let queue = rig.get("/api/v1/queue", &tenant.operator).await.json();
    assert_eq!(queue["lanes"][0]["state"], "closed");
    assert_eq!(queue["lanes"][0]["errands"][0]["eta_at"].as_i64(), Some(START.0), "a live answer does not ask the hours");
    assert_eq!(queue["lanes"][0]["errands"][1]["eta_at"].as_i64(), Some(START.0 + 22 * 3_600_000));
    rig.server.stop().await;
}
}

on_both_databases! {
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_person_decides_once_about_a_message_of_unknown_fate(database: &str) {
    let rig = Rig::start(database).await;
    let tenant = rig.tenant("one.example").await;
    let (channel, _) = rig.channel(&tenant, "100").await;
    let id = switchboard::model::id::MessageId::new();
    let row = switchboard::store::row::MessageRow {
        id: id.to_string(),
        company: tenant.company.to_string(),
        channel: channel.to_string(),
        chat: "79990000001".into(),
        outgoing: true,
        status: switchboard::model::status::Status::Unknown.to_db(),
        vendor_id: None,
        content: json!({ "text": "x" }).to_string(),
        origin: json!({ "by": "api", "tracking": null }).to_string(),
        code: Some("unknown".into()),
        reason: None,
        accepted_at: START.0,
        sent_at: None,
        delivered_at: None,
        viewed_at: None,
    };
    rig.server.app.store.write(move |conn| switchboard::on!(conn, message::enter(std::slice::from_ref(&row)))).await.unwrap();
    let path = format!("/api/v1/messages/{id}");
    assert_eq!(rig.get(&path, &tenant.operator).await.json()["status"], "unknown");
    let decide = json!({ "decision": "not_sent" });
    assert_eq!(rig.post(&format!("{path}/decide"), &tenant.operator, decide.clone()).await.status, 204);
    assert_eq!(rig.post(&format!("{path}/decide"), &tenant.operator, decide).await.code(), "wrong_state");
    let found = rig.get(&path, &tenant.operator).await.json();
    assert_eq!((found["status"].as_str(), found["code"].as_str()), (Some("error"), Some("refused")));
    rig.server.stop().await;
}
}
