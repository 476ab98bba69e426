//! What a session remembers of its chats: the gateway keeps messages whether its webhooks are heard or not.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::{Session, Trouble, phone_of, with_session};
use crate::sandbox::args::{as_whole, text_at};
use crate::sandbox::door::Call;
use crate::sandbox::state::Sandbox;

type Told = Result<(u16, Value), Trouble>;

/// Remembers a message.
pub(crate) fn remember(sandbox: &Sandbox, session: &str, payload: &Value) {
    if let Some(session) = sandbox.waha.lock().sessions.get_mut(session) {
        session.log.push(payload.clone());
    }
}

/// `GET /api/{session}/chats…`.
pub(super) fn tell(sandbox: &Sandbox, session: &str, rest: &[&str], call: &Call) -> Told {
    with_session(sandbox, session, |session| {
        super::group::works(session)?;
        match rest {
            ["overview"] => Ok((200, overview(session, call))),
            [chat, "messages"] => messages(session, chat, call),
            _ => Err(Trouble::said(404, "Cannot GET")),
        }
    })
}

/// A chat has one name here, whichever its messages carry.
fn chat_of(message: &Value) -> String {
    let id = text_at(message, "id");
    let chat = id.split('_').nth(1).unwrap_or_default();
    phone_of(chat).map_or_else(|| chat.to_owned(), |phone| format!("{phone}@c.us"))
}

fn at(message: &Value) -> i64 {
    message.get("timestamp").and_then(as_whole).unwrap_or_default()
}

fn overview(session: &Session, call: &Call) -> Value {
    let mut last: BTreeMap<String, &Value> = BTreeMap::new();
    for message in &session.log {
        last.insert(chat_of(message), message);
    }
    let mut chats: Vec<(String, &Value)> = last.into_iter().collect();
    chats.sort_by_key(|(_, message)| -at(message));
    let whole = |key: &str, default: i64| usize::try_from(call.args.whole(key).unwrap_or(default)).unwrap_or(0);
    let chats = chats.into_iter().skip(whole("offset", 0)).take(whole("limit", 20));
    let card = |(id, message): (String, &Value)| {
        let name = session.groups.get(&id).map(|group| group.subject.clone());
        json!({"id": id, "name": name, "picture": null, "lastMessage": message, "_chat": {"id": id}})
    };
    Value::Array(chats.map(card).collect())
}

fn messages(session: &Session, chat: &str, call: &Call) -> Told {
    let whole = |key: &str| call.args.whole(key);
    let limit = whole("limit").ok_or_else(|| Trouble::said(400, "limit must be a number"))?;
    let (since, until) = (whole("filter.timestamp.gte"), whole("filter.timestamp.lte"));
    let mut found: Vec<&Value> = session
        .log
        .iter()
        .filter(|message| chat_of(message) == chat)
        .filter(|message| {
            since.is_none_or(|since| at(message) >= since) && until.is_none_or(|until| at(message) <= until)
        })
        .collect();
    found.sort_by_key(|message| at(message));
    if call.args.text("sortOrder").as_deref() != Some("asc") {
        found.reverse();
    }
    let (skip, take) = (whole("offset").unwrap_or(0), limit);
    let page = found.into_iter().skip(usize::try_from(skip).unwrap_or(0)).take(usize::try_from(take).unwrap_or(0));
    // who sent through the gateway is told in events only
    let told = page.map(|message| {
        let mut message = message.clone();
        if let Some(fields) = message.as_object_mut() {
            fields.remove("source");
        }
        message
    });
    Ok((200, Value::Array(told.collect())))
}
