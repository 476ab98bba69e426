//! The control of mailboxes, and the list of what can be attached.

use std::sync::Arc;

use actix_web::HttpResponse;
use actix_web::web::{self, Data, Json, Path, ServiceConfig};
use bytes::Bytes;
use serde_json::{Value, json};

use super::{missing, refuse, tell};
use crate::sandbox::args::{as_text, as_yes, text_at};
use crate::sandbox::mail::{Folder, Mailbox};
use crate::sandbox::state::{Sandbox, random_hex};

/// The routes of mailboxes.
pub(super) fn routes(config: &mut ServiceConfig) {
    config
        .route("/_/accounts", web::get().to(list_accounts))
        .route("/_/mail/boxes", web::post().to(make))
        .route("/_/mail/boxes", web::get().to(list))
        .route("/_/mail/boxes/{address}", web::post().to(change));
}

/// The two servers as they are typed in.
fn servers(sandbox: &Sandbox) -> (Value, Value) {
    let (imap, smtp) = sandbox.mail.lock().ports;
    let server = |port| json!({"host": sandbox.host(), "port": port, "security": "none"});
    (server(imap), server(smtp))
}

async fn make(sandbox: Data<Sandbox>, given: Json<Value>) -> HttpResponse {
    let text = |key: &str| given.get(key).and_then(as_text);
    let Some(address) = text("address").map(|address| address.to_lowercase()).filter(|text| text.contains('@')) else {
        return refuse("address is an e-mail address");
    };
    let password = text("password").unwrap_or_else(|| random_hex(8));
    let mut made = Mailbox::new(password.clone());
    let (imap, smtp) = servers(&sandbox);
    let mut told = json!({"address": address, "password": password, "imap": imap, "smtp": smtp});
    if let (Some(id), Some(secret), Some(told)) = (text("client_id"), text("client_secret"), told.as_object_mut()) {
        told.insert("access_token".to_owned(), json!(made.tokens.give(sandbox.now())));
        told.insert("refresh_token".to_owned(), json!(made.tokens.give_refresh(&id, &secret)));
        told.insert("token_url".to_owned(), json!(format!("{}/mail/oauth/token", sandbox.base())));
    }
    sandbox.mail.lock().boxes.insert(address, made);
    tell(told)
}

async fn list(sandbox: Data<Sandbox>) -> HttpResponse {
    let (imap, smtp) = servers(&sandbox);
    let mail = sandbox.mail.lock();
    let folder = |one: &Folder| {
        let text = |raw: &Bytes| String::from_utf8_lossy(raw).into_owned();
        let letters: Vec<Value> = one
            .letters
            .iter()
            .map(|letter| json!({"uid": letter.uid, "flags": letter.flags, "raw": text(&letter.raw)}))
            .collect();
        json!({"validity": one.validity, "next": one.next, "letters": letters})
    };
    let boxes: Vec<Value> = mail
        .boxes
        .iter()
        .map(|(address, one)| json!({"address": address, "inbox": folder(&one.inbox), "sent": folder(&one.sent)}))
        .collect();
    tell(json!({"imap": imap, "smtp": smtp, "boxes": boxes}))
}

async fn change(sandbox: Data<Sandbox>, address: Path<String>, given: Json<Value>) -> HttpResponse {
    let now = sandbox.now();
    let mut mail = sandbox.mail.lock();
    let Some(one) = mail.boxes.get_mut(address.as_str()) else { return missing("mailbox") };
    let is = |key: &str| given.get(key).is_some_and(as_yes);
    if let Some(password) = given.get("password").and_then(as_text) {
        one.password = password;
    }
    if is("renumber") {
        one.inbox.renumber();
        one.sent.renumber();
    }
    if is("expire") {
        one.tokens.expire();
    }
    if is("revoke") {
        one.tokens.revoke();
    }
    if let Some(raw) = given.get("raw").and_then(as_text) {
        one.receive(Bytes::from(raw), now);
    }
    tell(json!({"ok": true}))
}

/// Everything that waits to be attached, with what its vendor's cabinet would show.
async fn list_accounts(sandbox: Data<Sandbox>) -> HttpResponse {
    let sandbox: Arc<Sandbox> = sandbox.into_inner();
    let mut accounts = Vec::new();
    let mut add = |messenger: &str, title: &str, line: &str, fields: &[(&str, &str)]| {
        accounts.push(json!({"messenger": messenger, "title": title, "line": line, "fields": fields}));
    };
    for (token, bot) in &sandbox.telegram.lock().bots {
        add("telegram_bot", &bot.name, &bot.id.to_string(), &[("token", token.as_str())]);
    }
    {
        let waba = sandbox.waba.lock();
        for number in waba.numbers.values() {
            let Some(account) = waba.accounts.get(&number.account) else { continue };
            let fields = [
                ("phone_number_id", number.id.as_str()),
                ("waba_id", number.account.as_str()),
                ("token", number.token.as_str()),
                ("app_secret", account.app_secret.as_str()),
                ("verify_token", account.verify_token.as_str()),
            ];
            add("waba", &number.name, &number.id, &fields);
        }
    }
    for (id, community) in &sandbox.vk.lock().communities {
        add("vk", &community.name, &id.to_string(), &[("token", community.token.as_str())]);
    }
    for (key, account) in &sandbox.notify.lock().accounts {
        let sender = if account.provider == "edna" { "cascade" } else { "service" };
        let fields =
            [("provider", account.provider.as_str()), ("api_token", key.as_str()), (sender, account.name.as_str())];
        add("vk_notify", &account.name, &account.name, &fields);
    }
    for (id, account) in &sandbox.avito.lock().accounts {
        let fields = [("client_id", account.client_id.as_str()), ("client_secret", account.client_secret.as_str())];
        add("avito", &account.name, &id.to_string(), &fields);
    }
    for (id, account) in &sandbox.mtproto.lock().accounts {
        add("telegram", &account.name, &id.to_string(), &[("phone", account.phone.as_str())]);
    }
    let (host, mail) = (sandbox.host(), sandbox.mail.lock());
    let (imap, smtp) = (mail.ports.0.to_string(), mail.ports.1.to_string());
    for (address, one) in &mail.boxes {
        let fields = [
            ("address", address.as_str()),
            ("password", one.password.as_str()),
            ("imap_host", host.as_str()),
            ("imap_port", imap.as_str()),
            ("imap_security", "none"),
            ("smtp_host", host.as_str()),
            ("smtp_port", smtp.as_str()),
            ("smtp_security", "none"),
        ];
        add("email", address, address, &fields);
    }
    accounts.sort_by_key(|one| ["messenger", "title", "line"].map(|key| text_at(one, key)));
    tell(json!({"accounts": accounts}))
}
