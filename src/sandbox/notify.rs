//! Aggregators of VK Notify: Devino with its two shapes, and edna Pulse. They send approved templates to phones that have VK,
//! and tell what became of them.

pub(crate) mod hook;
mod take;

use std::collections::HashMap;

use serde_json::{Value, json};
use tokio::sync::mpsc::UnboundedSender;

use super::answer::Answer;
use super::args::{as_text, as_whole};
use super::door::Call;
use super::fault::{Fault, Kind};
use super::state::Sandbox;

/// Everything of the aggregators.
#[derive(Debug, Default)]
pub(crate) struct Notify {
    /// The accounts, by key.
    pub(crate) accounts: HashMap<String, Account>,
}

/// A customer of an aggregator.
#[derive(Debug)]
pub(crate) struct Account {
    /// `devino` or `edna`.
    pub(crate) provider: String,
    /// The sender at Devino, the cascade at edna.
    pub(crate) name: String,
    /// The approved templates: name and text with variables in double braces.
    pub(crate) templates: Vec<(String, String)>,
    /// Where edna tells statuses.
    pub(crate) callback: String,
    /// Ids that were taken, and when, seconds: edna refuses them again for a while.
    pub(crate) taken: HashMap<String, i64>,
    /// There is money.
    pub(crate) paid: bool,
    /// How many of the next statuses are told twice.
    pub(crate) doubles: u32,
    /// What is told in place of every status, where it is set.
    pub(crate) word: Option<String>,
    /// What was sent, by its number at the aggregator.
    pub(crate) sent: HashMap<String, Sent>,
    /// Where statuses queue up.
    pub(crate) outbox: UnboundedSender<hook::Item>,
}

/// A notification that was taken.
#[derive(Debug, Clone)]
pub(crate) struct Sent {
    /// The phone.
    pub(crate) phone: String,
    /// What the sender asked to be given back.
    pub(crate) data: Value,
    /// Where its statuses go.
    pub(crate) url: String,
}

/// Answers a call; `path` is what follows the base.
pub(crate) fn answer(sandbox: &Sandbox, path: &str, call: &Call) -> Answer {
    match (call.verb.as_str(), path) {
        ("POST", "vk/messages") => {
            let key = call.authorization.strip_prefix("Key ").unwrap_or_default();
            with_account(sandbox, "devino", key, |account| take::devino(sandbox, account, call))
        }
        ("POST", "api/cascade/schedule") => {
            let key = call.key.as_deref().unwrap_or_default();
            with_account(sandbox, "edna", key, |account| take::edna(sandbox, account, call))
        }
        ("POST", "api/callback/set") => {
            let key = call.key.as_deref().unwrap_or_default();
            with_account(sandbox, "edna", key, |account| {
                account.callback = call.args.text("statusCallbackUrl").unwrap_or_default();
                Answer::json(200, json!({}))
            })
        }
        // what it answers is not published; a question without a number or a time is refused
        ("POST", "api/messages/history") => {
            let key = call.key.as_deref().unwrap_or_default();
            with_account(sandbox, "edna", key, |_| trouble(400, "Bad request"))
        }
        _ => trouble(404, "Not found"),
    }
}

fn with_account(sandbox: &Sandbox, provider: &str, key: &str, work: impl FnOnce(&mut Account) -> Answer) -> Answer {
    let mut notify = sandbox.notify.lock();
    match notify.accounts.get_mut(key).filter(|account| account.provider == provider) {
        None => trouble(401, "Unauthorized"),
        Some(account) if !account.paid => trouble(402, "Not enough balance"),
        Some(account) => work(account),
    }
}

/// An error of an aggregator.
fn trouble(status: u16, title: &str) -> Answer {
    Answer::json(status, json!({"code": title.to_lowercase().replace(' ', "-"), "title": title}))
}

/// The phone's owner reads what came; says how much of it was unread.
pub(crate) fn read(sandbox: &Sandbox, digits: &str, line: Option<&str>) -> usize {
    let mut notify = sandbox.notify.lock();
    let mut phones = sandbox.phones.lock();
    let Some(owner) = phones.get(digits) else { return 0 };
    let mut read = Vec::new();
    for bubble in owner.messages.iter_mut().filter(|one| one.messenger == "vk_notify" && one.status == "delivered") {
        if line.is_none_or(|line| line == bubble.line) {
            bubble.status = "read";
            read.push(bubble.id.clone());
        }
    }
    drop(phones);
    for id in &read {
        let found = notify.accounts.values_mut().find(|account| account.sent.contains_key(id));
        if let Some(account) = found {
            hook::tell(sandbox, account, id, "read", None);
        }
    }
    read.len()
}

/// The answer of a planned fault that takes nothing.
pub(crate) fn refuse_by_plan(fault: &Fault) -> Answer {
    let text = |other: &str| fault.text.clone().unwrap_or_else(|| other.to_owned());
    match fault.kind {
        Kind::Busy => {
            let seconds = (fault.after_ms / 1000).max(1).to_string();
            Answer { header: Some(("Retry-After", seconds)), ..trouble(429, &text("Too many requests")) }
        }
        Kind::TokenExpired => trouble(401, &text("Unauthorized")),
        Kind::Refuse => {
            let status = fault.code.as_ref().and_then(as_whole).and_then(|code| u16::try_from(code).ok());
            trouble(fault.status.or(status).unwrap_or(400), &text("Bad request"))
        }
        _ => trouble(503, &text("Service unavailable")),
    }
}

/// The text of a template with these values; none where a value is missing or too many.
fn filled(text: &str, values: &Value) -> Option<String> {
    let mut text = text.to_owned();
    for (name, value) in values.as_object()? {
        let mark = format!("{{{{{name}}}}}");
        if !text.contains(&mark) {
            return None;
        }
        text = text.replace(&mark, &as_text(value)?);
    }
    (!text.contains("{{")).then_some(text)
}
