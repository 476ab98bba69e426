//! Where vendors post to: told when the channel is written down, taken back when it is switched off, and nothing is entered then.

use secrecy::ExposeSecret as _;
use serde_json::{Value, json};
use switchboard::flow::{channel, perform};
use switchboard::model::id::ChannelId;
use switchboard::model::moment::Moment;
use switchboard::net::signature::hmac_sha256_hex;
use switchboard::store::row::{ChannelRow, NewLine};

use super::channels::{TOKEN, attach, only_channel, sandbox_with_a_bot};
use crate::rig::{Reply, Rig, Tenant};

const APP_SECRET: &str = "0123456789abcdef0123456789abcdef";
const ACCOUNT: &str = "230000000000001";
const NUMBERS: [&str; 2] = ["240000000000002", "240000000000003"];

async fn control(base: &str, method: &str, path: &str, body: Value) -> Value {
    let request = crate::rig::client().request(method.parse().unwrap(), format!("{base}{path}"));
    request.json(&body).send().await.unwrap().json().await.unwrap()
}

/// Where the bot of the sandbox posts to.
async fn webhook(base: &str) -> String {
    let bots = control(base, "GET", "/_/telegram/bots", Value::Null).await;
    bots["bots"][0]["webhook"]["url"].as_str().unwrap().to_owned()
}

async fn another_line(rig: &Rig, tenant: &Tenant) -> i64 {
    let company = tenant.company;
    let made = rig.server.app.store.write(move |conn| {
        let line =
            NewLine { name: "Вторая".into(), plan: "paid".into(), expires_at: Moment(i64::MAX / 2), hours: None };
        switchboard::on!(conn, line::create(company, &line, 0))
    });
    made.await.unwrap()
}

async fn row_of(rig: &Rig, id: ChannelId) -> ChannelRow {
    rig.server.app.store.read(move |conn| switchboard::on!(conn, channel::whosever(id))).await.unwrap().unwrap()
}

/// A secret of a channel.
async fn secret(rig: &Rig, id: ChannelId, name: &str) -> String {
    let wire = perform::wire(&rig.server.app, &row_of(rig, id).await).unwrap();
    let secrets: Value = serde_json::from_str(wire.secrets.expose_secret()).unwrap();
    secrets[name].as_str().unwrap().to_owned()
}

/// The channels that deliveries wait for, and why others are not worked.
async fn entered(rig: &Rig) -> (Vec<String>, Vec<String>) {
    let told = rig.server.app.store.read(move |conn| {
        let waiting = switchboard::on!(conn, hook::waiting(100))?;
        Ok((waiting, switchboard::on!(conn, hook::refusals(100))?))
    });
    let (waiting, refused) = told.await.unwrap();
    let waiting = waiting.into_iter().map(|row| row.owner).collect();
    (waiting, refused.into_iter().map(|(.., why)| why.unwrap_or_default()).collect())
}

async fn update(rig: &Rig, key: &str, secret: &str, number: i64) -> u16 {
    let message = json!({ "message_id": number, "date": 1_795_171_200, "text": "Здравствуйте",
        "chat": { "id": 77, "type": "private", "first_name": "Анна" }, "from": { "id": 77, "is_bot": false, "first_name": "Анна" } });
    let body = json!({ "update_id": number, "message": message });
    let request = rig.request("POST", &format!("/hook/channel/{key}"), "");
    let request = request.header("X-Telegram-Bot-Api-Secret-Token", secret).json(&body);
    request.send().await.unwrap().status().as_u16()
}

on_both_databases! {
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bot_that_was_tried_on_another_line_goes_on_hearing(database: &str) {
    let (vendors, telegram) = sandbox_with_a_bot().await;
    let base = vendors.base();
    let rig = Rig::start_with(database, &[("SWITCHBOARD_VENDORS__TELEGRAM_BOT", &telegram)]).await;
    let (mut one, other) = (rig.tenant("one.example").await, rig.tenant("other.example").await);
    assert_eq!(attach(&rig, &one, TOKEN).await.status, 201);
    let told = webhook(&base).await;
    assert!(told.starts_with(&format!("{}/hook/channel/", rig.base)), "{told}");
    assert_eq!(attach(&rig, &other, TOKEN).await.code(), "account_taken");
    let first = one.line;
    one.line = another_line(&rig, &one).await;
    assert_eq!(attach(&rig, &one, TOKEN).await.code(), "account_taken");
    assert_eq!(webhook(&base).await, told);
    // what is attached again on its own line keeps its address
    one.line = first;
    assert_eq!(attach(&rig, &one, TOKEN).await.status, 201);
    assert_eq!(webhook(&base).await, told);
    let said = json!({ "messenger": "telegram_bot", "text": "/start" });
    control(&base, "POST", "/_/phones", json!({ "id": "79990000001", "name": "Анна" })).await;
    control(&base, "POST", "/_/phones/79990000001/say", said).await;
    let channel = only_channel(&rig, &one).await["id"].as_str().unwrap().to_owned();
    let (end, mut beat) = (tokio::time::Instant::now() + std::time::Duration::from_secs(20), tokio::time::interval(std::time::Duration::from_millis(20)));
    while entered(&rig).await.0 != [channel.clone()] {
        assert!(tokio::time::Instant::now() < end, "the bot hears");
        beat.tick().await;
    }
    rig.server.stop().await;
    vendors.stop().await;
}
}

on_both_databases! {
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bot_that_is_switched_off_is_not_posted_from_and_nothing_is_entered(database: &str) {
    let (vendors, telegram) = sandbox_with_a_bot().await;
    let base = vendors.base();
    let rig = Rig::start_with(database, &[("SWITCHBOARD_VENDORS__TELEGRAM_BOT", &telegram)]).await;
    let tenant = rig.tenant("one.example").await;
    assert_eq!(attach(&rig, &tenant, TOKEN).await.status, 201);
    let id: ChannelId = only_channel(&rig, &tenant).await["id"].as_str().unwrap().parse().unwrap();
    let (key, word) = (row_of(&rig, id).await.hook_key, secret(&rig, id, "secret").await);
    let detach = format!("/api/v1/channels/{id}/detach");
    control(&base, "POST", "/_/faults", json!({ "vendor": "telegram", "method": "deleteWebhook", "kind": "down", "times": 1 })).await;
    assert_eq!(rig.post(&detach, &tenant.admin, json!({})).await.code(), "vendor_failed");
    assert_eq!(only_channel(&rig, &tenant).await["state"], "connected", "what the vendor was not told is not done");
    assert!(webhook(&base).await.ends_with(&key));
    assert_eq!(rig.post(&detach, &tenant.admin, json!({})).await.status, 204);
    assert_eq!(webhook(&base).await, "");

    // what comes all the same is answered and not entered; what proves nothing is refused as before
    let none: Vec<String> = Vec::new();
    assert_eq!((update(&rig, &key, &word, 1).await, update(&rig, &key, "wrong", 2).await), (200, 403));
    assert_eq!(entered(&rig).await, (none.clone(), vec!["the channel is switched off".to_owned()]));
    // the same again is no second refusal
    assert_eq!(update(&rig, &key, &word, 1).await, 200);
    assert_eq!(entered(&rig).await.1.len(), 1);

    // attached again it hears, of the same update too; one that is lost goes on hearing
    assert_eq!(attach(&rig, &tenant, TOKEN).await.status, 201);
    let word = secret(&rig, id, "secret").await;
    assert_eq!(update(&rig, &key, &word, 1).await, 200);
    channel::lose(&rig.server.app, tenant.company, id, "Unauthorized").await.unwrap();
    assert_eq!(update(&rig, &key, &word, 3).await, 200);
    assert_eq!(entered(&rig).await.0, [id.to_string(), id.to_string()]);

    // a bot that somebody else took over is let alone
    let theirs = "https://other.example/bot";
    let set = crate::rig::client().post(format!("{telegram}/bot{TOKEN}/setWebhook")).json(&json!({ "url": theirs }));
    assert!(set.send().await.unwrap().status().is_success());
    assert_eq!(rig.post(&detach, &tenant.admin, json!({})).await.status, 204);
    assert_eq!(webhook(&base).await, theirs);
    rig.server.stop().await;
    vendors.stop().await;
}
}

async fn attach_number(rig: &Rig, tenant: &Tenant, number: &str) -> Reply {
    let answers = json!({ "phone_number_id": number, "waba_id": ACCOUNT, "token": "EAAGtoken", "app_secret": APP_SECRET,
        "verify_token": "verify-me" });
    let body = json!({ "messenger": "waba", "answers": answers });
    rig.post(&format!("/api/v1/lines/{}/channels", tenant.line), &tenant.admin, body).await
}

async fn subscribed(base: &str) -> bool {
    control(base, "GET", "/_/waba/numbers", Value::Null).await["accounts"][0]["subscribed"] == true
}

fn said_to(number: &str, id: &str) -> Value {
    let message = json!({ "from": "79990000001", "id": id, "timestamp": "1795171200", "type": "text", "text": { "body": "Здравствуйте" } });
    let value = json!({ "messaging_product": "whatsapp", "metadata": { "display_phone_number": "74951234567", "phone_number_id": number },
        "contacts": [{ "profile": { "name": "Анна" }, "wa_id": "79990000001" }], "messages": [message] });
    json!({ "field": "messages", "value": value })
}

on_both_databases! {
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn numbers_of_one_account_are_let_go_with_the_last_of_them(database: &str) {
    let (vendors, _) = sandbox_with_a_bot().await;
    let base = vendors.base();
    for number in NUMBERS {
        let made = json!({ "id": number, "account": ACCOUNT, "token": "EAAGtoken", "app_secret": APP_SECRET, "verify_token": "verify-me" });
        control(&base, "POST", "/_/waba/numbers", made).await;
    }
    let rig = Rig::start_with(database, &[("SWITCHBOARD_VENDORS__WABA", &format!("{base}/graph/v23.0"))]).await;
    let (one, other) = (rig.tenant("one.example").await, rig.tenant("other.example").await);
    let mut ids = Vec::new();
    for (tenant, number) in [(&one, NUMBERS[0]), (&other, NUMBERS[1])] {
        let done = attach_number(&rig, tenant, number).await;
        assert_eq!(done.status, 201, "{}", done.text);
        ids.push(done.json()["channel"].as_str().unwrap().parse::<ChannelId>().unwrap());
    }
    assert!(subscribed(&base).await);
    // the vendor is told nothing of a number that belongs to somebody else
    control(&base, "DELETE", "/_/ledger", Value::Null).await;
    assert_eq!(attach_number(&rig, &other, NUMBERS[0]).await.code(), "account_taken");
    let ledger = control(&base, "GET", "/_/ledger?vendor=waba&method=subscribed_apps&limit=100", Value::Null).await;
    let asked = ledger["entries"].as_array().unwrap();
    assert_eq!(asked.len(), 1, "the account is looked at: {ledger}");

    let detach = |id: ChannelId| format!("/api/v1/channels/{id}/detach");
    assert_eq!(rig.post(&detach(ids[0]), &one.admin, json!({})).await.status, 204);
    assert!(subscribed(&base).await, "the other number needs it");
    // one address may have the deliveries of both
    let changes: Vec<Value> = NUMBERS.iter().map(|number| said_to(number, &format!("wamid.{number}"))).collect();
    let body = json!({ "object": "whatsapp_business_account", "entry": [{ "id": ACCOUNT, "changes": changes }] }).to_string();
    let signature = format!("sha256={}", hmac_sha256_hex(APP_SECRET.as_bytes(), body.as_bytes()));
    let key = row_of(&rig, ids[0]).await.hook_key;
    let request = rig.request("POST", &format!("/hook/channel/{key}"), "").header("X-Hub-Signature-256", signature).body(body);
    assert_eq!(request.send().await.unwrap().status().as_u16(), 200);
    assert_eq!(entered(&rig).await, (vec![ids[1].to_string()], vec!["the channel is switched off".to_owned()]));
    // what is said of somebody else's number is not kept for whoever looks at this one
    let list = format!("/api/v1/channels/{}/deliveries", ids[0]);
    let kept = rig.get(&list, &one.admin).await.json()["deliveries"][0].clone();
    assert_eq!((&kept["outcome"], &kept["cut"]), (&json!("mixed"), &json!(true)), "{kept}");
    let whole = rig.get(&format!("{list}/{}", kept["n"]), &one.admin).await;
    assert_eq!((whole.status, &whole.json()["body"]), (200, &json!("")), "{}", whole.text);
    assert!(!whole.text.contains(NUMBERS[1]), "{}", whole.text);

    assert_eq!(rig.post(&detach(ids[1]), &other.admin, json!({})).await.status, 204);
    assert!(!subscribed(&base).await);
    // a token that was taken away opens nothing there: there is nothing to take back
    assert_eq!(attach_number(&rig, &one, NUMBERS[0]).await.status, 201);
    assert!(subscribed(&base).await);
    let fault = json!({ "vendor": "waba", "method": "subscribed_apps", "kind": "token_expired", "times": 1 });
    control(&base, "POST", "/_/faults", fault).await;
    assert_eq!(rig.post(&detach(ids[0]), &one.admin, json!({})).await.status, 204);
    rig.server.stop().await;
    vendors.stop().await;
}
}

on_both_databases! {
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bot_is_called_as_people_say_and_takes_a_new_token(database: &str) {
    let (vendors, telegram) = sandbox_with_a_bot().await;
    let base = vendors.base();
    let rig = Rig::start_with(database, &[("SWITCHBOARD_VENDORS__TELEGRAM_BOT", &telegram)]).await;
    let tenant = rig.tenant("one.example").await;
    assert_eq!(attach(&rig, &tenant, TOKEN).await.status, 201);
    let card = only_channel(&rig, &tenant).await;
    assert_eq!((&card["title"], &card["address"]), (&json!("Песочница"), &json!("@sandbox_100200300_bot")));
    let id: ChannelId = card["id"].as_str().unwrap().parse().unwrap();
    let path = format!("/api/v1/channels/{id}/settings");
    let shown = rig.get(&path, &tenant.admin).await;
    let names: Vec<Value> = shown.json()["fields"].as_array().unwrap().iter().map(|field| field["name"].clone()).collect();
    assert_eq!((names, &shown.json()["values"]), (vec![json!("title"), json!("token")], &json!({ "title": "Песочница" })));
    let change = async |answers: Value| rig.send(rig.request("PUT", &path, &tenant.admin).json(&json!({ "answers": answers }))).await;
    for (answers, field) in [
        (json!({ "title": "x".repeat(65) }), "title"),
        (json!({ "token": "nonsense" }), "token"),
        (json!({ "token": "100200300:BBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBB" }), "token"),
    ] {
        let reply = change(answers).await;
        assert_eq!((reply.status, reply.json()["error"]["field"].as_str()), (422, Some(field)), "{}", reply.text);
    }
    assert_eq!(change(json!({ "title": "Приём заявок", "token": "" })).await.status, 204);
    assert_eq!(only_channel(&rig, &tenant).await["title"], "Приём заявок");
    // BotFather gave the bot another token; that of another bot is none of it
    let (fresh, strange) = ("100200300:CCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCC", "100200301:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA");
    for token in [fresh, strange] {
        control(&base, "POST", "/_/telegram/bots", json!({ "token": token })).await;
    }
    assert_eq!(change(json!({ "token": strange })).await.json()["error"]["field"], "token");
    assert_eq!(change(json!({ "token": fresh })).await.status, 204);
    assert_eq!(secret(&rig, id, "token").await, fresh);
    assert_eq!(only_channel(&rig, &tenant).await["title"], "Приём заявок");
    let bots = control(&base, "GET", "/_/telegram/bots", Value::Null).await;
    let key = row_of(&rig, id).await.hook_key;
    let told = |bot: &&Value| bot["webhook"]["url"].as_str().unwrap().ends_with(&key);
    assert_eq!(bots["bots"].as_array().unwrap().iter().filter(told).count(), 2, "Telegram was told with the new token too: {bots}");
    // attached again it keeps the title; without one it has its own name
    assert_eq!(attach(&rig, &tenant, fresh).await.status, 201);
    assert_eq!(only_channel(&rig, &tenant).await["title"], "Приём заявок");
    assert_eq!(change(json!({ "title": " " })).await.status, 204);
    assert_eq!(only_channel(&rig, &tenant).await["title"], "Песочница");
    rig.server.stop().await;
    vendors.stop().await;
}
}
