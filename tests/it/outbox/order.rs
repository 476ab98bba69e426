//! Who goes first: ranks, the order for one recipient, keys that let a thing be accepted once.

use switchboard::model::clock::Clock as _;
use switchboard::model::errand::Rank;
use switchboard::model::vendor::{Answer, Scope};
use switchboard::store::outbox;

use super::stand::{CAREFUL, Stand};

on_both_databases! {
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ranks_go_in_their_order_whatever_came_first(url: &str) {
    let stand = Stand::set(url).await;
    let lane = stand.lane(CAREFUL, None).await;
    let list = [(Rank::Mailing, "m"), (Rank::Marketing, "k"), (Rank::Service, "s"), (Rank::Service, "t"), (Rank::Mailing, "n")];
    stand.accept(list.map(|(rank, peer)| stand.errand(lane, rank, peer)).into()).await;
    stand.quiet().await;
    for _ in 1..5 {
        stand.advance(15_000).await;
    }
    assert_eq!(stand.called(lane), ["s", "t", "k", "m", "n"]);
    stand.clear().await;
}
}

on_both_databases! {
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_that_is_put_off_holds_later_ones_to_its_recipient_and_nobody_else(url: &str) {
    let stand = Stand::set(url).await;
    let lane = stand.lane(CAREFUL, None).await;
    stand.answers("p", &[Answer::Busy { after_ms: 40_000, scope: Scope::Recipient }]);
    let texts = ["p", "p", "q", "r"].map(|peer| stand.errand(lane, Rank::Service, peer));
    let ids: Vec<i64> = stand.accept(texts.into()).await.into_iter().map(|one| one.unwrap().id).collect();
    stand.quiet().await;
    for peer in ["q", "r", "p", "p"] {
        assert_eq!(stand.comes_after(lane, 15_000).await, peer);
    }
    assert!(ids.is_sorted());
    assert_eq!(stand.told("p"), [Answer::done(), Answer::done()]);
    stand.clear().await;
}
}

on_both_databases! {
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_thousand_recipients_that_must_wait_stop_nobody_else(url: &str) {
    let stand = Stand::set(url).await;
    let lane = stand.lane(CAREFUL, None).await;
    let later = stand.clock.now().plus_ms(86_400_000);
    let planned = (0..2_000).map(|n| {
        let mut errand = stand.errand(lane, Rank::Service, &format!("later {n}"));
        errand.not_before = Some(later);
        errand
    });
    stand.accept(planned.collect()).await;
    // after a restart each of them is a recipient that must wait
    let stand = stand.restart(None).await;
    stand.ask(lane, &["now"]).await;
    // the clock stands still: it leaves at once, as soon as its lane has been read again, or never
    stand.wait_for("the one that need not wait has left", || !stand.told("now").is_empty()).await;
    assert_eq!(stand.called(lane), ["now"]);
    stand.clear().await;
}
}

on_both_databases! {
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_same_key_twice_is_one_errand(url: &str) {
    let stand = Stand::set(url).await;
    let lane = stand.lane(CAREFUL, None).await;
    let keyed = |peer: &str, key: &str| {
        let mut errand = stand.errand(lane, Rank::Service, peer);
        errand.dedup_key = Some(key.to_owned());
        errand
    };
    let first = stand.accept(vec![keyed("a", "1"), keyed("b", "1"), keyed("c", "2")]).await;
    assert_eq!(first.iter().map(Option::is_some).collect::<Vec<_>>(), [true, false, true]);
    stand.quiet().await;
    stand.advance(15_000).await;
    assert_eq!(stand.called(lane), ["a", "c"]);
    // the key is remembered when its errand is long gone
    assert_eq!(stand.accept(vec![keyed("d", "1")]).await, [None]);
    stand.advance(15_000).await;
    assert_eq!(stand.called(lane), ["a", "c"]);
    stand.clear().await;
}
}

on_both_databases! {
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_merge_key_replaces_what_waits_and_not_what_flies(url: &str) {
    let stand = Stand::set(url).await;
    let lane = stand.lane(CAREFUL, None).await;
    let merged = |word: &str| {
        let mut errand = stand.errand(lane, Rank::Service, "status");
        errand.merge_key = Some("sms:1".into());
        if let switchboard::model::errand::Work::PortalCall { method, .. } = &mut errand.work {
            word.clone_into(method);
        }
        errand
    };
    stand.ask(lane, &["first"]).await;
    stand.quiet().await;
    let ids: Vec<i64> = [
        stand.accept(vec![merged("sent")]).await,
        stand.accept(vec![merged("delivered"), merged("viewed")]).await,
    ].concat().into_iter().map(|one| one.unwrap().id).collect();
    assert!(ids.iter().all(|id| *id == ids[0]), "{ids:?}");
    let waiting = stand.store.read(move |conn| outbox::look(conn, lane, 10)).await.unwrap();
    assert_eq!(waiting.len(), 1);
    assert!(format!("{:?}", waiting[0].0.work).contains("viewed"), "the last word stands");
    stand.advance(15_000).await;
    let next = stand.accept(vec![merged("news")]).await[0].unwrap().id;
    assert_ne!(next, ids[0]);
    assert_eq!(stand.comes_after(lane, 15_000).await, "status");
    stand.clear().await;
}
}
