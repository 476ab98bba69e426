//! Changing and deleting messages through the API, on clocks that do not move by themselves and without anybody behind the channel.

use serde_json::{Value, json};
use switchboard::app::App;
use switchboard::flow::receive;
use switchboard::model::errand::Work;
use switchboard::model::id::{ChannelId, MessageId};
use switchboard::model::message::{Event, Incoming, Person};
use switchboard::model::moment::Moment;
use switchboard::model::status::Status;
use switchboard::store::row::{ChannelRow, MessageRow};

use crate::rig::{Rig, START, Tenant};

const HOUR_MS: i64 = 3_600_000;

/// A message of the history.
pub(super) fn row(tenant: &Tenant, channel: ChannelId, vendor_id: &str) -> MessageRow {
    MessageRow {
        id: MessageId::new().to_string(),
        company: tenant.company.to_string(),
        channel: channel.to_string(),
        chat: "5000000001".into(),
        outgoing: true,
        status: Status::Sent.to_db(),
        vendor_id: Some(vendor_id.into()),
        content: json!({ "text": "первый" }).to_string(),
        origin: json!({ "by": "nobody" }).to_string(),
        code: None,
        reason: None,
        accepted_at: START.0,
        sent_at: Some(START.0),
        delivered_at: None,
        viewed_at: None,
    }
}

pub(super) async fn enter(rig: &Rig, row: &MessageRow) -> String {
    let kept = row.clone();
    let store = &rig.server.app.store;
    store.write(move |conn| switchboard::on!(conn, message::enter(std::slice::from_ref(&kept)))).await.unwrap();
    format!("/api/v1/messages/{}", row.id)
}

async fn edit(rig: &Rig, tenant: &Tenant, path: &str, text: &str) -> crate::rig::Reply {
    rig.send(rig.request("PATCH", path, &tenant.operator).json(&json!({ "text": text }))).await
}

async fn delete(rig: &Rig, tenant: &Tenant, path: &str) -> crate::rig::Reply {
    rig.send(rig.request("DELETE", path, &tenant.operator)).await
}

pub(super) async fn waiting(rig: &Rig, lane: i64) -> Vec<Work> {
    let look = rig.server.app.store.read(move |conn| switchboard::store::outbox::look(conn, lane, 100));
    look.await.unwrap().into_iter().map(|(errand, ..)| errand.work).collect()
}

/// Nothing leaves a lane that stands.
pub(super) async fn pause(rig: &Rig, tenant: &Tenant, lane: i64) {
    assert_eq!(rig.post(&format!("/api/v1/lanes/{lane}/pause"), &tenant.admin, json!({})).await.status, 204);
}

on_both_databases! {
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_still_waits_is_changed_and_taken_out_in_the_queue(database: &str) {
    let rig = Rig::start(database).await;
    let (tenant, other) = (rig.tenant("one.example").await, rig.tenant("other.example").await);
    let (_, lane) = rig.channel(&tenant, "100").await;
    pause(&rig, &tenant, lane).await;
    let post = json!({ "to": "+79990000001", "text": "Как", "tracking": "order-1" });
    let id = rig.post("/api/v1/messages", &tenant.operator, post).await.json()["id"].as_str().unwrap().to_owned();
    let path = format!("/api/v1/messages/{id}");
    for reply in [edit(&rig, &other, &path, "x").await, delete(&rig, &other, &path).await] {
        assert_eq!(reply.status, 404, "a message of another company is not there");
    }
    let changed = edit(&rig, &tenant, &path, "Так").await;
    assert_eq!((changed.status, changed.json()), (202, json!({ "id": null, "state": "done" })));
    for (text, code) in [("  ", "message_empty"), (&*"x".repeat(5_000), "message_too_long")] {
        let reply = edit(&rig, &tenant, &path, text).await;
        assert_eq!((reply.status, reply.code().as_str(), &reply.json()["error"]["field"]), (422, code, &json!("text")));
    }
    let found = rig.get(&path, &tenant.operator).await.json();
    assert_eq!((&found["status"], &found["content"]["text"]), (&json!("waiting"), &json!("Так")));
    let Work::Send { outgoing, .. } = &waiting(&rig, lane).await[0] else { panic!("no message waits") };
    assert_eq!(outgoing.content.text.as_deref(), Some("Так"), "the place in the queue stays, and what leaves is the new text");
    // what it said while it waited is kept, the same text told twice is one change
    rig.clock.advance_ms(1_000);
    for text in ["Вот так", "Вот так"] {
        assert_eq!(edit(&rig, &tenant, &path, text).await.status, 202);
    }
    let versions = json!([{ "text": "Как", "at": START.0, "left": false }, { "text": "Так", "at": START.0, "left": false }]);
    let found = rig.get(&path, &tenant.operator).await.json();
    assert_eq!((&found["content"]["text"], &found["versions"], &found["edited_at"]), (&json!("Вот так"), &versions, &json!(START.0 + 1_000)));
    assert_eq!(delete(&rig, &tenant, &path).await.status, 202);
    assert!(waiting(&rig, lane).await.is_empty());
    let found = rig.get(&path, &tenant.operator).await.json();
    assert_eq!((&found["status"], &found["code"]), (&json!("not_sent"), &json!("discarded")));
    assert_eq!(found["versions"], versions, "also in the history");
    for reply in [edit(&rig, &tenant, &path, "x").await, delete(&rig, &tenant, &path).await] {
        assert_eq!((reply.status, reply.code().as_str()), (422, "not_supported"), "WhatsApp Business changes nothing");
    }
    rig.server.stop().await;
}
}

on_both_databases! {
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_can_never_be_changed_is_refused_with_its_code(database: &str) {
    let rig = Rig::start(database).await;
    let tenant = rig.tenant("one.example").await;
    let (bot, lane) = rig.channel_of(&tenant, "telegram_bot", "100").await;
    let (avito, _) = rig.channel_of(&tenant, "avito", "200").await;
    let (vk, _) = rig.channel_of(&tenant, "vk", "300").await;
    pause(&rig, &tenant, lane).await;
    let ours = row(&tenant, bot, "1");
    let unknown = MessageRow { status: Status::Unknown.to_db(), vendor_id: None, ..row(&tenant, bot, "2") };
    let failed = MessageRow { status: Status::Error.to_db(), vendor_id: None, ..row(&tenant, bot, "3") };
    let theirs = MessageRow { outgoing: false, ..row(&tenant, vk, "5000000001_4") };
    let nameless = MessageRow { vendor_id: None, ..row(&tenant, bot, "5") };
    let place = json!({ "place": { "latitude_e7": 1, "longitude_e7": 1, "title": null } }).to_string();
    let place = MessageRow { content: place, ..row(&tenant, bot, "6") };
    let item = row(&tenant, avito, "a1");
    for (row, text, status, code) in [
        (&unknown, Some("x"), 409, "unknown"),
        (&unknown, None, 409, "unknown"),
        (&failed, Some("x"), 409, "never_sent"),
        (&theirs, Some("x"), 422, "not_ours"),
        (&theirs, None, 422, "not_ours"),
        (&nameless, None, 422, "unchangeable"),
        (&place, Some("x"), 422, "unchangeable"),
        (&item, Some("x"), 422, "not_supported"),
        (&ours, Some(" "), 422, "message_empty"),
    ] {
        let path = enter(&rig, row).await;
        let reply = match text {
            Some(text) => edit(&rig, &tenant, &path, text).await,
            None => delete(&rig, &tenant, &path).await,
        };
        assert_eq!((reply.status, reply.code().as_str()), (status, code), "{}", reply.text);
    }
    let path = enter(&rig, &ours).await;
    let bad = rig.send(rig.request("PATCH", &path, &tenant.operator).json(&json!({ "txt": "x" }))).await;
    assert_eq!(bad.status, 400, "{}", bad.text);
    let missing = format!("/api/v1/messages/{}", MessageId::new());
    assert_eq!(delete(&rig, &tenant, &missing).await.status, 404);
    rig.clock.advance_ms(HOUR_MS + 1);
    assert_eq!(delete(&rig, &tenant, &format!("/api/v1/messages/{}", item.id)).await.code(), "change_too_late");
    rig.clock.advance_ms(47 * HOUR_MS);
    assert_eq!(delete(&rig, &tenant, &path).await.code(), "change_too_late");
    assert_eq!(edit(&rig, &tenant, &path, "и позже").await.status, 202, "texts of a bot have no such limit");
    rig.server.stop().await;
}
}

on_both_databases! {
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_die_stays_in_a_private_chat_for_a_day(database: &str) {
    let rig = Rig::start(database).await;
    let tenant = rig.tenant("one.example").await;
    let (bot, lane) = rig.channel_of(&tenant, "telegram_bot", "100").await;
    pause(&rig, &tenant, lane).await;
    let die = |group: bool| {
        let incoming = Incoming {
            vendor_id: "7".into(),
            chat: "5000000001".into(),
            group,
            title: None,
            from: Person::default(),
            at: START,
            text: None,
            media: Vec::new(),
            place: None,
            reply_to: None,
            ours: false,
            note: Some("dice".into()),
            payload: None,
            referral: std::collections::BTreeMap::new(),
        };
        let content = serde_json::to_string(&incoming).unwrap();
        MessageRow { outgoing: false, content, ..row(&tenant, bot, "7") }
    };
    let (private, group) = (enter(&rig, &die(false)).await, enter(&rig, &die(true)).await);
    let early = delete(&rig, &tenant, &private).await;
    assert_eq!((early.status, early.code().as_str()), (409, "change_too_early"));
    assert_eq!(delete(&rig, &tenant, &group).await.status, 202);
    rig.clock.advance_ms(24 * HOUR_MS);
    assert_eq!(delete(&rig, &tenant, &private).await.status, 202);
    rig.server.stop().await;
}
}

on_both_databases! {
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_change_waits_in_the_lane_as_a_live_answer_and_no_longer_than_it_may(database: &str) {
    let rig = Rig::start(database).await;
    let tenant = rig.tenant("one.example").await;
    let (bot, lane) = rig.channel_of(&tenant, "telegram_bot", "100").await;
    pause(&rig, &tenant, lane).await;
    let path = enter(&rig, &row(&tenant, bot, "1")).await;
    let asked = edit(&rig, &tenant, &path, "второй").await.json();
    assert_eq!(asked["state"], "waiting");
    let gone = delete(&rig, &tenant, &path).await.json();
    for reply in [edit(&rig, &tenant, &path, "третий").await, delete(&rig, &tenant, &path).await] {
        assert_eq!((reply.status, reply.code().as_str()), (409, "deleted"), "it is about to be deleted");
    }
    let look = rig.server.app.store.read(move |conn| switchboard::store::outbox::look(conn, lane, 100));
    let waiting: Vec<_> = look.await.unwrap().into_iter().map(|(errand, ..)| errand).collect();
    assert!(waiting.iter().all(|errand| errand.rank.to_db() == 0 && errand.peer == "5000000001"));
    assert_eq!(waiting[1].expires_at, Some(START.plus_ms(48 * HOUR_MS).min(waiting[0].expires_at.unwrap())));
    let queue = rig.get("/api/v1/queue", &tenant.operator).await.json();
    let shown = queue["lanes"][0]["errands"].as_array().unwrap();
    assert!(shown[0]["text"].as_str().unwrap().ends_with("второй") && shown[0]["to"] == "5000000001", "{shown:?}");
    let found = rig.get(&path, &tenant.operator).await.json();
    let changes = found["changes"].as_array().unwrap();
    assert_eq!((&changes[0]["id"], &changes[1]["id"]), (&asked["id"], &gone["id"]));
    assert_eq!((&changes[0]["act"], &changes[0]["text"], &changes[0]["state"]), (&json!("edit"), &json!("второй"), &json!("waiting")));
    assert_eq!((&found["content"]["text"], &found["edited_at"]), (&json!("первый"), &Value::Null), "nothing has happened yet");
    // whoever clears the queue takes them out
    assert_eq!(rig.post(&format!("/api/v1/lanes/{lane}/clear"), &tenant.admin, json!({})).await.status, 200);
    let found = rig.get(&path, &tenant.operator).await.json();
    assert_eq!((&found["changes"][0]["state"], &found["changes"][0]["code"]), (&json!("not_done"), &json!("discarded")));
    assert_eq!(found["deleted_at"], Value::Null);
    rig.server.stop().await;
}
}

pub(super) async fn hear(app: &App, channel: ChannelId, event: Event, now: Moment) {
    let inner = app.clone();
    let heard = app.store.write(move |conn| {
        let row: ChannelRow = switchboard::on!(conn, channel::whosever(channel))?.unwrap();
        receive::work(&inner, conn, &row, &event, now)
    });
    heard.await.unwrap();
}

fn edited(text: &str, at: i64) -> Event {
    Event::Edited { chat: "5000000001".into(), vendor_id: "1".into(), text: Some(text.into()), at: START.plus_ms(at) }
}

on_both_databases! {
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_vendors_tell_of_changes_ends_the_same_in_any_order_and_number(database: &str) {
    let rig = Rig::start(database).await;
    let tenant = rig.tenant("one.example").await;
    let gone = || Event::Deleted { chat: "5000000001".into(), vendor_ids: vec!["1".into(), "2".into()], at: START.plus_ms(9_000) };
    let story = [edited("второй", 1_000), edited("третий", 2_000), gone()];
    let orders: [&[usize]; 5] = [&[0, 1, 2], &[2, 1, 0], &[1, 0, 1, 2, 0], &[2, 2, 0, 1], &[1, 2, 0]];
    let now = START.plus_ms(60_000);
    let mut seen = Vec::new();
    for (n, order) in orders.into_iter().enumerate() {
        for first in [true, false] {
            let (channel, _) = rig.channel_of(&tenant, "telegram_bot", &format!("{n}{first}")).await;
            let mine = MessageRow { outgoing: false, ..row(&tenant, channel, "1") };
            // the same number in another chat is another message
            let elsewhere = MessageRow { chat: "77".into(), ..row(&tenant, channel, "1") };
            let beside = enter(&rig, &elsewhere).await;
            let mut path = String::new();
            if first {
                path = enter(&rig, &mine).await;
            }
            for at in order {
                hear(&rig.server.app, channel, story[*at].clone(), now).await;
            }
            if !first {
                path = enter(&rig, &mine).await;
            }
            let mut found = rig.get(&path, &tenant.operator).await.json();
            for own in ["id", "channel"] {
                found[own].take();
            }
            seen.push(found);
            assert_eq!(rig.get(&beside, &tenant.operator).await.json()["versions"], json!([]));
        }
    }
    assert!(seen.windows(2).all(|pair| pair[0] == pair[1]), "{seen:#?}");
    let found = &seen[0];
    assert_eq!((&found["content"]["text"], &found["changes"]), (&json!("третий"), &json!([])));
    let versions = json!([{ "text": "первый", "at": START.0, "left": true }, { "text": "второй", "at": START.0 + 1_000, "left": true }]);
    assert_eq!(found["versions"], versions);
    assert_eq!((&found["edited_at"], &found["deleted_at"]), (&json!(START.0 + 2_000), &json!(START.0 + 9_000)));
    let listed = rig.get("/api/v1/messages", &tenant.operator).await.json();
    let edited = listed["messages"].as_array().unwrap().iter().filter(|one| one["content"]["text"] == "третий").count();
    assert_eq!(edited, 10, "the list shows them too");
    rig.server.stop().await;
}
}

on_both_databases! {
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_deletion_that_names_no_chat_finds_its_message(database: &str) {
    let rig = Rig::start(database).await;
    let tenant = rig.tenant("one.example").await;
    let (channel, _) = rig.channel_of(&tenant, "telegram", "100").await;
    let path = enter(&rig, &row(&tenant, channel, "41")).await;
    let gone = Event::Deleted { chat: String::new(), vendor_ids: vec!["41".into(), "42".into()], at: START };
    hear(&rig.server.app, channel, gone, START.plus_ms(1)).await;
    let later = enter(&rig, &row(&tenant, channel, "42")).await;
    for path in [path, later] {
        assert_eq!(rig.get(&path, &tenant.operator).await.json()["deleted_at"], START.0);
    }
    rig.server.stop().await;
}
}

on_both_databases! {
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn replies_places_and_contacts_are_checked_against_what_the_messenger_can(database: &str) {
    let rig = Rig::start(database).await;
    let tenant = rig.tenant("one.example").await;
    let (bot, lane) = rig.channel_of(&tenant, "telegram_bot", "100").await;
    let (vk, _) = rig.channel_of(&tenant, "vk", "200").await;
    let (avito, _) = rig.channel_of(&tenant, "avito", "300").await;
    pause(&rig, &tenant, lane).await;
    let theirs = MessageRow { outgoing: false, ..row(&tenant, bot, "7") };
    let elsewhere = MessageRow { chat: "5000000002".into(), ..row(&tenant, bot, "8") };
    let unsent = MessageRow { vendor_id: None, ..row(&tenant, bot, "9") };
    for row in [&theirs, &elsewhere, &unsent] {
        enter(&rig, row).await;
    }
    let place = json!({ "latitude": 55.7539, "longitude": 37.6208, "title": "Офис", "address": "Тверская, 1" });
    let card = json!({ "name": "Анна", "phone": "8 (916) 123-45-67" });
    let to = |channel: ChannelId, more: Value| {
        let mut body = json!({ "to": "5000000001", "channel": channel });
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        body
    };
    for (body, code, field) in [
        (to(bot, json!({ "text": "Да", "reply_to": MessageId::new() })), "reply_not_found", "reply_to"),
        (to(bot, json!({ "text": "Да", "reply_to": unsent.id })), "reply_not_found", "reply_to"),
        (to(bot, json!({ "text": "Да", "reply_to": elsewhere.id })), "reply_elsewhere", "reply_to"),
        (to(vk, json!({ "text": "Да", "reply_to": theirs.id })), "reply_elsewhere", "reply_to"),
        (to(avito, json!({ "text": "Да", "reply_to": theirs.id })), "not_supported", ""),
        (to(vk, json!({ "contacts": [card] })), "not_supported", ""),
        (to(avito, json!({ "contacts": [card] })), "not_supported", ""),
        (to(bot, json!({ "place": place, "text": "Мы здесь" })), "parts_mixed", ""),
        (to(bot, json!({ "place": place, "contacts": [card] })), "parts_mixed", ""),
        (to(bot, json!({ "place": { "latitude": 91.0, "longitude": 0.0 } })), "place_bad", "place"),
        (to(bot, json!({ "place": { "latitude": 0, "longitude": -180.5 } })), "place_bad", "place"),
        (to(bot, json!({ "place": { "latitude": 0, "longitude": 0, "title": "я".repeat(201) } })), "place_bad", "place"),
        (to(bot, json!({ "contacts": [card, card] })), "contacts_bad", "contacts"),
        (to(bot, json!({ "contacts": [{ "name": " ", "phone": "+79161234567" }] })), "contacts_bad", "contacts"),
        (to(bot, json!({ "contacts": [{ "name": "Анна", "phone": "позвоните" }] })), "contacts_bad", "contacts"),
    ] {
        let reply = rig.post("/api/v1/messages", &tenant.operator, body.clone()).await;
        assert_eq!((reply.status, reply.code().as_str()), (422, code), "{body}: {}", reply.text);
        assert_eq!(reply.json()["error"]["field"].as_str().unwrap_or(""), field, "{body}");
    }
    for more in [json!({ "text": "Да", "reply_to": theirs.id }), json!({ "place": place }), json!({ "contacts": [card] })] {
        let reply = rig.post("/api/v1/messages", &tenant.operator, to(bot, more)).await;
        assert_eq!(reply.status, 202, "{}", reply.text);
    }
    let sent: Vec<_> = waiting(&rig, lane).await.into_iter()
        .map(|work| match work { Work::Send { outgoing, .. } => *outgoing, other => panic!("{other:?}") }).collect();
    assert_eq!(sent[0].reply_to.as_deref(), Some("7"));
    let place = sent[1].content.place.clone().unwrap();
    assert_eq!((place.latitude_e7, place.longitude_e7, place.beside().as_str()), (557_539_000, 376_208_000, "Офис, Тверская, 1"));
    assert_eq!((sent[2].content.cards[0].name.as_str(), sent[2].content.cards[0].phone.as_str()), ("Анна", "79161234567"));
    rig.server.stop().await;
}
}
