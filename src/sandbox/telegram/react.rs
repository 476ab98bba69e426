//! Reactions: those of bots to messages, and those of people.

use std::sync::Arc;

use serde_json::{Value, json};

use super::send::with_chat;
use super::{Trouble, webhook};
use crate::sandbox::args::text_at;
use crate::sandbox::door::Call;
use crate::sandbox::state::Sandbox;

/// What Telegram takes for a reaction, for the greater part.
const EMOJI: [&str; 24] = [
    "❤", "👍", "👎", "🔥", "🥰", "👏", "😁", "🤔", "🤯", "😱", "🤬", "😢", "🎉", "🤩", "🤮", "💩", "🙏", "👌", "🕊",
    "🤡", "💯", "🤣", "⚡", "👀",
];

/// Whether Telegram takes this for a reaction.
pub(crate) fn is_taken(emoji: &str) -> bool {
    EMOJI.contains(&emoji)
}

/// `setMessageReaction`.
pub(crate) fn set(sandbox: &Sandbox, token: &str, call: &Call) -> Result<Value, Trouble> {
    let id = call.args.text("message_id").unwrap_or_default();
    let asked = match call.args.get("reaction") {
        Some(Value::String(text)) => serde_json::from_str(text).unwrap_or_default(),
        Some(other) => other.clone(),
        None => json!([]),
    };
    let asked = asked.as_array().cloned().unwrap_or_default();
    let emoji = asked.first().map(|one| text_at(one, "emoji"));
    if asked.len() > 1 || emoji.as_deref().is_some_and(|emoji| !is_taken(emoji)) {
        return Err(Trouble::bad("REACTION_INVALID"));
    }
    with_chat(sandbox, token, call, |bot, phone| {
        let found = phone.find(&bot.id.to_string(), &id).filter(|bubble| bubble.status != "deleted");
        found.ok_or_else(|| Trouble::bad("message to react not found"))?.reaction = emoji;
        Ok(Value::Bool(true))
    })
}

/// A person reacts to a message in the chat with a bot; tells whether there is such a message.
pub(crate) fn react(sandbox: &Arc<Sandbox>, digits: &str, (line, id): (&str, &str), emoji: Option<&str>) -> bool {
    let now_s = sandbox.unix();
    let (token, chat, object) = {
        let telegram = sandbox.telegram.lock();
        let found = telegram.bots.iter().find(|(_, bot)| bot.id.to_string() == line);
        let Some(token) = found.map(|(token, _)| token.clone()) else { return false };
        let mut phones = sandbox.phones.lock();
        let Some(phone) = phones.get(digits) else { return false };
        let (person, chat, chat_id) = (phone.person(), phone.chat(), phone.chat_id);
        let Some(bubble) = phone.find(line, id) else { return false };
        let listed = |emoji: Option<&str>| -> Vec<Value> {
            emoji.iter().map(|emoji| json!({"type": "emoji", "emoji": emoji})).collect()
        };
        let before = listed(bubble.own_reaction.as_deref());
        bubble.own_reaction = emoji.map(str::to_owned);
        let object = json!({"chat": chat, "message_id": id.parse::<i64>().unwrap_or(0), "user": person, "date": now_s,
            "old_reaction": before, "new_reaction": listed(emoji)});
        (token, chat_id, object)
    };
    webhook::push(sandbox, &token, chat, "message_reaction", object);
    true
}
