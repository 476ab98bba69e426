//! The control of the aggregators of VK Notify.

use std::collections::HashMap;
use std::sync::Arc;

use actix_web::HttpResponse;
use actix_web::web::{self, Data, Json, Path, ServiceConfig};
use serde_json::{Value, json};

use super::{missing, refuse, tell};
use crate::sandbox::args::{as_text, as_whole, as_yes};
use crate::sandbox::notify::{Account, hook};
use crate::sandbox::state::{Sandbox, random_hex};

/// The routes of accounts.
pub(super) fn routes(config: &mut ServiceConfig) {
    config
        .route("/_/notify/accounts", web::post().to(make))
        .route("/_/notify/accounts", web::get().to(list))
        .route("/_/notify/accounts/{name}", web::post().to(change));
}

async fn make(sandbox: Data<Sandbox>, given: Json<Value>) -> HttpResponse {
    let text = |key: &str| given.get(key).and_then(as_text);
    let provider = text("provider").unwrap_or_else(|| "devino".to_owned());
    if !["devino", "edna"].contains(&provider.as_str()) {
        return refuse("provider is devino or edna");
    }
    let (key, name) =
        (text("key").unwrap_or_else(|| random_hex(16)), text("name").unwrap_or_else(|| "5190".to_owned()));
    let (outbox, queue) = tokio::sync::mpsc::unbounded_channel();
    let mut account = Account {
        provider,
        name: name.clone(),
        templates: Vec::new(),
        callback: String::new(),
        taken: HashMap::new(),
        paid: true,
        doubles: 0,
        word: None,
        sent: HashMap::new(),
        outbox,
    };
    set(&mut account, &given);
    let told =
        json!({"provider": account.provider, "name": name, "key": key, "base": format!("{}/notify", sandbox.base())});
    sandbox.notify.lock().accounts.insert(key, account);
    let sandbox = sandbox.into_inner();
    let beside = Arc::clone(&sandbox);
    sandbox.spawn(hook::deliver_all(beside, queue));
    tell(told)
}

fn set(account: &mut Account, given: &Value) {
    if let Some(templates) = given.get("templates").and_then(Value::as_object) {
        account.templates = templates.iter().filter_map(|(name, text)| Some((name.clone(), as_text(text)?))).collect();
    }
    account.paid = given.get("paid").map_or(account.paid, as_yes);
    if let Some(doubles) = given.get("doubles").and_then(as_whole).and_then(|count| u32::try_from(count).ok()) {
        account.doubles = doubles;
    }
    if let Some(word) = given.get("word") {
        account.word = as_text(word).filter(|word| !word.is_empty());
    }
}

async fn list(sandbox: Data<Sandbox>) -> HttpResponse {
    let notify = sandbox.notify.lock();
    let told = |account: &Account| {
        json!({"provider": account.provider, "name": account.name, "paid": account.paid, "callback": account.callback,
            "templates": account.templates, "sent": account.sent.len()})
    };
    tell(json!({"accounts": notify.accounts.values().map(told).collect::<Vec<_>>()}))
}

async fn change(sandbox: Data<Sandbox>, name: Path<String>, given: Json<Value>) -> HttpResponse {
    let mut notify = sandbox.notify.lock();
    let Some(account) = notify.accounts.values_mut().find(|account| account.name == *name) else {
        return missing("account");
    };
    set(account, &given);
    tell(json!({"ok": true}))
}
