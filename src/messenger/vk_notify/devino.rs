//! Devino: `POST /vk/messages`, in two shapes. Nothing drops a repeated call; statuses come to the address of each message
//! and bring `callbackData` back.

use serde_json::{Map, Value, json};

use super::send::{Notice, done, nameless};
use super::{Provider, answer, status_url};
use crate::messenger::{Wire, field};
use crate::model::message::Outgoing;
use crate::model::vendor::Answer;
use crate::net::http::{CallError, Reply};

/// A message in the shape of today.
pub(super) fn request(wire: &Wire, notice: &Notice<'_>) -> reqwest::RequestBuilder {
    let message = json!({
        "phone": notice.phone,
        "service": field::text(&wire.settings, "service").unwrap_or_default(),
        "routes": routes(wire),
        "tmpl": notice.template.name,
        "tmpl_data": values(notice),
        "delivery_policy": policy(wire),
        "status_url": status_url(wire, &wire.webhook_url),
        "callbackData": {"id": notice.key},
    });
    call(wire, &json!({"messages": [message]}))
}

/// A message in the older shape, which alone says how long it is good.
pub(super) fn legacy_request(wire: &Wire, notice: &Notice<'_>) -> reqwest::RequestBuilder {
    let mut message = json!({
        "to": notice.phone,
        "templateId": notice.template.name,
        "templateData": values(notice),
        "routes": routes(wire),
        "deliveryPolicy": policy(wire).to_uppercase(),
        "callbackUrl": status_url(wire, &wire.webhook_url),
        "callbackData": notice.key,
    });
    if let (Some(validity), Some(message)) = (field::number(&wire.settings, "validity"), message.as_object_mut()) {
        message.insert("validity".to_owned(), json!(validity));
    }
    call(wire, &json!({"messages": [message]}))
}

/// A call that sends nothing and shows whether the key is good.
pub(super) fn probe(wire: &Wire) -> reqwest::RequestBuilder {
    call(wire, &json!({"messages": []}))
}

/// One entry of the answer is that of our one message.
pub(super) fn read(provider: Provider, called: Result<Reply, CallError>, message: &Outgoing) -> Result<Answer, Answer> {
    let body = answer::result_of(provider, called)?;
    let Some(entry) = field::list(&body, "result").first() else { return Err(nameless(provider)) };
    match field::text(entry, "code") {
        Some(code) if code.eq_ignore_ascii_case("ok") => Ok(done(message)),
        Some(_) => Err(answer::refused(answer::said(entry, 200))),
        None => Err(nameless(provider)),
    }
}

fn call(wire: &Wire, body: &Value) -> reqwest::RequestBuilder {
    let key = field::secret(&wire.secrets, "api_token");
    let url = format!("{}/vk/messages", Provider::Devino.base(wire));
    wire.http.client().post(url).header("Authorization", format!("Key {key}")).json(body)
}

fn routes(wire: &Wire) -> Vec<&'static str> {
    let ok = field::list(&wire.settings, "routes").iter().any(|route| route == "OK");
    if ok { vec!["VK", "OK"] } else { vec!["VK"] }
}

fn policy(wire: &Wire) -> String {
    field::text(&wire.settings, "policy").unwrap_or_else(|| "any".to_owned())
}

/// Variables have names here; one without a name is called by its place.
fn values(notice: &Notice<'_>) -> Map<String, Value> {
    let named = |(at, value): (usize, &crate::model::message::TemplateValue)| {
        (value.name.clone().unwrap_or_else(|| (at + 1).to_string()), json!(value.text))
    };
    notice.template.body.iter().enumerate().map(named).collect()
}
