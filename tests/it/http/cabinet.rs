//! The cabinet beside the addresses of machines. What is inside it is seen by tests/browser.

use crate::rig::{Reply, Rig};

/// What a browser asks a page with.
const PAGES: &str = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8";

async fn open(rig: &Rig, method: &str, path: &str, accept: &str) -> Reply {
    rig.send(rig.request(method, path, "").header("accept", accept)).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_address_of_the_cabinet_shows_its_page() {
    let (_folder, database) = crate::postgres::fresh_sqlite();
    let rig = Rig::start(&database).await;
    for path in ["/", "/lines", "/lines/1/settings", "/queue", "/setup", "/login?next=%2Fqueue", "/healthy", "/apiary"]
    {
        let reply = open(&rig, "GET", path, PAGES).await;
        assert_eq!(
            (reply.status, &reply.headers["content-type"]),
            (200, &"text/html; charset=utf-8".parse().unwrap()),
            "{path}"
        );
        assert_ne!(reply.headers["cache-control"], "public, max-age=31536000, immutable", "{path}");
        let policy = reply.headers["content-security-policy"].to_str().unwrap();
        for part in ["default-src 'none'", "frame-ancestors 'none'", "base-uri 'none'", "form-action 'none'"] {
            assert!(policy.contains(part), "{path}: {policy}");
        }
        assert!(!policy.contains("unsafe") && !policy.contains("http"), "{path}: {policy}");
    }
    rig.server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_address_of_machines_is_never_a_page() {
    let (_folder, database) = crate::postgres::fresh_sqlite();
    let rig = Rig::start(&database).await;
    let machines = [
        "/api",
        "/api/v2/lines",
        "/api/v1/nothing",
        "/hook",
        "/hook/telegram_bot",
        "/bitrix24/nothing",
        "/health/nothing",
        "/metrics/nothing",
        "/assets",
        "/assets/nothing.js",
        "/assets/..%2Findex.html",
        "/assets/../index.html",
    ];
    for path in machines {
        let reply = open(&rig, "GET", path, PAGES).await;
        // the client itself takes the dots of the last one away
        let gone = path == "/assets/../index.html";
        assert_eq!(reply.status == 404, !gone, "{path}: {reply:?}");
        assert!(gone || reply.code() == "not_found", "{path}: {reply:?}");
    }
    for (method, path, accept) in
        [("GET", "/lines", "application/json"), ("POST", "/lines", PAGES), ("GET", "/lines", "*/*")]
    {
        let reply = open(&rig, method, path, accept).await;
        assert_eq!((reply.status, reply.code().as_str()), (404, "not_found"), "{method} {path} {accept}");
    }
    rig.server.stop().await;
}
