//! What happened since a state: for whoever was away.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::account::Account;
use super::{Told, Trouble, text, whole};
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
    let (mut messages, mut others, mut people, mut groups) = (Vec::new(), Vec::new(), BTreeSet::new(), BTreeSet::new());
    for step in slice {
        name_all(&step.update, &mut people, &mut groups);
        if text(&step.update, "_") == "updateNewMessage" {
            messages.extend(step.update.get("message").cloned());
        } else {
            others.push(step.update.clone());
        }
    }
    let users: Vec<Value> = people
        .iter()
        .filter_map(|id| phones.by_chat(*id).map(|phone| account.person(phone)))
        .chain([account.me()])
        .collect();
    let chats: Vec<Value> = groups.iter().filter_map(|id| account.group(*id, now_s)).collect();
    let (name, field, pts) = match slice.last() {
        Some(last) if slice.len() < missed.len() => ("updates.differenceSlice", "intermediate_state", last.pts),
        _ => ("updates.difference", "state", account.pts),
    };
    Ok(
        json!({"_": name, "new_messages": messages, "new_encrypted_messages": [], "other_updates": others, "chats": chats,
        "users": users, field: state_of(pts, now_s)}),
    )
}

/// `updates.getChannelDifference`: nobody here has channels.
pub(super) fn of_channel(_sandbox: &Sandbox, _account: i64, _call: &Value) -> Told {
    Err(Trouble::bad("CHANNEL_INVALID"))
}

fn name_all(value: &Value, people: &mut BTreeSet<i64>, groups: &mut BTreeSet<i64>) {
    match value {
        Value::Object(fields) => {
            people.extend(fields.get("user_id").and_then(Value::as_i64));
            groups.extend(fields.get("chat_id").and_then(Value::as_i64));
            fields.values().for_each(|field| name_all(field, people, groups));
        }
        Value::Array(list) => list.iter().for_each(|one| name_all(one, people, groups)),
        _ => {}
    }
}

/// Differences that begin before now are too long from now on.
pub(crate) fn forget(account: &mut Account) {
    account.forgotten = account.pts;
    account.log.clear();
}
