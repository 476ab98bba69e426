//! What strangers may post: it is refused with a sentence, and never a 500.

use serde_json::{Value, json};

use crate::rig::{Reply, Rig};

fn refused(what: &str, reply: &Reply) {
    assert!((400..500).contains(&reply.status), "{what}: {} {}", reply.status, reply.text);
    let error = &reply.json()["error"];
    assert!(error["code"].is_string() && error["message"].is_string(), "{what}: {}", reply.text);
}

on_both_databases! {
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_is_posted_is_refused_with_a_sentence(database: &str) {
    let rig = Rig::start(database).await;
    let tenant = rig.tenant("one.example").await;
    rig.channel(&tenant, "100").await;
    let long = "ы".repeat(600_000);
    let deep = "[".repeat(100_000);
    let bodies: [(&str, String); 12] = [
        ("nothing", String::new()),
        ("no JSON", "to=1&text=2".into()),
        ("half of it", "{\"to\": \"+79990000001\", \"text\": ".into()),
        ("a list", "[]".into()),
        ("null", "null".into()),
        ("wrong types", json!({ "to": 1, "text": [] }).to_string()),
        ("an unknown field", json!({ "to": "+79990000001", "text": "x", "txt": "y" }).to_string()),
        ("a megabyte of text", json!({ "to": "+79990000001", "text": long }).to_string()),
        ("a megabyte of address", json!({ "to": long, "text": "x" }).to_string()),
        ("deep nesting", deep.clone()),
        ("zero bytes", "{\"to\":\"\\u0000\",\"text\":\"\\u0000\"}".into()),
        ("no UTF-8", String::from_utf8_lossy(&[0xff, 0xfe, 0x00]).into_owned()),
    ];
    let addresses = ["/api/v1/messages", "/api/v1/tokens", "/api/v1/lines", &format!("/api/v1/lines/{}/channels", tenant.line)];
    for (what, body) in &bodies {
        for path in addresses {
            let request = rig.request("POST", path, &tenant.admin).header("content-type", "application/json").body(body.clone());
            refused(&format!("{what} at {path}"), &rig.send(request).await);
        }
    }
    for (path, body) in [
        ("/api/v1/messages", json!({ "channel": "ch_\0", "to": "+7999\u{0}0000001", "text": "\u{0}" })),
        ("/api/v1/messages", json!({ "line": tenant.line, "to": "@a\u{0}b", "text": "x" })),
        ("/api/v1/tokens", json!({ "login": "admin\u{0}@one.example", "password": "a long enough password" })),
        ("/api/v1/lines", json!({ "name": "Лин\u{0}ия" })),
    ] {
        refused(&format!("a zero byte in {body} at {path}"), &rig.post(path, &tenant.admin, body).await);
    }
    let too_large = rig.request("POST", "/api/v1/messages", &tenant.admin).body("x".repeat(5 << 20));
    assert_eq!(rig.send(too_large).await.status, 413);
    rig.server.stop().await;
}
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_no_address_of_ours_is_not_found() {
    let (_folder, database) = crate::postgres::fresh_sqlite();
    let rig = Rig::start(&database).await;
    let tenant = rig.tenant("one.example").await;
    for path in [
        "/nothing",
        "/api/v1/",
        "/api/v1/messages/ms_1",
        "/api/v1/messages/%00",
        "/api/v1/messages/ch_0190f0b0c0d07000800000000000000a",
        "/api/v1/messages/ms_0190f0b0c0d07000800000000000000a",
        "/api/v1/channels/..%2f..%2fetc",
    ] {
        let reply = rig.get(path, &tenant.admin).await;
        assert_eq!(reply.status, 404, "{path}: {}", reply.text);
        assert_eq!(reply.code(), "not_found", "{path}");
    }
    for path in ["/api/v1/lanes/99999999999999999999/pause", "/api/v1/lanes/-1/pause", "/api/v1/lanes/x/pause"] {
        assert_eq!(rig.post(path, &tenant.admin, Value::Null).await.status, 404, "{path}");
    }
    assert_eq!(rig.send(rig.request("PUT", "/api/v1/lines", &tenant.admin)).await.code(), "no_method");
    rig.server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn errors_speak_the_language_of_the_caller() {
    let (_folder, database) = crate::postgres::fresh_sqlite();
    let rig = Rig::start(&database).await;
    let said = async |language: &str| {
        let reply = rig.send(rig.request("GET", "/api/v1/me", "").header("accept-language", language)).await;
        reply.json()["error"]["message"].as_str().unwrap().to_owned()
    };
    assert!(said("en-GB, en;q=0.9").await.starts_with("Sign in"));
    assert!(said("ru").await.starts_with("Войдите"));
    rig.server.stop().await;
}
