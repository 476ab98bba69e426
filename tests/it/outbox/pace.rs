//! The pace: between messages, between live answers, over restarts, whatever is done to the calendar.

use switchboard::model::clock::Clock as _;
use switchboard::model::clock::HandClock;
use switchboard::model::errand::Rank;
use switchboard::model::eta::{Timetable, Waiting, forecast};
use switchboard::model::moment::{Moment, Tick};
use switchboard::model::pace::Pace;
use switchboard::model::vendor::Answer;

use super::stand::{CAREFUL, START, Stand};

on_both_databases! {
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hundred_numbers_at_15_s_take_24_min_45_s_and_fifty_12_min_15_s(url: &str) {
    let stand = Stand::set(url).await;
    let (hundred, fifty) = (stand.lane(CAREFUL, None).await, stand.lane(CAREFUL, None).await);
    let name = |n: usize| format!("{}", 79_990_000_000 + n);
    stand.accept((0..100).map(|n| stand.errand(hundred, Rank::Mailing, &name(n))).collect()).await;
    stand.accept((0..50).map(|n| stand.errand(fifty, Rank::Marketing, &name(n))).collect()).await;
    stand.quiet().await;
    for n in 1..100 {
        stand.advance(14_999).await;
        assert_eq!(stand.calls(hundred).len(), n, "one was early");
        stand.advance(1).await;
        assert_eq!((stand.calls(hundred).len(), stand.calls(fifty).len()), (n + 1, (n + 1).min(50)), "one was late");
    }
    for (lane, count, ms) in [(hundred, 100, 1_485_000), (fifty, 50, 735_000)] {
        let calls = stand.calls(lane);
        assert_eq!((calls.len(), calls[count - 1].at.since_ms(calls[0].at)), (count, ms));
        assert_eq!(stand.called(lane), (0..count).map(name).collect::<Vec<_>>());
    }
    stand.clear().await;
}
}

on_both_databases! {
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_gap_is_drawn_anew_for_every_call_and_never_left_short(url: &str) {
    let stand = Stand::set(url).await;
    let lane = stand.lane(Pace::Gap { from_ms: 2_000, to_ms: 4_000, live_ms: 0 }, None).await;
    let names: Vec<String> = (0..13).map(|n| format!("p{n}")).collect();
    stand.ask(lane, &names.iter().map(String::as_str).collect::<Vec<_>>()).await;
    stand.quiet().await;
    let mut gaps = Vec::new();
    for _ in 1..13 {
        let gap_ms = stand.due(lane).await.paced_at.since_ms(Moment(START.0 + stand.calls(lane).last().unwrap().at.0 / 1000));
        assert!((2_000..=4_000).contains(&gap_ms), "{gap_ms}");
        stand.comes_after(lane, gap_ms).await;
        gaps.push(gap_ms);
    }
    gaps.sort_unstable();
    gaps.dedup();
    assert!(gaps.len() > 3, "twelve draws of two thousand are hardly the same: {gaps:?}");
    stand.clear().await;
}
}

on_both_databases! {
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn live_answers_have_a_small_gap_of_their_own_and_never_wait_behind_a_mailing(url: &str) {
    let stand = Stand::set(url).await;
    let lane = stand.lane(CAREFUL, None).await;
    let mailing: Vec<_> = ["m1", "m2"].map(|peer| stand.errand(lane, Rank::Mailing, peer)).into();
    stand.accept(mailing).await;
    stand.quiet().await;
    stand.accept(["a", "b", "c"].map(|peer| stand.errand(lane, Rank::Live, peer)).into()).await;
    stand.quiet().await;
    assert_eq!(stand.called(lane), ["m1", "a"]);
    assert_eq!(stand.comes_after(lane, 1_000).await, "b");
    assert_eq!(stand.comes_after(lane, 1_000).await, "c");
    assert_eq!(stand.comes_after(lane, 13_000).await, "m2", "and live answers delay no mailing");
    stand.clear().await;
}
}

on_both_databases! {
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_hour_on_the_calendar_forth_or_back_changes_no_gap_and_no_pause(url: &str) {
    let stand = Stand::set(url).await;
    let lane = stand.lane(CAREFUL, None).await;
    stand.ask(lane, &["a", "b", "c", "d"]).await;
    stand.quiet().await;
    for (jump_ms, peer) in [(3_600_000, "b"), (-3_600_000, "c"), (-3_600_000, "d")] {
        stand.advance(5_000).await;
        stand.clock.jump_ms(jump_ms);
        assert_eq!(stand.comes_after(lane, 10_000).await, peer);
    }
    // an errand that the vendor put off by a minute comes after a minute, though by the calendar its moment is an hour away
    stand.answers("e", &[Answer::Busy { after_ms: 60_000, scope: switchboard::model::vendor::Scope::Recipient }]);
    stand.advance(15_000).await;
    stand.ask(lane, &["e"]).await;
    stand.quiet().await;
    stand.clock.jump_ms(-3_600_000);
    assert_eq!(stand.comes_after(lane, 60_000).await, "e");
    assert_eq!(stand.told("e"), [Answer::done()]);
    stand.clear().await;
}
}

on_both_databases! {
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_planned_follows_the_calendar_when_it_is_moved(url: &str) {
    let stand = Stand::set(url).await;
    let lane = stand.lane(CAREFUL, None).await;
    let planned = |peer: &str, ms| {
        let mut errand = stand.errand(lane, Rank::Service, peer);
        errand.not_before = Some(stand.clock.now().plus_ms(ms));
        errand
    };
    stand.accept(vec![planned("forth", 3_600_000)]).await;
    stand.clock.jump_ms(3_599_000);
    assert_eq!(stand.comes_after(lane, 1_000).await, "forth");
    stand.accept(vec![planned("back", 60_000)]).await;
    stand.clock.jump_ms(-60_000);
    assert_eq!(stand.comes_after(lane, 120_000).await, "back");
    stand.clear().await;
}
}

on_both_databases! {
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restart_keeps_the_pace_and_another_boot_waits_a_whole_gap(url: &str) {
    let stand = Stand::set(url).await;
    let lane = stand.lane(CAREFUL, None).await;
    stand.ask(lane, &["a", "b", "c"]).await;
    stand.quiet().await;
    assert_eq!(stand.called(lane), ["a"]);
    stand.advance(4_000).await;
    let stand = stand.restart(None).await;
    stand.quiet().await;
    assert_eq!(stand.comes_after(lane, 11_000).await, "b", "the gap goes on where it was");
    stand.advance(4_000).await;
    // another boot: nobody knows how long the machine was away
    let stand = stand.restart(Some(HandClock::booted(START.plus_ms(7_000), "another"))).await;
    stand.quiet().await;
    assert_eq!(stand.comes_after(lane, 15_000).await, "c");
    stand.clear().await;
}
}

on_both_databases! {
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn starts_of_one_boot_never_go_back_and_never_meet_those_of_another(url: &str) {
    use switchboard::store::row::Sent;
    let stand = Stand::set(url).await;
    let lane = stand.lane(CAREFUL, None).await;
    let paced = |tick, gap_ms| Sent { lane, paced: Some((Tick(tick), gap_ms)), live: None };
    let live = |tick| Sent { lane, paced: None, live: Some(Tick(tick)) };
    // boot, what is written, then the row: the boot, the paced start and its gap, the live start
    let story = [
        ("one", live(5_000_000), ("one", 5_000_000, 0, 5_000_000)),
        ("one", paced(4_000_000, 15_000), ("one", 4_000_000, 15_000, 5_000_000)),
        ("one", paced(90_000_000, 15_000), ("one", 90_000_000, 15_000, 5_000_000)),
        ("one", paced(75_000_000, 15_000), ("one", 90_000_000, 15_000, 5_000_000)),
        ("one", live(80_000_000), ("one", 90_000_000, 15_000, 80_000_000)),
        ("one", live(70_000_000), ("one", 90_000_000, 15_000, 80_000_000)),
        ("two", paced(1_000_000, 15_000), ("two", 1_000_000, 15_000, 0)),
        ("three", live(2_000_000), ("three", 2_000_000, 15_000, 2_000_000)),
    ];
    for (boot, sent, row) in story {
        let written = stand.store.write(move |conn| switchboard::store::outbox::set_sent(conn, boot, &[sent]));
        written.await.unwrap();
        let seen = stand.store.read(move |conn| switchboard::on!(conn, lane::by_ids(&[lane]))).await.unwrap().remove(0);
        let boot = seen.sent_boot.unwrap_or_default();
        assert_eq!((boot.as_str(), seen.sent_tick, seen.sent_gap_ms, seen.live_tick), row, "after {sent:?}");
    }
    stand.clear().await;
}
}

on_both_databases! {
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_forecast_is_when_each_one_really_leaves(url: &str) {
    let stand = Stand::set(url).await;
    let lane = stand.lane(CAREFUL, None).await;
    stand.ask(lane, &["first"]).await;
    stand.advance(6_000).await;
    let list = [
        (Rank::Mailing, "m"), (Rank::Service, "s"), (Rank::Live, "l"), (Rank::Marketing, "k"), (Rank::Service, "t"), (Rank::Live, "o"),
    ];
    stand.accept(list.map(|(rank, peer)| stand.errand(lane, rank, peer)).into()).await;
    let due = stand.due(lane).await;
    let now = stand.clock.now();
    let table = Timetable { live_at: due.live_at.max(now), paced_at: due.paced_at.max(now), pace: CAREFUL, hours: None };
    let waiting = list.map(|(rank, peer)| Waiting { rank, peer: peer.into(), not_before: Moment(0) });
    let etas = forecast(table, &waiting);
    stand.quiet().await;
    while stand.calls(lane).len() < 7 {
        stand.advance(250).await;
    }
    for ((_, peer), eta) in list.iter().zip(etas) {
        let call = stand.calls(lane).into_iter().find(|call| call.peer == *peer).unwrap();
        let off_ms = eta.unwrap().since_ms(START.plus_ms(call.at.0 / 1000)).abs();
        assert!(off_ms < 250, "{peer} left {off_ms} ms beside its forecast");
    }
    stand.clear().await;
}
}
