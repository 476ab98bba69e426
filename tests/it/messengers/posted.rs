//! What vendors post, through the whole intake: whatever comes ten times is kept once, and a zero byte in it harms nobody.

use std::collections::BTreeMap;

use secrecy::SecretString;
use serde_json::Value;
use switchboard::app::App;
use switchboard::flow::{credentials, intake};
use switchboard::messenger::catalogue;
use switchboard::model::id::{ChannelId, MessageId};
use switchboard::model::message::{Event, Kind};
use switchboard::model::pace::Pace;
use switchboard::model::status::Status;
use switchboard::store::row::{ChannelRow, MessageRow, NewLane};

use super::case::{Case, cases};
use super::page::{Once, checked};
use crate::rig::{Rig, START, Tenant};

const TIMES: usize = 10;

/// A channel of a messenger, attached some time ago.
async fn channel(rig: &Rig, tenant: &Tenant, kind: Kind, secrets: &Value, settings: &Value) -> ChannelRow {
    let (company, line, id) = (tenant.company, tenant.line, ChannelId::new());
    let app = rig.server.app.clone();
    let secrets = credentials::seal(&app, "channels", &id.to_string(), &SecretString::from(secrets.to_string()));
    let settings = settings.to_string();
    let made = app.store.write(move |conn| {
        let pace = Pace::Gap { from_ms: 15_000, to_ms: 15_000, live_ms: 1_000 };
        let new = NewLane { kind: "channel".into(), pace, hours: None };
        let row = ChannelRow {
            id: id.to_string(),
            company: company.to_string(),
            line,
            lane: switchboard::on!(conn, lane::create(company, &new))?,
            messenger: kind.slug().into(),
            account: id.to_string(),
            state: "connected".into(),
            secrets: secrets.clone(),
            settings: settings.clone(),
            hook_key: format!("key-{id}"),
            lost_reason: None,
            connected_at: START.0,
            created_at: START.0,
        };
        switchboard::on!(conn, channel::create(&row))?;
        Ok(row)
    });
    made.await.unwrap()
}

/// Messages of ours on a channel that hears nothing but what became of them.
async fn sent(rig: &Rig, case: &Case, of: &ChannelRow) {
    let mut rows = BTreeMap::new();
    for name in case.deliveries() {
        for (_, event) in case.receive(&case.fixture(&name)).unwrap().events {
            let Event::Receipt(receipt) = event else { continue };
            let row = MessageRow {
                id: MessageId::new().to_string(),
                company: of.company.clone(),
                channel: of.id.clone(),
                chat: "79161234567".into(),
                outgoing: true,
                status: Status::Sent.to_db(),
                vendor_id: Some(receipt.vendor_id.clone()),
                content: "{}".into(),
                origin: serde_json::json!({ "by": "nobody" }).to_string(),
                code: None,
                reason: None,
                accepted_at: START.0,
                sent_at: None,
                delivered_at: None,
                viewed_at: None,
            };
            rows.insert(receipt.vendor_id, row);
        }
    }
    let rows: Vec<MessageRow> = rows.into_values().collect();
    rig.server.app.store.write(move |conn| switchboard::on!(conn, message::enter(&rows))).await.unwrap();
}

/// Works everything that waits.
async fn work(app: &App) {
    while switchboard::loops::feeder::round(app).await.unwrap() {}
    let refused = app.store.read(|conn| switchboard::on!(conn, hook::refusals(10))).await.unwrap();
    assert!(refused.is_empty(), "{refused:?}");
    let (waiting, _) = app.store.read(|conn| switchboard::on!(conn, hook::backlog())).await.unwrap();
    assert_eq!(waiting, 0);
}

/// The messages of a channel, without what differs each time: how often each one is there.
async fn messages(app: &App, tenant: &Tenant, of: &ChannelRow) -> BTreeMap<String, usize> {
    let (company, channel) = (tenant.company, of.id.clone());
    let rows = app.store.read(move |conn| switchboard::on!(conn, message::newest(company, 10_000))).await.unwrap();
    let mut found = BTreeMap::new();
    for row in rows.into_iter().filter(|row| row.channel == channel) {
        let said = format!("{} {:?} {:?}", row.content, row.reason, row.status);
        let name = format!("{:?} {} {} {said}", row.vendor_id, row.chat, row.outgoing);
        *found.entry(name).or_default() += 1;
    }
    found
}

async fn post(rig: &Rig, channel: &ChannelRow, case: &Case, body: &[u8]) {
    let (query, headers) = case.proven(body);
    let path = format!("/hook/{}/{}?{query}", case.name(), channel.hook_key);
    let mut request = rig.request("POST", &path, "").body(body.to_vec());
    for (name, value) in headers {
        request = request.header(name, value);
    }
    let reply = rig.send(request).await;
    assert_eq!(reply.status, 200, "{}: {reply:?}", case.name());
}

/// Whoever is posted to: over HTTP, ten at once, beside a channel that gets everything once.
async fn posted(rig: &Rig, tenant: &Tenant, case: &Case) -> usize {
    let kind = case.messenger.about().kind;
    let often = channel(rig, tenant, kind, &case.secrets, &case.settings).await;
    let once = channel(rig, tenant, kind, &case.secrets, &case.settings).await;
    if case.templates_only() {
        sent(rig, case, &often).await;
        sent(rig, case, &once).await;
    }
    for name in case.deliveries() {
        let body = case.fixture(&name);
        futures_util::future::join_all((0..TIMES).map(|_| post(rig, &often, case, &body))).await;
        post(rig, &once, case, &body).await;
        work(&rig.server.app).await;
    }
    compare(rig, tenant, (&often, &once)).await
}

/// Whoever is listened to: what was heard is handed over ten times, as after connections that broke off.
async fn heard(rig: &Rig, tenant: &Tenant, kind: Kind, heard: Vec<(String, Event)>) -> usize {
    let none = serde_json::json!({});
    let often = channel(rig, tenant, kind, &none, &none).await;
    let once = channel(rig, tenant, kind, &none, &none).await;
    for told in heard {
        for _ in 0..TIMES {
            intake::write_told(&rig.server.app, &often, told.clone()).await.unwrap();
        }
        intake::write_told(&rig.server.app, &once, told).await.unwrap();
        work(&rig.server.app).await;
    }
    compare(rig, tenant, (&often, &once)).await
}

async fn compare(rig: &Rig, tenant: &Tenant, (often, once): (&ChannelRow, &ChannelRow)) -> usize {
    let app = &rig.server.app;
    let (often, once) = (messages(app, tenant, often).await, messages(app, tenant, once).await);
    assert_eq!(often, once);
    assert!(!often.is_empty() && often.values().all(|count| *count == 1), "{often:?}");
    often.len()
}

on_both_databases! {
    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_zero_byte_in_what_a_customer_writes_costs_no_message(database: &str) {
        let rig = Rig::start(database).await;
        let tenant = rig.tenant("one.example").await;
        let mut bodies = 0;
        for case in cases() {
            let channel = channel(&rig, &tenant, case.messenger.about().kind, &case.secrets, &case.settings).await;
            if case.templates_only() {
                sent(&rig, &case, &channel).await;
            }
            for name in case.deliveries() {
                        let mut body = case.fixture_json(&name);
                let before = body.clone();
                end_texts(&mut body);
                bodies += usize::from(body != before);
                let body = body.to_string();
                if case.receive(body.as_bytes()).is_ok() {
                    post(&rig, &channel, &case, body.as_bytes()).await;
                    work(&rig.server.app).await;
                }
            }
            let found = messages(&rig.server.app, &tenant, &channel).await;
            assert!(!found.is_empty() && !found.keys().any(|row| row.contains("\\0") || row.contains("u0000")), "{found:?}");
        }
        assert!(bodies > 50, "{bodies}");
        rig.server.stop().await;
    }
}

/// Puts a zero byte behind every text of people: what has a blank in it, or a letter that is not Latin.
fn end_texts(value: &mut Value) {
    match value {
        Value::String(text) if text.chars().any(|c| c == ' ' || !c.is_ascii()) => text.push('\0'),
        Value::Array(items) => items.iter_mut().for_each(end_texts),
        Value::Object(map) => map.values_mut().for_each(end_texts),
        _ => {}
    }
}

/// All messengers of the catalogue on one database; how many messages each one brought.
async fn all(database: &str) -> Vec<(Kind, usize)> {
    let rig = Rig::start(database).await;
    let tenant = rig.tenant("one.example").await;
    let mut counts = Vec::new();
    for case in cases() {
        counts.push((case.messenger.about().kind, posted(&rig, &tenant, &case).await));
    }
    for about in catalogue().iter().map(|messenger| messenger.about()).filter(|about| about.abilities.listens) {
        counts.push((about.kind, heard(&rig, &tenant, about.kind, super::heard(about.kind)).await));
    }
    rig.server.stop().await;
    counts
}

#[test]
pub(super) fn ten_equal_deliveries_make_one_message_on_both_databases() {
    static ONCE: Once = Once::new();
    ONCE.run(|| {
        let (_folder, sqlite) = crate::postgres::fresh_sqlite();
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        for database in [&*sqlite, &*crate::postgres::fresh_database()] {
            for (kind, messages) in runtime.block_on(all(database)) {
                checked(kind, messages * TIMES);
            }
        }
    });
}
