//! The Bot API of Telegram: bots, their webhooks and what they send.

mod entities;
mod file;
pub(crate) mod react;
mod send;
pub(crate) mod webhook;

use std::collections::HashMap;
use std::sync::Arc;

use serde_json::{Value, json};

use super::answer::{Answer, Body};
use super::args::as_text;
use super::door::Call;
use super::fault::{Fault, Kind};
use super::limit::Bucket;
use super::state::{Sandbox, random_hex};
pub(crate) use file::{StoredFile, describe, keep_file};
pub(crate) use send::fetch;
pub(crate) use webhook::Webhook;

/// All bots, by their tokens.
#[derive(Debug, Default)]
pub(crate) struct Telegram {
    /// The bots.
    pub(crate) bots: HashMap<String, Bot>,
}

/// One bot.
#[derive(Debug)]
pub(crate) struct Bot {
    /// The number before the colon of the token.
    pub(crate) id: i64,
    /// The name with `bot` at its end.
    pub(crate) username: String,
    /// The name that people see.
    pub(crate) name: String,
    /// Where updates go.
    pub(crate) webhook: Webhook,
    /// What was uploaded or received, by file id.
    pub(crate) files: HashMap<String, StoredFile>,
    /// Presses of buttons that wait for `answerCallbackQuery`.
    pub(crate) presses: Vec<String>,
    /// The bucket of the whole bot.
    pub(crate) pace: Bucket,
    /// One bucket for each chat.
    pub(crate) chat_pace: HashMap<i64, Bucket>,
}

impl Bot {
    /// A bot without a webhook.
    pub(crate) fn new(token: &str, username: Option<String>, name: Option<String>) -> Self {
        let id = token.split(':').next().and_then(|id| id.parse().ok()).unwrap_or(0);
        Self {
            id,
            username: username.unwrap_or_else(|| format!("sandbox_{id}_bot")),
            name: name.unwrap_or_else(|| "Песочница".to_owned()),
            webhook: Webhook::default(),
            files: HashMap::new(),
            presses: Vec::new(),
            pace: Bucket::new(30.0, 30.0),
            chat_pace: HashMap::new(),
        }
    }

    /// The bot as a user.
    pub(crate) fn user(&self) -> Value {
        json!({"id": self.id, "is_bot": true, "first_name": self.name, "username": self.username})
    }
}

/// An error that the Bot API gives.
#[derive(Debug)]
pub(crate) struct Trouble {
    code: u16,
    text: String,
    retry_after: Option<u64>,
}

impl Trouble {
    pub(crate) fn bad(text: &str) -> Self {
        Self { code: 400, text: format!("Bad Request: {text}"), retry_after: None }
    }

    fn forbidden(text: &str) -> Self {
        Self { code: 403, text: format!("Forbidden: {text}"), retry_after: None }
    }

    fn busy(retry_after: u64) -> Self {
        let text = format!("Too Many Requests: retry after {retry_after}");
        Self { code: 429, text, retry_after: Some(retry_after) }
    }

    fn answer(self) -> Answer {
        let mut body = json!({"ok": false, "error_code": self.code, "description": self.text});
        if let (Some(after), Some(map)) = (self.retry_after, body.as_object_mut()) {
            map.insert("parameters".to_owned(), json!({"retry_after": after}));
        }
        Answer::json(self.code, body)
    }
}

/// Answers one call of a bot.
pub(crate) async fn answer(sandbox: &Arc<Sandbox>, token: &str, method: &str, call: &Call) -> Answer {
    let Some((id, secret)) = token.split_once(':') else {
        return Trouble { code: 404, text: "Not Found".to_owned(), retry_after: None }.answer();
    };
    let is_shaped = id.parse::<i64>().is_ok() && !secret.is_empty();
    if !is_shaped || !sandbox.telegram.lock().bots.contains_key(token) {
        let (code, text) = if is_shaped { (401, "Unauthorized") } else { (404, "Not Found") };
        return Trouble { code, text: text.to_owned(), retry_after: None }.answer();
    }
    let name = method.to_ascii_lowercase();
    let done = match name.strip_prefix("send").and_then(send::media_field) {
        Some(field) => send::send_file(sandbox, token, field, call).await,
        None => act(sandbox, token, &name, call),
    };
    done.map_or_else(Trouble::answer, |result| Answer::json(200, json!({"ok": true, "result": result})))
}

fn act(sandbox: &Arc<Sandbox>, token: &str, name: &str, call: &Call) -> Result<Value, Trouble> {
    match name {
        "getme" => with_bot(sandbox, token, |bot| Ok(tell_me(bot))),
        "setwebhook" => webhook::set(sandbox, token, call),
        "deletewebhook" => webhook::delete(sandbox, token, call),
        "getwebhookinfo" => with_bot(sandbox, token, |bot| Ok(bot.webhook.info())),
        "getupdates" => with_bot(sandbox, token, webhook::get_updates),
        "sendmessage" => send::send_text(sandbox, token, call),
        "sendchataction" => send::show_action(sandbox, token, call),
        "editmessagetext" => send::edit_text(sandbox, token, call),
        "editmessagecaption" => send::edit_caption(sandbox, token, call),
        "sendlocation" => send::send_place(sandbox, token, call, false),
        "sendvenue" => send::send_place(sandbox, token, call, true),
        "sendcontact" => send::send_contact(sandbox, token, call),
        "setmessagereaction" => react::set(sandbox, token, call),
        "deletemessage" => send::delete_message(sandbox, token, call),
        "answercallbackquery" => answer_press(sandbox, token, call),
        "getfile" => file::get_file(sandbox, token, call),
        "getchat" => send::get_chat(sandbox, token, call),
        _ => Err(Trouble { code: 404, text: "Not Found".to_owned(), retry_after: None }),
    }
}

fn with_bot<T>(
    sandbox: &Sandbox,
    token: &str,
    work: impl FnOnce(&mut Bot) -> Result<T, Trouble>,
) -> Result<T, Trouble> {
    let mut telegram = sandbox.telegram.lock();
    let gone = || Trouble { code: 401, text: "Unauthorized".to_owned(), retry_after: None };
    work(telegram.bots.get_mut(token).ok_or_else(gone)?)
}

fn tell_me(bot: &Bot) -> Value {
    let mut me = bot.user();
    if let Some(map) = me.as_object_mut() {
        let more = [
            "can_join_groups",
            "can_read_all_group_messages",
            "supports_inline_queries",
            "can_connect_to_business",
            "has_main_web_app",
        ];
        map.extend(more.iter().map(|name| ((*name).to_owned(), Value::Bool(*name == "can_join_groups"))));
    }
    me
}

fn answer_press(sandbox: &Sandbox, token: &str, call: &Call) -> Result<Value, Trouble> {
    let id = call.args.text("callback_query_id").unwrap_or_default();
    with_bot(sandbox, token, |bot| {
        let at = bot.presses.iter().position(|press| *press == id);
        let late = "query is too old and response timeout expired or query ID is invalid";
        bot.presses.remove(at.ok_or_else(|| Trouble::bad(late))?);
        Ok(Value::Bool(true))
    })
}

/// The content of a file, as the file address gives it.
pub(crate) fn download(sandbox: &Sandbox, token: &str, path: &str) -> Answer {
    let telegram = sandbox.telegram.lock();
    let file = telegram.bots.get(token).and_then(|bot| bot.files.values().find(|file| file.path == path));
    match file {
        Some(file) => Answer {
            status: 200,
            body: Body::Raw(file.bytes.clone(), "application/octet-stream".to_owned()),
            header: None,
        },
        None => Trouble { code: 404, text: "Not Found".to_owned(), retry_after: None }.answer(),
    }
}

/// The answer of a planned fault that takes nothing.
pub(crate) fn refuse_by_plan(fault: &Fault) -> Answer {
    match fault.kind {
        Kind::Busy => Trouble::busy(fault.after_ms.div_ceil(1000).max(1)).answer(),
        Kind::TokenExpired => Trouble { code: 401, text: "Unauthorized".to_owned(), retry_after: None }.answer(),
        Kind::Refuse => {
            let code = fault.code.as_ref().and_then(as_text).and_then(|code| code.parse().ok()).unwrap_or(400);
            let text = fault.text.clone().unwrap_or_else(|| "Bad Request: chat not found".to_owned());
            let mut answer = Trouble { code, text, retry_after: None }.answer();
            answer.status = fault.status.unwrap_or(code);
            answer
        }
        _ => Trouble { code: 502, text: "Bad Gateway".to_owned(), retry_after: None }.answer(),
    }
}

/// A name for a file that nobody had before.
pub(crate) fn new_file_id(kind: &str) -> String {
    let first = match kind {
        "photo" | "image" => "AgACAgIAAxk",
        "voice" => "AwACAgIAAxk",
        _ => "BQACAgIAAxk",
    };
    format!("{first}{}", random_hex(12))
}
