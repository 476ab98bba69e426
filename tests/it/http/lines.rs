//! Lines: their plan and their end are changed, and what waits in one that has expired stays.

use serde_json::{Value, json};

use crate::rig::{Reply, Rig, START, Tenant};

const DAY_MS: i64 = 86_400_000;

async fn change(rig: &Rig, tenant: &Tenant, body: Value) -> Reply {
    let path = format!("/api/v1/lines/{}", tenant.line);
    rig.send(rig.request("PATCH", &path, &tenant.admin).json(&body)).await
}

async fn line(rig: &Rig, tenant: &Tenant) -> Value {
    rig.get("/api/v1/lines", &tenant.operator).await.json()["lines"][0].clone()
}

async fn lane(rig: &Rig, tenant: &Tenant) -> Value {
    rig.get("/api/v1/queue", &tenant.operator).await.json()["lanes"][0].clone()
}

on_both_databases! {
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_plan_and_an_end_are_changed_and_stay_where_they_are_left_out(database: &str) {
    let rig = Rig::start(database).await;
    let tenant = rig.tenant("one.example").await;
    let end = START.0 + DAY_MS;
    assert_eq!(change(&rig, &tenant, json!({ "name": "Продажи", "plan": "demo", "expires_at": end })).await.status, 204);
    let seen = line(&rig, &tenant).await;
    assert_eq!((seen["name"].as_str(), seen["plan"].as_str(), seen["expires_at"].as_i64()), (Some("Продажи"), Some("demo"), Some(end)));
    assert_eq!(change(&rig, &tenant, json!({ "name": "Продажи" })).await.status, 204);
    let seen = line(&rig, &tenant).await;
    assert_eq!((seen["plan"].as_str(), seen["expires_at"].as_i64()), (Some("demo"), Some(end)));
    assert_eq!(change(&rig, &tenant, json!({ "name": "Продажи", "plan": "paid", "expires_at": null })).await.status, 204);
    let seen = line(&rig, &tenant).await;
    assert_eq!((seen["plan"].as_str(), &seen["expires_at"]), (Some("paid"), &Value::Null));
    for (body, field) in [
        (json!({ "name": "x", "plan": "gold" }), "plan"),
        (json!({ "name": "x", "expires_at": -1 }), "expires_at"),
    ] {
        let reply = change(&rig, &tenant, body).await;
        assert_eq!((reply.status, reply.json()["error"]["field"].as_str()), (422, Some(field)), "{}", reply.text);
    }
    let theirs = rig.tenant("two.example").await;
    let path = format!("/api/v1/lines/{}", tenant.line);
    let body = json!({ "name": "x", "plan": "demo", "expires_at": 0 });
    assert_eq!(rig.send(rig.request("PATCH", &path, &theirs.admin).json(&body)).await.status, 404);
    assert_eq!(line(&rig, &tenant).await["plan"], "paid");
    rig.server.stop().await;
}
}

on_both_databases! {
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_expired_line_says_so_with_its_code_and_keeps_its_queue(database: &str) {
    let rig = Rig::start(database).await;
    let tenant = rig.tenant("one.example").await;
    rig.channel(&tenant, "100").await;
    let say = json!({ "to": "+79990000001", "text": "x" });
    assert_eq!(rig.post("/api/v1/messages", &tenant.operator, say.clone()).await.status, 202);
    assert_eq!(change(&rig, &tenant, json!({ "name": "Продажи", "expires_at": START.0 + DAY_MS })).await.status, 204);
    rig.clock.advance_ms(DAY_MS - 1);
    let seen = lane(&rig, &tenant).await;
    assert_eq!((seen["state"].as_str(), seen["waiting"].as_i64()), (Some("running"), Some(1)));
    assert!(seen["errands"][0]["eta_at"].is_i64());
    rig.clock.advance_ms(1);
    let refused = rig.post("/api/v1/messages", &tenant.operator, say.clone()).await;
    assert_eq!((refused.status, refused.code().as_str()), (422, "line_expired"), "{}", refused.text);
    let seen = lane(&rig, &tenant).await;
    assert_eq!((seen["state"].as_str(), seen["waiting"].as_i64()), (Some("expired"), Some(1)));
    assert_eq!((&seen["errands"][0]["eta_at"], &seen["next_at"]), (&Value::Null, &Value::Null), "nobody knows when it will be paid");
    assert_eq!(change(&rig, &tenant, json!({ "name": "Продажи", "expires_at": null })).await.status, 204);
    assert_eq!(lane(&rig, &tenant).await["state"], "running");
    assert_eq!(rig.post("/api/v1/messages", &tenant.operator, say).await.status, 202);
    rig.server.stop().await;
}
}
