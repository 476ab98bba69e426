//! What the gateway answered, told in the outbox's words. It says how its session stands in `status`, and passes on what its
//! engine stumbled over in `exception`.

use serde_json::Value;

use crate::messenger::field;
use crate::messenger::parcel::refused;
use crate::model::result::Code;
use crate::model::vendor::{Answer, Scope};
use crate::net::http::{CallError, Reply};

/// How long the channel rests where `WhatsApp` asks to slow down; it does not say for how long.
const REST_MS: i64 = 60_000;

/// The body of a successful call, or what the failure means. `resendable` says whether the call may be made again when nobody
/// knows what became of it.
pub(super) fn result_of(called: Result<Reply, CallError>, resendable: bool) -> Result<Value, Answer> {
    let reply = called.map_err(|error| error.answer(resendable))?;
    let body = reply.json();
    let is_answer = body.is_object() || body.is_array() || body.is_string();
    match reply.status {
        200..300 if is_answer => Ok(body),
        _ if body.is_object() => Err(read_error(reply.status, &body, resendable)),
        _ => Err(read_page(&reply, resendable)),
    }
}

/// The same for a call that may always be made again: its failure is never unsure.
pub(super) fn repeatable(called: Result<Reply, CallError>) -> Result<Value, Answer> {
    result_of(called, true).map_err(|answer| match answer {
        Answer::Unsure { seen, .. } => Answer::Down { seen },
        other => other,
    })
}

/// What the body of an error says, for a person.
pub(super) fn said(body: &Value) -> String {
    let exception = body.get("exception").unwrap_or(&Value::Null);
    let details = body.get("details").filter(|details| details.is_object()).unwrap_or(&Value::Null);
    let texts = [
        field::text(exception, "details"),
        field::text(exception, "message"),
        field::text(details, "message"),
        field::text(body, "message"),
        // a list of what is wrong with the request
        body.get("message").filter(|message| message.is_array()).map(Value::to_string),
        field::text(body, "error"),
    ];
    field::short(&texts.into_iter().flatten().next().unwrap_or_else(|| "no reason was given".to_owned()))
}

fn read_error(status: u16, body: &Value, resendable: bool) -> Answer {
    let said = said(body);
    if let (422, Some(state)) = (status, field::text(body, "status")) {
        return read_state(&state, &said);
    }
    match status {
        // our key is wrong, which is a matter of the settings and of no single channel: everything waits until it is mended
        401 | 403 => Answer::Down { seen: format!("the gateway refuses the key of the settings: {said}") },
        404 => Answer::Expired { seen: format!("the gateway has no such session: {said}") },
        413 => refused(Code::FileTooBig),
        429 => rest(),
        503 => Answer::Down { seen: said },
        500.. => read_stumble(said, resendable),
        _ => Answer::Refused { code: Code::Refused, text: said },
    }
}

/// The session is not in the state in which it takes messages; nothing was taken.
fn read_state(state: &str, said: &str) -> Answer {
    let seen = format!("{state}: {said}");
    match state {
        "SCAN_QR_CODE" | "PASSKEY_REQUIRED" | "PASSKEY_CONFIRMATION_REQUIRED" | "FAILED" => Answer::Expired { seen },
        _ => Answer::Down { seen },
    }
}

/// What the engine stumbled over. Only texts that are known to come before anything was sent are certain.
fn read_stumble(said: String, resendable: bool) -> Answer {
    let lower = said.to_lowercase();
    let has = |words: &[&str]| words.iter().any(|word| lower.contains(word));
    if has(&["rate-overlimit", "rate limit", "server returned error 429"]) {
        return rest();
    }
    if has(&["no lid found", "not on whatsapp", "not registered", "number does not exist"]) {
        return Answer::Nobody { text: said };
    }
    // WhatsApp does not let this account open new chats for a while
    if has(&["server returned error 463"]) {
        return Answer::Refused { code: Code::SpamSuspected, text: said };
    }
    // an order about a group that we may not give: it has certainly not been carried out
    if has(&["info query returned status 403", "info query returned status 404", "info query returned status 406"]) {
        return Answer::Refused { code: Code::Refused, text: said };
    }
    if has(&["logged out", "not logged in", "device removed"]) {
        return Answer::Expired { seen: said };
    }
    if has(&["websocket not connected", "websocket is not connected", "can't send message to unknown server"]) {
        return Answer::Down { seen: said };
    }
    Answer::Unsure { seen: said, resendable }
}

/// An answer that is not the gateway's: a proxy or a page in between.
fn read_page(reply: &Reply, resendable: bool) -> Answer {
    let seen = format!("HTTP {} without an answer of the gateway", reply.status);
    match reply.status {
        413 => refused(Code::FileTooBig),
        429 => rest(),
        300..500 => Answer::Down { seen },
        _ => Answer::Unsure { seen, resendable },
    }
}

const fn rest() -> Answer {
    Answer::Busy { after_ms: REST_MS, scope: Scope::Lane }
}
