//! The window in which customers may be written to freely: known for each chat, shown, and kept to.

use serde_json::{Value, json};
use switchboard::flow::perform;
use switchboard::model::errand::Errand;
use switchboard::model::id::ChannelId;
use switchboard::model::message::{Event, Incoming, Person};
use switchboard::model::moment::Moment;
use switchboard::model::result::Code;
use switchboard::model::vendor::Answer;
use wiremock::matchers::any;
use wiremock::{Mock, MockServer, ResponseTemplate};

use super::changes::{hear, pause};
use crate::rig::{Rig, START, Tenant};

const HOUR_MS: i64 = 3_600_000;
const CUSTOMER: &str = "79990000001";

fn said(id: &str, at: Moment, led: bool) -> Event {
    let referral = led.then(|| ("source_type".to_owned(), "ad".to_owned())).into_iter().collect();
    Event::Message(Box::new(Incoming {
        vendor_id: id.into(),
        chat: CUSTOMER.into(),
        from: Person { phone: Some(CUSTOMER.into()), ..Person::default() },
        at,
        text: Some("Здравствуйте".into()),
        note: led.then(|| "ad".into()),
        referral,
        ..Incoming::default()
    }))
}

async fn window(rig: &Rig, tenant: &Tenant, channel: ChannelId) -> Value {
    rig.get(&format!("/api/v1/channels/{channel}/chats/{CUSTOMER}"), &tenant.operator).await.json()["window"].clone()
}

/// Has the server make the call of a text that is accepted now, as the pump would.
async fn leaves(rig: &Rig, tenant: &Tenant, channel: ChannelId, lane: i64) -> Answer {
    let body = json!({ "to": CUSTOMER, "text": "Да", "channel": channel });
    assert_eq!(rig.post("/api/v1/messages", &tenant.operator, body).await.status, 202);
    let look = rig.server.app.store.read(move |conn| switchboard::store::outbox::look(conn, lane, 100));
    let errand: Errand = look.await.unwrap().pop().unwrap().0;
    perform::perform(&rig.server.app, vec![errand]).await.remove(0)
}

fn is_closed(answer: &Answer) -> bool {
    matches!(answer, Answer::Refused { code: Code::WindowClosed, .. })
}

on_both_databases! {
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_window_is_open_for_a_day_and_closed_ones_cost_no_call(database: &str) {
    let meta = MockServer::start().await;
    let taken = json!({ "messages": [{ "id": "wamid.out" }] });
    Mock::given(any()).respond_with(ResponseTemplate::new(200).set_body_json(taken)).expect(1).mount(&meta).await;
    let rig = Rig::start_with(database, &[("SWITCHBOARD_VENDORS__WABA", &meta.uri())]).await;
    let (tenant, other) = (rig.tenant("one.example").await, rig.tenant("other.example").await);
    let (waba, lane) = rig.channel(&tenant, "100").await;
    let (bot, _) = rig.channel_of(&tenant, "telegram_bot", "200").await;
    pause(&rig, &tenant, lane).await;
    assert!(is_closed(&leaves(&rig, &tenant, waba, lane).await), "nobody ever wrote");
    for channel in [waba, bot] {
        hear(&rig.server.app, channel, said("wamid.1", START, false), START).await;
    }
    assert_eq!(window(&rig, &tenant, waba).await, json!({ "open": true, "closes_at": START.0 + 24 * HOUR_MS }));
    assert_eq!(window(&rig, &tenant, bot).await, Value::Null, "a bot has no windows");
    let path = format!("/api/v1/channels/{waba}/chats/{CUSTOMER}");
    assert_eq!(rig.get(&path, &other.operator).await.status, 404, "another company sees nothing");
    rig.clock.advance_ms(24 * HOUR_MS - 1);
    assert!(matches!(leaves(&rig, &tenant, waba, lane).await, Answer::Done { .. }));
    rig.clock.advance_ms(1);
    assert_eq!(window(&rig, &tenant, waba).await, json!({ "open": false, "closes_at": START.0 + 24 * HOUR_MS }));
    assert!(is_closed(&leaves(&rig, &tenant, waba, lane).await));
    rig.server.stop().await;
}
}

on_both_databases! {
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_came_by_an_advertisement_may_be_written_to_for_three_days_after_our_answer(database: &str) {
    let meta = MockServer::start().await;
    let taken = json!({ "messages": [{ "id": "wamid.out" }] });
    Mock::given(any()).respond_with(ResponseTemplate::new(200).set_body_json(taken)).expect(3).mount(&meta).await;
    let rig = Rig::start_with(database, &[("SWITCHBOARD_VENDORS__WABA", &meta.uri())]).await;
    let tenant = rig.tenant("one.example").await;
    let (waba, lane) = rig.channel(&tenant, "100").await;
    pause(&rig, &tenant, lane).await;
    hear(&rig.server.app, waba, said("wamid.1", START, true), START).await;
    assert_eq!(window(&rig, &tenant, waba).await["closes_at"], START.0 + 24 * HOUR_MS, "not before we answer");
    rig.clock.advance_ms(HOUR_MS);
    assert!(matches!(leaves(&rig, &tenant, waba, lane).await, Answer::Done { .. }));
    let closes = START.0 + 73 * HOUR_MS;
    assert_eq!(window(&rig, &tenant, waba).await, json!({ "open": true, "closes_at": closes }));
    rig.clock.advance_ms(40 * HOUR_MS);
    // the second answer opens nothing anew
    assert!(matches!(leaves(&rig, &tenant, waba, lane).await, Answer::Done { .. }));
    assert_eq!(window(&rig, &tenant, waba).await["closes_at"], closes);
    rig.clock.advance_ms(32 * HOUR_MS);
    assert!(is_closed(&leaves(&rig, &tenant, waba, lane).await));
    // whoever is not answered within a day has the usual window alone
    let again = START.plus_ms(73 * HOUR_MS);
    hear(&rig.server.app, waba, said("wamid.2", again, true), again).await;
    rig.clock.advance_ms(23 * HOUR_MS);
    hear(&rig.server.app, waba, said("wamid.3", again.plus_ms(23 * HOUR_MS), false), again.plus_ms(23 * HOUR_MS)).await;
    rig.clock.advance_ms(2 * HOUR_MS);
    assert!(matches!(leaves(&rig, &tenant, waba, lane).await, Answer::Done { .. }));
    assert_eq!(window(&rig, &tenant, waba).await["closes_at"], START.0 + 120 * HOUR_MS);
    rig.server.stop().await;
}
}
