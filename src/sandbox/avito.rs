//! Avito: accounts, tokens that live a day, chats that buyers begin, pictures and the webhook.

mod chat;
mod hook;
pub(crate) mod say;
mod token;

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use bytes::Bytes;
use serde_json::{Value, json};
use tokio::sync::mpsc::UnboundedSender;

use super::answer::{Answer, Body};
use super::args::as_whole;
use super::door::Call;
use super::fault::{Fault, Kind};
use super::phone::Media;
use super::state::Sandbox;
pub(crate) use chat::Chat;
pub(crate) use hook::deliver_all;

/// Everything of Avito.
#[derive(Debug, Default)]
pub(crate) struct Avito {
    /// The accounts, by number.
    pub(crate) accounts: HashMap<i64, Account>,
    /// Pictures and voice notes, by the name in the address.
    pub(crate) files: HashMap<String, (Media, Bytes)>,
}

/// An account of a seller.
#[derive(Debug)]
pub(crate) struct Account {
    /// Its number.
    pub(crate) id: i64,
    /// How the seller is called.
    pub(crate) name: String,
    /// The keys of its cabinet; those of an application too, for whoever signs in at the site.
    pub(crate) client_id: String,
    /// The secret one of them.
    pub(crate) client_secret: String,
    /// Where a sign-in at the site leads back to.
    pub(crate) redirect: String,
    /// The messenger's subscription is paid.
    pub(crate) paid: bool,
    /// Until when each token is good, seconds.
    pub(crate) tokens: HashMap<String, i64>,
    /// Tokens that a new pair may be had for, each once.
    pub(crate) refresh: HashSet<String>,
    /// Codes of sign-ins, each good once.
    pub(crate) codes: HashSet<String>,
    /// The chats, by id.
    pub(crate) chats: HashMap<String, Chat>,
    /// Pictures that were uploaded and may be sent.
    pub(crate) images: HashMap<String, Media>,
    /// Where messages are told.
    pub(crate) subscriptions: Vec<String>,
    /// Its webhooks are lost on the way.
    pub(crate) hushed: bool,
    /// How many of the next messages are told twice.
    pub(crate) doubles: u32,
    /// Where deliveries queue up.
    pub(crate) outbox: UnboundedSender<Value>,
}

/// An error of the API.
#[derive(Debug)]
pub(crate) struct Trouble {
    status: u16,
    message: String,
}

impl Trouble {
    pub(crate) fn of(status: u16, message: &str) -> Self {
        Self { status, message: message.to_owned() }
    }

    fn answer(self) -> Answer {
        Answer::json(self.status, json!({"error": {"code": self.status, "message": self.message}}))
    }
}

/// Answers a call; `parts` are those of the path, unescaped.
pub(crate) async fn answer(sandbox: &Arc<Sandbox>, parts: &[String], call: &Call) -> Answer {
    let path: Vec<&str> = parts.iter().map(String::as_str).collect();
    match (call.verb.as_str(), path.as_slice()) {
        ("POST", ["token"]) => return token::give(sandbox, call),
        ("GET", ["oauth"]) => return token::sign_in(sandbox, call),
        ("GET", ["file", key]) => return download(sandbox, key),
        _ => {}
    }
    let done = match token::holder(sandbox, call) {
        Ok(account) => act(sandbox, account, &path, call).await,
        Err(trouble) => Err(trouble),
    };
    done.map_or_else(Trouble::answer, |body| Answer::json(200, body))
}

async fn act(sandbox: &Arc<Sandbox>, id: i64, path: &[&str], call: &Call) -> Result<Value, Trouble> {
    if let ("GET", ["core", "v1", "accounts", "self"]) = (call.verb.as_str(), path) {
        return with_account(sandbox, id, |account| {
            let profile = format!("https://avito.ru/user/{}/profile", account.id);
            Ok(json!({"id": account.id, "name": account.name, "email": "seller@example.test", "phone": "71112223344",
                "phones": ["71112223344"], "profile_url": profile}))
        });
    }
    with_account(sandbox, id, |account| if account.paid { Ok(()) } else { Err(Trouble::of(402, "Payment required")) })?;
    match (call.verb.as_str(), path) {
        ("POST", ["messenger", "v3", "webhook"]) => hook::subscribe(sandbox, id, call).await,
        ("POST", ["messenger", "v1", "subscriptions"]) => with_account(sandbox, id, |account| {
            let known = account.subscriptions.iter().map(|url| json!({"url": url, "version": "3"}));
            Ok(json!({"subscriptions": known.collect::<Vec<_>>()}))
        }),
        ("POST", ["messenger", "v1", "webhook", "unsubscribe"]) => {
            let url = call.args.text("url").unwrap_or_default();
            with_account(sandbox, id, |account| {
                account.subscriptions.retain(|known| *known != url);
                Ok(json!({"ok": true}))
            })
        }
        (verb, ["messenger", version, "accounts", account, rest @ ..]) => {
            if account.parse() != Ok(id) {
                return Err(Trouble::of(403, "Forbidden"));
            }
            chat::act(sandbox, id, verb, version, rest, call)
        }
        _ => Err(Trouble::of(404, "Not found")),
    }
}

/// Lets somebody work on an account.
pub(crate) fn with_account<T>(
    sandbox: &Sandbox,
    id: i64,
    work: impl FnOnce(&mut Account) -> Result<T, Trouble>,
) -> Result<T, Trouble> {
    let mut avito = sandbox.avito.lock();
    work(avito.accounts.get_mut(&id).ok_or_else(|| Trouble::of(404, "Not found"))?)
}

fn download(sandbox: &Sandbox, key: &str) -> Answer {
    match sandbox.avito.lock().files.get(key) {
        Some((media, bytes)) => {
            Answer { status: 200, body: Body::Raw(bytes.clone(), media.mime.clone()), header: None }
        }
        None => Answer { status: 404, body: Body::Raw(Bytes::new(), "text/plain".to_owned()), header: None },
    }
}

/// The answer of a planned fault that takes nothing.
pub(crate) fn refuse_by_plan(fault: &Fault) -> Answer {
    let text = |other: &str| fault.text.clone().unwrap_or_else(|| other.to_owned());
    match fault.kind {
        Kind::Busy => {
            let seconds = (fault.after_ms / 1000).max(1).to_string();
            let body = json!({"error": {"code": 429, "message": text("Too many requests")}});
            Answer { header: Some(("Retry-After", seconds)), ..Answer::json(429, body) }
        }
        Kind::TokenExpired => Trouble::of(403, &text("Forbidden")).answer(),
        Kind::Refuse => {
            let status = fault.code.as_ref().and_then(as_whole).and_then(|code| u16::try_from(code).ok());
            Trouble::of(fault.status.or(status).unwrap_or(400), &text("Validation error")).answer()
        }
        _ => Trouble::of(503, &text("Service unavailable")).answer(),
    }
}
