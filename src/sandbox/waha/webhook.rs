//! What the gateway posts: signed over the very bytes, repeated as the session's configuration says.

use std::sync::Arc;
use std::time::Duration;

use hmac::{Hmac, KeyInit as _, Mac as _};
use serde_json::{Value, json};
use sha2::Sha512;
use tokio::sync::mpsc::UnboundedReceiver;

use super::hidden_id;
use crate::sandbox::args::{as_whole, text_at};
use crate::sandbox::state::{Sandbox, random_hex};

const LONGEST_PAUSE_MS: u64 = 30_000;

/// A second of the gateway is a fifth of one here, so that nobody waits long for a repetition.
const SECOND_MS: u64 = 200;

/// Tells of an event of a session.
pub(crate) fn tell(sandbox: &Sandbox, session: &str, event: &str, payload: &Value) {
    let at = sandbox.now().0;
    let id = format!("evt_{:026}", sandbox.serial());
    let waha = sandbox.waha.lock();
    let Some(session) = waha.sessions.get(session).filter(|session| !session.hushed) else { return };
    let me = session.me.as_ref().map(|(phone, name)| {
        json!({"id": format!("{phone}@c.us"), "pushName": name, "lid": format!("{}@lid", hidden_id(phone))})
    });
    let body = json!({"id": id, "timestamp": at, "session": session.name, "metadata": {}, "me": me,
        "environment": {"tier": "CORE", "version": "2026.7.1", "engine": "GOWS"}, "engine": "GOWS",
        "event": event, "payload": payload});
    let _ = session.outbox.send(body);
}

/// Delivers the events of one session, one after another, for as long as the session exists.
pub(crate) async fn deliver_all(sandbox: Arc<Sandbox>, session: String, mut queue: UnboundedReceiver<Value>) {
    while let Some(body) = queue.recv().await {
        for webhook in webhooks(&sandbox, &session) {
            deliver(&sandbox, &webhook, &body).await;
        }
    }
}

fn webhooks(sandbox: &Sandbox, session: &str) -> Vec<Value> {
    let waha = sandbox.waha.lock();
    let config = waha.sessions.get(session).map(|session| session.config.clone()).unwrap_or_default();
    config.get("webhooks").and_then(Value::as_array).cloned().unwrap_or_default()
}

async fn deliver(sandbox: &Sandbox, webhook: &Value, body: &Value) {
    let wanted = webhook.get("events").and_then(Value::as_array).is_some_and(|events| {
        events.iter().filter_map(Value::as_str).any(|event| event == "*" || event == text_at(body, "event"))
    });
    if !wanted {
        return;
    }
    let retries = webhook.get("retries").cloned().unwrap_or_default();
    let whole = |key: &str, default: i64| retries.get(key).and_then(as_whole).unwrap_or(default);
    let attempts = whole("attempts", 15).max(0);
    let delay_ms = u64::try_from(whole("delaySeconds", 2)).unwrap_or(2).saturating_mul(SECOND_MS);
    let policy = text_at(&retries, "policy");
    // not as compact as serde writes it: a signature over anything but these bytes fails
    let bytes = serde_json::to_vec_pretty(body).unwrap_or_default();
    for attempt in 0..=attempts {
        if attempt > 0 {
            let times = match policy.as_str() {
                "constant" => 1,
                "linear" => u64::try_from(attempt).unwrap_or(1),
                _ => 2_u64.saturating_pow(u32::try_from(attempt - 1).unwrap_or(1)),
            };
            tokio::time::sleep(Duration::from_millis(delay_ms.saturating_mul(times).min(LONGEST_PAUSE_MS))).await;
        }
        if post(sandbox, webhook, bytes.clone(), body).await {
            return;
        }
    }
}

async fn post(sandbox: &Sandbox, webhook: &Value, bytes: Vec<u8>, body: &Value) -> bool {
    let mut request = sandbox
        .http
        .post(text_at(webhook, "url"))
        .header("content-type", "application/json")
        .header("X-Webhook-Request-Id", random_hex(13))
        .header("X-Webhook-Timestamp", body.get("timestamp").map(Value::to_string).unwrap_or_default());
    let key = webhook.pointer("/hmac/key").and_then(Value::as_str).unwrap_or_default();
    if let (false, Ok(mac)) = (key.is_empty(), Hmac::<Sha512>::new_from_slice(key.as_bytes())) {
        let signature = hex::encode(mac.chain_update(&bytes).finalize().into_bytes());
        request = request.header("X-Webhook-Hmac", signature).header("X-Webhook-Hmac-Algorithm", "sha512");
    }
    let sent = request.body(bytes).send().await;
    sent.is_ok_and(|response| response.status().is_success())
}
