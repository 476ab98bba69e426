//! Limits for strangers.

use serde_json::json;

use crate::rig::Rig;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn passwords_cannot_be_guessed_fast() {
    let (_folder, database) = crate::postgres::fresh_sqlite();
    let rig = Rig::start_with(&database, &[("SWITCHBOARD_LIMITS__SIGN_INS_PER_MINUTE", "3")]).await;
    let mut statuses = Vec::new();
    for _ in 0..4 {
        let guess = json!({ "login": "admin@one.example", "password": "guess" });
        let reply = rig.post("/api/v1/tokens", "", guess).await;
        if reply.status == 429 {
            assert!(reply.headers["retry-after"].to_str().unwrap().parse::<u64>().unwrap() > 0);
            assert_eq!(reply.code(), "too_many");
        }
        statuses.push(reply.status);
    }
    assert_eq!(statuses, [401, 401, 401, 429]);
    rig.server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_address_cannot_take_the_server_for_itself() {
    let (_folder, database) = crate::postgres::fresh_sqlite();
    let limits = [
        ("SWITCHBOARD_LIMITS__REQUESTS_PER_SECOND", "1"),
        ("SWITCHBOARD_LIMITS__REQUESTS_BURST", "5"),
        ("SWITCHBOARD_SERVER__TRUST_PROXY", "true"),
    ];
    let rig = Rig::start_with(&database, &limits).await;
    let ask = |from: &str| rig.send(rig.request("GET", "/api/v1/me", "").header("x-forwarded-for", from));
    let mut refused = 0;
    for _ in 0..10 {
        // the first entry is the caller's own word and changes nothing
        refused += i32::from(ask("198.51.100.7, 203.0.113.1").await.status == 429);
    }
    assert!(refused >= 4, "{refused}");
    assert_eq!(ask("198.51.100.7, 203.0.113.2").await.status, 401, "another address is not punished");
    assert_eq!(rig.get("/health/live", "").await.status, 200, "health is never limited");
    rig.server.stop().await;
}
