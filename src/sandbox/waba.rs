//! The Cloud API of `WhatsApp`: numbers, messages, templates, files and webhooks.

mod escape;
pub(crate) mod group;
mod interactive;
mod media;
mod send;
mod template;
pub(crate) mod webhook;

use std::collections::HashMap;
use std::sync::Arc;

use serde_json::{Map, Value, json};
use tokio::sync::mpsc::UnboundedSender;

use super::answer::Answer;
use super::args::{as_text, as_whole};
use super::door::Call;
use super::fault::{Fault, Kind};
use super::limit::Bucket;
use super::state::{Sandbox, random_hex};
pub(crate) use interactive::pressed;
pub(crate) use media::{StoredMedia, address, download, keep_media};
pub(crate) use send::{envelope, queue, wamid_of_customer};

/// Everything of `WhatsApp`.
#[derive(Debug, Default)]
pub(crate) struct Waba {
    /// The phone numbers, by id.
    pub(crate) numbers: HashMap<String, Number>,
    /// The business accounts, by id.
    pub(crate) accounts: HashMap<String, Account>,
    /// The files, by id.
    pub(crate) files: HashMap<String, StoredMedia>,
    /// The groups, by id.
    pub(crate) groups: HashMap<String, group::Group>,
}

/// A phone number of a business.
#[derive(Debug)]
pub(crate) struct Number {
    /// Its id.
    pub(crate) id: String,
    /// The business account that it belongs to.
    pub(crate) account: String,
    /// The number itself, digits only.
    pub(crate) display: String,
    /// The name that customers see.
    pub(crate) name: String,
    /// The bearer token that may use it.
    pub(crate) token: String,
    /// `register` was called.
    pub(crate) registered: bool,
    /// `GREEN` and so on.
    pub(crate) quality: String,
    /// `TIER_1K` and so on.
    pub(crate) tier: String,
    /// It is an Official Business Account.
    pub(crate) official: bool,
    /// The bucket of the number.
    pub(crate) pace: Bucket,
    /// One bucket for each customer.
    pub(crate) pair_pace: HashMap<String, Bucket>,
    /// Where its webhook deliveries queue up.
    pub(crate) outbox: UnboundedSender<webhook::Delivery>,
}

/// A business account and the app that is subscribed to it.
#[derive(Debug, Default)]
pub(crate) struct Account {
    /// The secret that webhooks are signed with.
    pub(crate) app_secret: String,
    /// What the app expects at the verification of its address.
    pub(crate) verify_token: String,
    /// Where webhooks go.
    pub(crate) webhook: String,
    /// The app's own address and word, while the account has another one.
    pub(crate) own: Option<(String, String)>,
    /// `subscribed_apps` was called.
    pub(crate) subscribed: bool,
    /// The templates, in the order of their making.
    pub(crate) templates: Vec<Value>,
    /// How many of the next deliveries are sent twice.
    pub(crate) doubles: u32,
    /// How many of the next deliveries hold their changes in the reverse order.
    pub(crate) reversed: u32,
    /// How many deliveries were taken, and how many attempts failed.
    pub(crate) delivered: (u64, u64),
}

/// An error of the graph.
#[derive(Debug)]
pub(crate) struct Trouble {
    pub(crate) status: u16,
    pub(crate) code: i64,
    pub(crate) title: String,
    pub(crate) details: String,
}

impl Trouble {
    /// An error with the title that the vendor gives to its code.
    pub(crate) fn of(code: i64, details: &str) -> Self {
        let status = match code {
            0 | 190 => 401,
            3 | 10 | 200..=299 | 131_005 | 368 | 131_031 => 403,
            132_001 => 404,
            4 | 80_007 | 130_429 | 131_048 | 131_056 => 429,
            1 | 2 | 131_000 | 133_004 => 500,
            131_016 => 503,
            _ => 400,
        };
        Self { status, code, title: title(code).to_owned(), details: details.to_owned() }
    }

    fn answer(self) -> Answer {
        let message = if self.code == 190 { self.title.clone() } else { format!("(#{}) {}", self.code, self.title) };
        let mut error = Map::from_iter([
            ("message".to_owned(), json!(message)),
            ("type".to_owned(), json!("OAuthException")),
            ("code".to_owned(), json!(self.code)),
        ]);
        if self.code == 190 {
            error.insert("error_subcode".to_owned(), json!(463));
        } else {
            error.insert("error_data".to_owned(), json!({"messaging_product": "whatsapp", "details": self.details}));
        }
        error.insert("fbtrace_id".to_owned(), json!(format!("A{}", random_hex(11))));
        Answer::json(self.status, json!({"error": error}))
    }
}

/// The title of a code.
pub(crate) fn title(code: i64) -> &'static str {
    match code {
        1 => "API Unknown",
        2 | 131_016 => "Service unavailable",
        4 => "Application request limit reached",
        10 => "Application does not have permission for this action",
        100 => "Invalid parameter",
        190 => "Error validating access token: Session has expired on Friday, 20-Nov-26 10:00:00 PST.",
        368 => "Temporarily blocked for policies violations",
        130_429 => "Rate limit hit",
        130_472 => "User's number is part of an experiment",
        131_005 => "Access denied",
        131_008 => "Required parameter is missing",
        33 | 131_009 => "Parameter value is not valid",
        131_021 => "Recipient cannot be sender",
        131_026 => "Message undeliverable",
        131_042 => "Business eligibility payment issue",
        131_047 => "Re-engagement message",
        131_048 => "Spam rate limit hit",
        131_049 => "This message was not delivered to maintain healthy ecosystem engagement.",
        131_050 => "User has stopped marketing messages",
        131_051 => "Unsupported message type",
        131_052 => "Media download error",
        131_053 => "Media upload error",
        131_056 => "(Business Account, Consumer Account) pair rate limit hit",
        132_000 => "Number of parameters does not match the expected number of params",
        132_001 => "Template name does not exist in the translation",
        132_005 => "Template hydrated text too long",
        132_012 => "Parameter format does not match format in the created template",
        132_015 => "Template is paused",
        132_016 => "Template is disabled",
        132_018 => "There is an issue with the parameters in your template",
        133_010 => "The account is not registered",
        135_000 => "Generic user error",
        _ => "Something went wrong",
    }
}

/// Answers one call to the graph.
pub(crate) async fn answer(sandbox: &Arc<Sandbox>, node: &str, edge: &str, call: &Call) -> Answer {
    let done = match (call.verb.as_str(), edge) {
        ("POST", "messages") => send::send(sandbox, node, call),
        ("POST", "media") => media::upload(sandbox, node, call),
        ("POST", "register") => set_registered(sandbox, node, call, true),
        ("POST", "deregister") => set_registered(sandbox, node, call, false),
        ("GET", "message_templates") => template::list(sandbox, node, call),
        ("POST", "subscribed_apps") => webhook::subscribe(sandbox, node, call).await,
        ("GET", "subscribed_apps") => webhook::subscriptions(sandbox, node, call),
        ("DELETE", "subscribed_apps") => webhook::unsubscribe(sandbox, node, call),
        ("POST", "groups") => group::make(sandbox, node, call),
        ("GET", "groups") => group::list(sandbox, node, call),
        ("GET", "invite_link") => group::link(sandbox, node, call),
        ("POST", "") => group::change(sandbox, node, call),
        ("GET", "") => show(sandbox, node, call),
        ("DELETE", "") if sandbox.waba.lock().groups.contains_key(node) => group::delete(sandbox, node, call),
        ("DELETE", "") => media::delete(sandbox, node, call),
        _ => Err(Trouble::of(100, "Unsupported request")),
    };
    done.map_or_else(Trouble::answer, |body| Answer::json(200, body))
}

/// Lets the holder of the number's token work on the number.
pub(crate) fn with_number<T>(
    sandbox: &Sandbox,
    id: &str,
    call: &Call,
    work: impl FnOnce(&mut Waba, &Number) -> Result<T, Trouble>,
) -> Result<T, Trouble> {
    let mut waba = sandbox.waba.lock();
    let missing = "Object with this ID does not exist, cannot be loaded due to missing permissions";
    // taken out for the time of the work, so that the rest can be changed beside it
    let number = match waba.numbers.remove(id) {
        Some(number) => number,
        None if is_known(&waba, call) => return Err(Trouble::of(33, missing)),
        None => return Err(Trouble::of(190, "")),
    };
    let done = if call.bearer.as_deref() == Some(number.token.as_str()) {
        work(&mut waba, &number)
    } else if is_known(&waba, call) {
        Err(Trouble::of(10, "This token has no permission for the number"))
    } else {
        Err(Trouble::of(190, ""))
    };
    waba.numbers.insert(id.to_owned(), number);
    done
}

fn is_known(waba: &Waba, call: &Call) -> bool {
    waba.numbers.values().any(|number| call.bearer.as_deref() == Some(number.token.as_str()))
}

/// Lets the holder of a token of the account work on it.
pub(crate) fn with_account<T>(
    sandbox: &Sandbox,
    id: &str,
    call: &Call,
    work: impl FnOnce(&mut Account) -> Result<T, Trouble>,
) -> Result<T, Trouble> {
    let mut waba = sandbox.waba.lock();
    let of_token: Vec<&Number> =
        waba.numbers.values().filter(|number| call.bearer.as_deref() == Some(number.token.as_str())).collect();
    if of_token.is_empty() {
        return Err(Trouble::of(190, ""));
    }
    if !of_token.iter().any(|number| number.account == id) {
        return Err(Trouble::of(10, "This token has no permission for the account"));
    }
    work(waba.accounts.entry(id.to_owned()).or_default())
}

fn set_registered(sandbox: &Sandbox, node: &str, call: &Call, registered: bool) -> Result<Value, Trouble> {
    let pin = call.args.text("pin").unwrap_or_default();
    if registered && (pin.len() != 6 || !pin.bytes().all(|byte| byte.is_ascii_digit())) {
        return Err(Trouble::of(100, "pin must be 6 digits"));
    }
    with_number(sandbox, node, call, |_, _| Ok(()))?;
    if let Some(number) = sandbox.waba.lock().numbers.get_mut(node) {
        number.registered = registered;
    }
    Ok(json!({"success": true}))
}

fn show(sandbox: &Sandbox, node: &str, call: &Call) -> Result<Value, Trouble> {
    if sandbox.waba.lock().files.contains_key(node) {
        return media::show(sandbox, node, call);
    }
    with_number(sandbox, node, call, |_, number| {
        let all = json!({"id": number.id, "display_phone_number": format!("+{}", number.display), "verified_name": number.name,
            "quality_rating": number.quality, "code_verification_status": "VERIFIED", "name_status": "APPROVED",
            "status": if number.registered { "CONNECTED" } else { "DISCONNECTED" }, "messaging_limit_tier": number.tier,
            "throughput": {"level": "STANDARD"}, "platform_type": "CLOUD_API", "is_official_business_account": number.official});
        let asked = call.args.text("fields");
        let default =
            "id,display_phone_number,verified_name,quality_rating,code_verification_status,platform_type,throughput";
        let asked = format!("id,{}", asked.as_deref().unwrap_or(default));
        let fields: Map<String, Value> = asked
            .split(',')
            .filter_map(|field| Some((field.trim().to_owned(), all.get(field.trim())?.clone())))
            .collect();
        Ok(Value::Object(fields))
    })
}

/// The answer of a planned fault that takes nothing.
pub(crate) fn refuse_by_plan(fault: &Fault) -> Answer {
    let text = fault.text.clone().unwrap_or_default();
    match fault.kind {
        Kind::Busy => Trouble::of(130_429, "Message failed to send because there were too many messages sent from this phone number in a short period of time").answer(),
        Kind::TokenExpired => Trouble::of(190, "").answer(),
        Kind::Refuse => {
            let mut trouble = Trouble::of(fault.code.as_ref().and_then(as_whole).unwrap_or(131_009), &text);
            trouble.status = fault.status.unwrap_or(trouble.status);
            trouble.answer()
        }
        _ => Trouble::of(131_016, "Service temporarily unavailable").answer(),
    }
}

/// The parameters that are read as texts from lists, e.g. `?status=APPROVED`.
pub(crate) fn wants(call: &Call, key: &str, is: &str) -> bool {
    call.args.get(key).and_then(as_text).is_none_or(|wanted| wanted == is)
}
