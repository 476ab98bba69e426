//! SMS senders: their registration, letters of CRM marketing, and the statuses that the app pushes.

use std::collections::{BTreeMap, HashMap};

use serde::Serialize;
use serde_json::{Value, json};

use super::event::{self, Post, check_handler};
use super::oauth::{Tokens, auth_of};
use super::{Portal, Trouble};
use crate::model::moment::Moment;
use crate::sandbox::args::{Args, text_at};
use crate::sandbox::form;
use crate::sandbox::state::{Sandbox, random_hex};

const STATUSES: [&str; 5] = ["queued", "sent", "delivered", "undelivered", "failed"];

/// One message through a sender.
#[derive(Debug, Clone, Serialize)]
#[expect(clippy::struct_field_names, reason = "the page reads the text of a message as `text`")]
pub(crate) struct Text {
    /// The id that the app answers with.
    pub(crate) id: String,
    /// The sender.
    pub(crate) code: String,
    /// `crm`, `bizproc` or `sender`.
    pub(crate) kind: String,
    /// The number.
    pub(crate) to: String,
    /// The text.
    pub(crate) text: String,
    /// The latest status; `sent` as soon as the portal queued it.
    pub(crate) status: String,
    /// Every status that the app pushed, with its moment.
    pub(crate) pushed: Vec<(String, i64)>,
    /// The author.
    pub(crate) author: Option<i64>,
    /// The letter that it belongs to.
    pub(crate) letter: u64,
    /// When it was made, milliseconds of UTC.
    pub(crate) at: i64,
}

/// All messages of a portal.
#[derive(Debug, Default)]
pub(crate) struct Texts {
    by_id: HashMap<String, Text>,
    letters: BTreeMap<u64, Vec<String>>,
    next: u64,
}

/// A letter of N messages.
#[derive(Debug, Clone, serde::Deserialize)]
pub(crate) struct Letter {
    /// The sender.
    pub(crate) code: String,
    /// The text; `{name}` is the name of the contact.
    pub(crate) text: String,
    /// `sender` for CRM marketing, `crm` for a card, `bizproc` for a robot.
    #[serde(default = "marketing")]
    pub(crate) kind: String,
    /// How many contacts; the portal makes as many as needed.
    #[serde(default)]
    pub(crate) count: usize,
    /// These numbers instead of contacts.
    #[serde(default)]
    pub(crate) to: Vec<String>,
    /// The author; 1 when absent, none when 0.
    pub(crate) author: Option<i64>,
    /// The deal of `crm` and `bizproc`.
    pub(crate) deal: Option<i64>,
}

fn marketing() -> String {
    "sender".to_owned()
}

impl Texts {
    /// How many messages have each status.
    pub(crate) fn counts(&self) -> Value {
        let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
        for text in self.by_id.values() {
            *counts.entry(text.status.as_str()).or_default() += 1;
        }
        json!(counts)
    }

    /// The messages of a letter, in their order.
    pub(crate) fn of_letter(&self, letter: u64) -> Vec<&Text> {
        self.letters.get(&letter).into_iter().flatten().filter_map(|id| self.by_id.get(id)).collect()
    }

    /// The numbers of the letters, newest first.
    pub(crate) fn letters(&self) -> Vec<u64> {
        self.letters.keys().rev().copied().collect()
    }
}

fn wrong(text: &str) -> Trouble {
    Trouble::of(400, "ERROR_SENDER_VALIDATION_FAILURE", text)
}

fn missing() -> Trouble {
    Trouble::of(400, "ERROR_SENDER_NOT_FOUND", "Sender not found!")
}

/// `messageservice.sender.add`.
pub(crate) fn add(portal: &mut Portal, args: &Args) -> Result<Value, Trouble> {
    let code = args.text("CODE").ok_or_else(|| wrong("Empty sender code!"))?;
    if !code.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-')) {
        return Err(wrong("Wrong sender code!"));
    }
    let handler = args.text("HANDLER").unwrap_or_default();
    check_handler(&handler)?;
    let name = args.any_case("NAME").filter(|name| name.as_str().map_or(name.is_object(), |name| !name.is_empty()));
    let name = name.ok_or_else(|| wrong("Empty sender NAME!"))?;
    match args.text("TYPE").as_deref() {
        Some("SMS") => {}
        None => return Err(wrong("Empty sender message TYPE!")),
        Some(_) => return Err(wrong("Unknown sender message TYPE!")),
    }
    if portal.senders.contains_key(&code) {
        return Err(Trouble::of(400, "ERROR_SENDER_ALREADY_INSTALLED", "Sender already installed!"));
    }
    let sender = json!({"HANDLER": handler, "NAME": name, "DESCRIPTION": args.any_case("DESCRIPTION")});
    portal.senders.insert(code, sender);
    Ok(Value::Bool(true))
}

/// `messageservice.sender.update`.
pub(crate) fn update(portal: &mut Portal, args: &Args) -> Result<Value, Trouble> {
    let required = || Trouble::of(400, "ERROR_SENDER_CODE_REQUIRED", "Sender code is required!");
    let code = args.text("CODE").ok_or_else(required)?;
    let fields: Vec<(&str, Value)> = ["HANDLER", "NAME", "DESCRIPTION"]
        .into_iter()
        .filter_map(|key| Some((key, args.any_case(key)?.clone())))
        .collect();
    if fields.is_empty() {
        return Err(Trouble::of(400, "ERROR_SENDER_OTHER_PARAMS_REQUIRED", "No fields to update!"));
    }
    if let Some(handler) = args.text("HANDLER") {
        check_handler(&handler)?;
    }
    let sender = portal.senders.get_mut(&code).and_then(Value::as_object_mut).ok_or_else(missing)?;
    sender.extend(fields.into_iter().map(|(key, value)| (key.to_owned(), value)));
    Ok(Value::Bool(true))
}

/// `messageservice.sender.delete`.
pub(crate) fn delete(portal: &mut Portal, args: &Args) -> Result<Value, Trouble> {
    let code = args.text("CODE").ok_or_else(missing)?;
    portal.senders.remove(&code).map(|_| Value::Bool(true)).ok_or_else(missing)
}

/// `messageservice.message.status.update`.
pub(crate) fn set_status(portal: &mut Portal, user: i64, args: &Args, now: Moment) -> Result<Value, Trouble> {
    let code = args.text("CODE").ok_or_else(|| wrong("Empty sender code!"))?;
    let id =
        args.text("MESSAGE_ID").ok_or_else(|| Trouble::of(400, "ERROR_MESSAGE_NOT_FOUND", "Message not found!"))?;
    let status = args.text("STATUS").unwrap_or_default();
    if !portal.senders.contains_key(&code) {
        return Err(missing());
    }
    if !STATUSES.contains(&status.as_str()) {
        return Err(Trouble::of(400, "ERROR_MESSAGE_STATUS_INCORRECT", "Message status incorrect!"));
    }
    let is_admin = portal.user(user).is_some_and(|user| user.admin);
    let text = portal.texts.by_id.get_mut(&id).filter(|text| text.code == code);
    let text = text.ok_or_else(|| Trouble::of(400, "ERROR_MESSAGE_NOT_FOUND", "Message not found!"))?;
    if !is_admin && text.author != Some(user) {
        return Err(Trouble::denied());
    }
    text.pushed.push((status.clone(), now.0));
    text.status = status;
    Ok(Value::Bool(true))
}

/// Sends a letter: one post for each recipient, all at once. Says its number.
pub(crate) fn send_letter(
    sandbox: &Sandbox,
    tokens: &mut Tokens,
    portal: &mut Portal,
    letter: &Letter,
) -> Result<(Vec<Post>, u64), Trouble> {
    let handler = portal.senders.get(&letter.code).map(|sender| text_at(sender, "HANDLER")).ok_or_else(missing)?;
    if !["crm", "bizproc", "sender"].contains(&letter.kind.as_str()) {
        return Err(wrong("kind is one of crm, bizproc, sender"));
    }
    let author = letter.author.map_or(Some(1), |author| (author > 0).then_some(author));
    let auth = auth_of(sandbox, tokens, portal, author.filter(|_| !portal.habits.no_tokens), false);
    portal.texts.next += 1;
    let number = portal.texts.next;
    let mut posts = Vec::new();
    for (to, name) in recipients(portal, letter) {
        let text = Text {
            id: random_hex(16),
            code: letter.code.clone(),
            kind: letter.kind.clone(),
            to,
            text: letter.text.replace("{name}", &name),
            status: "sent".to_owned(),
            pushed: Vec::new(),
            author,
            letter: number,
            at: sandbox.now().0,
        };
        posts.push(post(sandbox, portal, letter, &text, &handler, &auth));
        portal.texts.letters.entry(number).or_default().push(text.id.clone());
        portal.texts.by_id.insert(text.id.clone(), text);
    }
    Ok((posts, number))
}

fn recipients(portal: &mut Portal, letter: &Letter) -> Vec<(String, String)> {
    if letter.to.is_empty() {
        return portal.crm.first_contacts(letter.count.max(1));
    }
    letter.to.iter().map(|to| (to.clone(), portal.crm.name_of(to).unwrap_or_default())).collect()
}

fn post(sandbox: &Sandbox, portal: &Portal, letter: &Letter, text: &Text, handler: &str, auth: &Value) -> Post {
    let deal = letter.deal.or_else(|| portal.crm.first_deal()).unwrap_or(0);
    let mut fields = vec![("module_id", json!(letter.kind))];
    if letter.kind == "crm" {
        let contact = portal.crm.contact_of(deal).unwrap_or(0);
        let bindings = json!([{"OWNER_TYPE_ID": 3, "OWNER_ID": contact}, {"OWNER_TYPE_ID": 2, "OWNER_ID": deal}]);
        fields.push(("bindings", bindings));
    }
    if letter.kind == "bizproc" {
        fields.push(("workflow_id", json!(format!("{}.{:08}", random_hex(7), text.letter))));
        fields.push(("document_id", json!(["crm", "CCrmDocumentDeal", format!("DEAL_{deal}")])));
        fields.push(("document_type", json!(["crm", "CCrmDocumentDeal", "DEAL"])));
    }
    fields.extend([
        ("properties", json!({"phone_number": text.to, "message_text": text.text})),
        ("type", json!("SMS")),
        ("code", json!(text.code)),
        ("message_id", json!(text.id)),
        ("message_to", json!(text.to)),
        ("message_body", json!(text.text)),
        ("ts", json!(sandbox.unix())),
        ("auth", auth.clone()),
    ]);
    Post {
        portal: portal.name.clone(),
        url: handler.to_owned(),
        body: form::encode(&fields, event::brackets(portal)),
        what: format!("sms {}", text.kind),
        delay_ms: portal.habits.delay_ms,
    }
}
