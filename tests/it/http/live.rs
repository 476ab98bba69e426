//! The stream that tells pages what changed.

use std::time::Duration;

use serde_json::{Value, json};

use crate::rig::{Rig, Tenant};

/// One open stream.
struct Ear {
    reply: reqwest::Response,
    heard: String,
}

/// What came on a stream: an event with its data, a beat, or its end.
#[derive(Debug, PartialEq)]
enum Word {
    Ready,
    Changed(Vec<String>),
    Beat,
    End,
}

impl Ear {
    async fn open(rig: &Rig, token: &str) -> Self {
        let reply = rig.request("GET", "/api/v1/events", token).header("accept-encoding", "gzip").send().await.unwrap();
        assert_eq!(reply.status(), 200);
        assert_eq!(reply.headers()["content-type"], "text/event-stream");
        let mut ear = Self { reply, heard: String::new() };
        assert_eq!(ear.next().await, Word::Ready);
        ear
    }

    async fn next(&mut self) -> Word {
        loop {
            if let Some((block, rest)) = self.heard.split_once("\n\n") {
                let (block, rest) = (block.to_owned(), rest.to_owned());
                self.heard = rest;
                return read(&block);
            }
            // the limit is only there so that a broken test ends
            let piece = tokio::time::timeout(Duration::from_mins(2), self.reply.chunk()).await.expect("a word in time");
            match piece {
                Ok(Some(piece)) => self.heard.push_str(std::str::from_utf8(&piece).unwrap()),
                Ok(None) | Err(_) => return Word::End,
            }
        }
    }
}

fn read(block: &str) -> Word {
    if block == ": beat" {
        return Word::Beat;
    }
    let line = |name: &str| block.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_default().trim();
    match line("event:") {
        "ready" => Word::Ready,
        "changed" => {
            let data: Value = serde_json::from_str(line("data:")).unwrap();
            let topics = data["topics"].as_array().unwrap();
            Word::Changed(topics.iter().map(|topic| topic.as_str().unwrap().to_owned()).collect())
        }
        other => panic!("{other}: {block}"),
    }
}

fn changed(topics: &[&str]) -> Word {
    Word::Changed(topics.iter().map(|topic| (*topic).to_owned()).collect())
}

async fn rename(rig: &Rig, tenant: &Tenant) {
    let path = format!("/api/v1/lines/{}", tenant.line);
    let reply = rig.send(rig.request("PATCH", &path, &tenant.admin).json(&json!({ "name": "Другая" }))).await;
    assert_eq!(reply.status, 204, "{}", reply.text);
}

on_both_databases! {
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_page_hears_what_changed_in_its_company_and_in_no_other(database: &str) {
    let rig = Rig::start(database).await;
    let (ours, theirs) = (rig.tenant("ours.example").await, rig.tenant("theirs.example").await);
    let (_, lane) = rig.channel(&ours, "100").await;
    let (mut here, mut there) = (Ear::open(&rig, &ours.operator).await, Ear::open(&rig, &theirs.admin).await);
    assert_eq!(rig.post(&format!("/api/v1/lanes/{lane}/pause"), &ours.admin, json!({})).await.status, 204);
    assert_eq!(here.next().await, changed(&["channels", "queue"]));
    rig.clock.advance_ms(300);
    let say = json!({ "to": "+79990000001", "text": "x" });
    assert_eq!(rig.post("/api/v1/messages", &ours.operator, say).await.status, 202);
    assert_eq!(here.next().await, changed(&["queue"]));
    rig.clock.advance_ms(300);
    rename(&rig, &theirs).await;
    assert_eq!(there.next().await, changed(&["lines"]), "the first word that they hear is their own");
    rig.server.stop().await;
}
}

on_both_databases! {
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_beats_and_ends_with_its_session(database: &str) {
    let rig = Rig::start(database).await;
    let tenant = rig.tenant("one.example").await;
    let mut ear = Ear::open(&rig, &tenant.admin).await;
    rig.clock.advance_ms(15_000);
    assert_eq!(ear.next().await, Word::Beat);
    let gone = rig.send(rig.request("DELETE", "/api/v1/tokens", &tenant.admin)).await;
    assert_eq!(gone.status, 204);
    assert_eq!(ear.next().await, Word::End, "whoever signs out hears nothing more");

    // a sign-out at another process is seen at the next beat
    let mut ear = Ear::open(&rig, &tenant.operator).await;
    rig.server.app.store.write(|conn| switchboard::on!(conn, token::forget_expired(i64::MAX))).await.unwrap();
    rig.clock.advance_ms(15_000);
    assert_eq!(ear.next().await, Word::End);
    rig.server.stop().await;
}
}

on_both_databases! {
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_session_has_eight_streams_and_none_of_them_holds_up_the_end_of_the_server(database: &str) {
    let rig = Rig::start(database).await;
    let tenant = rig.tenant("one.example").await;
    let mut ears = Vec::new();
    for _ in 0..8 {
        ears.push(Ear::open(&rig, &tenant.admin).await);
    }
    let refused = rig.get("/api/v1/events", &tenant.admin).await;
    assert_eq!((refused.status, refused.code().as_str()), (429, "too_many"));
    assert!(refused.headers.contains_key("retry-after"));
    ears.push(Ear::open(&rig, &tenant.operator).await);
    let stopped = tokio::time::timeout(Duration::from_secs(4), rig.server.stop()).await;
    assert!(stopped.is_ok(), "open streams held up the end");
    for mut ear in ears {
        assert_eq!(ear.next().await, Word::End);
    }
}
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_page_at_one_process_hears_what_changed_at_another() {
    let database = crate::postgres::fresh_database();
    let (one, other) = (Rig::start(&database).await, Rig::start(&database).await);
    let tenant = one.tenant("one.example").await;
    let mut ear = Ear::open(&other, &tenant.admin).await;
    // the other process may begin to hear a moment later than it begins to serve, and then it says that anything may have changed
    let mut words = Vec::new();
    loop {
        one.clock.advance_ms(300);
        rename(&one, &tenant).await;
        words.push(ear.next().await);
        if words.last() == Some(&changed(&["lines"])) {
            break;
        }
        assert!(words.len() < 3, "{words:?}");
    }
    one.server.stop().await;
    other.server.stop().await;
}
