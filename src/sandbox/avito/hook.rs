//! The webhook: an address is tried before it is taken, and told everything that is written, by both sides.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::sync::mpsc::UnboundedReceiver;

use super::{Trouble, with_account};
use crate::sandbox::door::Call;
use crate::sandbox::state::{Sandbox, random_hex};

/// An address that does not answer within this has not taken the delivery.
const PATIENCE: Duration = Duration::from_secs(2);

/// How often a delivery is tried. The vendor does not tell.
const ATTEMPTS: u32 = 8;

const FIRST_PAUSE_MS: u64 = 200;

/// `POST /messenger/v3/webhook`.
pub(super) async fn subscribe(sandbox: &Arc<Sandbox>, id: i64, call: &Call) -> Result<Value, Trouble> {
    let url = call.args.text("url").ok_or_else(|| Trouble::of(400, "url is required"))?;
    if !post(sandbox, &url, &json!({})).await {
        return Err(Trouble::of(400, "webhook url is not available"));
    }
    with_account(sandbox, id, |account| {
        if !account.subscriptions.contains(&url) {
            account.subscriptions.push(url);
        }
        Ok(json!({"ok": true}))
    })
}

/// Tells the messages of an account, one after another, for as long as it exists.
pub(crate) async fn deliver_all(sandbox: Arc<Sandbox>, id: i64, mut queue: UnboundedReceiver<Value>) {
    while let Some(value) = queue.recv().await {
        let told = with_account(&sandbox, id, |account| {
            let doubles = account.doubles;
            account.doubles = doubles.saturating_sub(1);
            let urls = if account.hushed { Vec::new() } else { account.subscriptions.clone() };
            Ok((urls, doubles > 0))
        });
        let Ok((urls, is_double)) = told else { return };
        let body = json!({"id": uuid::Uuid::new_v4().to_string(), "version": "v3.0.0", "timestamp": sandbox.unix(),
            "payload": {"type": "message", "value": value}});
        for url in &urls {
            for _ in 0..=u32::from(is_double) {
                deliver(&sandbox, url, &body).await;
            }
        }
    }
}

async fn deliver(sandbox: &Sandbox, url: &str, body: &Value) {
    let mut pause_ms = FIRST_PAUSE_MS;
    for _ in 0..ATTEMPTS {
        if post(sandbox, url, body).await {
            return;
        }
        tokio::time::sleep(Duration::from_millis(pause_ms)).await;
        pause_ms *= 2;
    }
}

async fn post(sandbox: &Sandbox, url: &str, body: &Value) -> bool {
    let request = sandbox.http.post(url).timeout(PATIENCE).header("content-type", "application/json");
    // nobody can check it: neither the key nor the way is told
    let request = request.header("x-avito-messenger-signature", random_hex(32)).body(body.to_string());
    request.send().await.is_ok_and(|reply| reply.status().as_u16() == 200)
}
