//! Durability, with real processes that die: nothing lost, nothing doubled, the pace kept, work goes on.

mod commits;
mod cut;
mod front;
mod load;
pub mod process;
mod starts;
mod town;
mod verdict;

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rand::rngs::SmallRng;
use rand::{Rng as _, SeedableRng as _};
use switchboard::model::clock::{Clock as _, SystemClock};
use switchboard::model::errand::Work;
use switchboard::model::moment::Tick;

use self::load::Load;
use self::process::Server;
use self::town::{Town, free_port};
use self::verdict::{drain, judge, longest_pause_ms, next_sends_ms, report};
use crate::postgres::{Cluster, fresh_database};

/// How often the server is killed.
const KILLS: usize = 100;

/// How soon work must go on.
const GOES_ON_MS: i64 = 10_000;

fn seed() -> u64 {
    std::env::var("SWITCHBOARD_CRASH_SEED").ok().map_or_else(rand::random, |seed| seed.parse().unwrap())
}

/// What was claimed or open at the kills.
#[derive(Default)]
struct InAir {
    messages: BTreeSet<i64>,
    /// A call that is hit by two kills may be answered three times, so each kill counts.
    calls: u64,
}

impl InAir {
    fn note(&mut self, town: &Town) {
        for errand in town.in_air() {
            if matches!(errand.work, Work::Send { .. }) {
                self.messages.insert(errand.id);
            } else {
                self.calls += 1;
            }
        }
    }
}

/// Waits for the moment of a kill: a random one, of every third life counted from its start, of the others from its first
/// call.
async fn live(town: &Town, server: &Server, n: usize, random: &mut SmallRng) {
    server.ready().await;
    if !n.is_multiple_of(3) {
        let sends = async || (town.journal.begun(server.id(), server.born) > 0).then_some(());
        town.wait_for("the server sends", Duration::from_secs(15), sends).await;
    }
    tokio::time::sleep(Duration::from_millis(random.random_range(1..=400))).await;
}

on_both_databases! {
    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_server_that_is_killed_a_hundred_times_loses_nothing_and_doubles_nothing(url: &str) {
        let (began, seed) = (Instant::now(), seed());
        let mut random = SmallRng::seed_from_u64(seed);
        let town = Arc::new(Town::build(url, 8).await);
        town.slow("waba", 20).await;
        let (port, clock) = (free_port(), SystemClock::new());
        town.front.aim(&[port]);
        let load = Load::begin(&town);
        let (mut in_air, mut slowest_ready_ms, mut born) = (InAir::default(), 0, Vec::new());
        let from = clock.tick();
        let mut server = town.server(port);
        for n in 0..KILLS {
            server.ready().await;
            slowest_ready_ms = slowest_ready_ms.max(clock.tick().since_ms(server.born));
            born.push((server.id(), server.born));
            live(&town, &server, n, &mut random).await;
            server.kill();
            in_air.note(&town);
            server = town.server(port);
        }
        server.ready().await;
        let to = clock.tick();
        let killing_s = began.elapsed().as_secs();
        let acknowledged = load.end().await;
        drain(&town, &acknowledged).await;
        assert!(server.stop().await.success());
        let verdict = judge(&town, &acknowledged).await;
        let pause_ms = longest_pause_ms(&town, from, to).await;
        let first_ms: Vec<i64> = born.iter().filter_map(|(id, born)| first_call_ms(&town, *id, *born)).collect();
        let slowest_ms = first_ms.iter().copied().max().unwrap();
        let name = if url.starts_with("sqlite:") { "sqlite" } else { "postgres" };
        let mut text = format!("{KILLS} kills of a server on {name} (seed {seed})\n{}", verdict.lines());
        let _ = writeln!(
            text,
            "  in the air at the kills: messages {}, calls of the portal {}\n  \
             slowest start {slowest_ready_ms} ms; {} of {KILLS} lives sent, the first message at most {slowest_ms} ms after the \
             start; longest pause {pause_ms} ms\n  {killing_s} s of kills, {} s in all",
            in_air.messages.len(),
            in_air.calls,
            first_ms.len(),
            began.elapsed().as_secs()
        );
        report(name, &text);
        assert!(verdict.unknown <= in_air.messages.len());
        assert!(verdict.repeated_answers <= in_air.calls);
        assert!(!in_air.messages.is_empty() && first_ms.len() >= KILLS / 2, "the kills hit nothing");
        // the longest pause is told and not judged: it spans lives that were ended before they could send
        assert!(slowest_ms <= GOES_ON_MS);
        Arc::into_inner(town).unwrap().clear().await;
    }
}

fn first_call_ms(town: &Town, process: u32, born: Tick) -> Option<i64> {
    let starts = town.journal.starts.lock();
    starts.iter().find(|start| start.process == process).map(|start| start.at.since_ms(born))
}

/// Waits until so many processes hold the same share of the shards.
async fn balanced(town: &Town, processes: usize) {
    let fair = vec![60 / processes; processes];
    let is_fair = async || (town.shares() == fair).then_some(());
    town.wait_for("the lanes are shared evenly", Duration::from_secs(30), is_fair).await;
}

/// Waits until every process has made calls of its own after this moment.
async fn all_send(town: &Town, servers: &[Server]) {
    let since = SystemClock::new().tick();
    let sends = async || servers.iter().all(|server| town.journal.begun(server.id(), since) >= 10).then_some(());
    town.wait_for("every process does its share", Duration::from_secs(30), sends).await;
}

/// Waits until every lane has sent again after a moment, and tells how long the slowest took, in milliseconds.
async fn all_lanes_go_on(town: &Town, since: Tick) -> i64 {
    let all = async || next_sends_ms(town, since).await.into_iter().collect::<Option<Vec<i64>>>();
    let took = town.wait_for("every lane sends again", Duration::from_secs(20), all).await;
    took.into_iter().max().unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_several_processes_on_one_postgresql_one_may_die_and_one_may_freeze() {
    let (began, clock) = (Instant::now(), SystemClock::new());
    let database = fresh_database();
    let town = Arc::new(Town::build(&database, 12).await);
    town.slow("waba", 20).await;
    let ports: Vec<u16> = (0..4).map(|_| free_port()).collect();
    let mut servers: Vec<Server> = ports[..3].iter().map(|port| town.server(*port)).collect();
    for server in &servers {
        server.ready().await;
    }
    town.front.aim(&ports[..3]);
    let load = Load::begin(&town);
    balanced(&town, 3).await;
    all_send(&town, &servers).await;

    let killed_at = clock.tick();
    servers.remove(1).kill();
    let mut in_air = InAir::default();
    in_air.note(&town);
    town.front.aim(&[ports[0], ports[2]]);
    let dead_ms = all_lanes_go_on(&town, killed_at).await;

    let joined = Instant::now();
    servers.push(town.server(ports[3]));
    servers[2].ready().await;
    balanced(&town, 3).await;
    let joined_ms = joined.elapsed().as_millis();
    all_send(&town, &servers).await;

    // one that stands still is not seen to be dead by the kernel: its beats are missed
    let frozen_at = clock.tick();
    town.front.aim(&[ports[0], ports[3]]);
    servers[1].signal("STOP");
    in_air.note(&town);
    let frozen_ms = all_lanes_go_on(&town, frozen_at).await;
    servers[1].signal("CONT");
    balanced(&town, 3).await;
    all_send(&town, &servers).await;

    let acknowledged = load.end().await;
    drain(&town, &acknowledged).await;
    for server in servers {
        assert!(server.stop().await.success());
    }
    let verdict = judge(&town, &acknowledged).await;
    let mut text = format!("three processes on one postgres\n{}", verdict.lines());
    let _ = writeln!(
        text,
        "  lanes of a dead process sent again within {dead_ms} ms, of a frozen one within {frozen_ms} ms; \
         shared evenly {joined_ms} ms after one more had come; {} s in all",
        began.elapsed().as_secs()
    );
    report("processes", &text);
    assert!(dead_ms <= GOES_ON_MS && frozen_ms <= GOES_ON_MS);
    assert!(verdict.unknown <= in_air.messages.len(), "{} unknown of {:?}", verdict.unknown, in_air.messages);
    Arc::into_inner(town).unwrap().clear().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_postgresql_that_crashes_under_load_costs_moments_and_nothing_else() {
    const CRASHES: usize = 5;
    let (began, clock, seed) = (Instant::now(), SystemClock::new(), seed());
    let mut random = SmallRng::seed_from_u64(seed);
    let mut cluster = Cluster::own();
    let town = Arc::new(Town::build(&cluster.database(), 8).await);
    town.slow("waba", 20).await;
    let port = free_port();
    let server = town.server(port);
    server.ready().await;
    town.front.aim(&[port]);
    let load = Load::begin(&town);
    let (from, mut slowest_ms) = (clock.tick(), 0);
    for _ in 0..CRASHES {
        all_send(&town, std::slice::from_ref(&server)).await;
        tokio::time::sleep(Duration::from_millis(random.random_range(1..=700))).await;
        cluster = tokio::task::spawn_blocking(move || {
            cluster.crash();
            cluster.start();
            cluster
        })
        .await
        .unwrap();
        slowest_ms = slowest_ms.max(all_lanes_go_on(&town, clock.tick()).await);
    }
    let to = clock.tick();
    let acknowledged = load.end().await;
    drain(&town, &acknowledged).await;
    assert!(server.stop().await.success());
    let verdict = judge(&town, &acknowledged).await;
    let pause_ms = longest_pause_ms(&town, from, to).await;
    let mut text = format!("{CRASHES} crashes of postgres under a server (seed {seed})\n{}", verdict.lines());
    let _ = writeln!(
        text,
        "  every lane sent again at most {slowest_ms} ms after the database was there; longest pause {pause_ms} ms; {} s in all",
        began.elapsed().as_secs()
    );
    report("database", &text);
    assert!(pause_ms <= GOES_ON_MS && slowest_ms <= GOES_ON_MS);
    assert_eq!(verdict.unknown, 0, "the server lived through it and knows the answers");
    Arc::into_inner(town).unwrap().clear().await;
}
