//! What people decide: about what waited while a channel was away.

use serde_json::json;
use switchboard::flow::channel::{self, ChannelError, Decision};
use switchboard::store::row::LaneState;

use crate::rig::{Rig, START};

on_both_databases! {
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_waited_while_a_channel_was_away_is_sent_or_not_as_somebody_decides(url: &str) {
    let rig = Rig::start(url).await;
    let tenant = rig.tenant("one.example").await;
    let app = &rig.server.app;
    let company = tenant.company;
    for (n, decision, gone) in [
        (1, Decision::SendAll, 0),
        (2, Decision::NewerThanHours(2), 1),
        (3, Decision::Discard, 3),
    ] {
        let (channel, lane) = rig.channel(&tenant, &n.to_string()).await;
        let mut ids = Vec::new();
        for age_h in [3, 1, 0] {
            let body = json!({ "to": "+79990000001", "text": format!("{age_h}"), "channel": channel.to_string() });
            let reply = rig.post("/api/v1/messages", &tenant.operator, body).await;
            assert_eq!(reply.status, 202, "{}", reply.text);
            ids.push(reply.json()["id"].as_str().unwrap().to_owned());
            rig.clock.advance_ms(if age_h == 3 { 2 } else { age_h } * 3_600_000);
        }
        assert!(matches!(channel::decide(app, company, channel, decision).await, Err(ChannelError::State)));
        channel::lose(app, company, channel, "401").await.unwrap();
        let held = app.store.write(move |conn| {
            switchboard::on!(conn, lane::set_state(company, lane, &[LaneState::Lost.to_db()], LaneState::Held.to_db()))
        });
        assert!(held.await.unwrap(), "a channel that is lost stops its lane");
        assert_eq!(channel::decide(app, company, channel, decision).await.unwrap(), gone);
        let row = app.store.read(move |conn| switchboard::on!(conn, lane::by_id(company, lane))).await.unwrap().unwrap();
        assert_eq!(row.state, LaneState::Running.to_db());
        let mut statuses = Vec::new();
        for id in &ids {
            let found = rig.get(&format!("/api/v1/messages/{id}"), &tenant.operator).await.json();
            statuses.push((found["status"].as_str().unwrap().to_owned(), found["code"].as_str().map(str::to_owned)));
        }
        let not_sent = statuses.iter().filter(|(status, code)| status == "not_sent" && code.as_deref() == Some("discarded"));
        assert_eq!(not_sent.count(), gone, "{statuses:?}");
        assert!(statuses.iter().skip(gone).all(|(status, _)| status == "waiting"), "the newest ones stay: {statuses:?}");
    }
    assert!(app.clock.now() > START);
    rig.server.stop().await;
}
}
