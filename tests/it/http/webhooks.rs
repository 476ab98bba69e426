//! Webhooks as they are set up: what is refused and in which words, the secret, and addresses that lead inside.

use serde_json::{Value, json};
use switchboard::flow::webhook;
use switchboard::model::id::{ChannelId, CompanyId, MessageId, WebhookId};
use switchboard::model::moment::Moment;
use switchboard::model::status::Status;
use switchboard::model::vendor::Answer;
use switchboard::store::row::MessageRow;

use crate::rig::{Rig, START};

const PUBLIC: &str = "https://example.com/hook?token=1#part";

async fn put(rig: &Rig, channel: ChannelId, token: &str, body: Value) -> crate::rig::Reply {
    rig.send(rig.request("PUT", &format!("/api/v1/channels/{channel}/webhook"), token).json(&body)).await
}

fn said(company: CompanyId, channel: ChannelId, text: &str) -> MessageRow {
    MessageRow {
        id: MessageId::new().to_string(),
        company: company.to_string(),
        channel: channel.to_string(),
        chat: "79990000001".into(),
        outgoing: true,
        status: Status::Sent.to_db(),
        vendor_id: None,
        content: json!({ "text": text }).to_string(),
        origin: json!({ "by": "nobody" }).to_string(),
        code: None,
        reason: None,
        accepted_at: START.0,
        sent_at: Some(START.0),
        delivered_at: None,
        viewed_at: None,
    }
}

on_both_databases! {
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_webhook_tells_its_secret_once_and_keeps_it_sealed(database: &str) {
    let rig = Rig::start(database).await;
    let tenant = rig.tenant("one.example").await;
    let (channel, _) = rig.channel(&tenant, "100").await;
    let made = put(&rig, channel, &tenant.admin, json!({ "url": PUBLIC, "events": ["messageStatus", "message", "message"] })).await;
    let made = made.json();
    let secret = made["secret"].as_str().unwrap().to_owned();
    assert!(secret.starts_with("whsec_") && secret.len() == 6 + 44, "{secret}");
    assert_eq!(made["webhook"]["url"], "https://example.com/hook?token=1");
    assert_eq!(made["webhook"]["events"], json!(["message", "messageStatus"]));
    assert_eq!((&made["webhook"]["line"], &made["webhook"]["messenger"]), (&json!(tenant.line), &json!("waba")));
    let changed = put(&rig, channel, &tenant.admin, json!({ "url": PUBLIC, "events": ["message"] })).await.json();
    assert_eq!((&changed["secret"], &changed["webhook"]["id"]), (&Value::Null, &made["webhook"]["id"]));
    let list = rig.get("/api/v1/webhooks", &tenant.admin).await;
    assert!(!list.text.contains("whsec_") && list.json()["webhooks"][0]["events"] == json!(["message"]), "{}", list.text);
    let company = tenant.company;
    let read = async || rig.server.app.store.read(move |conn| switchboard::on!(conn, webhook::of_channel(company, channel))).await.unwrap().unwrap();
    let sealed = read().await.secret;
    assert!(!sealed.contains(&secret[6..]) && !sealed.is_empty());
    let renewed = put(&rig, channel, &tenant.admin, json!({ "url": PUBLIC, "events": ["message"], "new_secret": true })).await.json();
    assert!(renewed["secret"].is_string() && renewed["secret"] != secret.as_str());
    assert_ne!(read().await.secret, sealed);
    rig.server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_event_is_numbered_once_and_goes_with_what_it_tells(database: &str) {
    let rig = Rig::start(database).await;
    let tenant = rig.tenant("one.example").await;
    let (channel, _) = rig.channel(&tenant, "100").await;
    put(&rig, channel, &tenant.admin, json!({ "url": PUBLIC, "events": ["message", "messageStatus"] })).await;
    let (app, company) = (rig.server.app.clone(), tenant.company);
    let (one, other) = (said(company, channel, "Раз"), said(company, channel, "Два"));
    let told = |row: &MessageRow| {
        let (app, row) = (app.clone(), row.clone());
        move |conn: &mut switchboard::store::Conn| webhook::settled(&app, conn, &row, START).map(|new| new.len())
    };
    assert_eq!(app.store.write(told(&one)).await.unwrap(), 2);
    assert_eq!(app.store.write(told(&one)).await.unwrap(), 0, "the same once more");
    let lost = told(&other);
    let broken: Result<(), _> = app.store.write(move |conn| {
        lost(conn)?;
        Err(switchboard::store::StoreError::Closed)
    }).await;
    assert!(broken.is_err());
    assert_eq!(app.store.write(told(&other)).await.unwrap(), 2, "what was not kept took no number");
    let card = rig.get("/api/v1/webhooks", &tenant.admin).await.json()["webhooks"][0].clone();
    assert_eq!((&card["last_number"], &card["waiting"]), (&json!(4), &json!(4)));
    let path = format!("/api/v1/webhooks/{}/events", card["id"].as_str().unwrap());
    let numbers = async |query: &str| {
        let told = rig.get(&format!("{path}?{query}"), &tenant.admin).await.json();
        told["events"].as_array().unwrap().iter().map(|one| one["number"].as_i64().unwrap()).collect::<Vec<_>>()
    };
    assert_eq!((numbers("").await, numbers("after=1&limit=2").await), (vec![1, 2, 3, 4], vec![2, 3]));
    assert!(numbers("state=failed").await.is_empty());
    rig.server.stop().await;
}
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_wrong_is_told_at_its_field_in_the_readers_language() {
    let (_folder, database) = crate::postgres::fresh_sqlite();
    let rig = Rig::start_with(
        &database,
        &[("SWITCHBOARD_VENDORS__ALLOW_NETWORKS", "10.255.0.0/16"), ("SWITCHBOARD_VENDORS__ALLOW_HTTP", "false")],
    )
    .await;
    let tenant = rig.tenant("one.example").await;
    let (channel, _) = rig.channel(&tenant, "100").await;
    let path = format!("/api/v1/channels/{channel}/webhook");
    let all = json!(["message", "messageStatus"]);
    for (body, field, ru, en) in [
        (json!({ "url": "https://127.0.0.1/", "events": all }), "url", "частную сеть", "private network"),
        (json!({ "url": "https://10.0.0.1/", "events": all }), "url", "частную сеть", "private network"),
        (json!({ "url": "https://[::1]/", "events": all }), "url", "частную сеть", "private network"),
        (json!({ "url": "https://169.254.169.254/latest", "events": all }), "url", "частную сеть", "private network"),
        (json!({ "url": "http://example.com/", "events": all }), "url", "https://", "https://"),
        (json!({ "url": "https://a:b@example.com/", "events": all }), "url", "логина", "login"),
        (json!({ "url": "что-то", "events": all }), "url", "https://", "https://"),
        (json!({ "url": "", "events": all }), "url", "https://", "https://"),
        (json!({ "url": format!("https://example.com/{}", "x".repeat(2_000)), "events": all }), "url", "2000", "2000"),
        (json!({ "url": PUBLIC, "events": [] }), "events", "хотя бы одно", "at least one"),
        (json!({ "url": PUBLIC, "events": ["chatTag"] }), "events", "chatTag", "chatTag"),
    ] {
        for (language, words) in [("ru", ru), ("en", en)] {
            let request = rig.request("PUT", &path, &tenant.admin).header("accept-language", language).json(&body);
            let reply = rig.send(request).await;
            let error = reply.json()["error"].clone();
            assert_eq!((reply.status, &error["field"]), (422, &json!(field)), "{body}");
            assert!(error["message"].as_str().unwrap().contains(words), "{error}");
        }
    }
    assert_eq!(put(&rig, channel, &tenant.admin, json!({ "url": PUBLIC, "events": all, "more": 1 })).await.status, 400);
    let made = put(&rig, channel, &tenant.admin, json!({ "url": PUBLIC, "events": all })).await.json();
    let base = format!("/api/v1/webhooks/{}", made["webhook"]["id"].as_str().unwrap());
    for (body, field) in [(json!({ "from": 0, "to": 1 }), "from"), (json!({ "from": 5, "to": 4 }), "to")] {
        let reply = rig.post(&format!("{base}/replay"), &tenant.admin, body).await;
        assert_eq!((reply.status, &reply.json()["error"]["field"]), (422, &json!(field)));
    }
    for (query, field) in [("state=lost", "state"), ("limit=0", "limit"), ("limit=201", "limit")] {
        let reply = rig.get(&format!("{base}/events?{query}"), &tenant.admin).await;
        assert_eq!((reply.status, &reply.json()["error"]["field"]), (422, &json!(field)), "{query}");
    }
    assert_eq!(rig.get("/api/v1/webhooks", &tenant.operator).await.status, 403);
    rig.server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_name_that_leads_inside_is_never_called() {
    let (_folder, database) = crate::postgres::fresh_sqlite();
    let inside = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    inside.set_nonblocking(true).unwrap();
    let url = format!("https://localhost:{}/hook", inside.local_addr().unwrap().port());
    // any other network than this machine's own: a variable that is empty sets nothing
    let rig = Rig::start_with(&database, &[("SWITCHBOARD_VENDORS__ALLOW_NETWORKS", "10.255.0.0/16")]).await;
    let tenant = rig.tenant("one.example").await;
    let (channel, _) = rig.channel(&tenant, "100").await;
    let made = put(&rig, channel, &tenant.admin, json!({ "url": url, "events": ["message"] })).await.json();
    let id: WebhookId = made["webhook"]["id"].as_str().unwrap().parse().unwrap();
    let (app, row) = (rig.server.app.clone(), said(tenant.company, channel, "Секрет"));
    let inner = app.clone();
    app.store.write(move |conn| webhook::settled(&inner, conn, &row, Moment(START.0))).await.unwrap();
    let answer = webhook::carry_out(&app, tenant.company, id, 1).await.unwrap();
    assert!(matches!(answer, Answer::Down { .. }), "{answer:?}");
    assert!(inside.accept().is_err(), "nobody knocked");
    let card = rig.get("/api/v1/webhooks", &tenant.admin).await.json()["webhooks"][0].clone();
    assert_eq!(card["last"]["outcome"], "private_address");
    rig.server.stop().await;
}
