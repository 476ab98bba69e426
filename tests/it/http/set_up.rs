//! The first run: one administrator is made, and only where there is no user.

use serde_json::{Value, json};

use crate::rig::{Reply, Rig};

fn founder() -> Value {
    json!({ "company": "Ромашка", "zone": "Europe/Moscow", "name": "Анна", "login": " Anna@Example.com ",
        "password": "a long enough password" })
}

async fn set_up(rig: &Rig, founder: &Value) -> Reply {
    rig.send(rig.request("POST", "/api/v1/setup", "").header("x-switchboard", "1").json(founder)).await
}

on_both_databases! {
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_all_who_set_a_server_up_at_once_one_does(database: &str) {
    let rig = Rig::start(database).await;
    assert_eq!(rig.get("/api/v1/setup", "").await.json(), json!({ "needed": true }));
    let several: [Value; 5] = std::array::from_fn(|n| {
        let mut founder = founder();
        founder["login"] = json!(format!("founder{n}@example.com"));
        founder
    });
    let replies = futures_util::future::join_all(several.iter().map(|founder| set_up(&rig, founder))).await;
    let mut statuses: Vec<_> = replies.iter().map(|reply| reply.status).collect();
    statuses.sort_unstable();
    assert_eq!(statuses, [201, 409, 409, 409, 409], "{replies:?}");
    assert!(replies.iter().filter(|reply| reply.status == 409).all(|reply| reply.code() == "set_up_already"));
    let users = rig.server.app.store.read(|conn| switchboard::on!(conn, user::all())).await.unwrap();
    assert_eq!(users.len(), 1);
    assert_eq!(rig.get("/api/v1/setup", "").await.json(), json!({ "needed": false }));
    rig.server.stop().await;
}
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_first_administrator_is_signed_in_and_signs_in_again() {
    let (_folder, database) = crate::postgres::fresh_sqlite();
    let rig = Rig::start(&database).await;
    let reply = set_up(&rig, &founder()).await;
    assert_eq!((reply.status, reply.json()["token"].clone()), (201, Value::Null), "scripts see no token");
    let cookie = reply.headers["set-cookie"].to_str().unwrap().to_owned();
    assert!(
        cookie.contains("HttpOnly") && cookie.contains("SameSite=Strict") && !cookie.contains("Secure"),
        "{cookie}"
    );
    let pair = cookie.split(';').next().unwrap().to_owned();
    let me = rig.send(rig.request("GET", "/api/v1/me", "").header("cookie", pair)).await.json();
    assert_eq!(
        (me["role"].as_str(), me["name"].as_str(), me["company_name"].as_str(), me["zone"].as_str()),
        (Some("admin"), Some("Анна"), Some("Ромашка"), Some("Europe/Moscow"))
    );
    let again = json!({ "login": "anna@example.com", "password": "a long enough password" });
    assert_eq!(rig.post("/api/v1/tokens", "", again).await.status, 201);
    rig.server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stranger_sets_nothing_up_and_a_wrong_field_is_named() {
    let (_folder, database) = crate::postgres::fresh_sqlite();
    let rig = Rig::start(&database).await;
    let forged =
        rig.request("POST", "/api/v1/setup", "").header("content-type", "text/plain").body(founder().to_string());
    let reply = rig.send(forged).await;
    assert_eq!((reply.status, reply.json()["error"]["field"].as_str()), (422, Some("X-Switchboard")));
    let wrong = [
        ("company", json!("  ")),
        ("zone", json!("Moscow")),
        ("name", json!("a\u{7}b")),
        ("login", json!("")),
        ("login", json!("x".repeat(257))),
        ("password", json!("short")),
        ("password", json!("x".repeat(257))),
    ];
    for (field, value) in wrong {
        let mut founder = founder();
        founder[field] = value.clone();
        let reply = set_up(&rig, &founder).await;
        assert_eq!(
            (reply.status, reply.json()["error"]["field"].as_str()),
            (422, Some(field)),
            "{value}: {}",
            reply.text
        );
    }
    assert_eq!(rig.get("/api/v1/setup", "").await.json(), json!({ "needed": true }));
    rig.server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_with_a_user_is_not_set_up_again() {
    let (_folder, database) = crate::postgres::fresh_sqlite();
    let rig = Rig::start(&database).await;
    rig.tenant("one.example").await;
    assert_eq!(rig.get("/api/v1/setup", "").await.json(), json!({ "needed": false }));
    assert_eq!(set_up(&rig, &founder()).await.code(), "set_up_already");
    rig.server.stop().await;
}
