//! The database goes away for a moment: nothing is lost and nothing is sent twice.

use diesel::RunQueryDsl as _;
use switchboard::model::vendor::Answer;
use switchboard::store::Conn;

use super::stand::{CAREFUL, Stand};

/// Cuts every other connection to this database.
fn cut(conn: &mut Conn) {
    if let Conn::Postgres(conn) = conn {
        let others = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() \
                      AND pid <> pg_backend_pid()";
        diesel::sql_query(others).execute(&mut **conn).unwrap();
    }
}

on_both_databases! {
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn cut_connections_lose_nothing_and_double_nothing(url: &str) {
    let stand = Stand::set(url).await;
    let lane = stand.lane(switchboard::model::pace::Pace::NONE, None).await;
    let mut knife = switchboard::store::connect(stand.store.options()).unwrap();
    let names: Vec<String> = (0..400).map(|n| format!("p{n}")).collect();
    for part in names.chunks(40) {
        stand.ask(lane, &part.iter().map(String::as_str).collect::<Vec<_>>()).await;
        // claims, calls and transactions of this part are under way
        cut(&mut knife);
        // what was cut is tried again by the clock
        while !part.iter().all(|name| !stand.told(name).is_empty()) {
            stand.clock.advance_ms(500);
            tokio::task::yield_now().await;
        }
    }
    let mut called = stand.called(lane);
    called.sort_unstable();
    let count = called.len();
    called.dedup();
    assert_eq!((count, called.len()), (400, 400));
    // a transaction that was lost is run again, and what it told went with it
    assert!(names.iter().all(|name| stand.told(name).iter().all(|told| *told == Answer::done())));
    let paced = stand.lane(CAREFUL, None).await;
    stand.ask(paced, &["after"]).await;
    stand.quiet().await;
    assert_eq!(stand.called(paced), ["after"]);
    stand.clear().await;
}
}
