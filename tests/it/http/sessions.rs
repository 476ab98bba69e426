//! Signing in and out, and what needs no sign-in.

use serde_json::json;

use crate::rig::Rig;

on_both_databases! {
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_opens_the_api_until_it_is_forgotten_or_old(database: &str) {
    let rig = Rig::start(database).await;
    let tenant = rig.tenant("one.example").await;
    assert_eq!(rig.get("/api/v1/me", "").await.status, 401);
    assert_eq!(rig.get("/api/v1/me", "sb_guess").await.code(), "unsigned");
    let me = rig.get("/api/v1/me", &tenant.operator).await.json();
    assert_eq!((me["role"].as_str(), me["company"].as_str()), (Some("operator"), Some(&*tenant.company.to_string())));
    assert_eq!(rig.send(rig.request("DELETE", "/api/v1/tokens", &tenant.operator)).await.status, 204);
    assert_eq!(rig.get("/api/v1/me", &tenant.operator).await.status, 401);
    assert_eq!(rig.get("/api/v1/me", &tenant.admin).await.status, 200);
    rig.clock.advance_ms(720 * 3_600_000);
    assert_eq!(rig.get("/api/v1/me", &tenant.admin).await.status, 401);
    rig.server.stop().await;
}
}

on_both_databases! {
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wrong_password_and_an_unknown_login_are_told_alike(database: &str) {
    let rig = Rig::start(database).await;
    rig.tenant("one.example").await;
    let mut told = Vec::new();
    for (login, password) in
        [("admin@one.example", "wrong"), ("nobody@one.example", "wrong"), ("", ""), ("admin@one.example", &"x".repeat(10_000))]
    {
        let reply = rig.post("/api/v1/tokens", "", json!({ "login": login, "password": password })).await;
        told.push((reply.status, reply.text));
    }
    assert!(told.iter().all(|one| *one == told[0]) && told[0].0 == 401, "{told:?}");
    // what is typed may have other letters and blanks around it
    let typed = json!({ "login": " Admin@One.Example ", "password": "a long enough password" });
    assert_eq!(rig.post("/api/v1/tokens", "", typed).await.status, 201);
    rig.server.stop().await;
}
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cookie_reads_and_changes_only_with_our_header() {
    let (_folder, database) = crate::postgres::fresh_sqlite();
    let rig = Rig::start(&database).await;
    rig.tenant("one.example").await;
    let asked = json!({ "login": "admin@one.example", "password": "a long enough password", "cookie": true });
    let forged = rig.post("/api/v1/tokens", "", asked.clone()).await;
    assert_eq!(
        (forged.status, forged.headers.get("set-cookie")),
        (422, None),
        "nobody is signed in by a stranger's form"
    );
    let reply = rig.send(rig.request("POST", "/api/v1/tokens", "").header("x-switchboard", "1").json(&asked)).await;
    assert_eq!(reply.json()["token"], json!(null), "scripts see no token");
    let cookie = reply.headers["set-cookie"].to_str().unwrap().to_owned();
    assert!(cookie.contains("HttpOnly") && cookie.contains("SameSite=Strict"), "{cookie}");
    let pair = cookie.split(';').next().unwrap().to_owned();
    let with = |request: reqwest::RequestBuilder| request.header("cookie", format!("other=1; {pair}"));
    assert_eq!(rig.send(with(rig.request("GET", "/api/v1/me", ""))).await.status, 200);
    let line = json!({ "name": "Вторая" });
    let change = || with(rig.request("POST", "/api/v1/lines", "")).json(&line);
    assert_eq!(rig.send(change()).await.status, 401, "a form of a stranger has no header of ours");
    assert_eq!(rig.send(change().header("x-switchboard", "1")).await.status, 201);
    let out = rig.send(with(rig.request("DELETE", "/api/v1/tokens", "")).header("x-switchboard", "1")).await;
    assert!(out.headers["set-cookie"].to_str().unwrap().contains("Max-Age=0"));
    assert_eq!(
        rig.send(with(rig.request("GET", "/api/v1/me", ""))).await.status,
        401,
        "the cookie opens nothing any more"
    );
    rig.server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_cookie_of_an_https_server_goes_nowhere_else() {
    let (_folder, database) = crate::postgres::fresh_sqlite();
    let rig = Rig::start_with(&database, &[("SWITCHBOARD_SERVER__PUBLIC_URL", "https://switchboard.example")]).await;
    rig.tenant("one.example").await;
    let asked = json!({ "login": "admin@one.example", "password": "a long enough password", "cookie": true });
    let reply = rig.send(rig.request("POST", "/api/v1/tokens", "").header("x-switchboard", "1").json(&asked)).await;
    assert!(reply.headers["set-cookie"].to_str().unwrap().ends_with("; Secure"), "{reply:?}");
    rig.server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn health_and_the_front_page_ask_for_nothing_and_every_answer_is_guarded() {
    let (_folder, database) = crate::postgres::fresh_sqlite();
    let rig = Rig::start(&database).await;
    for path in ["/", "/health/live", "/health/ready", "/metrics"] {
        let reply = rig.get(path, "").await;
        assert_eq!(reply.status, 200, "{path}");
        assert_eq!(reply.headers["x-content-type-options"], "nosniff", "{path}");
        assert!(reply.headers["content-security-policy"].to_str().unwrap().contains("default-src 'none'"), "{path}");
    }
    let metrics = rig.get("/metrics", "").await.text;
    assert!(metrics.contains("switchboard_queue_errands{rank=\"live\"} 0"), "{metrics}");
    let through_a_proxy = rig.request("GET", "/metrics", "").header("x-forwarded-for", "203.0.113.9");
    assert_eq!(rig.send(through_a_proxy).await.status, 404);
    rig.server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn metrics_with_a_token_answer_those_who_bring_it() {
    let (_folder, database) = crate::postgres::fresh_sqlite();
    let rig = Rig::start_with(&database, &[("SWITCHBOARD_SERVER__METRICS_TOKEN", "scrape")]).await;
    assert_eq!(rig.get("/metrics", "").await.status, 404);
    assert_eq!(rig.get("/metrics", "scrapE").await.status, 404);
    assert_eq!(rig.get("/metrics", "scrape").await.status, 200);
    rig.server.stop().await;
}
