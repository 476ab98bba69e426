//! The vendor's answers steer the queue.

use switchboard::model::result::Code;
use switchboard::model::vendor::{Answer, Scope};
use switchboard::store::row::LaneState;

use super::stand::{CAREFUL, Stand};

fn down() -> Answer {
    Answer::Down { seen: "connection refused".into() }
}

on_both_databases! {
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_busy_vendor_gets_its_rest_and_no_attempt_is_counted(url: &str) {
    let stand = Stand::set(url).await;
    let lane = stand.lane(CAREFUL, None).await;
    stand.answers("a", &[Answer::Busy { after_ms: 40_000, scope: Scope::Lane }]);
    stand.ask(lane, &["a", "b"]).await;
    stand.quiet().await;
    assert_eq!(stand.attempts(lane).await, [("a".to_owned(), 0), ("b".to_owned(), 0)]);
    assert_eq!(stand.comes_after(lane, 40_000).await, "a", "the whole lane rests, and the order stays");
    assert_eq!(stand.comes_after(lane, 15_000).await, "b");
    stand.clear().await;
}
}

on_both_databases! {
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_vendor_that_is_down_is_tried_again_with_growing_pauses(url: &str) {
    let stand = Stand::set(url).await;
    let lane = stand.lane(switchboard::model::pace::Pace::Gap { from_ms: 10, to_ms: 10, live_ms: 0 }, None).await;
    stand.answers("a", &vec![down(); 6]);
    stand.ask(lane, &["a"]).await;
    stand.quiet().await;
    let mut pauses = Vec::new();
    for count in 2..=7 {
        let mut waited_ms = 0;
        while stand.calls(lane).len() < count {
            stand.advance(250).await;
            waited_ms += 250;
            assert!(waited_ms < 120_000);
        }
        pauses.push(waited_ms);
    }
    assert!(pauses[0] >= 1_000 && pauses.windows(2).all(|pair| pair[1] > pair[0]), "{pauses:?}");
    assert_eq!(stand.told("a"), [Answer::done()]);
    stand.clear().await;
}
}

on_both_databases! {
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn refused_credentials_stop_the_lane_and_cost_no_message(url: &str) {
    let stand = Stand::set(url).await;
    let lane = stand.lane(CAREFUL, None).await;
    stand.answers("a", &[Answer::Expired { seen: "401".into() }]);
    stand.ask(lane, &["a", "b"]).await;
    stand.quiet().await;
    stand.advance(600_000).await;
    assert_eq!(stand.called(lane), ["a"], "a lane that is lost starts nothing");
    assert_eq!(stand.attempts(lane).await, [("a".to_owned(), 0), ("b".to_owned(), 0)]);
    // the channel is attached again, and what waits is held until somebody decides
    stand.set_state(lane, LaneState::Held).await;
    stand.advance(600_000).await;
    assert_eq!(stand.called(lane), ["a"], "a lane that is held starts nothing");
    stand.set_state(lane, LaneState::Running).await;
    stand.quiet().await;
    stand.advance(15_000).await;
    assert_eq!(stand.called(lane), ["a", "a", "b"]);
    stand.clear().await;
}
}

on_both_databases! {
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bad_recipient_costs_its_own_slot_only(url: &str) {
    let stand = Stand::set(url).await;
    let lane = stand.lane(CAREFUL, None).await;
    let refused = Answer::Refused { code: Code::Blocked, text: "blocked".into() };
    let nobody = Answer::Nobody { text: "not here".into() };
    let unsure = Answer::Unsure { seen: "cut".into(), resendable: false };
    for (peer, answer) in [("b", &refused), ("c", &nobody), ("d", &unsure), ("panics", &unsure)] {
        stand.answers(peer, std::slice::from_ref(answer));
    }
    stand.ask(lane, &["a", "b", "c", "d", "panics", "e"]).await;
    stand.quiet().await;
    for peer in ["b", "c", "d"] {
        assert_eq!(stand.comes_after(lane, 15_000).await, peer);
    }
    // the call that panics takes its slot and nothing else
    stand.advance(15_000).await;
    stand.wait_for("the panic is told", || !stand.told("panics").is_empty()).await;
    assert_eq!(stand.comes_after(lane, 15_000).await, "e");
    stand.advance(3_600_000).await;
    assert_eq!(stand.called(lane), ["a", "b", "c", "d", "e"], "nothing of it is tried again");
    assert_eq!(stand.told("b"), [refused]);
    assert_eq!(stand.told("c"), [nobody]);
    assert_eq!(stand.told("d"), [unsure]);
    assert!(matches!(stand.told("panics").as_slice(), [Answer::Unsure { resendable: false, .. }]));
    stand.clear().await;
}
}

on_both_databases! {
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_that_cannot_be_written_down_stops_nobody_else(url: &str) {
    let stand = Stand::set(url).await;
    let lane = stand.lane(CAREFUL, None).await;
    stand.poison("bad");
    stand.ask(lane, &["bad", "good"]).await;
    // it is tried again by the clock, alone at last, and then told as unknown
    while stand.told("bad").is_empty() || stand.told("good").is_empty() {
        stand.clock.advance_ms(500);
        tokio::task::yield_now().await;
    }
    assert!(matches!(stand.told("bad").as_slice(), [Answer::Unsure { resendable: false, .. }]));
    assert_eq!(stand.told("good"), [Answer::done()]);
    stand.quiet().await;
    assert_eq!(stand.called(lane), ["bad", "good"]);
    stand.clear().await;
}
}
