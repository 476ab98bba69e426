//! Reactions through the API, on clocks that do not move by themselves and without anybody behind the channel.

use serde_json::{Value, json};
use switchboard::model::change::ChangeAct;
use switchboard::model::errand::Work;
use switchboard::model::message::{Event, Incoming, Person};
use switchboard::model::status::Status;
use switchboard::store::row::MessageRow;

use super::changes::{enter, hear, pause, row, waiting};
use crate::rig::{Reply, Rig, START, Tenant};

const HOUR_MS: i64 = 3_600_000;
const CHAT: &str = "5000000001";

async fn react(rig: &Rig, tenant: &Tenant, path: &str, emoji: Option<&str>) -> Reply {
    let path = format!("{path}/reaction");
    match emoji {
        Some(emoji) => rig.send(rig.request("PUT", &path, &tenant.operator).json(&json!({ "emoji": emoji }))).await,
        None => rig.send(rig.request("DELETE", &path, &tenant.operator)).await,
    }
}

fn told(emoji: Option<&str>, by: Option<&str>, at: i64) -> Event {
    Event::Reaction {
        chat: CHAT.into(),
        vendor_id: "1".into(),
        emoji: emoji.map(str::to_owned),
        by: by.map(str::to_owned),
        ours: by.is_none(),
        at: START.plus_ms(at),
    }
}

on_both_databases! {
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reaction_waits_in_the_lane_and_what_has_none_is_refused(database: &str) {
    let rig = Rig::start(database).await;
    let (tenant, other) = (rig.tenant("one.example").await, rig.tenant("other.example").await);
    let (bot, lane) = rig.channel_of(&tenant, "telegram_bot", "100").await;
    let (vk, _) = rig.channel_of(&tenant, "vk", "200").await;
    pause(&rig, &tenant, lane).await;
    let theirs = enter(&rig, &MessageRow { outgoing: false, ..row(&tenant, bot, "1") }).await;
    assert_eq!(react(&rig, &other, &theirs, Some("👍")).await.status, 404, "a message of another company is not there");
    let unknown = enter(&rig, &MessageRow { status: Status::Unknown.to_db(), vendor_id: None, ..row(&tenant, bot, "2") }).await;
    let community = enter(&rig, &row(&tenant, vk, "5000000001_4")).await;
    for (path, emoji, status, code) in [
        (&theirs, "", 422, "reaction_bad"),
        (&theirs, "ok", 422, "reaction_bad"),
        (&theirs, "👍 и ещё", 422, "reaction_bad"),
        (&unknown, "👍", 409, "unknown"),
        (&community, "👍", 422, "not_supported"),
    ] {
        let reply = react(&rig, &tenant, path, Some(emoji)).await;
        assert_eq!((reply.status, reply.code().as_str()), (status, code), "{emoji}: {}", reply.text);
    }
    assert_eq!(react(&rig, &tenant, &theirs, Some("")).await.json()["error"]["field"], "emoji");
    let asked = react(&rig, &tenant, &theirs, Some("👍")).await;
    assert_eq!((asked.status, &asked.json()["state"]), (202, &json!("waiting")), "{}", asked.text);
    assert_eq!(react(&rig, &tenant, &theirs, None).await.status, 202);
    let acts: Vec<ChangeAct> = waiting(&rig, lane).await.into_iter()
        .map(|work| match work { Work::Change { act, .. } => act, other => panic!("{other:?}") }).collect();
    assert_eq!(acts, [ChangeAct::React { emoji: Some("👍".into()) }, ChangeAct::React { emoji: None }]);
    let queue = rig.get("/api/v1/queue", &tenant.operator).await.json();
    assert!(queue["lanes"][0]["errands"][0]["text"].as_str().unwrap().ends_with("👍"), "{queue}");
    let found = rig.get(&theirs, &tenant.operator).await.json();
    let changes: Vec<_> = found["changes"].as_array().unwrap().iter().map(|one| (&one["act"], &one["text"])).collect();
    assert_eq!(changes, [(&json!("react"), &json!("👍")), (&json!("react"), &Value::Null)]);
    assert_eq!((&found["reactions"], &found["edited_at"]), (&json!([]), &Value::Null), "nothing has happened yet");
    // a message that has not left has nobody who could see it
    let post = json!({ "to": CHAT, "text": "Позже", "channel": bot });
    let id = rig.post("/api/v1/messages", &tenant.operator, post).await.json()["id"].as_str().unwrap().to_owned();
    assert_eq!(react(&rig, &tenant, &format!("/api/v1/messages/{id}"), Some("👍")).await.code(), "never_sent");
    rig.server.stop().await;
}
}

on_both_databases! {
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatsapp_business_reacts_within_its_window_and_for_thirty_days(database: &str) {
    let rig = Rig::start(database).await;
    let tenant = rig.tenant("one.example").await;
    let (waba, lane) = rig.channel(&tenant, "100").await;
    pause(&rig, &tenant, lane).await;
    let ours = enter(&rig, &MessageRow { chat: "79990000001".into(), ..row(&tenant, waba, "wamid.1") }).await;
    let closed = react(&rig, &tenant, &ours, Some("👍")).await;
    assert_eq!((closed.status, closed.code().as_str()), (409, "window_closed"), "nobody ever wrote");
    let said = |id: &str, at| Event::Message(Box::new(Incoming {
        vendor_id: id.into(),
        chat: "79990000001".into(),
        from: Person { phone: Some("79990000001".into()), ..Person::default() },
        at,
        text: Some("Здравствуйте".into()),
        ..Incoming::default()
    }));
    hear(&rig.server.app, waba, said("wamid.2", START), START).await;
    rig.clock.advance_ms(HOUR_MS);
    assert_eq!(react(&rig, &tenant, &ours, Some("👍")).await.status, 202);
    let look = rig.server.app.store.read(move |conn| switchboard::store::outbox::look(conn, lane, 100));
    let (errand, ..) = look.await.unwrap().remove(0);
    assert_eq!(errand.expires_at, Some(START.plus_ms(24 * HOUR_MS)), "it waits no longer than the window is open");
    rig.clock.advance_ms(31 * 24 * HOUR_MS);
    let tokens = rig.sign_in("operator@one.example").await;
    let again = Tenant { operator: tokens, ..tenant };
    let now = START.plus_ms(HOUR_MS + 31 * 24 * HOUR_MS);
    hear(&rig.server.app, waba, said("wamid.3", now), now).await;
    assert_eq!(react(&rig, &again, &ours, Some("👍")).await.code(), "change_too_late");
    rig.server.stop().await;
}
}

on_both_databases! {
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn reactions_of_people_end_the_same_in_any_order_and_number(database: &str) {
    let rig = Rig::start(database).await;
    let tenant = rig.tenant("one.example").await;
    let story = [
        told(Some("👍"), Some("7"), 1_000),
        told(Some("❤"), Some("7"), 2_000),
        told(Some("🔥"), Some("8"), 1_500),
        told(None, Some("8"), 3_000),
        told(Some("👏"), None, 4_000),
    ];
    let orders: [&[usize]; 4] = [&[0, 1, 2, 3, 4], &[4, 3, 2, 1, 0], &[3, 0, 1, 1, 2, 4, 0], &[1, 4, 4, 3, 2, 0]];
    let now = START.plus_ms(60_000);
    for (n, order) in orders.into_iter().enumerate() {
        for first in [true, false] {
            let (channel, _) = rig.channel_of(&tenant, "telegram_bot", &format!("{n}{first}")).await;
            let mine = row(&tenant, channel, "1");
            let elsewhere = enter(&rig, &MessageRow { chat: "77".into(), ..row(&tenant, channel, "1") }).await;
            if first {
                enter(&rig, &mine).await;
            }
            for at in order {
                hear(&rig.server.app, channel, story[*at].clone(), now).await;
            }
            if !first {
                enter(&rig, &mine).await;
            }
            let path = format!("/api/v1/messages/{}", mine.id);
            let found = rig.get(&path, &tenant.operator).await.json();
            assert_eq!(found["reactions"], json!([
                { "emoji": "❤", "ours": false, "by": "7", "at": START.0 + 2_000 },
                { "emoji": "👏", "ours": true, "by": null, "at": START.0 + 4_000 },
            ]), "{n} {first}");
            assert_eq!(rig.get(&elsewhere, &tenant.operator).await.json()["reactions"], json!([]));
        }
    }
    rig.server.stop().await;
}
}
