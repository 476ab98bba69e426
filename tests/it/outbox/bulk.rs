//! What the outbox writes for many messages in one statement is what it would have written for each.

use std::sync::Arc;

use switchboard::model::errand::Rank;
use switchboard::model::id::{ChannelId, CompanyId, LaneId};
use switchboard::model::moment::{Moment, Tick};
use switchboard::model::pace::Pace;
use switchboard::store::outbox::{PutBack, Want};
use switchboard::store::row::{LaneRow, NewLane, Sent};
use switchboard::store::{Options, Store, history, outbox};

use crate::departure::errand;

async fn lanes(store: &Store, company: CompanyId, count: usize) -> Vec<LaneId> {
    let made = store.write(move |conn| {
        switchboard::on!(conn, company::create(company, "Test", "Europe/Moscow", 0))?;
        (0..count)
            .map(|_| {
                let new = NewLane { kind: "channel".into(), pace: Pace::CAREFUL, hours: None };
                switchboard::on!(conn, lane::create(company, &new))
            })
            .collect::<switchboard::store::Result<Vec<_>>>()
    });
    made.await.unwrap()
}

on_both_databases! {
    #[tokio::test]
    async fn the_last_start_of_each_lane_is_written_down(database: &str) {
        let store = Store::open(Options::new(database)).unwrap();
        let company = CompanyId::new();
        let made = lanes(&store, company, 3).await;
        let (paced, live, both) = (made[0], made[1], made[2]);
        let sent = [
            Sent { lane: paced, paced: Some((Tick(10), 15_000)), live: None },
            Sent { lane: both, paced: Some((Tick(11), 15_000)), live: None },
            Sent { lane: live, paced: None, live: Some(Tick(12)) },
            Sent { lane: both, paced: None, live: Some(Tick(13)) },
            Sent { lane: paced, paced: Some((Tick(14), 16_000)), live: None },
        ];
        store.write(move |conn| outbox::set_sent(conn, "boot", &sent)).await.unwrap();
        let rows = store.read(move |conn| switchboard::on!(conn, lane::by_ids(&[paced, live, both]))).await.unwrap();
        let of = |lane: LaneId| {
            let row: &LaneRow = rows.iter().find(|row| row.id == lane).unwrap();
            (row.sent_boot.as_deref(), row.sent_tick, row.sent_gap_ms, row.live_tick)
        };
        assert_eq!(of(paced), (Some("boot"), 14, 16_000, 0));
        assert_eq!(of(live), (Some("boot"), 12, 0, 12));
        assert_eq!(of(both), (Some("boot"), 11, 15_000, 13));
    }

    #[tokio::test]
    async fn a_batch_with_merge_keys_gets_its_numbers_in_the_order_of_acceptance(database: &str) {
        let store = Store::open(Options::new(database)).unwrap();
        let company = CompanyId::new();
        let lane = lanes(&store, company, 1).await[0];
        let mut new: Vec<_> = (0..6).map(|n| errand(company, lane, &format!("p{n}"))).collect();
        new[1].merge_key = Some("a".into());
        new[3].merge_key = Some("b".into());
        let accept = |new: Vec<_>| store.write(move |conn| outbox::accept(conn, Moment(1), &new));
        let first: Vec<_> = accept(new.clone()).await.unwrap().into_iter().map(|one| one.unwrap().id).collect();
        assert!(first.is_sorted_by(|a, b| a < b), "{first:?}");
        let second: Vec<_> = accept(new).await.unwrap().into_iter().map(|one| one.unwrap().id).collect();
        assert_eq!((second[1], second[3]), (first[1], first[3]));
        let fresh = [second[0], second[2], second[4], second[5]];
        assert!(fresh.is_sorted_by(|a, b| a < b) && fresh[0] > first[5], "{first:?} {second:?}");
        let waiting = store.read(move |conn| outbox::look(conn, lane, 100)).await.unwrap();
        let ids: Vec<_> = waiting.into_iter().map(|(errand, ..)| errand.id).collect();
        assert_eq!(ids, [first, fresh.to_vec()].concat());
    }

    #[tokio::test]
    async fn early_receipts_are_taken_once_and_for_their_own_messages(database: &str) {
        let store: Arc<Store> = Store::open(Options::new(database)).unwrap();
        let (here, there) = (ChannelId::new(), ChannelId::new());
        let kept = store.write(move |conn| {
            for (channel, vendor_id, receipt) in [(here, "1", "a"), (here, "2", "b"), (there, "1", "c"), (here, "1", "d")] {
                switchboard::on!(conn, message::keep_receipt(channel, vendor_id, receipt, 0))?;
            }
            Ok(())
        });
        kept.await.unwrap();
        let asked = [(here.to_string(), "1".to_owned()), (here.to_string(), "3".to_owned())];
        let take = || {
            let asked = asked.clone();
            store.write(move |conn| history::take_receipts(conn, &asked))
        };
        let taken = take().await.unwrap();
        assert_eq!(taken.len(), 1);
        assert_eq!(taken[&asked[0]], ["a", "d"]);
        assert!(take().await.unwrap().is_empty());
        let rest = [(here.to_string(), "2".to_owned()), (there.to_string(), "1".to_owned())];
        let left = store.write(move |conn| history::take_receipts(conn, &rest)).await.unwrap();
        assert_eq!(left.values().flatten().count(), 2);
    }

    #[tokio::test]
    async fn starts_read_the_same_before_and_after_they_are_folded(database: &str) {
        let store: Arc<Store> = Store::open(Options::new(database)).unwrap();
        let many = lanes(&store, CompanyId::new(), 600).await;
        let start = |lane: &LaneId, tick: i64| Sent { lane: *lane, paced: Some((Tick(tick + lane), 15_000)), live: None };
        let write = |boot: &'static str, sent: Vec<Sent>| store.write(move |conn| outbox::set_sent(conn, boot, &sent));
        let ids = many.clone();
        let seen = || {
            let ids = ids.clone();
            store.read(move |conn| {
                let mut rows: Vec<LaneRow> = switchboard::on!(conn, lane::by_ids(&ids))?;
                rows.sort_unstable_by_key(|row| row.id);
                Ok(rows.into_iter().map(|row| (row.sent_boot.unwrap_or_default(), row.sent_tick - row.id)).collect::<Vec<_>>())
            })
        };
        write("one", many.iter().map(|lane| start(lane, 5_000_000)).collect()).await.unwrap();
        write("two", many.iter().skip(1).map(|lane| start(lane, 1_000)).collect()).await.unwrap();
        let before = seen().await.unwrap();
        assert_eq!(before[0], ("one".to_owned(), 5_000_000));
        assert!(before[1..].iter().all(|row| *row == ("two".to_owned(), 1_000)), "{before:?}");
        for _ in 0..2 {
            let folding = Arc::clone(&store);
            tokio::task::spawn_blocking(move || outbox::fold_starts(&folding)).await.unwrap().unwrap();
            assert_eq!(seen().await.unwrap(), before);
        }
        write("two", vec![start(&many[1], 500), start(&many[2], 2_000)]).await.unwrap();
        let after = seen().await.unwrap();
        assert_eq!((after[1].1, after[2].1), (1_000, 2_000), "an earlier start replaces no later one");
    }

    #[tokio::test]
    async fn the_first_of_each_rank_and_lane_is_found_without_the_rest(database: &str) {
        let store: Arc<Store> = Store::open(Options::new(database)).unwrap();
        let company = CompanyId::new();
        let many = lanes(&store, company, 3).await;
        let (first, last) = (many[0], many[2]);
        let new: Vec<_> = [(last, Rank::Mailing), (first, Rank::Service), (first, Rank::Service), (last, Rank::Live), (last, Rank::Live)]
            .into_iter()
            .map(|(lane, rank)| switchboard::model::errand::NewErrand { rank, ..errand(company, lane, "p") })
            .collect();
        let ids: Vec<i64> = store
            .write(move |conn| outbox::accept(conn, Moment(1), &new))
            .await
            .unwrap()
            .into_iter()
            .map(|accepted| accepted.unwrap().id)
            .collect();
        let heads = store.read(|conn| switchboard::on!(conn, lane::heads())).await.unwrap();
        assert_eq!(heads, [(first, 1, ids[1]), (last, 0, ids[3]), (last, 3, ids[0])]);
    }

    #[tokio::test]
    async fn what_is_put_back_after_its_time_is_ended_all_the_same(database: &str) {
        let store: Arc<Store> = Store::open(Options::new(database)).unwrap();
        let company = CompanyId::new();
        let lane = lanes(&store, company, 1).await[0];
        let mut new = errand(company, lane, "p");
        new.expires_at = Some(Moment(5_000));
        let id = store.write(move |conn| outbox::accept(conn, Moment(1), &[new.clone()])).await.unwrap()[0].unwrap().id;
        let want = Want { lane, live: false, ranks: (1, 3), after: (-1, 0), limit: 1, blocked: vec![], ready: vec![] };
        let claimed = store.write(move |conn| {
            switchboard::on!(conn, owner::enter("me"))?;
            outbox::claim(conn, "me", "claim", Moment(2), &[want.clone()], false)
        });
        assert_eq!(claimed.await.unwrap()[0].id, id);
        let end = |at: i64| store.write(move |conn| outbox::withdraw_expired(conn, Moment(at), 10));
        assert!(end(9_000).await.unwrap().is_empty(), "it flies");
        let back = PutBack { id, not_before: Moment(0), attempts: 1 };
        store.write(move |conn| outbox::put_back(conn, &[back])).await.unwrap();
        assert!(end(4_999).await.unwrap().is_empty(), "its time is not over");
        assert_eq!(end(9_000).await.unwrap().iter().map(|errand| errand.id).collect::<Vec<_>>(), [id]);
        assert!(end(9_000).await.unwrap().is_empty());
    }
}
