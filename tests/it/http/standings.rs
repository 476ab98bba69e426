//! What the vendor thinks of a number: asked now and then and at its own word, shown at the channel, and never a reason to write less
//! carefully. Templates that answers speak against are listed anew.

use secrecy::SecretString;
use serde_json::{Value, json};
use switchboard::flow::{credentials, standing};
use switchboard::model::id::ChannelId;
use switchboard::model::message::Event;
use switchboard::model::result::Code;
use switchboard::model::vendor::Answer;
use wiremock::matchers::{path, query_param};
use wiremock::{Mock, MockServer, ResponseTemplate};

use super::changes::hear;
use crate::rig::{Rig, START, Tenant};

const HOUR_MS: i64 = 3_600_000;

fn health(quality: &str, tier: &str) -> Value {
    json!({ "id": "1", "display_phone_number": "+7 495 123-45-67", "verified_name": "Окна", "quality_rating": quality,
        "status": "CONNECTED", "name_status": "APPROVED", "messaging_limit_tier": tier, "throughput": { "level": "STANDARD" } })
}

/// Has the vendor answer about a number from now on.
async fn answers(meta: &MockServer, number: &str, status: u16, body: Value) {
    meta.reset().await;
    Mock::given(path(format!("/{number}")))
        .and(query_param("fields", "display_phone_number,verified_name,quality_rating,code_verification_status,name_status,status,messaging_limit_tier,throughput,platform_type,is_official_business_account"))
        .respond_with(ResponseTemplate::new(status).set_body_json(body))
        .mount(meta)
        .await;
}

/// A number of an account, attached with a token.
async fn number(rig: &Rig, tenant: &Tenant, id: &str, account: &str) -> ChannelId {
    let (channel, _) = rig.channel(tenant, id).await;
    let app = &rig.server.app;
    let secrets = SecretString::from(json!({ "token": "EAAtoken", "app_secret": "x" }).to_string());
    let secrets = credentials::seal(app, "channels", &channel.to_string(), &secrets);
    let settings = json!({ "title": "Номер", "address": id, "phone_number_id": id, "waba_id": account }).to_string();
    let (company, known) = (tenant.company, id.to_owned());
    let changed = app.store.write(move |conn| {
        let row = switchboard::on!(conn, channel::by_id(company, channel))?.unwrap();
        let before = (row.secrets.as_str(), row.settings.as_str());
        switchboard::on!(conn, channel::configure(company, channel, before, (&secrets, &settings, &known)))
    });
    assert!(changed.await.unwrap());
    channel
}

async fn shown(rig: &Rig, tenant: &Tenant, channel: ChannelId) -> Value {
    rig.get(&format!("/api/v1/channels/{channel}"), &tenant.operator).await.json()
}

on_both_databases! {
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_number_is_asked_how_it_stands_now_and_then_and_at_the_word_of_the_vendor(database: &str) {
    let meta = MockServer::start().await;
    let rig = Rig::start_with(database, &[("SWITCHBOARD_VENDORS__WABA", &meta.uri())]).await;
    let tenant = rig.tenant("one.example").await;
    let channel = number(&rig, &tenant, "100", "900").await;
    let (bot, _) = rig.channel_of(&tenant, "telegram_bot", "200").await;
    let app = rig.server.app.clone();
    assert_eq!(shown(&rig, &tenant, channel).await["standing"], Value::Null, "nobody has told anything yet");
    answers(&meta, "100", 200, health("GREEN", "TIER_1K")).await;
    assert_eq!(standing::round(&app).await.unwrap(), 0, "attaching has just asked");
    rig.clock.advance_ms(6 * HOUR_MS);
    assert_eq!(standing::round(&app).await.unwrap(), 1);
    let told = shown(&rig, &tenant, channel).await;
    assert_eq!(told["standing"], json!({ "quality": "GREEN", "tier": "TIER_1K", "people_per_day": 1_000, "unlimited": false,
        "status": "CONNECTED", "name_status": "APPROVED", "looked_at": START.0 + 6 * HOUR_MS }));
    assert_eq!((&told["title"], &told["address"]), (&json!("Номер"), &json!("100")), "what people called it stays");
    assert_eq!(shown(&rig, &tenant, bot).await["standing"], Value::Null);
    assert_eq!(standing::round(&app).await.unwrap(), 0, "not again so soon");
    // the vendor says that something changed, and is asked at once
    answers(&meta, "100", 200, health("RED", "TIER_UNLIMITED")).await;
    rig.clock.advance_ms(HOUR_MS);
    hear(&app, channel, Event::Restanding { seen: "DOWNGRADE".into() }, app.clock.now()).await;
    assert_eq!(standing::round(&app).await.unwrap(), 1);
    let told = shown(&rig, &tenant, channel).await["standing"].clone();
    assert_eq!((&told["quality"], &told["unlimited"], &told["people_per_day"]), (&json!("RED"), &json!(true), &Value::Null));
    // a vendor that is down is asked again later, and what is known stays
    answers(&meta, "100", 503, json!({})).await;
    rig.clock.advance_ms(HOUR_MS);
    hear(&app, channel, Event::Restanding { seen: "x".into() }, app.clock.now()).await;
    assert_eq!(standing::round(&app).await.unwrap(), 1);
    assert_eq!(standing::round(&app).await.unwrap(), 0);
    let told = shown(&rig, &tenant, channel).await;
    assert_eq!((&told["standing"]["quality"], &told["state"]), (&json!("RED"), &json!("connected")));
    assert_eq!(told["standing"]["looked_at"], START.0 + 7 * HOUR_MS);
    rig.clock.advance_ms(HOUR_MS / 4);
    // a token that is refused here is refused everywhere
    let gone = json!({ "error": { "message": "Session has expired", "code": 190 } });
    answers(&meta, "100", 401, gone).await;
    assert_eq!(standing::round(&app).await.unwrap(), 1);
    assert_eq!(shown(&rig, &tenant, channel).await["state"], "lost");
    rig.clock.advance_ms(24 * HOUR_MS);
    assert_eq!(standing::round(&app).await.unwrap(), 0, "a lost channel is left alone");
    rig.server.stop().await;
}
}

on_both_databases! {
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_word_of_an_account_reaches_all_its_numbers_and_nobody_elses(database: &str) {
    let meta = MockServer::start().await;
    let rig = Rig::start_with(database, &[("SWITCHBOARD_VENDORS__WABA", &meta.uri())]).await;
    let (tenant, other) = (rig.tenant("one.example").await, rig.tenant("other.example").await);
    let first = number(&rig, &tenant, "100", "900").await;
    let second = number(&rig, &tenant, "101", "900").await;
    let apart = number(&rig, &tenant, "102", "901").await;
    let strange = number(&rig, &other, "103", "900").await;
    let app = rig.server.app.clone();
    let listed = json!({ "data": [{ "id": "1", "name": "order", "language": "ru", "status": "APPROVED", "category": "UTILITY",
        "components": [{ "type": "BODY", "text": "Готово" }] }] });
    for account in ["900", "901"] {
        Mock::given(path(format!("/{account}/message_templates")))
            .respond_with(ResponseTemplate::new(200).set_body_json(&listed))
            .mount(&meta)
            .await;
    }
    let status = async |channel: ChannelId, token: &str| {
        rig.get(&format!("/api/v1/channels/{channel}/templates"), token).await.json()["templates"][0]["status"].clone()
    };
    for (channel, token) in [(first, &tenant), (second, &tenant), (apart, &tenant), (strange, &other)] {
        let path = format!("/api/v1/channels/{channel}/templates/sync");
        assert_eq!(rig.post(&path, &token.operator, json!({})).await.status, 200);
    }
    let paused = Event::Template { name: "order".into(), language: "ru".into(), state: "PAUSED".into(), reason: None };
    hear(&app, first, paused, START).await;
    assert_eq!(status(first, &tenant.operator).await, "PAUSED");
    assert_eq!(status(second, &tenant.operator).await, "PAUSED");
    assert_eq!(status(apart, &tenant.operator).await, "APPROVED");
    assert_eq!(status(strange, &other.operator).await, "APPROVED");
    rig.server.stop().await;
}
}

on_both_databases! {
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn templates_that_nobody_listed_or_that_an_answer_speaks_against_are_listed_anew(database: &str) {
    let meta = MockServer::start().await;
    let rig = Rig::start_with(database, &[("SWITCHBOARD_VENDORS__WABA", &meta.uri())]).await;
    let tenant = rig.tenant("one.example").await;
    let channel = number(&rig, &tenant, "100", "900").await;
    let app = rig.server.app.clone();
    standing::round(&app).await.unwrap();
    let list = |name: &str| json!({ "data": [{ "id": "1", "name": name, "language": "ru", "status": "APPROVED", "category": "UTILITY",
        "components": [{ "type": "BODY", "text": "Готово" }] }] });
    let names = async || {
        let told = rig.get(&format!("/api/v1/channels/{channel}/templates"), &tenant.operator).await.json();
        told["templates"].as_array().unwrap().iter().map(|one| one["name"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    let serve = async |name: &str, status: u16| {
        meta.reset().await;
        let answer = ResponseTemplate::new(status).set_body_json(list(name));
        Mock::given(path("/900/message_templates")).respond_with(answer).mount(&meta).await;
    };
    serve("order", 200).await;
    let unknown = Event::Template { name: "order".into(), language: "ru".into(), state: "APPROVED".into(), reason: None };
    hear(&app, channel, unknown, START).await;
    assert_eq!(standing::round(&app).await.unwrap(), 1);
    assert_eq!(names().await, ["order"]);
    assert_eq!(standing::round(&app).await.unwrap(), 0);
    // ten minutes gather what answers have to say, and a vendor that is down is asked again
    let refused = Answer::Refused { code: Code::TemplateBad, text: "(132000) x".into() };
    for _ in 0..3 {
        standing::doubt(&app, channel, &refused).await.unwrap();
    }
    standing::doubt(&app, channel, &Answer::done()).await.unwrap();
    serve("order_v2", 503).await;
    assert_eq!(standing::round(&app).await.unwrap(), 0);
    rig.clock.advance_ms(10 * 60_000);
    assert_eq!(standing::round(&app).await.unwrap(), 1);
    assert_eq!(names().await, ["order"], "what is known stays");
    serve("order_v2", 200).await;
    rig.clock.advance_ms(15 * 60_000);
    assert_eq!(standing::round(&app).await.unwrap(), 1);
    assert_eq!(names().await, ["order_v2"]);
    rig.server.stop().await;
}
}
