//! The control of bots, `WhatsApp` numbers and phones.

mod react;
mod say;

use std::collections::HashMap;

use actix_web::HttpResponse;
use actix_web::web::{self, Data, Json, Path, Query, ServiceConfig};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{missing, refuse, tell};
use crate::sandbox::args::{as_text, as_whole, as_yes};
use crate::sandbox::limit::Bucket;
use crate::sandbox::phone::{Phone, Phones, digits};
use crate::sandbox::state::{Sandbox, random_hex};
use crate::sandbox::telegram::Bot;
use crate::sandbox::waba::{Account, Number, group, webhook};

/// The routes of bots, numbers and phones.
pub(crate) fn routes(config: &mut ServiceConfig) {
    config
        .route("/_/telegram/bots", web::post().to(make_bot))
        .route("/_/telegram/bots", web::get().to(list_bots))
        .route("/_/telegram/bots/{id}/doubles", web::post().to(double_updates))
        .route("/_/waba/numbers", web::post().to(make_number))
        .route("/_/waba/numbers", web::get().to(list_numbers))
        .route("/_/waba/numbers/{id}", web::post().to(change_number))
        .route("/_/waba/groups", web::get().to(list_groups))
        .route("/_/waba/groups/join", web::post().to(join_group))
        .route("/_/waba/accounts/{id}", web::post().to(change_account))
        .route("/_/waba/accounts/{id}/tell", web::post().to(tell_account))
        .route("/_/waba/accounts/{id}/verify", web::post().to(verify))
        .route("/_/phones", web::post().to(make_phones))
        .route("/_/phones", web::get().to(list_phones))
        .route("/_/phones/{id}", web::get().to(show_phone))
        .route("/_/phones/{id}/say", web::post().to(say::say))
        .route("/_/phones/{id}/react", web::post().to(react::react))
        .route("/_/phones/{id}/read", web::post().to(say::read));
}

async fn make_bot(sandbox: Data<Sandbox>, given: Json<Value>) -> HttpResponse {
    let text = |key: &str| given.get(key).and_then(as_text);
    let Some(token) = text("token").filter(|token| token.contains(':')) else {
        return refuse("token is <number>:<secret>");
    };
    let bot = Bot::new(&token, text("username"), text("name"));
    let told = json!({"id": bot.id, "username": bot.username, "base": format!("{}/tg", sandbox.base())});
    sandbox.telegram.lock().bots.insert(token, bot);
    tell(told)
}

async fn list_bots(sandbox: Data<Sandbox>) -> HttpResponse {
    let telegram = sandbox.telegram.lock();
    let bots = telegram.bots.values();
    let bots: Vec<Value> =
        bots.map(|bot| json!({"id": bot.id, "username": bot.username, "name": bot.name, "webhook": bot.webhook.info(), "files": bot.files.len()})).collect();
    tell(json!({"bots": bots}))
}

#[derive(Deserialize)]
struct Count {
    count: u32,
}

async fn double_updates(sandbox: Data<Sandbox>, id: Path<i64>, given: Json<Count>) -> HttpResponse {
    let mut telegram = sandbox.telegram.lock();
    let Some(bot) = telegram.bots.values_mut().find(|bot| bot.id == *id) else { return missing("bot") };
    bot.webhook.doubles = given.count;
    tell(json!({"ok": true}))
}

async fn make_number(sandbox: Data<Sandbox>, given: Json<Value>) -> HttpResponse {
    let text = |key: &str| given.get(key).and_then(as_text);
    let id = text("id").unwrap_or_else(|| format!("2400000000{:05}", sandbox.serial()));
    let account = text("account").unwrap_or_else(|| format!("2300000000{:05}", sandbox.serial()));
    let (outbox, queue) = tokio::sync::mpsc::unbounded_channel();
    let number = Number {
        id: id.clone(),
        account: account.clone(),
        display: digits(&text("number").unwrap_or_else(|| "74951234567".to_owned())),
        name: text("name").unwrap_or_else(|| "Песочница".to_owned()),
        token: text("token").unwrap_or_else(|| format!("EAAG{}", random_hex(20))),
        registered: given.get("registered").is_none_or(as_yes),
        quality: "GREEN".to_owned(),
        tier: "TIER_1K".to_owned(),
        official: given.get("official").is_some_and(as_yes),
        pace: Bucket::new(80.0, 80.0),
        pair_pace: HashMap::new(),
        outbox,
    };
    let mut told = json!({"id": id, "account": account, "number": number.display, "token": number.token, "base": format!("{}/graph", sandbox.base())});
    {
        let mut waba = sandbox.waba.lock();
        let kept = waba.accounts.entry(account.clone()).or_insert_with(|| fresh_account(&given));
        if let Some(told) = told.as_object_mut() {
            told.insert("app_secret".to_owned(), json!(kept.app_secret));
            told.insert("verify_token".to_owned(), json!(kept.verify_token));
            told.insert("webhook".to_owned(), json!(kept.webhook));
        }
        waba.numbers.insert(id, number);
    }
    let sandbox = sandbox.into_inner();
    let beside = std::sync::Arc::clone(&sandbox);
    sandbox.spawn(webhook::deliver_all(beside, account, queue));
    tell(told)
}

fn fresh_account(given: &Value) -> Account {
    let text = |key: &str| given.get(key).and_then(as_text);
    let webhook = text("webhook").unwrap_or_default();
    Account {
        app_secret: text("app_secret").unwrap_or_else(|| random_hex(16)),
        verify_token: text("verify_token").unwrap_or_else(|| "switchboard-verify".to_owned()),
        subscribed: given.get("subscribed").map_or(!webhook.is_empty(), as_yes),
        webhook,
        templates: first_templates(),
        ..Account::default()
    }
}

/// Two templates that every account has: one with a text alone, one with a document and buttons.
fn first_templates() -> Vec<Value> {
    vec![
        json!({"id": "594425479261596", "name": "order_update_v1", "language": "ru", "status": "APPROVED", "category": "UTILITY",
            "parameter_format": "NAMED", "components": [
                {"type": "HEADER", "format": "DOCUMENT", "example": {"header_handle": ["https://example.test/sample.pdf"]}},
                {"type": "BODY", "text": "Здравствуйте, {{customer_name}}! Заказ {{order_id}} готов."},
                {"type": "FOOTER", "text": "Ответьте СТОП, чтобы отписаться"},
                {"type": "BUTTONS", "buttons": [{"type": "QUICK_REPLY", "text": "Подтвердить"},
                    {"type": "URL", "text": "Отследить", "url": "https://example.test/t/{{1}}"}]}]}),
        json!({"id": "594425479261597", "name": "greeting", "language": "ru", "status": "APPROVED", "category": "MARKETING",
            "parameter_format": "POSITIONAL", "components": [{"type": "BODY", "text": "Здравствуйте, {{1}}! {{2}}"}]}),
    ]
}

async fn list_numbers(sandbox: Data<Sandbox>) -> HttpResponse {
    let waba = sandbox.waba.lock();
    let numbers: Vec<Value> = waba
        .numbers
        .values()
        .map(|number| json!({"id": number.id, "account": number.account, "number": number.display, "name": number.name, "registered": number.registered}))
        .collect();
    let accounts: Vec<Value> = waba
        .accounts
        .iter()
        .map(|(id, it)| {
            json!({"id": id, "webhook": it.webhook, "subscribed": it.subscribed, "templates": it.templates.len(),
            "delivered": it.delivered.0, "failed": it.delivered.1})
        })
        .collect();
    tell(json!({"numbers": numbers, "accounts": accounts}))
}

async fn change_account(sandbox: Data<Sandbox>, id: Path<String>, given: Json<Value>) -> HttpResponse {
    let mut waba = sandbox.waba.lock();
    let Some(account) = waba.accounts.get_mut(id.as_str()) else { return missing("account") };
    let count = |key: &str| given.get(key).and_then(as_whole).and_then(|count| u32::try_from(count).ok());
    account.doubles = count("doubles").unwrap_or(account.doubles);
    account.reversed = count("reversed").unwrap_or(account.reversed);
    account.subscribed = given.get("subscribed").map_or(account.subscribed, as_yes);
    if let Some(url) = given.get("webhook").and_then(as_text) {
        account.webhook = url;
    }
    if let Some(templates) = given.get("templates").and_then(Value::as_array) {
        account.templates.clone_from(templates);
    }
    tell(json!({"ok": true}))
}

async fn change_number(sandbox: Data<Sandbox>, id: Path<String>, given: Json<Value>) -> HttpResponse {
    let mut waba = sandbox.waba.lock();
    let Some(number) = waba.numbers.get_mut(id.as_str()) else { return missing("number") };
    let text = |key: &str| given.get(key).and_then(as_text);
    number.quality = text("quality").unwrap_or_else(|| number.quality.clone());
    number.tier = text("tier").unwrap_or_else(|| number.tier.clone());
    number.official = given.get("official").map_or(number.official, as_yes);
    tell(json!({"ok": true}))
}

async fn list_groups(sandbox: Data<Sandbox>) -> HttpResponse {
    let waba = sandbox.waba.lock();
    let groups: Vec<Value> = waba
        .groups
        .iter()
        .map(
            |(id, group)| json!({"id": id, "number": group.number, "subject": group.subject, "members": group.members}),
        )
        .collect();
    tell(json!({"groups": groups}))
}

/// A phone opens the address of a group.
async fn join_group(sandbox: Data<Sandbox>, given: Json<Value>) -> HttpResponse {
    let text = |key: &str| given.get(key).and_then(as_text).unwrap_or_default();
    match group::join(&sandbox, &text("link"), &digits(&text("phone"))) {
        Ok(id) => tell(json!({"group": id})),
        Err(why) => refuse(why),
    }
}

/// Posts a change of any field to the app of an account.
async fn tell_account(sandbox: Data<Sandbox>, id: Path<String>, given: Json<Value>) -> HttpResponse {
    let waba = sandbox.waba.lock();
    let Some(number) = waba.numbers.values().find(|number| number.account == *id) else { return missing("account") };
    let Some(field) = given.get("field").and_then(as_text) else { return refuse("field names what is told of") };
    let _ = number.outbox.send(webhook::Delivery::of(field, given.get("value").cloned().unwrap_or_default()));
    tell(json!({"ok": true}))
}

async fn verify(sandbox: Data<Sandbox>, id: Path<String>) -> HttpResponse {
    let target = sandbox.waba.lock().accounts.get(id.as_str()).map(|it| (it.webhook.clone(), it.verify_token.clone()));
    let Some((url, token)) = target else { return missing("account") };
    match webhook::verify(&sandbox, &url, &token).await {
        Ok(()) => tell(json!({"verified": true})),
        Err(reason) => tell(json!({"verified": false, "reason": reason})),
    }
}

async fn make_phones(sandbox: Data<Sandbox>, given: Json<Value>) -> HttpResponse {
    let numbers: Vec<String> = match given.get("from").and_then(as_whole) {
        Some(from) => (from..from + given.get("count").and_then(as_whole).unwrap_or(1).clamp(0, 1_000_000))
            .map(|number| number.to_string())
            .collect(),
        None => {
            given.get("id").and_then(as_text).map(|id| digits(&id)).into_iter().filter(|id| !id.is_empty()).collect()
        }
    };
    if numbers.is_empty() {
        return refuse("id, or from and count, is needed");
    }
    let lines: Vec<String> = sandbox.waba.lock().numbers.keys().cloned().collect();
    let until = given.get("window").and_then(Value::as_f64).map(|hours| window_until(&sandbox, hours));
    let mut phones = sandbox.phones.lock();
    for number in &numbers {
        let phone = phones.make(number, given.get("name").and_then(as_text));
        change_phone(phone, &given);
        if let Some(until) = until {
            phone.windows.extend(lines.iter().map(|line| (line.clone(), until)));
        }
        if let Some(username) = given.get("username").and_then(as_text) {
            phones.rename(number, &username);
        }
    }
    match numbers.as_slice() {
        [one] => tell(phones.get(one).map(|phone| phone.card()).unwrap_or_default()),
        many => tell(json!({"made": many.len()})),
    }
}

fn window_until(sandbox: &Sandbox, hours: f64) -> i64 {
    #[expect(clippy::cast_possible_truncation, reason = "a few hours in milliseconds")]
    let ms = (hours * 3_600_000.0) as i64;
    sandbox.now().0 + ms
}

fn change_phone(phone: &mut Phone, given: &Value) {
    phone.whatsapp = given.get("whatsapp").map_or(phone.whatsapp, as_yes);
    phone.vk = given.get("vk").map_or(phone.vk, as_yes);
    phone.online = given.get("online").map_or(phone.online, as_yes);
    phone.reads = given.get("reads").map_or(phone.reads, as_yes);
    phone.started_all = given.get("started").map_or(phone.started_all, as_yes);
    if let Some(blocked) = given.get("blocked").and_then(Value::as_array) {
        phone.blocked = blocked.iter().filter_map(as_whole).collect();
    }
}

#[derive(Deserialize)]
struct Messages {
    #[serde(rename = "messages")]
    latest: Option<usize>,
    since: Option<u64>,
    limit: Option<usize>,
}

async fn list_phones(sandbox: Data<Sandbox>, wanted: Query<Messages>) -> HttpResponse {
    let phones = sandbox.phones.lock();
    let most = wanted.latest.unwrap_or(0);
    let all: Vec<Value> =
        phones.all().take(wanted.limit.unwrap_or(usize::MAX)).map(|phone| with_messages(phone, 0, most)).collect();
    tell(json!({"now": sandbox.now(), "phones": all}))
}

fn with_messages(phone: &Phone, since: u64, most: usize) -> Value {
    let skip = phone.messages.len().saturating_sub(most);
    let messages: Vec<_> = phone.messages.iter().skip(skip).filter(|bubble| bubble.n > since).collect();
    let mut card = phone.card();
    if let Some(card) = card.as_object_mut() {
        card.insert("messages".to_owned(), json!(messages));
    }
    card
}

async fn show_phone(sandbox: Data<Sandbox>, id: Path<String>, wanted: Query<Messages>) -> HttpResponse {
    let mut phones: parking_lot::MutexGuard<'_, Phones> = sandbox.phones.lock();
    match phones.get(&digits(&id)) {
        Some(phone) => tell(with_messages(phone, wanted.since.unwrap_or(0), wanted.latest.unwrap_or(usize::MAX))),
        None => missing("phone"),
    }
}
