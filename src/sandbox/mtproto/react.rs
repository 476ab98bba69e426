//! `messages.sendReaction`, and how people react: an update says how a message stands afterwards.

use serde_json::{Value, json};

use super::account::Account;
use super::chat::account_of;
use super::people::whole_update;
use super::{Told, Trouble, text, whole};
use crate::sandbox::phone::{Bubble, Phone};
use crate::sandbox::state::Sandbox;
use crate::sandbox::telegram::react::is_taken;

/// `messages.sendReaction`, in private chats.
pub(super) fn send(sandbox: &Sandbox, account_id: i64, line: u64, call: &Value) -> Told {
    let (id, now_s) = (whole(call, "msg_id"), sandbox.unix());
    let asked = call.get("reaction").and_then(Value::as_array).cloned().unwrap_or_default();
    let emoji = asked.first().map(|one| text(one, "emoticon").to_owned());
    if emoji.as_deref().is_some_and(|emoji| !is_taken(emoji)) {
        return Err(Trouble::bad("REACTION_INVALID"));
    }
    let mut mtproto = sandbox.mtproto.lock();
    let account = account_of(&mut mtproto, account_id)?;
    let missing = || Trouble::bad("MESSAGE_ID_INVALID");
    let peer = account.messages.get(&id).and_then(|message| message.get("peer_id")).cloned().ok_or_else(missing)?;
    let update = {
        let mut phones = sandbox.phones.lock();
        let phone = phones.by_chat(whole(&peer, "user_id")).ok_or_else(missing)?;
        let bubble = phone.find(&account.id.to_string(), &id.to_string()).ok_or_else(missing)?;
        bubble.reaction = emoji;
        let bubble = bubble.clone();
        tell(account, phone, &bubble, now_s)
    };
    mtproto.tell(account_id, Some(line), &update);
    Ok(update)
}

/// A person reacts to a message of the chat with an account; tells whether there is such a message.
pub(crate) fn react(sandbox: &Sandbox, digits: &str, (line, id): (&str, &str), emoji: Option<&str>) -> bool {
    let now_s = sandbox.unix();
    let mtproto = sandbox.mtproto.lock();
    let Some(account) = line.parse().ok().and_then(|id: i64| mtproto.accounts.get(&id)) else { return false };
    let (account_id, update) = {
        let mut phones = sandbox.phones.lock();
        let Some(phone) = phones.get(digits) else { return false };
        let Some(bubble) = phone.find(line, id) else { return false };
        bubble.own_reaction = emoji.map(str::to_owned);
        let bubble = bubble.clone();
        (account.id, tell(account, phone, &bubble, now_s))
    };
    mtproto.tell(account_id, None, &update);
    true
}

fn tell(account: &Account, phone: &Phone, bubble: &Bubble, now_s: i64) -> Value {
    let emoji = |emoji: &str| json!({"_": "reactionEmoji", "emoticon": emoji});
    let sides = [(true, account.id, &bubble.reaction), (false, phone.chat_id, &bubble.own_reaction)];
    let reacting = sides.iter().filter_map(|(my, who, reaction)| Some((*my, *who, reaction.as_deref()?)));
    let reacting: Vec<(bool, i64, &str)> = reacting.collect();
    let recent: Vec<Value> = reacting
        .iter()
        .map(|(my, who, reaction)| {
            json!({"_": "messagePeerReaction", "my": my, "peer_id": {"_": "peerUser", "user_id": who}, "date": now_s,
                "reaction": emoji(reaction)})
        })
        .collect();
    let results: Vec<Value> = reacting
        .iter()
        .map(|(_, _, reaction)| json!({"_": "reactionCount", "reaction": emoji(reaction), "count": 1}))
        .collect();
    let update = json!({"_": "updateMessageReactions", "peer": {"_": "peerUser", "user_id": phone.chat_id},
        "msg_id": bubble.id.parse::<i64>().unwrap_or(0),
        "reactions": {"_": "messageReactions", "can_see_list": true, "results": results, "recent_reactions": recent}});
    whole_update(account, &[phone], None, &update, now_s)
}
