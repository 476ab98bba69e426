//! `messages.editMessage` and `messages.deleteMessages`: what the account itself changes.

use serde_json::{Value, json};

use super::account::Account;
use super::chat::{LONGEST_TEXT, account_of};
use super::{Told, Trouble, text, whole};
use crate::sandbox::phone::Bubble;
use crate::sandbox::state::Sandbox;

/// How long a text may be changed, seconds.
const EDITED_WITHIN_S: i64 = 48 * 3_600;

/// `messages.editMessage`.
pub(super) fn edit(sandbox: &Sandbox, account_id: i64, line: u64, call: &Value) -> Told {
    let (id, words, now_s) = (whole(call, "id"), text(call, "message").to_owned(), sandbox.unix());
    let mut mtproto = sandbox.mtproto.lock();
    let account = account_of(&mut mtproto, account_id)?;
    let message = account.messages.get_mut(&id).ok_or_else(|| Trouble::bad("MESSAGE_ID_INVALID"))?;
    if message.get("out") != Some(&Value::Bool(true)) {
        return Err(Trouble(403, "MESSAGE_AUTHOR_REQUIRED".to_owned()));
    }
    if now_s - whole(message, "date") > EDITED_WITHIN_S {
        return Err(Trouble::bad("MESSAGE_EDIT_TIME_EXPIRED"));
    }
    if words.encode_utf16().count() > LONGEST_TEXT {
        return Err(Trouble::bad("MESSAGE_TOO_LONG"));
    }
    if text(message, "message") == words {
        return Err(Trouble::bad("MESSAGE_NOT_MODIFIED"));
    }
    if let Some(fields) = message.as_object_mut() {
        fields.insert("message".to_owned(), json!(words));
        fields.insert("edit_date".to_owned(), json!(now_s));
    }
    let message = message.clone();
    each(sandbox, account, &message, |bubble| bubble.rewrite(&words));
    let update = account.step(1, json!({"_": "updateEditMessage", "message": message}));
    let told = json!({"_": "updates", "updates": [update], "users": [], "chats": [], "date": now_s, "seq": 0});
    mtproto.tell(account_id, Some(line), &told);
    Ok(told)
}

/// `messages.deleteMessages`. What is not there is passed over.
pub(super) fn delete(sandbox: &Sandbox, account_id: i64, line: u64, call: &Value) -> Told {
    let now_s = sandbox.unix();
    let asked = call.get("id").and_then(Value::as_array).cloned().unwrap_or_default();
    let ids: Vec<i64> = asked.iter().filter_map(Value::as_i64).collect();
    let for_all = call.get("revoke") == Some(&Value::Bool(true));
    let mut mtproto = sandbox.mtproto.lock();
    let account = account_of(&mut mtproto, account_id)?;
    let mut gone = Vec::new();
    for id in ids {
        if let Some(message) = account.messages.remove(&id) {
            if for_all {
                each(sandbox, account, &message, |bubble| bubble.status = "deleted");
            }
            gone.push(id);
        }
    }
    let count = i64::try_from(gone.len()).unwrap_or(0);
    if count > 0 {
        let update = account.step(count, json!({"_": "updateDeleteMessages", "messages": gone}));
        let told = json!({"_": "updates", "updates": [update], "users": [], "chats": [], "date": now_s, "seq": 0});
        let pts = account.pts;
        mtproto.tell(account_id, Some(line), &told);
        return Ok(json!({"_": "messages.affectedMessages", "pts": pts, "pts_count": count}));
    }
    Ok(json!({"_": "messages.affectedMessages", "pts": account.pts, "pts_count": 0}))
}

/// Changes a message on every phone that has it.
fn each(sandbox: &Sandbox, account: &Account, message: &Value, change: impl Fn(&mut Bubble)) {
    let peer = message.get("peer_id").cloned().unwrap_or_default();
    let people = match account.groups.get(&whole(&peer, "chat_id")) {
        Some(group) => group.members.clone(),
        None => vec![whole(&peer, "user_id")],
    };
    let (line, id) = (account.id.to_string(), whole(message, "id").to_string());
    let mut phones = sandbox.phones.lock();
    for person in people {
        if let Some(bubble) = phones.by_chat(person).and_then(|phone| phone.find(&line, &id)) {
            change(bubble);
        }
    }
}
