//! A company never sees another one.

use serde_json::{Value, json};

use crate::rig::Rig;

on_both_databases! {
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_of_one_company_is_seen_or_changed_by_another(database: &str) {
    let rig = Rig::start(database).await;
    let (ours, theirs) = (rig.tenant("ours.example").await, rig.tenant("theirs.example").await);
    let (channel, lane) = rig.channel(&ours, "100").await;
    let message = json!({ "to": "+79990000001", "text": "Секрет" });
    let message = rig.post("/api/v1/messages", &ours.operator, message).await.json()["id"].as_str().unwrap().to_owned();
    let nothing = json!({});
    let hook = json!({ "url": "https://example.com/hook", "events": ["message"] });
    let path = format!("/api/v1/channels/{channel}/webhook");
    let hooked = rig.send(rig.request("PUT", &path, &ours.admin).json(&hook)).await.json();
    let webhook = hooked["webhook"]["id"].as_str().unwrap();
    let tries: [(&str, String, Value); 16] = [
        ("GET", format!("/api/v1/channels/{channel}"), nothing.clone()),
        ("GET", format!("/api/v1/messages/{message}"), nothing.clone()),
        ("PATCH", format!("/api/v1/channels/{channel}"), json!({ "from_ms": 60_000, "to_ms": 60_000, "live_ms": 0 })),
        ("GET", format!("/api/v1/channels/{channel}/settings"), nothing.clone()),
        ("PUT", format!("/api/v1/channels/{channel}/settings"), json!({ "answers": { "address": "a@b.example" } })),
        ("PATCH", format!("/api/v1/lines/{}", ours.line), json!({ "name": "Чужая" })),
        ("POST", format!("/api/v1/lines/{}/channels", ours.line), json!({ "messenger": "telegram_bot", "answers": {} })),
        ("POST", format!("/api/v1/channels/{channel}/decide"), json!({ "decision": "discard" })),
        ("POST", format!("/api/v1/lanes/{lane}/pause"), nothing.clone()),
        ("POST", format!("/api/v1/lanes/{lane}/resume"), nothing.clone()),
        ("POST", format!("/api/v1/lanes/{lane}/clear"), nothing.clone()),
        ("POST", format!("/api/v1/messages/{message}/decide"), json!({ "decision": "sent" })),
        ("PUT", path.clone(), hook.clone()),
        ("DELETE", path.clone(), nothing.clone()),
        ("GET", format!("/api/v1/webhooks/{webhook}/events"), nothing.clone()),
        ("POST", format!("/api/v1/webhooks/{webhook}/replay"), json!({ "from": 1, "to": 2 })),
    ];
    for (method, path, body) in &tries {
        let reply = rig.send(rig.request(method, path, &theirs.admin).json(body)).await;
        assert_eq!(reply.status, 404, "{method} {path}: {}", reply.text);
    }
    let named = json!({ "to": "+79990000001", "text": "x", "channel": channel });
    assert_eq!(rig.post("/api/v1/messages", &theirs.admin, named).await.code(), "channel_not_found");
    let named = json!({ "to": "+79990000001", "text": "x", "line": ours.line });
    assert_eq!(rig.post("/api/v1/messages", &theirs.admin, named).await.code(), "line_not_found");
    for path in ["/api/v1/queue", "/api/v1/channels", "/api/v1/messages", "/api/v1/lines", "/api/v1/webhooks"] {
        let text = rig.get(path, &theirs.admin).await.text;
        assert!(!text.contains("Секрет") && !text.contains(&channel.to_string()), "{path}: {text}");
    }
    let queue = rig.get("/api/v1/queue", &ours.operator).await.json();
    assert_eq!((queue["lanes"][0]["state"].as_str(), queue["lanes"][0]["waiting"].as_i64()), (Some("running"), Some(1)));
    rig.server.stop().await;
}
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_operator_writes_and_reads_and_changes_nothing_of_the_company() {
    let (_folder, database) = crate::postgres::fresh_sqlite();
    let rig = Rig::start(&database).await;
    let tenant = rig.tenant("one.example").await;
    let (channel, lane) = rig.channel(&tenant, "100").await;
    let pace = json!({ "from_ms": 60_000, "to_ms": 60_000, "live_ms": 0 });
    for (method, path, body) in [
        ("POST", "/api/v1/lines".to_owned(), json!({ "name": "x" })),
        ("PATCH", format!("/api/v1/channels/{channel}"), pace),
        ("PUT", format!("/api/v1/channels/{channel}/settings"), json!({ "answers": {} })),
        ("POST", format!("/api/v1/lanes/{lane}/pause"), json!({})),
        ("POST", format!("/api/v1/lanes/{lane}/clear"), json!({})),
    ] {
        let reply = rig.send(rig.request(method, &path, &tenant.operator).json(&body)).await;
        assert_eq!((reply.status, reply.code().as_str()), (403, "forbidden"), "{method} {path}");
    }
    rig.server.stop().await;
}
