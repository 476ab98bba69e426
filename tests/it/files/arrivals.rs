//! Files that came in with messages.

use serde_json::Value;
use switchboard::flow::receive;
use switchboard::loops::fetcher;
use switchboard::model::id::{ChannelId, LaneId};
use switchboard::model::message::{Event, Incoming, IncomingMedia, MediaKind, Person};
use switchboard::model::moment::Tick;

use switchboard::store::row::ArrivalPart;

use super::server::{Server, sha256};
use crate::rig::{Rig, START, Tenant};

fn media(address: String, name: Option<&str>, mime: &str) -> IncomingMedia {
    let (name, mime) = (name.map(str::to_owned), Some(mime.to_owned()));
    IncomingMedia { kind: MediaKind::Document, vendor_id: address, name, mime, size: None }
}

/// A channel of a messenger that names files by their addresses.
async fn channel(rig: &Rig, tenant: &Tenant, account: &str) -> ChannelId {
    let (id, _): (ChannelId, LaneId) = rig.channel_of(tenant, "vk", account).await;
    id
}

/// A message with these files comes in; it is worked as the feeder works it.
async fn comes(rig: &Rig, channel: ChannelId, id: &str, media: Vec<IncomingMedia>) {
    let incoming = Incoming {
        vendor_id: id.to_owned(),
        chat: "100".to_owned(),
        group: false,
        title: None,
        from: Person { name: Some("Анна".to_owned()), ..Person::default() },
        at: START,
        text: None,
        media,
        place: None,
        reply_to: None,
        ours: false,
        note: None,
        payload: None,
        referral: std::collections::BTreeMap::new(),
    };
    let (app, event) = (rig.server.app.clone(), Event::Message(Box::new(incoming)));
    let worked = rig.server.app.store.write(move |conn| {
        let row = switchboard::on!(conn, channel::whosever(channel))?.unwrap();
        receive::work(&app, conn, &row, &event, START).map(|_| ())
    });
    worked.await.unwrap();
}

async fn shown(rig: &Rig, tenant: &Tenant) -> Vec<Value> {
    let told = rig.get("/api/v1/messages", &tenant.operator).await.json();
    told["messages"][0]["files"].as_array().unwrap().clone()
}

/// The part of a process that fetches what comes over no line.
fn everything() -> ArrivalPart {
    ArrivalPart { others: true, ..ArrivalPart::default() }
}

async fn round(rig: &Rig) -> usize {
    fetcher::round(&rig.server.app).await.unwrap()
}

on_both_databases! {
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_that_came_in_is_fetched_kept_and_linked_to(database: &str) {
    let rig = Rig::start(database).await;
    let (tenant, server) = (rig.tenant("one.example").await, Server::start());
    let channel = channel(&rig, &tenant, "100").await;
    let files = vec![
        media(server.file(2_000_000, true), Some("../a\n.bin"), "application/x-a"),
        media(server.file(100, false), None, "image/png"),
    ];
    comes(&rig, channel, "1", files).await;
    let waiting = shown(&rig, &tenant).await;
    assert!(waiting.iter().all(|file| file["state"] == "waiting" && file["url"].is_null()), "{waiting:?}");
    assert_eq!(round(&rig).await, 2);
    assert_eq!(round(&rig).await, 0, "what is here is not fetched again");
    let kept = shown(&rig, &tenant).await;
    assert!(kept.iter().all(|file| file["state"] == "kept"), "{kept:?}");
    assert_eq!((kept[0]["name"].as_str(), kept[0]["size"].as_i64()), (Some("a_.bin"), Some(2_000_000)));
    assert_eq!(kept[1]["mime"], "application/octet-stream", "bytes that are no picture are none");
    let bytes = reqwest::get(kept[0]["url"].as_str().unwrap()).await.unwrap().bytes().await.unwrap();
    assert_eq!((bytes.len(), sha256(2_000_000)), (2_000_000, hex::encode(<sha2::Sha256 as sha2::Digest>::digest(&bytes))));
    let other = rig.tenant("other.example").await;
    let id = kept[0]["id"].as_str().unwrap();
    assert_eq!(rig.get(&format!("/api/v1/files/{id}"), &other.operator).await.status, 404);
    rig.clock.advance_ms(91 * 86_400_000);
    let token = rig.sign_in("operator@one.example").await;
    let told = rig.get("/api/v1/messages", &token).await.json();
    assert_eq!(told["messages"][0]["files"][0]["state"], "over");
    rig.server.stop().await;
}
}

on_both_databases! {
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_comes_over_a_line_waits_for_the_process_that_keeps_it(database: &str) {
    let rig = Rig::start(database).await;
    let tenant = rig.tenant("one.example").await;
    let (lined, lane) = rig.channel_of(&tenant, "telegram", "7").await;
    let (plain, server) = (channel(&rig, &tenant, "100").await, Server::start());
    comes(&rig, lined, "1", vec![media("no place".into(), None, "text/plain")]).await;
    comes(&rig, plain, "2", vec![media(server.file(10, true), None, "text/plain")]).await;
    assert_eq!(round(&rig).await, 1, "the other one alone");
    let shard = rig.server.app.store.read(move |conn| switchboard::on!(conn, lane::by_id(tenant.company, lane)));
    let shard = shard.await.unwrap().unwrap().shard;
    rig.server.app.posts.hold("me", &[shard + 1].into(), Tick(i64::MAX));
    assert_eq!(round(&rig).await, 0, "the line is kept elsewhere");
    rig.server.app.posts.hold("me", &[shard].into(), Tick(i64::MAX));
    assert_eq!(round(&rig).await, 1);
    let messages = rig.get("/api/v1/messages", &tenant.operator).await.json();
    let code = |vendor_id: &str| {
        let all = messages["messages"].as_array().unwrap().iter();
        all.filter(|one| one["channel"] == vendor_id).map(|one| one["files"][0]["code"].clone()).next().unwrap()
    };
    assert_eq!((code(&plain.to_string()), code(&lined.to_string())), (Value::Null, "file_gone".into()));
    rig.server.stop().await;
}
}

on_both_databases! {
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_failure_that_passes_is_repeated_with_growing_pauses_and_a_final_one_is_told(database: &str) {
    let rig = Rig::start_with(database, &[("SWITCHBOARD_FILES__LARGEST_MB", "1")]).await;
    let (tenant, server) = (rig.tenant("one.example").await, Server::start());
    let channel = channel(&rig, &tenant, "100").await;
    let files = vec![
        media(format!("{}/files/1/away", server.base), None, "text/plain"),
        media(format!("{}/files/1/gone", server.base), None, "text/plain"),
        media(server.file(2 << 20, false), None, "text/plain"),
        media(format!("{}/files/1000/broken", server.base), None, "text/plain"),
    ];
    comes(&rig, channel, "1", files).await;
    assert_eq!(round(&rig).await, 4);
    let told = shown(&rig, &tenant).await;
    let states: Vec<_> = told.iter().map(|file| (file["state"].as_str().unwrap(), file["code"].as_str())).collect();
    assert_eq!(states, [("waiting", None), ("lost", Some("file_gone")), ("lost", Some("file_too_big")), ("waiting", None)]);
    assert!(told[0]["reason"].as_str().unwrap().contains("503"), "{told:?}");
    let mut pauses: Vec<i64> = Vec::new();
    for _ in 0..14 {
        assert_eq!(round(&rig).await, 0, "its time has not come");
        // hours are not felt for in seconds
        let step_ms = pauses.last().map_or(5_000, |last| (last / 9).max(5_000));
        let mut pause_ms = 0;
        while round(&rig).await == 0 {
            rig.clock.advance_ms(step_ms);
            pause_ms += step_ms;
        }
        pauses.push(pause_ms);
    }
    assert_eq!(pauses[..5], [5_000, 15_000, 45_000, 135_000, 405_000]);
    assert!(pauses.windows(2).all(|pair| pair[0] <= pair[1]), "{pauses:?}");
    let token = rig.sign_in("operator@one.example").await;
    let told = rig.get("/api/v1/messages", &token).await.json();
    let told = &told["messages"][0]["files"];
    assert_eq!((told[0]["state"].as_str(), told[0]["code"].as_str()), (Some("lost"), Some("file_gone")));
    let left = rig.server.app.store.read(|conn| switchboard::on!(conn, file::expired(i64::MAX, 100))).await.unwrap();
    assert!(left.is_empty(), "what was never whole is not kept: {left:?}");
    rig.server.stop().await;
}
}

on_both_databases! {
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_process_took_and_did_not_finish_is_fetched_by_another(database: &str) {
    let rig = Rig::start(database).await;
    let (tenant, server) = (rig.tenant("one.example").await, Server::start());
    let channel = channel(&rig, &tenant, "100").await;
    comes(&rig, channel, "1", vec![media(server.file(10, true), None, "text/plain")]).await;
    let (now, app) = (START.0, &rig.server.app);
    let rows = app.store.read(move |conn| switchboard::on!(conn, arrival::due(now, &everything(), 10))).await.unwrap();
    let take = async |row: switchboard::store::row::ArrivalRow| {
        app.store.write(move |conn| switchboard::on!(conn, arrival::take(&row, now + 60_000))).await.unwrap()
    };
    assert!(take(rows[0].clone()).await);
    assert!(!take(rows[0].clone()).await, "one of two takes it");
    assert_eq!(round(&rig).await, 0);
    rig.clock.advance_ms(60_000);
    assert_eq!(round(&rig).await, 1);
    assert_eq!(shown(&rig, &tenant).await[0]["state"], "kept");
    rig.server.stop().await;
}
}
