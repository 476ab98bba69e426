//! Commits whose answer never came: what was asked is done once, and everybody hears the truth.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use diesel::prelude::*;
use diesel::sql_types::Text;
use switchboard::model::errand::{NewErrand, Rank, Work};
use switchboard::model::id::{CompanyId, LaneId, PortalId};
use switchboard::model::moment::Moment;
use switchboard::model::origin::Origin;
use switchboard::model::pace::Pace;
use switchboard::store::outbox::{self, Want};
use switchboard::store::row::NewLane;
use switchboard::store::{self, Conn, Options, Store};

use super::cut::{Cut, Wire};
use crate::postgres::{Cluster, fresh_database, fresh_sqlite};

fn errand(company: CompanyId, lane: LaneId) -> NewErrand {
    let work = Work::PortalCall {
        portal: PortalId::new(),
        method: "x".into(),
        params: serde_json::json!({}),
        repeatable: false,
    };
    NewErrand {
        company,
        lane,
        rank: Rank::Service,
        peer: "p".into(),
        work,
        origin: Origin::Nobody,
        not_before: None,
        expires_at: None,
        dedup_key: None,
        merge_key: None,
    }
}

async fn lane(store: &Store, company: CompanyId) -> LaneId {
    let made = store.write(move |conn| {
        switchboard::on!(conn, company::create(company, "Test", "Europe/Moscow", 0))?;
        let pace = Pace::Gap { from_ms: 100, to_ms: 100, live_ms: 100 };
        switchboard::on!(conn, lane::create(company, &NewLane { kind: "channel".into(), pace, hours: None }))
    });
    made.await.unwrap()
}

/// Accepts an errand while the commit is cut; tells how often the job ran, and how many errands there are.
async fn accept_while(cut: Cut) -> (usize, usize) {
    let database = fresh_database();
    let wire = Wire::lay(&database).await;
    let store = Store::open(Options { writers: 1, ..Options::new(&wire.url) }).unwrap();
    let company = CompanyId::new();
    let lane = lane(&store, company).await;
    let runs = Arc::new(AtomicUsize::default());
    let counted = Arc::clone(&runs);
    wire.cut(cut);
    let accepted = store.write(move |conn| {
        counted.fetch_add(1, Ordering::SeqCst);
        outbox::accept(conn, Moment(1), &[errand(company, lane)])
    });
    assert_eq!(accepted.await.unwrap().len(), 1);
    let there = store.read(move |conn| outbox::look(conn, lane, 10)).await.unwrap();
    (runs.load(Ordering::SeqCst), there.len())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_commit_whose_answer_was_lost_is_not_done_twice() {
    assert_eq!(accept_while(Cut::After).await, (1, 1));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_commit_that_never_arrived_is_done_again() {
    assert_eq!(accept_while(Cut::Before).await, (2, 1));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_commit_that_went_down_with_its_server_is_done_again() {
    let mut cluster = Cluster::own();
    let database = cluster.database();
    let wire = Wire::lay(&database).await;
    let store = Arc::new(Store::open(Options { writers: 1, ..Options::new(&wire.url) }).unwrap());
    let company = CompanyId::new();
    let lane = lane(&store, company).await;
    wire.cut(Cut::Held);
    let writing = Arc::clone(&store);
    let accepted = tokio::spawn(async move {
        writing.write(move |conn| outbox::accept(conn, Moment(1), &[errand(company, lane)])).await
    });
    wire.holds().await;
    let crashed = tokio::task::spawn_blocking(move || {
        cluster.crash();
        cluster.start();
        // the transactions of others, one of which now has the number of the one that was lost
        let mut conn = store::connect(&Options::new(&database)).unwrap();
        let Conn::Postgres(conn) = &mut conn else { panic!("not PostgreSQL") };
        for _ in 0..20 {
            diesel::sql_query("UPDATE companies SET name = name").execute(&mut **conn).unwrap();
        }
        cluster
    });
    let _cluster = crashed.await.unwrap();
    assert_eq!(accepted.await.unwrap().unwrap().len(), 1);
    let there = store.read(move |conn| outbox::look(conn, lane, 10)).await.unwrap();
    assert_eq!(there.len(), 1, "accepted, and not there");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_claim_whose_commit_broke_off_is_heard_of_by_its_claimer() {
    let database = fresh_database();
    let wire = Wire::lay(&database).await;
    let store = Store::open(Options { writers: 1, ..Options::new(&wire.url) }).unwrap();
    let company = CompanyId::new();
    let lane = lane(&store, company).await;
    let prepared = store.write(move |conn| {
        switchboard::on!(conn, owner::enter("me"))?;
        outbox::accept(conn, Moment(1), &[errand(company, lane)])
    });
    prepared.await.unwrap();
    wire.cut(Cut::After);
    let want =
        Want { lane, live: false, ranks: (1, 3), after: (-1, 0), limit: 1, blocked: Vec::new(), ready: Vec::new() };
    let wants = [want];
    let asked = wants.clone();
    let claimed = store.write(move |conn| outbox::claim(conn, "me", "claim", Moment(2), &asked, false));
    // without the database's word the claim would be tried again, find nothing, and leave the errand flying for ever
    let claimed = claimed.await.unwrap();
    assert_eq!(claimed.len(), 1);
    let again = store.write(move |conn| outbox::claim(conn, "me", "claim", Moment(2), &wants, true)).await.unwrap();
    assert_eq!(again, claimed, "who asks for its claim again by name hears the same");
}

#[derive(QueryableByName)]
struct Setting {
    #[diesel(sql_type = Text)]
    value: String,
}

#[test]
fn what_is_acknowledged_is_on_the_disk_unless_the_settings_say_otherwise() {
    let (_folder, sqlite) = fresh_sqlite();
    assert!(Options::new(&sqlite).durable && switchboard::config::DEFAULTS.contains("\ndurable = true\n"));
    for (url, query, expected) in [
        (&*sqlite, "SELECT CAST(synchronous AS TEXT) AS value FROM pragma_synchronous", "2"),
        (&*fresh_database(), "SELECT current_setting('synchronous_commit') AS value", "on"),
    ] {
        let found: Setting = match &mut store::connect(&Options::new(url)).unwrap() {
            Conn::Sqlite(conn) => diesel::sql_query(query).get_result(&mut **conn).unwrap(),
            Conn::Postgres(conn) => diesel::sql_query(query).get_result(&mut **conn).unwrap(),
        };
        assert_eq!(found.value, expected);
    }
}
