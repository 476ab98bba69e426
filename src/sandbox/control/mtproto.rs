//! The control of Telegram accounts, and what people do with them beyond plain writing.

use actix_web::HttpResponse;
use actix_web::web::{self, Data, Json, Path, ServiceConfig};
use base64::Engine as _;
use serde_json::{Value, json};

use super::{missing, refuse, tell};
use crate::sandbox::args::{as_text, as_whole, as_yes};
use crate::sandbox::mtproto::account::{Account, Group};
use crate::sandbox::mtproto::{difference, file, group, login, people};
use crate::sandbox::phone::digits;
use crate::sandbox::state::Sandbox;

/// The routes of accounts.
pub(super) fn routes(config: &mut ServiceConfig) {
    config
        .route("/_/mtproto/accounts", web::post().to(make))
        .route("/_/mtproto/accounts", web::get().to(list))
        .route("/_/mtproto/accounts/{id}", web::post().to(change))
        .route("/_/mtproto/accounts/{id}/scan", web::post().to(scan))
        .route("/_/mtproto/accounts/{id}/groups", web::post().to(make_group))
        .route("/_/mtproto/accounts/{id}/groups/{group}/migrate", web::post().to(migrate))
        .route("/_/mtproto/phones/{id}/say", web::post().to(say))
        .route("/_/mtproto/phones/{id}/edit", web::post().to(edit))
        .route("/_/mtproto/phones/{id}/delete", web::post().to(delete));
}

async fn make(sandbox: Data<Sandbox>, given: Json<Value>) -> HttpResponse {
    let text = |key: &str| given.get(key).and_then(as_text);
    let Some(phone) = text("phone").map(|phone| digits(&phone)).filter(|phone| !phone.is_empty()) else {
        return refuse("phone is needed");
    };
    let serial = i64::try_from(sandbox.serial()).unwrap_or(0);
    let id = given.get("id").and_then(as_whole).unwrap_or(4_000_000_000 + serial);
    let mut account = Account::new(id, &phone);
    account.name = text("name").unwrap_or(account.name);
    account.username = text("username").unwrap_or(account.username);
    set(&mut account, &given);
    let told =
        json!({"id": id, "phone": phone, "username": account.username, "base": format!("{}/mtproto", sandbox.base())});
    sandbox.mtproto.lock().accounts.insert(id, account);
    tell(told)
}

fn set(account: &mut Account, given: &Value) {
    if let Some(password) = given.get("password") {
        account.password = as_text(password).filter(|password| !password.is_empty());
    }
    account.home = given.get("home").and_then(as_whole).unwrap_or(account.home);
    account.limited = given.get("limited").map_or(account.limited, as_yes);
    account.silent = given.get("silent").map_or(account.silent, as_yes);
    if let Some(closed) = given.get("closed").and_then(Value::as_array) {
        account.closed = closed.iter().filter_map(as_text).map(|phone| digits(&phone)).collect();
    }
    account.retries = given.get("retries").and_then(as_whole).unwrap_or(account.retries);
}

async fn list(sandbox: Data<Sandbox>) -> HttpResponse {
    let mtproto = sandbox.mtproto.lock();
    let waiting = login::waiting(&mtproto, sandbox.unix());
    let accounts: Vec<Value> = mtproto
        .accounts
        .values()
        .map(|one| {
            json!({"id": one.id, "name": one.name, "phone": one.phone, "username": one.username, "pts": one.pts,
                "code": login::code_of(&mtproto, &one.phone), "waiting": waiting, "lines": mtproto.lines_of(one.id),
                "sessions": mtproto.keys.values().filter(|key| key.account == Some(one.id)).count(),
                "contacts": one.contacts, "groups": one.groups.iter().map(|(id, group)| shown(*id, group)).collect::<Vec<_>>(),
                "supergroups": one.supergroups.iter().map(|(id, large)| shown(*id, &large.group)).collect::<Vec<_>>()})
        })
        .collect();
    tell(json!({"accounts": accounts, "codes": login::codes(&mtproto)}))
}

fn shown(id: i64, group: &Group) -> Value {
    json!({"id": id, "title": group.title, "members": group.members, "left": group.left, "moved": group.moved})
}

async fn change(sandbox: Data<Sandbox>, id: Path<i64>, given: Json<Value>) -> HttpResponse {
    let asked = |key: &str| given.get(key).is_some_and(as_yes);
    let mut mtproto = sandbox.mtproto.lock();
    let Some(account) = mtproto.accounts.get_mut(&id) else { return missing("account") };
    set(account, &given);
    if asked("forget") {
        difference::forget(account);
    }
    let phone = account.phone.clone();
    if asked("void_code") {
        login::void_code(&mut mtproto, &phone);
    }
    if let Some(centre) = given.get("move_files").and_then(as_whole) {
        file::expire(&mut mtproto, Some(centre));
    } else if asked("expire_files") {
        file::expire(&mut mtproto, None);
    }
    if asked("revoke") {
        login::revoke(&mut mtproto, *id);
    }
    if let Some(bytes) = given.get("tell").and_then(as_text).and_then(|digits| hex::decode(digits).ok()) {
        mtproto.tell_bytes(*id, &bytes);
    }
    let closed = if asked("hang_up") { mtproto.hang_up(*id) } else { 0 };
    tell(json!({"closed": closed}))
}

async fn scan(sandbox: Data<Sandbox>, id: Path<i64>, given: Json<Value>) -> HttpResponse {
    let text = given.get("text").and_then(as_text).unwrap_or_default();
    let token = text.strip_prefix("tg://login?token=").unwrap_or(&text);
    let Ok(token) = base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(token) else {
        return refuse("text is what the QR code holds");
    };
    if !sandbox.mtproto.lock().accounts.contains_key(&id) {
        return missing("account");
    }
    tell(json!({"scanned": login::scan(&sandbox, &hex::encode(token), *id)}))
}

async fn make_group(sandbox: Data<Sandbox>, id: Path<i64>, given: Json<Value>) -> HttpResponse {
    let group = given.get("id").and_then(as_whole).unwrap_or_else(|| i64::try_from(sandbox.serial()).unwrap_or(1));
    let asked = given.get("members").and_then(Value::as_array).cloned().unwrap_or_default();
    let mut mtproto = sandbox.mtproto.lock();
    let mut phones = sandbox.phones.lock();
    let Some(account) = mtproto.accounts.get_mut(&id) else { return missing("account") };
    let person = |one: &Value| phones.get(&digits(&as_text(one)?)).map(|phone| phone.chat_id);
    let members = asked.iter().filter_map(person).collect();
    let title = given.get("title").and_then(as_text).unwrap_or_else(|| "Группа".to_owned());
    account.groups.insert(group, Group { title, members, ..Group::default() });
    tell(json!({"id": group}))
}

async fn migrate(sandbox: Data<Sandbox>, named: Path<(i64, i64)>, given: Json<Value>) -> HttpResponse {
    let (account, group) = *named;
    let silent = given.get("silent").is_some_and(as_yes);
    group::migrate(&sandbox, account, group, silent).map_or_else(|| missing("group"), |id| tell(json!({"id": id})))
}

async fn say(sandbox: Data<Sandbox>, id: Path<String>, given: Json<Value>) -> HttpResponse {
    let text = |key: &str| given.get(key).and_then(as_text);
    let words = people::Words {
        line: text("line"),
        text: text("text").unwrap_or_default(),
        quote: text("quote"),
        group: given.get("group").and_then(as_whole),
        ours: given.get("ours").is_some_and(as_yes),
        ..people::Words::default()
    };
    people::say(&sandbox, &digits(&id), &words)
        .map_or_else(|| missing("account or phone"), |id| tell(json!({"id": id})))
}

async fn edit(sandbox: Data<Sandbox>, id: Path<String>, given: Json<Value>) -> HttpResponse {
    let text = |key: &str| given.get(key).and_then(as_text);
    let message = given.get("id").and_then(as_whole).unwrap_or_default();
    let done =
        people::edit(&sandbox, &digits(&id), text("line").as_deref(), message, &text("text").unwrap_or_default());
    if done { tell(json!({"ok": true})) } else { missing("message") }
}

async fn delete(sandbox: Data<Sandbox>, id: Path<String>, given: Json<Value>) -> HttpResponse {
    let ids = given.get("ids").and_then(Value::as_array).cloned().unwrap_or_default();
    let ids: Vec<i64> = ids.iter().filter_map(as_whole).collect();
    let line = given.get("line").and_then(as_text);
    if people::delete(&sandbox, &digits(&id), line.as_deref(), &ids) {
        tell(json!({"ok": true}))
    } else {
        missing("account or phone")
    }
}
