//! How channels fare: what is shown of it, and what people are told when one is lost, comes back, or is suspected of spam.

use serde_json::{Value, json};
use switchboard::flow::{channel, herald, receive};
use switchboard::model::id::ChannelId;
use switchboard::model::message::{Event, Incoming, Person, Receipt};
use switchboard::model::moment::Moment;
use switchboard::model::result::Code;
use switchboard::model::status::Status;
use switchboard::store::row::CompanyEventRow;

use super::channels::{TOKEN, attach, only_channel, sandbox_with_a_bot};
use super::post_office::{Mood, PostOffice};
use crate::rig::{Rig, Tenant};

const MINUTE_MS: i64 = 60_000;

async fn happened(rig: &Rig, tenant: &Tenant) -> Vec<CompanyEventRow> {
    let company = tenant.company;
    let rows = rig.server.app.store.read(move |conn| switchboard::on!(conn, company_event::after(company, "", 100)));
    rows.await.unwrap()
}

async fn kinds(rig: &Rig, tenant: &Tenant) -> Vec<String> {
    happened(rig, tenant).await.into_iter().map(|row| row.kind).collect()
}

/// A channel of this rig hears of something, as the feeder works it.
async fn hear(rig: &Rig, id: ChannelId, event: Event) {
    let (app, now) = (rig.server.app.clone(), rig.server.app.clock.now());
    let heard = rig.server.app.store.write(move |conn| {
        let row = switchboard::on!(conn, channel::whosever(id))?.unwrap();
        receive::work(&app, conn, &row, &event, now)
    });
    heard.await.unwrap();
}

async fn settle(rig: &Rig, ms: i64) {
    rig.clock.advance_ms(ms);
    herald::round(&rig.server.app).await.unwrap();
}

fn receipt(status: Status, error: Option<(Code, String)>) -> Event {
    Event::Receipt(Receipt { vendor_id: "v1".into(), key: None, status, at: Moment(0), error })
}

fn incoming() -> Event {
    Event::Message(Box::new(Incoming {
        vendor_id: "in1".into(),
        chat: "79990000001".into(),
        group: false,
        title: None,
        from: Person::default(),
        at: Moment(0),
        text: Some("Здравствуйте".into()),
        media: Vec::new(),
        place: None,
        reply_to: None,
        ours: false,
        note: None,
        payload: None,
        referral: std::collections::BTreeMap::new(),
    }))
}

on_both_databases! {
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_last_receipt_message_and_error_of_a_channel_are_shown(database: &str) {
    let rig = Rig::start(database).await;
    let tenant = rig.tenant("one.example").await;
    let (id, _) = rig.channel(&tenant, "100").await;
    let seen = only_channel(&rig, &tenant).await;
    assert_eq!(seen["health"], json!({ "receipt_at": null, "message_at": null, "error": null, "suspicion": null }));
    assert_eq!(seen["connected_at"], crate::rig::START.0);

    let start = rig.server.app.clock.now();
    hear(&rig, id, incoming()).await;
    rig.clock.advance_ms(400);
    hear(&rig, id, receipt(Status::Sent, None)).await;
    rig.clock.advance_ms(10);
    hear(&rig, id, receipt(Status::Delivered, None)).await;
    let seen = only_channel(&rig, &tenant).await;
    assert_eq!(seen["health"]["message_at"], start.0);
    assert_eq!(seen["health"]["receipt_at"], start.0 + 400, "receipts of one second are written once");
    rig.clock.advance_ms(5_000);
    hear(&rig, id, receipt(Status::Delivered, None)).await;
    hear(&rig, id, Event::Trouble { seen: "ACCOUNT_DISABLED".into() }).await;
    let seen = only_channel(&rig, &tenant).await;
    assert_eq!(seen["health"]["receipt_at"], start.0 + 5_410);
    let error = &seen["health"]["error"];
    assert_eq!((error["code"].as_str(), error["text"].as_str()), (Some("refused"), Some("ACCOUNT_DISABLED")));
    assert_eq!((error["at"].as_i64(), error["title"][0].is_string()), (Some(start.0 + 5_410), true));
    let one = rig.get(&format!("/api/v1/channels/{id}"), &tenant.operator).await.json();
    assert_eq!(one["health"], seen["health"], "one channel is shown as in the list");
    let other = rig.tenant("two.example").await;
    assert_eq!(rig.get(&format!("/api/v1/channels/{id}"), &other.admin).await.status, 404);
    rig.server.stop().await;
}
}

on_both_databases! {
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_suspicion_of_spam_holds_for_a_day_after_the_last_word_and_goes_when_it_is_taken_back(database: &str) {
    let post = PostOffice::open().await;
    let rig = Rig::start_with(database, &post.settings()).await;
    let tenant = rig.tenant("one.example").await;
    let (id, _) = rig.channel(&tenant, "100").await;
    let suspected = |seen: &str| Event::Suspicion { seen: seen.into(), lifted: false };
    hear(&rig, id, suspected("FLAGGED")).await;
    let start = rig.server.app.clock.now();
    let seen = only_channel(&rig, &tenant).await;
    assert_eq!(seen["state"], "spam");
    let held = json!({ "since": start.0, "until": start.0 + 24 * 60 * MINUTE_MS, "text": "FLAGGED" });
    assert_eq!((&seen["health"]["suspicion"], seen["health"]["error"]["code"].as_str()), (&held, Some("spam_suspected")));
    let say = json!({ "to": "+79990000001", "text": "x" });
    assert_eq!(rig.post("/api/v1/messages", &tenant.operator, say).await.status, 202, "whoever is suspected may still write");

    // a second word within the day makes it longer and is no news
    settle(&rig, 60 * MINUTE_MS).await;
    hear(&rig, id, receipt(Status::Error, Some((Code::SpamSuspected, "131048".into())))).await;
    settle(&rig, 24 * 60 * MINUTE_MS - 1).await;
    assert_eq!(only_channel(&rig, &tenant).await["state"], "spam");
    assert_eq!(post.subjects(), ["Подозрение на спам: WhatsApp Business (WABA) · Номер"]);
    settle(&rig, 1).await;
    assert_eq!(only_channel(&rig, &tenant).await["state"], "connected");
    assert_eq!(kinds(&rig, &tenant).await, ["channel.spam", "channel.spam_over"]);

    hear(&rig, id, suspected("RESTRICTION")).await;
    assert_eq!(only_channel(&rig, &tenant).await["state"], "spam", "what comes after it is news again");
    hear(&rig, id, Event::Suspicion { seen: "UNFLAGGED".into(), lifted: true }).await;
    assert_eq!(only_channel(&rig, &tenant).await["state"], "connected");
    settle(&rig, 0).await;
    assert_eq!(post.subjects().len(), 2, "an end is shown, not told");
    assert_eq!(kinds(&rig, &tenant).await[2..], ["channel.spam", "channel.spam_over"]);
    // a lost channel is lost, whatever is suspected
    hear(&rig, id, suspected("FLAGGED")).await;
    channel::lose(&rig.server.app, tenant.company, id, "Unauthorized").await.unwrap();
    assert_eq!(only_channel(&rig, &tenant).await["state"], "lost");
    rig.server.stop().await;
}
}

on_both_databases! {
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_loss_that_lasts_is_told_once_and_so_is_the_return(database: &str) {
    let (vendors, telegram) = sandbox_with_a_bot().await;
    let post = PostOffice::open().await;
    let mut settings = post.settings().to_vec();
    settings.push(("SWITCHBOARD_VENDORS__TELEGRAM_BOT", &telegram));
    let rig = Rig::start_with(database, &settings).await;
    let tenant = rig.tenant("one.example").await;
    rig.tenant("two.example").await;
    attach(&rig, &tenant, TOKEN).await;
    let id = only_channel(&rig, &tenant).await["id"].as_str().unwrap().parse().unwrap();
    settle(&rig, 60 * MINUTE_MS).await;
    assert_eq!(post.subjects(), [""; 0], "that a channel was attached is no news");

    channel::lose(&rig.server.app, tenant.company, id, "Unauthorized").await.unwrap();
    settle(&rig, 3 * MINUTE_MS - 1).await;
    assert_eq!(post.subjects(), [""; 0], "it may come back");
    settle(&rig, 1).await;
    settle(&rig, 60 * MINUTE_MS).await;
    let letters = post.letters();
    assert_eq!(letters.len(), 1, "once, and to the administrator of this company alone: {letters:?}");
    assert_eq!((letters[0].to.as_str(), letters[0].from.as_str()), ("admin@one.example", "switchboard@house.example"));
    assert!(letters[0].subject.starts_with("Канал отключён: Telegram-бот"), "{letters:?}");
    for part in ["Линия", "one.example", "05.01.2026 13:00", "Unauthorized", &format!("/lines/{}", tenant.line)] {
        assert!(letters[0].text.contains(part), "{part} is not in {}", letters[0].text);
    }

    assert_eq!(attach(&rig, &tenant, TOKEN).await.status, 201);
    settle(&rig, 3 * MINUTE_MS).await;
    settle(&rig, 60 * MINUTE_MS).await;
    assert_eq!(post.subjects().len(), 2);
    assert!(post.subjects()[1].starts_with("Канал снова подключён"), "{:?}", post.subjects());
    assert_eq!(kinds(&rig, &tenant).await, ["channel.lost", "channel.connected"]);
    let event: Value = serde_json::from_str(&happened(&rig, &tenant).await[0].body).unwrap();
    assert_eq!((event["reason"].as_str(), event["messenger"].as_str()), (Some("Unauthorized"), Some("telegram_bot")));
    assert!(!event.to_string().contains("AAAA"), "an event holds no secret: {event}");

    // what a person switches off is no loss
    let off = rig.post(&format!("/api/v1/channels/{id}/detach"), &tenant.admin, json!({})).await;
    assert_eq!(off.status, 204, "{}", off.text);
    settle(&rig, 60 * MINUTE_MS).await;
    assert_eq!(post.subjects().len(), 2);
    assert_eq!(kinds(&rig, &tenant).await.last().unwrap(), "channel.off");
    rig.server.stop().await;
    vendors.stop().await;
}
}

on_both_databases! {
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_channel_that_comes_and_goes_within_minutes_is_told_once(database: &str) {
    let (vendors, telegram) = sandbox_with_a_bot().await;
    let post = PostOffice::open().await;
    let mut settings = post.settings().to_vec();
    settings.extend([("SWITCHBOARD_VENDORS__TELEGRAM_BOT", telegram.as_str()), ("SWITCHBOARD_NOTICES__LANGUAGE", "en")]);
    let rig = Rig::start_with(database, &settings).await;
    let tenant = rig.tenant("one.example").await;
    attach(&rig, &tenant, TOKEN).await;
    let id = only_channel(&rig, &tenant).await["id"].as_str().unwrap().parse().unwrap();
    let lose = || channel::lose(&rig.server.app, tenant.company, id, "Unauthorized");
    for _ in 0..2 {
        lose().await.unwrap();
        settle(&rig, MINUTE_MS / 2).await;
        attach(&rig, &tenant, TOKEN).await;
        settle(&rig, MINUTE_MS / 2).await;
    }
    settle(&rig, 60 * MINUTE_MS).await;
    let letters = post.letters();
    assert_eq!(letters.len(), 1, "{letters:?}");
    assert!(letters[0].subject.starts_with("Channel was interrupted: Telegram bot"), "{letters:?}");
    assert!(letters[0].text.contains("times: 2"), "{}", letters[0].text);

    // back for a moment between two losses: it is lost still, which was told
    lose().await.unwrap();
    settle(&rig, 3 * MINUTE_MS).await;
    attach(&rig, &tenant, TOKEN).await;
    settle(&rig, MINUTE_MS).await;
    lose().await.unwrap();
    settle(&rig, 60 * MINUTE_MS).await;
    assert_eq!(post.subjects().len(), 2, "{:?}", post.subjects());
    assert!(post.subjects()[1].starts_with("Channel lost"));
    rig.server.stop().await;
    vendors.stop().await;
}
}

on_both_databases! {
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_notice_is_tried_again_while_it_certainly_did_not_leave_and_never_afterwards(database: &str) {
    let post = PostOffice::open().await;
    let settings = [post.settings().as_slice(), &[("SWITCHBOARD_NOTICES__FLAP_MINUTES", "0")]].concat();
    let rig = Rig::start_with(database, &settings).await;
    let tenant = rig.tenant("one.example").await;
    let (first, _) = rig.channel(&tenant, "100").await;
    let (second, _) = rig.channel(&tenant, "200").await;
    post.be(Mood::Busy);
    channel::lose(&rig.server.app, tenant.company, first, "Unauthorized").await.unwrap();
    settle(&rig, 0).await;
    assert_eq!((post.tries(), post.subjects().len()), (1, 0));
    settle(&rig, 0).await;
    assert_eq!(post.tries(), 1, "not before its time");
    post.be(Mood::Good);
    settle(&rig, MINUTE_MS).await;
    assert_eq!((post.tries(), post.subjects().len()), (2, 1));

    // the connection breaks after the letter was handed over: it may have arrived
    post.be(Mood::Cut);
    channel::lose(&rig.server.app, tenant.company, second, "Unauthorized").await.unwrap();
    settle(&rig, 0).await;
    assert_eq!((post.tries(), post.subjects().len()), (3, 2));
    post.be(Mood::Good);
    settle(&rig, 60 * MINUTE_MS).await;
    settle(&rig, 24 * 60 * MINUTE_MS).await;
    assert_eq!((post.tries(), post.subjects().len()), (3, 2), "nothing is sent twice");
    rig.server.stop().await;
}
}

on_both_databases! {
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_rounds_at_once_one_tells(database: &str) {
    let post = PostOffice::open().await;
    let settings = [post.settings().as_slice(), &[("SWITCHBOARD_NOTICES__FLAP_MINUTES", "0")]].concat();
    let rig = Rig::start_with(database, &settings).await;
    let tenant = rig.tenant("one.example").await;
    let (id, _) = rig.channel(&tenant, "100").await;
    channel::lose(&rig.server.app, tenant.company, id, "Unauthorized").await.unwrap();
    let app = &rig.server.app;
    for _ in 0..3 {
        let rounds = futures_util::future::join_all((0..8).map(|_| herald::round(app))).await;
        assert!(rounds.iter().all(Result::is_ok), "{rounds:?}");
    }
    assert_eq!((post.tries(), post.subjects().len()), (1, 1));
    rig.server.stop().await;
}
}
