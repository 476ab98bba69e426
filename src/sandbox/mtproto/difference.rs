//! What happened since a state: for whoever was away.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::account::{Account, hash_of};
use super::{Told, Trouble, text, whole};
use crate::sandbox::phone::Phones;
use crate::sandbox::state::Sandbox;

/// So many steps are told at once.
const SLICE: usize = 100;

/// `updates.getState`.
pub(super) fn state(sandbox: &Sandbox, account: i64) -> Told {
    let mtproto = sandbox.mtproto.lock();
    let account = mtproto.accounts.get(&account).ok_or_else(|| Trouble::bad("USER_ID_INVALID"))?;
    Ok(state_of(account.pts, sandbox.unix()))
}

fn state_of(pts: i64, now_s: i64) -> Value {
    json!({"_": "updates.state", "pts": pts, "qts": 1, "date": now_s, "seq": 1, "unread_count": 0})
}

/// `updates.getDifference`.
pub(super) fn difference(sandbox: &Sandbox, account: i64, call: &Value) -> Told {
    let (now_s, since) = (sandbox.unix(), whole(call, "pts"));
    let mtproto = sandbox.mtproto.lock();
    let mut phones = sandbox.phones.lock();
    let account = mtproto.accounts.get(&account).ok_or_else(|| Trouble::bad("USER_ID_INVALID"))?;
    if since < account.forgotten {
        return Ok(json!({"_": "updates.differenceTooLong", "pts": account.pts}));
    }
    let missed: Vec<_> = account.log.iter().filter(|step| step.pts > since).collect();
    if missed.is_empty() {
        return Ok(json!({"_": "updates.differenceEmpty", "date": now_s, "seq": 1}));
    }
    let slice = missed.get(..SLICE.min(missed.len())).unwrap_or_default();
    let (mut messages, mut others, mut named) = (Vec::new(), Vec::new(), Named::default());
    for step in slice {
        named.read(&step.update);
        if text(&step.update, "_") == "updateNewMessage" {
            messages.extend(step.update.get("message").cloned());
        } else {
            others.push(step.update.clone());
        }
    }
    let (users, chats) = (named.users(account, &mut phones), named.chats(account, now_s));
    let (name, field, pts) = match slice.last() {
        Some(last) if slice.len() < missed.len() => ("updates.differenceSlice", "intermediate_state", last.pts),
        _ => ("updates.difference", "state", account.pts),
    };
    Ok(
        json!({"_": name, "new_messages": messages, "new_encrypted_messages": [], "other_updates": others, "chats": chats,
        "users": users, field: state_of(pts, now_s)}),
    )
}

/// `updates.getChannelDifference`.
pub(super) fn of_channel(sandbox: &Sandbox, account: i64, call: &Value) -> Told {
    let (now_s, since) = (sandbox.unix(), whole(call, "pts"));
    let mtproto = sandbox.mtproto.lock();
    let mut phones = sandbox.phones.lock();
    let account = mtproto.accounts.get(&account).ok_or_else(|| Trouble::bad("USER_ID_INVALID"))?;
    let given = call.get("channel").unwrap_or(&Value::Null);
    let id = whole(given, "channel_id");
    let known = account.supergroups.get(&id).filter(|_| whole(given, "access_hash") == hash_of(account.id, id));
    let large = known.ok_or_else(|| Trouble::bad("CHANNEL_INVALID"))?;
    let mut named = Named::default();
    let missed = large.log.iter().filter(|step| step.pts > since);
    let messages: Vec<Value> = missed.filter_map(|step| step.update.get("message").cloned()).collect();
    if messages.is_empty() {
        return Ok(json!({"_": "updates.channelDifferenceEmpty", "final": true, "pts": large.pts}));
    }
    for message in &messages {
        named.read(message);
    }
    Ok(
        json!({"_": "updates.channelDifference", "final": true, "pts": large.pts, "new_messages": messages, "other_updates": [],
        "chats": named.chats(account, now_s), "users": named.users(account, &mut phones)}),
    )
}

/// Whom updates speak of.
#[derive(Debug, Default)]
struct Named {
    people: BTreeSet<i64>,
    groups: BTreeSet<i64>,
    supergroups: BTreeSet<i64>,
}

impl Named {
    fn read(&mut self, value: &Value) {
        match value {
            Value::Object(fields) => {
                let number = |name: &str| fields.get(name).and_then(Value::as_i64);
                self.people.extend(number("user_id"));
                self.groups.extend(number("chat_id"));
                self.supergroups.extend(number("channel_id"));
                fields.values().for_each(|field| self.read(field));
            }
            Value::Array(list) => list.iter().for_each(|one| self.read(one)),
            _ => {}
        }
    }

    fn users(&self, account: &Account, phones: &mut Phones) -> Vec<Value> {
        let people = self.people.iter().filter_map(|id| phones.by_chat(*id).map(|phone| account.person(phone)));
        people.chain([account.me()]).collect()
    }

    fn chats(&self, account: &Account, now_s: i64) -> Vec<Value> {
        account.chats(&self.groups, &self.supergroups, now_s)
    }
}

/// Differences that begin before now are too long from now on.
pub(crate) fn forget(account: &mut Account) {
    account.forgotten = account.pts;
    account.log.clear();
}
