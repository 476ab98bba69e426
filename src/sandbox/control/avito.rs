//! The control of Avito's accounts.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use actix_web::HttpResponse;
use actix_web::web::{self, Data, Json, Path, ServiceConfig};
use serde_json::{Value, json};

use super::{missing, tell};
use crate::sandbox::args::{as_text, as_whole, as_yes};
use crate::sandbox::avito::{Account, deliver_all};
use crate::sandbox::state::{Sandbox, random_hex};

/// The routes of accounts.
pub(super) fn routes(config: &mut ServiceConfig) {
    config
        .route("/_/avito/accounts", web::post().to(make))
        .route("/_/avito/accounts", web::get().to(list))
        .route("/_/avito/accounts/{id}", web::post().to(change));
}

async fn make(sandbox: Data<Sandbox>, given: Json<Value>) -> HttpResponse {
    let text = |key: &str| given.get(key).and_then(as_text);
    let serial = i64::try_from(sandbox.serial()).unwrap_or(0);
    let id = given.get("id").and_then(as_whole).unwrap_or(94_000_000 + serial);
    let (outbox, queue) = tokio::sync::mpsc::unbounded_channel();
    let account = Account {
        id,
        name: text("name").unwrap_or_else(|| "Песочница".to_owned()),
        client_id: text("client_id").unwrap_or_else(|| random_hex(10)),
        client_secret: text("client_secret").unwrap_or_else(|| random_hex(20)),
        redirect: text("redirect").unwrap_or_default(),
        paid: given.get("paid").is_none_or(as_yes),
        tokens: HashMap::new(),
        refresh: HashSet::new(),
        codes: HashSet::new(),
        chats: HashMap::new(),
        images: HashMap::new(),
        subscriptions: Vec::new(),
        hushed: false,
        doubles: 0,
        outbox,
    };
    let told = json!({"id": id, "name": account.name, "client_id": account.client_id,
        "client_secret": account.client_secret, "base": format!("{}/avito", sandbox.base())});
    sandbox.avito.lock().accounts.insert(id, account);
    let sandbox = sandbox.into_inner();
    let beside = Arc::clone(&sandbox);
    sandbox.spawn(deliver_all(beside, id, queue));
    tell(told)
}

async fn list(sandbox: Data<Sandbox>) -> HttpResponse {
    let avito = sandbox.avito.lock();
    let accounts: Vec<Value> = avito
        .accounts
        .values()
        .map(|one| {
            json!({"id": one.id, "name": one.name, "paid": one.paid, "subscriptions": one.subscriptions,
                "chats": one.chats.keys().collect::<Vec<_>>(), "read": one.chats.iter()
                    .filter(|(_, chat)| chat.is_read()).map(|(id, _)| id).collect::<Vec<_>>(), "tokens": one.tokens.len()})
        })
        .collect();
    tell(json!({"accounts": accounts}))
}

async fn change(sandbox: Data<Sandbox>, id: Path<i64>, given: Json<Value>) -> HttpResponse {
    let mut avito = sandbox.avito.lock();
    let Some(account) = avito.accounts.get_mut(&id) else { return missing("account") };
    account.paid = given.get("paid").map_or(account.paid, as_yes);
    account.hushed = given.get("hushed").map_or(account.hushed, as_yes);
    if given.get("expire").is_some_and(as_yes) {
        account.tokens.clear();
    }
    if given.get("revoke").is_some_and(as_yes) {
        account.tokens.clear();
        account.refresh.clear();
        account.client_secret = random_hex(20);
    }
    if let Some(doubles) = given.get("doubles").and_then(as_whole).and_then(|count| u32::try_from(count).ok()) {
        account.doubles = doubles;
    }
    tell(json!({"client_id": account.client_id, "client_secret": account.client_secret}))
}
