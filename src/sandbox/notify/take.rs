//! What is taken: messages of Devino in both shapes, cascades of edna.

use serde_json::{Map, Value, json};

use super::{Account, Sent, filled, hook, trouble};
use crate::sandbox::answer::Answer;
use crate::sandbox::args::{as_text, as_whole};
use crate::sandbox::door::Call;
use crate::sandbox::phone::bubble;
use crate::sandbox::state::{Sandbox, random_hex};

const MOST: usize = 1_000;
const LONGEST: usize = 2_048;
/// How long edna refuses an id again, seconds.
const REMEMBERED_S: i64 = 20 * 60;

/// The names of one shape of Devino's messages.
struct Shape {
    phone: &'static str,
    template: &'static str,
    data: &'static str,
    policy: &'static str,
    url: &'static str,
    policies: [&'static str; 3],
}

const TODAY: Shape = Shape {
    phone: "phone",
    template: "tmpl",
    data: "tmpl_data",
    policy: "delivery_policy",
    url: "status_url",
    policies: ["any", "mobile_device_required", "verified_phone_number"],
};

const OLDER: Shape = Shape {
    phone: "to",
    template: "templateId",
    data: "templateData",
    policy: "deliveryPolicy",
    url: "callbackUrl",
    policies: ["ANY", "MOBILE_DEVICE_REQUIRED", "VERIFIED_PHONE_NUMBER"],
};

/// `POST /vk/messages`.
pub(super) fn devino(sandbox: &Sandbox, account: &mut Account, call: &Call) -> Answer {
    let Some(messages) = call.args.get("messages").and_then(Value::as_array).filter(|all| all.len() <= MOST) else {
        return trouble(400, "messages is required");
    };
    let result: Vec<Value> = messages.iter().map(|message| one(sandbox, account, message)).collect();
    Answer::json(200, json!({"result": result}))
}

fn one(sandbox: &Sandbox, account: &mut Account, message: &Value) -> Value {
    let shape = if message.get("to").is_some() { &OLDER } else { &TODAY };
    match check(account, message, shape) {
        Err(code) => json!({"code": code}),
        Ok((phone, text)) => {
            let sent = Sent {
                phone,
                data: message.get("callbackData").cloned().unwrap_or_default(),
                url: text_of(message, shape.url),
            };
            let patience = message.get("validity").is_some();
            json!({"code": "OK", "messageId": deliver(sandbox, account, sent, &text, patience)})
        }
    }
}

fn check(account: &Account, message: &Value, shape: &Shape) -> Result<(String, String), &'static str> {
    let fields: Vec<&str> = message.as_object().map(|all| all.keys().map(String::as_str).collect()).unwrap_or_default();
    let known = [
        shape.phone,
        shape.template,
        shape.data,
        shape.policy,
        shape.url,
        "routes",
        "service",
        "callbackData",
        "validity",
    ];
    if !fields.iter().all(|field| known.contains(field)) {
        return Err("UNKNOWN_FIELD");
    }
    let phone = text_of(message, shape.phone);
    if !(10..=15).contains(&phone.len()) || !phone.chars().all(|c| c.is_ascii_digit()) {
        return Err("INVALID_PHONE");
    }
    if shape.phone == "phone" && text_of(message, "service") != account.name {
        return Err("UNKNOWN_SERVICE");
    }
    let routes = message.get("routes").and_then(Value::as_array).cloned().unwrap_or_default();
    if routes.is_empty() || !routes.iter().all(|route| route == "VK" || route == "OK") {
        return Err("INVALID_ROUTES");
    }
    if !shape.policies.contains(&text_of(message, shape.policy).as_str()) {
        return Err("INVALID_POLICY");
    }
    let validity = message.get("validity").map(as_whole);
    if validity.is_some_and(|seconds| !seconds.is_some_and(|seconds| (15..=86_400).contains(&seconds))) {
        return Err("INVALID_VALIDITY");
    }
    let name = text_of(message, shape.template);
    let template = account.templates.iter().find(|(known, _)| *known == name).ok_or("UNKNOWN_TEMPLATE")?;
    let none = Value::Object(Map::new());
    let text = filled(&template.1, message.get(shape.data).unwrap_or(&none)).ok_or("INVALID_TEMPLATE_DATA")?;
    if text.chars().count() > LONGEST { Err("TOO_LONG") } else { Ok((phone, text)) }
}

/// `POST /api/cascade/schedule`.
pub(super) fn edna(sandbox: &Sandbox, account: &mut Account, call: &Call) -> Answer {
    let at = |path: &str| {
        let mut value = call.args.get(path.split('/').next().unwrap_or_default());
        for part in path.split('/').skip(1) {
            value = value.and_then(|value| value.get(part));
        }
        value.and_then(as_text).unwrap_or_default()
    };
    let (id, phone, text) = (at("requestId"), at("subscriberFilter/address"), at("content/notifyContent/text"));
    let good = !id.is_empty()
        && at("cascadeId") == account.name
        && at("subscriberFilter/type") == "PHONE"
        && at("content/notifyContent/contentType") == "TEXT"
        && (10..=15).contains(&phone.len())
        && phone.chars().all(|c| c.is_ascii_digit())
        && !text.is_empty()
        && text.chars().count() <= LONGEST;
    if !good {
        return trouble(400, "Bad request");
    }
    let now_s = sandbox.unix();
    if account.taken.get(&id).is_some_and(|at| now_s - at < REMEMBERED_S) {
        return trouble(400, "Duplicate requestId");
    }
    account.taken.insert(id.clone(), now_s);
    let sent = Sent { phone, data: json!(id), url: account.callback.clone() };
    deliver(sandbox, account, sent, &text, false);
    Answer::json(200, json!({"requestId": id}))
}

/// Brings a notification to its phone and tells every step; says its number.
fn deliver(sandbox: &Sandbox, account: &mut Account, sent: Sent, text: &str, patience: bool) -> String {
    let number = random_hex(6);
    let phone = sent.phone.clone();
    account.sent.insert(number.clone(), sent);
    hook::tell(sandbox, account, &number, "accepted", None);
    let (now, tick) = (sandbox.now(), sandbox.tick());
    let all = sandbox.settings.lock().auto_phones;
    let mut phones = sandbox.phones.lock();
    if all {
        phones.make(&phone, None);
    }
    let approved = account.provider == "devino" || account.templates.iter().any(|(_, known)| is_of(known, text));
    let there = phones.get(&phone).map(|owner| (owner.vk, owner.online, owner.reads));
    let lost = match there {
        _ if !approved => Some(("undelivered", "template not found")),
        None | Some((false, ..)) => Some(("undelivered", "subscriber not found")),
        Some((_, false, _)) if patience => Some(("expired", "not delivered in time")),
        Some((_, false, _)) => Some(("undelivered", "subscriber not active")),
        Some(_) => None,
    };
    if let Some((status, why)) = lost {
        hook::tell(sandbox, account, &number, status, Some(why));
        return number;
    }
    let reads = there.is_some_and(|(.., reads)| reads);
    let mut made = bubble("vk_notify", &account.name, "received", now, tick);
    "template".clone_into(&mut made.kind);
    text.clone_into(&mut made.text);
    made.id.clone_from(&number);
    made.status = if reads { "read" } else { "delivered" };
    phones.add(&phone, made);
    drop(phones);
    for status in ["sent", "delivered"] {
        hook::tell(sandbox, account, &number, status, None);
    }
    if reads {
        hook::tell(sandbox, account, &number, "read", None);
    }
    number
}

/// Whether a text is a template with some values: every fixed part follows the one before.
fn is_of(template: &str, text: &str) -> bool {
    let mut rest = text;
    let parts = template.split("{{").map(|part| part.split_once("}}").map_or(part, |(_, fixed)| fixed));
    for fixed in parts {
        match rest.find(fixed) {
            Some(at) => rest = rest.get(at + fixed.len()..).unwrap_or_default(),
            None => return false,
        }
    }
    true
}

fn text_of(message: &Value, name: &str) -> String {
    message.get(name).and_then(as_text).unwrap_or_default()
}
