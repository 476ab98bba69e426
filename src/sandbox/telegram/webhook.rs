//! Where the updates of a bot go, and how they get there: in order inside a chat, repeated until taken.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Map, Value, json};

use super::{Bot, Trouble, with_bot};
use crate::sandbox::args::as_text;
use crate::sandbox::door::Call;
use crate::sandbox::state::Sandbox;

/// The first pause after a failed delivery; it doubles. The vendor begins at a second, which tests do not wait for.
const FIRST_PAUSE_MS: u64 = 200;
const LONGEST_PAUSE_MS: u64 = 60_000;

/// Kinds of updates that are left out unless asked for.
const RARE: [&str; 3] = ["chat_member", "message_reaction", "message_reaction_count"];

/// The webhook of a bot and what waits for it.
#[derive(Debug, Default)]
pub(crate) struct Webhook {
    /// The address; empty when there is none.
    pub(crate) url: String,
    secret: Option<String>,
    allowed: Option<Vec<String>>,
    max_connections: i64,
    last_update: i64,
    last_error: Option<(i64, String)>,
    waiting: HashMap<i64, VecDeque<Value>>,
    running: HashSet<i64>,
    /// How many of the next updates are delivered twice.
    pub(crate) doubles: u32,
    set_at_ms: i64,
}

impl Webhook {
    /// `getWebhookInfo`.
    pub(crate) fn info(&self) -> Value {
        let pending: usize = self.waiting.values().map(VecDeque::len).sum();
        let mut info = Map::from_iter([
            ("url".to_owned(), json!(self.url)),
            ("has_custom_certificate".to_owned(), json!(false)),
            ("pending_update_count".to_owned(), json!(pending)),
        ]);
        if !self.url.is_empty() {
            info.insert("max_connections".to_owned(), json!(self.max_connections));
            info.insert("ip_address".to_owned(), json!("127.0.0.1"));
        }
        if let Some((at, text)) = &self.last_error {
            info.insert("last_error_date".to_owned(), json!(at));
            info.insert("last_error_message".to_owned(), json!(text));
        }
        info.extend(self.allowed.as_ref().map(|allowed| ("allowed_updates".to_owned(), json!(allowed))));
        Value::Object(info)
    }

    fn wants(&self, kind: &str) -> bool {
        match &self.allowed {
            Some(allowed) if !allowed.is_empty() => allowed.iter().any(|name| name == kind),
            _ => !RARE.contains(&kind),
        }
    }
}

/// `setWebhook`.
pub(crate) fn set(sandbox: &Arc<Sandbox>, token: &str, call: &Call) -> Result<Value, Trouble> {
    let url = call.args.text("url").unwrap_or_default();
    check_url(&url)?;
    let secret = call.args.text("secret_token");
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-';
    if secret.as_deref().is_some_and(|secret| secret.len() > 256 || !secret.bytes().all(is_plain)) {
        return Err(Trouble::bad("secret token contains unallowed characters"));
    }
    let now = sandbox.now().0;
    let chats = with_bot(sandbox, token, |bot| {
        if now - bot.webhook.set_at_ms < 10 && bot.webhook.url != url && bot.webhook.set_at_ms > 0 {
            return Err(Trouble::busy(1));
        }
        let hook = &mut bot.webhook;
        hook.set_at_ms = now;
        hook.url.clone_from(&url);
        hook.secret = secret;
        hook.allowed = read_allowed(call).or(hook.allowed.take());
        hook.max_connections = call.args.whole("max_connections").unwrap_or(40);
        if call.args.yes("drop_pending_updates") {
            hook.waiting.clear();
        }
        Ok(hook.waiting.keys().copied().collect::<Vec<i64>>())
    })?;
    for chat in chats {
        start_chat(sandbox, token, chat);
    }
    Ok(Value::Bool(true))
}

/// `deleteWebhook`.
pub(crate) fn delete(sandbox: &Sandbox, token: &str, call: &Call) -> Result<Value, Trouble> {
    with_bot(sandbox, token, |bot| {
        bot.webhook.url.clear();
        bot.webhook.secret = None;
        if call.args.yes("drop_pending_updates") {
            bot.webhook.waiting.clear();
        }
        Ok(Value::Bool(true))
    })
}

/// `getUpdates`: what waits, as long as no webhook is set.
pub(crate) fn get_updates(bot: &mut Bot) -> Result<Value, Trouble> {
    if !bot.webhook.url.is_empty() {
        let text = "Conflict: can't use getUpdates method while webhook is active; use deleteWebhook to delete the webhook first";
        return Err(Trouble { code: 409, text: text.to_owned(), retry_after: None });
    }
    let mut updates: Vec<Value> = bot.webhook.waiting.drain().flat_map(|(_, updates)| updates).collect();
    updates.sort_by_key(|update| update.get("update_id").and_then(Value::as_i64));
    Ok(Value::Array(updates))
}

/// Sends an update on its way; says its number. `chat` keeps the order.
pub(crate) fn push(sandbox: &Arc<Sandbox>, token: &str, chat: i64, kind: &str, object: Value) -> Option<i64> {
    let number = {
        let mut telegram = sandbox.telegram.lock();
        let hook = &mut telegram.bots.get_mut(token)?.webhook;
        if !hook.wants(kind) {
            return None;
        }
        hook.last_update = hook.last_update.max(880_000_000) + 1;
        let number = hook.last_update;
        let update = Map::from_iter([("update_id".to_owned(), json!(number)), (kind.to_owned(), object)]);
        let line = hook.waiting.entry(chat).or_default();
        line.push_back(Value::Object(update.clone()));
        if hook.doubles > 0 {
            hook.doubles -= 1;
            line.push_back(Value::Object(update));
        }
        number
    };
    start_chat(sandbox, token, chat);
    Some(number)
}

fn start_chat(sandbox: &Arc<Sandbox>, token: &str, chat: i64) {
    let is_new = with_bot(sandbox, token, |bot| Ok(!bot.webhook.url.is_empty() && bot.webhook.running.insert(chat)));
    if !is_new.unwrap_or(false) {
        return;
    }
    let (beside, token) = (Arc::clone(sandbox), token.to_owned());
    sandbox.spawn(async move { deliver_chat(&beside, &token, chat).await });
}

async fn deliver_chat(sandbox: &Sandbox, token: &str, chat: i64) {
    let mut pause_ms = FIRST_PAUSE_MS;
    while let Some((url, secret, update)) = next(sandbox, token, chat) {
        let mut request = sandbox.http.post(&url).header("content-type", "application/json").body(update.to_string());
        if let Some(secret) = secret {
            request = request.header("X-Telegram-Bot-Api-Secret-Token", secret);
        }
        let reply = request.send().await;
        let asked_s = reply
            .as_ref()
            .ok()
            .and_then(|reply| reply.headers().get("retry-after")?.to_str().ok()?.parse::<u64>().ok());
        let error = match reply {
            Ok(reply) if reply.status().is_success() => None,
            Ok(reply) => Some(format!("Wrong response from the webhook: {}", reply.status())),
            Err(_) => Some("Connection refused".to_owned()),
        };
        match error {
            None => {
                taken(sandbox, token, chat, &update);
                pause_ms = FIRST_PAUSE_MS;
            }
            Some(text) => {
                let at = sandbox.unix();
                let _ = with_bot(sandbox, token, |bot| {
                    bot.webhook.last_error = Some((at, text));
                    Ok(())
                });
                let wait_ms = asked_s.map_or(pause_ms, |asked_s| asked_s.min(3600) * 1000);
                tokio::time::sleep(Duration::from_millis(wait_ms)).await;
                pause_ms = (pause_ms * 2).min(LONGEST_PAUSE_MS);
            }
        }
    }
}

fn next(sandbox: &Sandbox, token: &str, chat: i64) -> Option<(String, Option<String>, Value)> {
    let mut telegram = sandbox.telegram.lock();
    let hook = &mut telegram.bots.get_mut(token)?.webhook;
    let update = hook.waiting.get(&chat).and_then(VecDeque::front).cloned();
    let next = update.filter(|_| !hook.url.is_empty()).map(|update| (hook.url.clone(), hook.secret.clone(), update));
    if next.is_none() {
        hook.running.remove(&chat);
    }
    next
}

fn taken(sandbox: &Sandbox, token: &str, chat: i64, update: &Value) {
    let _ = with_bot(sandbox, token, |bot| {
        let line = bot.webhook.waiting.entry(chat).or_default();
        // dropped or replaced meanwhile: then it is not ours to take
        if line.front() == Some(update) {
            line.pop_front();
        }
        if line.is_empty() {
            bot.webhook.waiting.remove(&chat);
        }
        Ok(())
    });
}

fn check_url(url: &str) -> Result<(), Trouble> {
    let is_near = ["http://127.0.0.1", "http://localhost", "http://[::1]"].iter().any(|near| url.starts_with(near));
    if is_near || url.is_empty() {
        return Ok(());
    }
    let parsed = url::Url::parse(url).map_err(|_| Trouble::bad("bad webhook: invalid URL"))?;
    if parsed.scheme() != "https" {
        return Err(Trouble::bad("bad webhook: An HTTPS URL must be provided for webhook"));
    }
    if !matches!(parsed.port_or_known_default(), Some(443 | 80 | 88 | 8443)) {
        return Err(Trouble::bad("bad webhook: Webhook can be set up only on ports 80, 88, 443 or 8443"));
    }
    Ok(())
}

fn read_allowed(call: &Call) -> Option<Vec<String>> {
    let value = match call.args.get("allowed_updates")? {
        Value::String(text) => serde_json::from_str(text).ok()?,
        other => other.clone(),
    };
    Some(value.as_array()?.iter().filter_map(as_text).collect())
}
