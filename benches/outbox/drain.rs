//! How fast errands without a pace go through: accept, claim, call, settle with the history, tell.

use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use switchboard::app::App;
use switchboard::model::clock::SystemClock;
use switchboard::model::pace::Pace;
use switchboard::serve::Roles;
use switchboard::store::notice;
use switchboard::store::outbox;
use switchboard::store::row::ChannelRow;

use crate::Asked;
use crate::child::Child;
use crate::load::Vendor;
use crate::pumping::{self, Inside};
use crate::report::{mark, not_ours, result};
use crate::stage::{self, House, Seed};

/// Errands of one call that accepts.
const AT_ONCE: usize = 1000;

async fn enqueue(app: &App, house: House, channels: &[ChannelRow], count: usize) {
    for from in (0..count).step_by(AT_ONCE) {
        let new: Vec<_> = (from..count.min(from + AT_ONCE)).map(|n| stage::errand(app, house, channels, n)).collect();
        let (now, asked) = (app.clock.now(), new.len());
        let accepted = app.store.write(move |conn| outbox::accept(conn, now, &new)).await.unwrap();
        assert_eq!(accepted.iter().flatten().count(), asked);
    }
}

async fn until_settled(settled: impl Fn() -> u64, count: u64) {
    while settled() < count {
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

/// In one process, the vendor in it.
pub async fn drain(asked: &Asked) {
    let jobs = asked.number("jobs", 100_000, 10_000);
    let server = stage::server(&asked.url, &[], Roles::new(), Arc::new(SystemClock::new())).await;
    let house = stage::house(&server.app).await;
    let channels = stage::channels(&server.app, house, 10, Pace::NONE).await;
    let trade = Inside::new(&server.app, None);
    mark("enqueue");
    enqueue(&server.app, house, &channels, jobs as usize).await;
    mark("drain");
    let (bell, running) = pumping::start(&server.app, trade.clone());
    until_settled(|| trade.settled(), jobs as u64).await;
    while stage::left(&server.app).await > 0 {
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    mark("end");
    result(&json!({ "jobs": jobs }));
    bell.stop().await;
    running.await.unwrap();
    server.stop().await;
}

/// The whole trade of the server: each message is a call of HTTP to a vendor on loopback, in a process of its own.
pub async fn http(asked: &Asked) {
    let jobs = asked.number("jobs", 30_000, 3_000);
    let vendor = Vendor::start(asked).await;
    not_ours(vendor.child.pid);
    let address = format!("http://127.0.0.1:{}", vendor.port);
    let more = [("SWITCHBOARD_VENDORS__TELEGRAM_BOT", address.as_str())];
    let server = stage::server(&asked.url, &more, Roles::new(), Arc::new(SystemClock::new())).await;
    let house = stage::house(&server.app).await;
    let channels = stage::channels(&server.app, house, 2, Pace::NONE).await;
    let trade = Inside::with_http(&server.app);
    mark("enqueue");
    enqueue(&server.app, house, &channels, jobs as usize).await;
    mark("drain");
    let (bell, running) = pumping::start(&server.app, trade.clone());
    until_settled(|| trade.settled(), jobs as u64).await;
    while stage::left(&server.app).await > 0 {
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    mark("end");
    result(&json!({ "jobs": jobs }));
    bell.stop().await;
    running.await.unwrap();
    server.stop().await;
    vendor.child.wait().await;
}

/// The same errands out of a short queue and out of a long one.
pub async fn backlog(asked: &Asked) {
    let (short, long) = (asked.number("short", 10_000, 2_000), asked.number("long", 1_000_000, 20_000));
    let rounds = 5;
    let server = stage::server(&asked.url, &[], Roles::new(), Arc::new(SystemClock::new())).await;
    let house = stage::house(&server.app).await;
    let mut seed = Seed { house, lanes: 10, first: 0, errands: short, pace: Pace::NONE, lead_ms: None };
    for _ in 0..rounds {
        seed.write(&server.app).await;
        part(&server.app, "short", short).await;
        seed.first += short;
    }
    seed.errands = long;
    seed.write(&server.app).await;
    part(&server.app, "long", short * rounds).await;
    result(&json!({ "jobs": short * rounds, "queue_short": short, "queue_long": long }));
    server.stop().await;
}

async fn part(app: &App, name: &str, count: i64) {
    let trade = Inside::new(app, None);
    mark(name);
    let (bell, running) = pumping::start(app, trade.clone());
    until_settled(|| trade.settled(), count as u64).await;
    mark("-");
    bell.stop().await;
    running.await.unwrap();
}

/// One, two and four processes on one PostgreSQL. The lanes stand until all of them hold their share, then all run at once.
pub async fn processes(asked: &Asked) {
    let jobs = asked.number("jobs", 100_000, 6_000);
    if !asked.is_postgres() {
        return result(&json!({}));
    }
    let server = stage::server(&asked.url, &[], Roles::new(), Arc::new(SystemClock::new())).await;
    let house = stage::house(&server.app).await;
    let channels = stage::channels(&server.app, house, 60, Pace::NONE).await;
    for (round, count) in [1usize, 2, 4].into_iter().enumerate() {
        set_lanes(&server.app, 1, &[]).await;
        let mut children = Vec::new();
        for _ in 0..count {
            children.push(Child::pump(asked, None).await);
        }
        for child in &mut children {
            child.say("go").await;
        }
        for from in (0..jobs as usize).step_by(AT_ONCE) {
            let until = (jobs as usize).min(from + AT_ONCE);
            let numbers = (from..until).map(|n| n + round * jobs as usize);
            let new: Vec<_> = numbers.map(|n| stage::errand(&server.app, house, &channels, n)).collect();
            let now = server.app.clock.now();
            server.app.store.write(move |conn| outbox::accept(conn, now, &new)).await.unwrap();
        }
        // the shares are even after a few beats
        tokio::time::sleep(Duration::from_secs(if count == 1 { 2 } else { 6 })).await;
        let lanes: Vec<i64> = channels.iter().map(|row| row.lane).collect();
        mark(&format!("x{count}"));
        set_lanes(&server.app, 0, &lanes).await;
        let all = || children.iter().map(Child::settled).sum();
        until_settled(all, jobs as u64).await;
        while stage::left(&server.app).await > 0 {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        mark("-");
        for child in children {
            child.stop().await;
        }
    }
    result(&json!({ "jobs": jobs }));
    server.stop().await;
}

async fn set_lanes(app: &App, state: i16, tell: &[i64]) {
    let tell = tell.to_vec();
    let set = app.store.write(move |conn| {
        conn.batch(&format!("UPDATE lanes SET state = {state}, version = version + 1"))?;
        tell.iter().try_for_each(|lane| notice::changed(conn, *lane))
    });
    set.await.unwrap();
}
