//! edna Pulse: a cascade is scheduled for a phone. The request's id is our own key: edna refuses it a second time for twenty
//! minutes, and every status brings it back. It compares texts with the approved ones, so the text itself is sent.

use serde_json::{Value, json};

use super::send::{Notice, done, nameless};
use super::{Provider, answer};
use crate::messenger::parcel::refused;
use crate::messenger::{Wire, field};
use crate::model::message::Outgoing;
use crate::model::result::Code;
use crate::model::vendor::Answer;
use crate::net::http::{CallError, Reply};

/// Where edna is.
pub(super) const ADDRESS: &str = "https://app.edna.ru";

/// So many calls are made for one message while its fate is unknown: their pauses and time-outs together stay within the
/// twenty minutes in which edna knows the id.
pub(super) const REPEATS: i32 = 9;

pub(super) fn request(wire: &Wire, notice: &Notice<'_>) -> Result<reqwest::RequestBuilder, Answer> {
    let text = notice.text.ok_or_else(|| refused(Code::TemplateNotFound))?;
    let body = json!({
        "requestId": notice.key,
        "cascadeId": field::text(&wire.settings, "cascade").unwrap_or_default(),
        "subscriberFilter": {"address": notice.phone, "type": "PHONE"},
        "content": {"notifyContent": {"contentType": "TEXT", "text": text}},
    });
    Ok(call(wire, "cascade/schedule", &body))
}

/// Tells edna where statuses go. One address holds for the whole account.
pub(super) fn announcement(wire: &Wire, status_url: &str) -> reqwest::RequestBuilder {
    call(wire, "callback/set", &json!({"statusCallbackUrl": status_url}))
}

/// A call that changes nothing and shows whether the key is good.
pub(super) fn probe(wire: &Wire) -> reqwest::RequestBuilder {
    call(wire, "messages/history", &json!({}))
}

pub(super) fn read(called: Result<Reply, CallError>, message: &Outgoing) -> Result<Answer, Answer> {
    if let Ok(reply) = &called
        && is_repeated(reply)
    {
        // the first call was taken, though its answer never came
        return Ok(done(message));
    }
    let body = answer::result_of(Provider::Edna, called)?;
    let named = field::id(&body, "requestId").is_some_and(|id| id == message.key);
    if named { Ok(done(message)) } else { Err(nameless(Provider::Edna)) }
}

/// How the refusal of a repeated id looks is not published: a conflict, or a word of it.
fn is_repeated(reply: &Reply) -> bool {
    let body = reply.json();
    let words = answer::said(&body, reply.status).to_lowercase();
    let word = ["duplicate", "already exists", "already scheduled"].iter().any(|word| words.contains(word));
    body.is_object() && (reply.status == 409 || (matches!(reply.status, 400 | 422) && word))
}

fn call(wire: &Wire, path: &str, body: &Value) -> reqwest::RequestBuilder {
    let key = field::secret(&wire.secrets, "api_token");
    let url = format!("{}/api/{path}", Provider::Edna.base(wire));
    wire.http.client().post(url).header("X-API-KEY", key).json(body)
}
