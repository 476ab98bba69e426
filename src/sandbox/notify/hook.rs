//! Statuses: posted one after another, and again where they are not taken.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::sync::mpsc::UnboundedReceiver;

use super::Account;
use crate::sandbox::state::Sandbox;

/// A status that is repeated three times is given up.
const ATTEMPTS: u32 = 4;
const FIRST_PAUSE_MS: u64 = 200;

/// One status on its way.
#[derive(Debug)]
pub(crate) struct Item {
    url: String,
    body: Value,
    times: u32,
}

/// Tells what became of a notification.
pub(crate) fn tell(sandbox: &Sandbox, account: &mut Account, number: &str, status: &str, why: Option<&str>) {
    let Some(sent) = account.sent.get(number).filter(|sent| !sent.url.is_empty()).cloned() else { return };
    let status = account.word.clone().unwrap_or_else(|| status.to_owned());
    let body = if account.provider == "edna" {
        json!({"requestId": sent.data, "messageId": i64::from_str_radix(number, 16).unwrap_or(1),
            "cascadeId": account.name.parse::<i64>().unwrap_or(1), "cascadeStageUUID": "3d2f0b1e-0000-4000-8000-000000000001",
            "subject": "vk_notify_main", "subjectId": 2, "status": status.to_uppercase(),
            "statusAt": sandbox.now().to_utc().to_rfc3339(), "error": why, "comment": null})
    } else {
        json!({"messageId": number, "status": status, "callbackData": sent.data, "error": why})
    };
    let times = if account.doubles > 0 { 2 } else { 1 };
    account.doubles = account.doubles.saturating_sub(1);
    let _ = account.outbox.send(Item { url: sent.url, body, times });
}

/// Delivers the statuses of one account for as long as it exists.
pub(crate) async fn deliver_all(sandbox: Arc<Sandbox>, mut queue: UnboundedReceiver<Item>) {
    while let Some(item) = queue.recv().await {
        for _ in 0..item.times {
            deliver(&sandbox, &item).await;
        }
    }
}

async fn deliver(sandbox: &Sandbox, item: &Item) {
    let mut pause_ms = FIRST_PAUSE_MS;
    for _ in 0..ATTEMPTS {
        let sent = sandbox.http.post(&item.url).json(&item.body).send().await;
        if sent.is_ok_and(|reply| reply.status().as_u16() == 200) {
            return;
        }
        tokio::time::sleep(Duration::from_millis(pause_ms)).await;
        pause_ms *= 2;
    }
}
