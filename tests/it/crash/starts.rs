//! How servers start and stop beside each other, and what a copy of their database is worth.

use std::collections::BTreeSet;
use std::process::Output;
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use switchboard::model::errand::Work;
use switchboard::model::status::Status;
use switchboard::store::{self, Options};

use super::load::Load;
use super::process::{Journal, Server, command};
use super::town::{Town, free_port, settings};
use super::verdict::{drain, history, judge, text_of};
use crate::postgres::{Folder, empty_database, empty_sqlite};

/// Longer than a process may be silent before others take it for dead.
const SLOW_MS: u64 = 6_000;

on_both_databases! {
    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_stop_finishes_open_calls_and_leaves_nothing_unknown(url: &str) {
        let town = Town::build(url, 4).await;
        town.slow("waba", SLOW_MS).await;
        let (port, other) = (free_port(), free_port());
        let stopping = town.server(port);
        stopping.ready().await;
        town.front.aim(&[port]);
        for n in 0..8 {
            town.send(n % 4, &format!("message {n}")).await;
        }
        let called = async || (town.taken().await == 4).then_some(());
        town.wait_for("the first message of every lane is in the air", Duration::from_secs(20), called).await;
        // on PostgreSQL the next server runs already, as when a new version is rolled out
        let beside = town.options.is_postgres().then(|| town.server(other));
        if let Some(server) = &beside {
            server.ready().await;
        }
        let ended = stopping.stop().await;
        assert!(ended.success(), "{ended}");
        let sent = town.database(|conn| history(conn, &town));
        assert!(sent.len() >= 4 && sent.iter().all(|row| Status::from_db(row.status) != Status::Unknown), "{sent:?}");
        town.control("DELETE", "/_/faults", Value::Null).await;
        let next = beside.unwrap_or_else(|| town.server(other));
        next.ready().await;
        town.front.aim(&[other]);
        let all: BTreeSet<String> = (0..8).map(|n| format!("message {n}")).collect();
        drain(&town, &all).await;
        assert!(next.stop().await.success());
        let verdict = judge(&town, &all).await;
        assert_eq!((verdict.sent, verdict.unknown), (8, 0));
        town.clear().await;
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_copy_made_under_load_is_whole_and_starts(url: &str) {
        let town = Arc::new(Town::build(url, 4).await);
        let port = free_port();
        let server = town.server(port);
        server.ready().await;
        town.front.aim(&[port]);
        // the messages of one lane wait for as long as the copy takes
        turn(&town, "pause").await;
        let load = Load::begin(&town);
        let busy = async || (load.acknowledged().len() > 30).then_some(());
        town.wait_for("there is load", Duration::from_mins(2), busy).await;
        let (before, file) = (load.acknowledged(), town.settings.with_file_name("copy"));
        let (settings_file, to) = (town.settings.clone(), file.clone());
        let copied = tokio::task::spawn_blocking(move || command(&settings_file).arg("backup").arg(to).output().unwrap());
        let copied = copied.await.unwrap();
        assert!(copied.status.success(), "{}", text(&copied));
        turn(&town, "resume").await;
        let acknowledged = load.end().await;
        drain(&town, &acknowledged).await;
        assert!(server.stop().await.success());

        let (folder, target) = empty_sqlite();
        let target = if town.options.is_postgres() { empty_database() } else { target };
        let fresh = folder.path().join("switchboard.toml");
        std::fs::write(&fresh, settings(&target, &town.base, &town.address)).unwrap();
        let restored = command(&fresh).arg("restore").arg(&file).output().unwrap();
        assert!(restored.status.success(), "{}", text(&restored));
        whole(&town, &target, &before);
        // without a pump: what waits in the copy has left by the original
        let port = free_port();
        let mut copy = command(&fresh)
            .args(["serve", "--roles", "http,keeper", "--listen", &format!("127.0.0.1:{port}")])
            .stderr(std::process::Stdio::null())
            .spawn()
            .unwrap();
        let up = async || {
            let reply = town.client.get(format!("http://127.0.0.1:{port}/health/ready")).send().await.ok()?;
            reply.status().is_success().then_some(())
        };
        town.wait_for("the copy is ready", Duration::from_secs(30), up).await;
        copy.kill().unwrap();
        copy.wait().unwrap();
        Arc::into_inner(town).unwrap().clear().await;
    }
}

/// Pauses the first lane, or lets it run again.
async fn turn(town: &Town, how: &str) {
    let request = town.client.post(format!("{}/api/v1/lanes/{}/{how}", town.address, town.lanes[0].id));
    let reply = request.bearer_auth(&town.token).send().await.unwrap();
    assert!(reply.status().is_success(), "{}", reply.text().await.unwrap());
}

/// Every request that was acknowledged before the copy is in it, either waiting or in the history and never both.
fn whole(town: &Town, target: &str, before: &BTreeSet<String>) {
    let mut conn = store::connect(&Options::new(target)).unwrap();
    let sent: BTreeSet<String> = history(&mut conn, town).unwrap().iter().map(text_of).collect();
    let mut waiting = BTreeSet::new();
    for lane in &town.lanes {
        for (errand, ..) in switchboard::store::outbox::look(&mut conn, lane.id, 100_000).unwrap() {
            if let Work::Send { outgoing, .. } = errand.work {
                waiting.insert(outgoing.content.text.unwrap());
            }
        }
    }
    assert_eq!(sent.intersection(&waiting).count(), 0);
    let missing: Vec<_> = before.iter().filter(|text| !sent.contains(*text) && !waiting.contains(*text)).collect();
    assert!(missing.is_empty(), "not in the copy: {missing:?}");
    assert!(!sent.is_empty() && !waiting.is_empty(), "a copy of a busy house: {} and {}", sent.len(), waiting.len());
}

fn text(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn several_processes_that_start_at_once_on_an_empty_postgresql_all_come_up() {
    let (folder, database) = (Folder::new(), empty_database());
    let file = folder.path().join("switchboard.toml");
    std::fs::write(&file, settings(&database, "http://127.0.0.1:9", "http://127.0.0.1:9")).unwrap();
    let journal = Arc::<Journal>::default();
    let servers: Vec<Server> = (0..4).map(|_| Server::start(&file, free_port(), &journal)).collect();
    for server in &servers {
        server.ready().await;
    }
    for server in servers {
        assert!(server.stop().await.success());
    }
    assert!(journal.troubles.lock().is_empty(), "{:?}", journal.troubles.lock());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_server_on_one_sqlite_file_says_in_one_sentence_that_it_is_in_use() {
    let (folder, database) = empty_sqlite();
    let file = folder.path().join("switchboard.toml");
    std::fs::write(&file, settings(&database, "http://127.0.0.1:9", "http://127.0.0.1:9")).unwrap();
    let first = Server::start(&file, free_port(), &Arc::default());
    first.ready().await;
    let second = command(&file).args(["serve", "--listen", "127.0.0.1:0"]).output().unwrap();
    let said = text(&second);
    assert!(!second.status.success());
    assert!(said.lines().count() == 1 && said.contains("is in use by another server"), "{said}");
    assert!(first.stop().await.success());
}
