//! What people do to a lane: pause, hours, a new pace; and messages whose time is over.

use switchboard::model::clock::Clock as _;
use switchboard::model::errand::Rank;
use switchboard::model::pace::Pace;
use switchboard::model::result::Code;
use switchboard::model::vendor::{Answer, Scope};
use switchboard::model::window::Window;
use switchboard::store::outbox;
use switchboard::store::row::LaneState;

use super::stand::{CAREFUL, Stand};

on_both_databases! {
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_paused_lane_starts_nothing_and_goes_on_at_its_pace(url: &str) {
    let stand = Stand::set(url).await;
    let lane = stand.lane(CAREFUL, None).await;
    stand.ask(lane, &["a", "b", "c"]).await;
    stand.accept(vec![stand.errand(lane, Rank::Live, "live")]).await;
    stand.quiet().await;
    assert_eq!(stand.called(lane).len(), 2);
    stand.set_state(lane, LaneState::Paused).await;
    stand.accept(vec![stand.errand(lane, Rank::Live, "later")]).await;
    stand.advance(600_000).await;
    assert_eq!(stand.called(lane).len(), 2, "neither paced nor live");
    stand.set_state(lane, LaneState::Running).await;
    stand.quiet().await;
    assert_eq!(stand.called(lane).len(), 4);
    assert_eq!(stand.comes_after(lane, 15_000).await, "c", "what has waited does not come in a burst");
    stand.clear().await;
}
}

on_both_databases! {
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hours_hold_paced_messages_to_the_minute_and_no_live_answers(url: &str) {
    // it is Monday, 12:00 in Moscow: open on Mondays and Tuesdays until 12:01
    let hours = Window { days: vec![1, 2], from_minute: 600, to_minute: 721, zone: chrono_tz::Europe::Moscow };
    let stand = Stand::set(url).await;
    let lane = stand.lane(CAREFUL, Some(hours.clone())).await;
    stand.ask(lane, &["a", "b", "c", "d", "e", "f"]).await;
    stand.quiet().await;
    for peer in ["b", "c", "d"] {
        assert_eq!(stand.comes_after(lane, 15_000).await, peer);
    }
    stand.advance(15_000).await;
    stand.accept(vec![stand.errand(lane, Rank::Live, "live")]).await;
    stand.quiet().await;
    assert_eq!(stand.called(lane), ["a", "b", "c", "d", "live"], "closed at 12:01");
    // Tuesday at 10:00, which is 21 h 59 min later
    assert_eq!(stand.comes_after(lane, 79_140_000).await, "e");
    // another zone, where it is too early still: Tuesday 10:00 in Kaliningrad is an hour later
    stand.set_pace(lane, CAREFUL, Some(Window { zone: chrono_tz::Europe::Kaliningrad, ..hours })).await;
    assert_eq!(stand.comes_after(lane, 3_600_000).await, "f");
    stand.clear().await;
}
}

on_both_databases! {
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_new_pace_holds_from_the_next_call_on(url: &str) {
    let stand = Stand::set(url).await;
    let lane = stand.lane(CAREFUL, None).await;
    stand.ask(lane, &["a", "b", "c", "d"]).await;
    stand.quiet().await;
    stand.set_pace(lane, Pace::Gap { from_ms: 60_000, to_ms: 60_000, live_ms: 0 }, None).await;
    assert_eq!(stand.comes_after(lane, 15_000).await, "b", "a gap that runs stays as it was drawn");
    assert_eq!(stand.comes_after(lane, 60_000).await, "c");
    stand.set_pace(lane, Pace::Gap { from_ms: 2_000, to_ms: 2_000, live_ms: 0 }, None).await;
    assert_eq!(stand.comes_after(lane, 60_000).await, "d");
    stand.clear().await;
}
}

on_both_databases! {
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_message_whose_time_is_over_is_not_sent_and_said_so(url: &str) {
    let stand = Stand::set(url).await;
    let lane = stand.lane(CAREFUL, None).await;
    let until = |peer: &str, ms| {
        let mut errand = stand.errand(lane, Rank::Service, peer);
        errand.expires_at = Some(stand.clock.now().plus_ms(ms));
        errand
    };
    stand.answers("down", &[Answer::Down { seen: String::new() }]);
    stand.accept(vec![until("a", 10_000), until("late", 14_000), until("down", 15_500), until("b", 60_000)]).await;
    stand.quiet().await;
    stand.advance(15_000).await;
    let too_late = [Answer::Refused { code: Code::TooLate, text: String::new() }];
    assert_eq!(stand.told("late"), too_late);
    stand.advance(30_000).await;
    stand.advance(15_000).await;
    assert_eq!(stand.told("down"), too_late, "no further attempt fits in");
    assert_eq!(stand.called(lane).iter().filter(|peer| *peer == "late").count(), 0);
    assert!(stand.called(lane).contains(&"b".to_owned()) || stand.told("b") == too_late);
    stand.clear().await;
}
}

on_both_databases! {
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_message_to_a_stranger_waits_its_time_while_the_vendor_lets_nobody_write_to_strangers(url: &str) {
    let stand = Stand::set(url).await;
    let lane = stand.lane(CAREFUL, None).await;
    let mut strange = stand.errand(lane, Rank::Service, "strange");
    strange.expires_at = Some(stand.clock.now().plus_ms(3_600_000));
    stand.answers("strange", &[Answer::Busy { after_ms: 86_400_000, scope: Scope::Strangers }]);
    stand.accept(vec![strange, stand.errand(lane, Rank::Service, "known")]).await;
    stand.quiet().await;
    assert_eq!(stand.comes_after(lane, 15_000).await, "known", "the lane goes on");
    stand.advance(3_500_000).await;
    assert_eq!((stand.told("strange"), stand.called(lane).len()), (Vec::new(), 2));
    let end = stand.clock.now().plus_ms(100_000);
    let late = stand.store.write(move |conn| outbox::withdraw_expired(conn, end, 10)).await.unwrap();
    assert_eq!(late.iter().map(|errand| errand.peer.as_str()).collect::<Vec<_>>(), ["strange"]);
    stand.clear().await;
}
}
