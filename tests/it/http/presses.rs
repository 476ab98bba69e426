//! Buttons, lists and what comes back, through the API.

use serde_json::{Value, json};
use switchboard::model::errand::Work;
use switchboard::model::message::{Event, Incoming, Person};

use super::changes::{hear, pause, waiting};
use crate::rig::{Rig, START};

fn buttons(count: usize) -> Value {
    let all: Vec<Value> =
        (0..count).map(|n| json!({ "id": format!("b{n}"), "title": format!("Кнопка {n}") })).collect();
    json!({ "buttons": all })
}

fn list() -> Value {
    json!({ "header": "Когда", "list": { "button": "Выбрать", "sections": [
        { "title": "Утро", "rows": [{ "id": "9", "title": "9:00", "description": "мастер Иван" }] },
        { "title": "Вечер", "rows": [{ "id": "19", "title": "19:00" }] },
    ] } })
}

on_both_databases! {
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_there_is_to_press_is_checked_and_each_mistake_names_its_field(database: &str) {
    let rig = Rig::start(database).await;
    let tenant = rig.tenant("one.example").await;
    let (waba, lane) = rig.channel(&tenant, "100").await;
    let (bot, _) = rig.channel_of(&tenant, "telegram_bot", "200").await;
    pause(&rig, &tenant, lane).await;
    let ask = |interactive: Value, more: Value| {
        let mut body = json!({ "to": "+79990000001", "channel": waba, "text": "Приехать {завтра|утром}?", "interactive": interactive });
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        body
    };
    let spoilt = |at: &str, value: Value| {
        let mut list = list();
        *list.pointer_mut(at).unwrap() = value;
        ask(list, json!({}))
    };
    let place = json!({ "place": { "latitude": 1, "longitude": 1 } });
    for (body, code, field) in [
        (ask(json!({}), json!({})), "interactive_bad", "interactive"),
        (ask(buttons(4), json!({})), "interactive_bad", "interactive.buttons"),
        (ask(buttons(1), json!({ "text": "" })), "message_empty", "text"),
        (ask(buttons(1), json!({ "text": "я".repeat(1025) })), "interactive_bad", "text"),
        (spoilt("/list/sections/1/rows/0/title", json!("я".repeat(25))), "interactive_bad", "interactive.list.sections[1].rows[0].title"),
        (spoilt("/list/sections/1/rows/0/id", json!("9")), "interactive_bad", "interactive.list.sections[1].rows[0].id"),
        (spoilt("/list/sections/0/title", Value::Null), "interactive_bad", "interactive.list.sections[0].title"),
        (ask(json!({ "link": { "title": "Сюда", "url": "example.test" } }), json!({})), "interactive_bad", "interactive.link.url"),
        (ask(buttons(1), place.clone()), "parts_mixed", ""),
        (ask(buttons(1), json!({ "template": { "name": "order" }, "text": "" })), "parts_mixed", ""),
        (ask(buttons(1), json!({ "channel": bot, "to": "5000000001" })), "not_supported", ""),
    ] {
        let reply = rig.post("/api/v1/messages", &tenant.operator, body.clone()).await;
        assert_eq!((reply.status, reply.code().as_str()), (422, code), "{body}: {}", reply.text);
        assert_eq!(reply.json()["error"]["field"].as_str().unwrap_or(""), field, "{}", reply.text);
    }
    // what is no field is told before anything is looked at
    let bad = rig.post("/api/v1/messages", &tenant.operator, ask(json!({ "buttons": [{ "id": "a", "titel": "b" }] }), json!({}))).await;
    assert!(bad.status == 400 && bad.text.contains("titel"), "{}", bad.text);
    let english = rig.request("POST", "/api/v1/messages", &tenant.operator).header("accept-language", "en").json(&ask(buttons(4), json!({})));
    assert_eq!(rig.send(english).await.json()["error"]["message"], "At most 3, there are 4");
    for interactive in [buttons(3), list(), json!({ "link": { "title": "Сюда", "url": "https://example.test" } })] {
        let reply = rig.post("/api/v1/messages", &tenant.operator, ask(interactive.clone(), json!({}))).await;
        assert_eq!(reply.status, 202, "{}", reply.text);
        let shown = rig.get(&format!("/api/v1/messages/{}", reply.json()["id"].as_str().unwrap()), &tenant.operator).await.json();
        assert_eq!(shown["content"]["interactive"], interactive);
    }
    let sent: Vec<_> = waiting(&rig, lane).await.into_iter()
        .map(|work| match work { Work::Send { outgoing, .. } => outgoing.content, other => panic!("{other:?}") }).collect();
    assert_eq!(sent.len(), 3);
    assert!(sent.iter().all(|content| content.text.as_ref().is_some_and(|text| !text.contains('{'))), "{sent:?}");
    rig.server.stop().await;
}
}

on_both_databases! {
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_pressed_and_which_advertisement_led_here_are_shown(database: &str) {
    let rig = Rig::start(database).await;
    let tenant = rig.tenant("one.example").await;
    let (waba, _) = rig.channel(&tenant, "100").await;
    let referral = [("source_type", "ad"), ("ctwa_clid", "ARAk")].map(|(name, value)| (name.to_owned(), value.to_owned()));
    let said = |id: &str, text: &str| Incoming {
        vendor_id: id.into(),
        chat: "79990000001".into(),
        from: Person { phone: Some("79990000001".into()), ..Person::default() },
        at: START,
        text: Some(text.into()),
        ..Incoming::default()
    };
    let pressed = Incoming { payload: Some("yes_42".into()), note: Some("button".into()), ..said("wamid.1", "Да") };
    let led = Incoming { referral: referral.into(), note: Some("ad".into()), ..said("wamid.2", "По рекламе") };
    for incoming in [pressed, led, said("wamid.3", "Просто текст")] {
        hear(&rig.server.app, waba, Event::Message(Box::new(incoming)), START.plus_ms(1_000)).await;
    }
    let listed = rig.get("/api/v1/messages", &tenant.operator).await.json();
    let mut told: Vec<_> = listed["messages"].as_array().unwrap().iter()
        .map(|one| (one["content"]["text"].clone(), one["payload"].clone(), one["referral"]["ctwa_clid"].clone())).collect();
    told.sort_by_key(|(text, ..)| text.to_string());
    assert_eq!(told, [
        (json!("Да"), json!("yes_42"), Value::Null),
        (json!("По рекламе"), Value::Null, json!("ARAk")),
        (json!("Просто текст"), Value::Null, Value::Null),
    ]);
    rig.server.stop().await;
}
}
