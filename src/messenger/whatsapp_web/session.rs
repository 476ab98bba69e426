//! The session at the gateway: how it is made and kept, and what else is asked of it.

use reqwest::Method;
use secrecy::ExposeSecret as _;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::answer::repeatable;
use super::{call, name, session_of};
use crate::messenger::{Checked, Wire, field};
use crate::model::vendor::Answer;
use crate::net::signature::hmac_sha256_hex;

/// What we want to be told of.
const EVENTS: [&str; 13] = [
    "session.status",
    "message",
    "message.any",
    "message.ack",
    "message.ack.group",
    "message.revoked",
    "message.edited",
    "message.reaction",
    "message.waiting",
    "group.v2.join",
    "group.v2.leave",
    "group.v2.participants",
    "group.v2.update",
];

/// The name of the session whose deliveries go to an address: the same at every try, and nothing of the address shows in it.
pub(super) fn name_for(webhook_url: &str) -> String {
    let digest = hex::encode(Sha256::digest(webhook_url.as_bytes()));
    format!("sb-{}", digest.get(..24).unwrap_or_default())
}

/// The secret that deliveries to an address are signed with. It follows from the gateway's key, so two dialogues that link the
/// same session at once agree on it.
pub(super) fn hook_secret(wire: &Wire, webhook_url: &str) -> String {
    hmac_sha256_hex(wire.vendor_key.expose_secret().as_bytes(), format!("deliveries to {webhook_url}").as_bytes())
}

/// What the gateway is told about a session.
pub(super) fn config(wire: &Wire, webhook_url: &str) -> Value {
    json!({
        "webhooks": [{
            "url": webhook_url,
            "events": EVENTS,
            "hmac": {"key": hook_secret(wire, webhook_url)},
            // first after two seconds, in the end for hours: what came while we were away is not lost
            "retries": {"policy": "exponential", "delaySeconds": 2, "attempts": 15},
        }],
        "ignore": {"status": true, "channels": true, "broadcast": true},
    })
}

/// How a session stands.
pub(super) struct Session {
    /// The word of the gateway.
    pub(super) status: String,
    /// The phone that is linked, in digits.
    pub(super) phone: Option<String>,
    /// How its owner is called.
    pub(super) title: Option<String>,
    /// Where its deliveries go.
    pub(super) webhook_url: Option<String>,
}

/// Looks at a session; none where there is none.
pub(super) async fn look(wire: &Wire, session: &str) -> Result<Option<Session>, Answer> {
    let request = call(wire, Method::GET, &format!("/api/sessions/{session}"));
    let told = match repeatable(wire.http.call(request, wire.http.limits()).await) {
        Ok(told) => told,
        Err(Answer::Expired { .. }) => return Ok(None),
        Err(answer) => return Err(answer),
    };
    let me = told.get("me").unwrap_or(&Value::Null);
    let own = field::text(me, "id").and_then(|id| name::chat(&id));
    let webhook = told.pointer("/config/webhooks/0").unwrap_or(&Value::Null);
    Ok(Some(Session {
        status: field::text(&told, "status").unwrap_or_default(),
        phone: own.and_then(|chat| name::phone(&chat)),
        title: field::text(me, "pushName"),
        webhook_url: field::text(webhook, "url"),
    }))
}

/// Makes a session and starts it.
pub(super) async fn create(wire: &Wire, session: &str, webhook_url: &str) -> Result<Value, Answer> {
    let body = json!({"name": session, "start": true, "config": config(wire, webhook_url)});
    order(wire, Method::POST, "/api/sessions", &body).await
}

/// Tells a session where its deliveries go; one that runs is started anew by it.
pub(super) async fn update(wire: &Wire, session: &str, webhook_url: &str) -> Result<Value, Answer> {
    let body = json!({"config": config(wire, webhook_url)});
    order(wire, Method::PUT, &format!("/api/sessions/{session}"), &body).await
}

/// Starts a session anew.
pub(super) async fn restart(wire: &Wire, session: &str) -> Result<Value, Answer> {
    order(wire, Method::POST, &format!("/api/sessions/{session}/restart"), &Value::Null).await
}

/// Asks about the linking of a session.
pub(super) async fn ask(wire: &Wire, session: &str, what: &str) -> Result<Value, Answer> {
    let request = call(wire, Method::GET, &format!("/api/{session}/auth/{what}"));
    repeatable(wire.http.call(request, wire.http.limits()).await)
}

/// Takes a step of the linking of a session.
pub(super) async fn take(wire: &Wire, session: &str, what: &str, body: &Value) -> Result<Value, Answer> {
    order(wire, Method::POST, &format!("/api/{session}/auth/{what}"), body).await
}

/// Logs the device out and forgets the session. One that is not there is as good.
pub(super) async fn delete(wire: &Wire) -> Answer {
    let session = session_of(wire);
    if session.is_empty() {
        return Answer::done();
    }
    let request = call(wire, Method::DELETE, &format!("/api/sessions/{session}"));
    let called = wire.http.call(request, wire.http.limits()).await;
    // it answers without a body
    if called.as_ref().is_ok_and(|reply| (200..300).contains(&reply.status)) {
        return Answer::done();
    }
    match repeatable(called) {
        Ok(_) | Err(Answer::Expired { .. }) => Answer::done(),
        Err(answer) => answer,
    }
}

/// Asks whether a phone has `WhatsApp`.
pub(super) async fn check_phone(wire: &Wire, phone: &str) -> Result<Checked, Answer> {
    let session = session_of(wire);
    let request =
        call(wire, Method::GET, "/api/contacts/check-exists").query(&[("phone", phone), ("session", session.as_str())]);
    let told = repeatable(wire.http.call(request, wire.http.limits()).await)?;
    match told.get("numberExists").and_then(Value::as_bool) {
        Some(false) => Ok(Checked { chat: None }),
        // some phones are written to under another number than the one that was typed
        Some(true) => Ok(Checked {
            chat: field::text(&told, "chatId").and_then(|id| name::chat(&id)).or_else(|| Some(format!("{phone}@c.us"))),
        }),
        None => Err(Answer::Down { seen: "the answer does not tell whether the number exists".to_owned() }),
    }
}

async fn order(wire: &Wire, method: Method, path: &str, body: &Value) -> Result<Value, Answer> {
    let request = call(wire, method, path);
    let request = if body.is_null() { request } else { request.json(body) };
    let called = wire.http.call(request, wire.http.limits()).await;
    match called {
        // some orders are answered without a body
        Ok(reply) if (200..300).contains(&reply.status) => Ok(reply.json()),
        called => repeatable(called),
    }
}
