//! Messages of customers, as Meta posts them: signed, each a new one, to the whole server on one core.

use std::collections::HashSet;
use std::sync::Arc;

use secrecy::SecretString;
use serde_json::json;
use switchboard::app::App;
use switchboard::flow::credentials;
use switchboard::model::clock::SystemClock;
use switchboard::model::id::ChannelId;
use switchboard::model::pace::Pace;
use switchboard::net::signature::hmac_sha256_hex;
use switchboard::serve::Roles;
use switchboard::store::row::{ChannelRow, NewLane};

use crate::Asked;
use crate::load::token;
use crate::report::result;
use crate::server::{Served, drive};
use crate::stage::{self, House};

const SECRET: &str = "5f3c8f0a2b7d4e6f9a1c0d2e4f6a8b0c";
const HOOK_KEY: &str = "key-of-the-number";
const BODY: &str = include_str!("../../tests/fixtures/waba/in_text.json");

/// So many customers write.
const PEOPLE: u64 = 10_000;

/// The request with a message: its id and its sender are new, and the signature is over these very bytes.
pub fn post(number: u64) -> String {
    let person = format!("7916{:07}", number % PEOPLE);
    let body = BODY.replace("wamid.aW4tdGV4dC0wMDAx", &token(number)).replace("79161234567", &person);
    let signature = hmac_sha256_hex(SECRET.as_bytes(), body.as_bytes());
    format!(
        "POST /hook/waba/{HOOK_KEY} HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/json\r\n\
         x-hub-signature-256: sha256={signature}\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    )
}

/// 1 000 messages a second, then as many as 100 connections can, then a kill -9 under that load.
pub async fn receive(asked: &Asked) {
    let (rate, seconds) = (asked.number("rate", 1_000, 200), asked.number("seconds", 10, 2));
    let server = stage::server(&asked.url, &[], Roles::new(), Arc::new(SystemClock::new())).await;
    let house = stage::house(&server.app).await;
    number(&server.app, house).await;
    server.stop().await;
    let served = Served::start_on_one_core(asked).await;
    let (mut figures, acked) = drive(asked, served, "message", (rate, seconds)).await;
    figures["killed_lost"] = json!(lost(asked, house, &acked).await);
    result(&figures);
}

/// A number of WhatsApp Business, whose deliveries the fixture is.
async fn number(app: &App, house: House) {
    let inner = app.clone();
    let made = app.store.write(move |conn| {
        let new = NewLane { kind: "channel".into(), pace: Pace::CAREFUL, hours: None };
        let id = ChannelId::new().to_string();
        let secrets = json!({ "token": "EAA", "app_secret": SECRET, "verify_token": "x" }).to_string();
        let row = ChannelRow {
            company: house.company.to_string(),
            line: house.line,
            lane: switchboard::on!(conn, lane::create(house.company, &new))?,
            messenger: "waba".into(),
            account: "240000000000002".into(),
            state: "connected".into(),
            secrets: credentials::seal(&inner, "channels", &id, &SecretString::from(secrets)),
            settings: json!({ "phone_number_id": "240000000000002", "waba_id": "230000000000001" }).to_string(),
            hook_key: HOOK_KEY.into(),
            lost_reason: None,
            connected_at: 0,
            created_at: 0,
            id,
        };
        switchboard::on!(conn, channel::create(&row))
    });
    made.await.unwrap();
}

/// How many of the acknowledged messages are neither in the history nor waiting to be entered.
async fn lost(asked: &Asked, house: House, acked: &str) -> usize {
    let server = stage::server(&asked.url, &[], Roles::new(), Arc::new(SystemClock::new())).await;
    let (waiting, entered) = server
        .app
        .store
        .read(move |conn| {
            let waiting = switchboard::on!(conn, hook::waiting(i64::MAX))?;
            Ok((waiting, switchboard::on!(conn, message::newest(house.company, i64::MAX))?))
        })
        .await
        .unwrap();
    let entered = entered.into_iter().filter_map(|row| row.vendor_id);
    let waiting = waiting.into_iter().filter_map(|row| row.key.strip_suffix(":message").map(str::to_owned));
    let kept: HashSet<String> = entered.chain(waiting).collect();
    let lost = acked.lines().filter(|token| !kept.contains(*token)).count();
    server.stop().await;
    lost
}
