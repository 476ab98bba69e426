//! The gateway of `WhatsApp` Web: whether it is there, takes our key, and how its sessions stand.

use std::collections::BTreeMap;

use secrecy::ExposeSecret as _;
use serde_json::Value;

use super::{Finding, bad, good};
use crate::config::Config;
use crate::net::http::Http;

const WHAT: &str = "WhatsApp Web gateway";

/// Asks the gateway for its sessions; none where no gateway is set.
pub(super) async fn look(http: &Http, config: &Config, address: &str) -> Option<Finding> {
    let key = config.vendors.whatsapp_web_key.expose_secret();
    if key.is_empty() {
        return None;
    }
    let request = http.client().get(format!("{address}/api/sessions?all=true")).header("x-api-key", key);
    let found = match http.call(request, http.limits()).await {
        Ok(reply) => match (reply.status, reply.json()) {
            (200, Value::Array(sessions)) => good(WHAT, &tell(&sessions)),
            (401 | 403, _) => {
                bad(WHAT, "refuses the key", "put its WAHA_API_KEY into vendors.whatsapp_web_key of the settings")
            }
            (status, _) => {
                let seen = format!("answers {status} and is no WAHA");
                bad(WHAT, &seen, "put the address of the gateway into vendors.whatsapp_web of the settings")
            }
        },
        Err(error) => bad(
            WHAT,
            &error.seen(),
            "start the gateway (docker compose --profile whatsapp up -d), and check vendors.whatsapp_web of the settings",
        ),
    };
    Some(found)
}

/// `3 sessions: 2 WORKING, 1 SCAN_QR_CODE`.
fn tell(sessions: &[Value]) -> String {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for session in sessions {
        let status = session.get("status").and_then(Value::as_str).unwrap_or("unclear");
        *counts.entry(status).or_default() += 1;
    }
    let parts: Vec<String> = counts.iter().map(|(status, count)| format!("{count} {status}")).collect();
    let colon = if parts.is_empty() { "" } else { ": " };
    format!("{} sessions{colon}{}", sessions.len(), parts.join(", "))
}
