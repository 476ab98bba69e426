//! `messages.edit` and `messages.delete`.

use serde_json::{Value, json};

use super::send::kind_of;
use super::{Community, Trouble, with_community};
use crate::sandbox::args::as_whole;
use crate::sandbox::door::Call;
use crate::sandbox::phone::{Bubble, Phones};
use crate::sandbox::state::Sandbox;

/// How long a message may be changed or deleted for all, milliseconds.
const CHANGED_WITHIN_MS: i64 = 24 * 3_600_000;

/// A message of the community with what is attached to it, as it is told when somebody asks for it.
pub(super) fn kept(attachments: &[&str], (peer, in_chat): (i64, i64), text: &str) -> Value {
    let attached: Vec<Value> = attachments.iter().filter_map(|name| attachment(name)).collect();
    json!({"conversation_message_id": in_chat, "peer_id": peer, "text": text, "out": 1, "attachments": attached})
}

/// What stands behind a name like `photo-1_2_key`.
fn attachment(name: &str) -> Option<Value> {
    let at = name.find(|c: char| c == '-' || c.is_ascii_digit())?;
    let (kind, rest) = name.split_at(at);
    let mut parts = rest.splitn(3, '_');
    let (owner, id) = (parts.next()?.parse::<i64>().ok()?, parts.next()?.parse::<i64>().ok()?);
    let mut file = json!({"owner_id": owner, "id": id});
    if let (Some(key), Some(fields)) = (parts.next(), file.as_object_mut()) {
        fields.insert("access_key".to_owned(), json!(key));
    }
    Some(json!({"type": kind, kind: file}))
}

/// The community's own message on the phone of a person.
fn own<'a>(community: &Community, phones: &'a mut Phones, peer: i64, in_chat: i64) -> Option<&'a mut Bubble> {
    let found = phones.by_vk(peer)?.find(&community.id.to_string(), &in_chat.to_string())?;
    (found.direction == "received").then_some(found)
}

/// `messages.edit`. What is not attached again is gone.
pub(super) fn edit(sandbox: &Sandbox, group: i64, call: &Call) -> Result<Value, Trouble> {
    let number = |name: &str| call.args.whole(name).ok_or_else(|| Trouble::bad(name));
    let (peer, in_chat) = (number("peer_id")?, number("cmid")?);
    let text = call.args.text("message").unwrap_or_default();
    let attached = call.args.text("attachment").unwrap_or_default();
    let attachments: Vec<&str> = attached.split(',').filter(|name| !name.is_empty()).collect();
    if text.trim().is_empty() && attachments.is_empty() {
        return Err(Trouble::bad("message is empty or invalid"));
    }
    let now = sandbox.now();
    with_community(sandbox, group, |community| {
        if !attachments.iter().all(|name| community.attachments.contains_key(*name)) {
            return Err(Trouble::bad("attachment"));
        }
        let mut phones = sandbox.phones.lock();
        let found = own(community, &mut phones, peer, in_chat).filter(|bubble| bubble.status != "deleted");
        let bubble = found.ok_or_else(|| Trouble::of(920))?;
        if now.0 - bubble.at > CHANGED_WITHIN_MS {
            return Err(Trouble::of(909));
        }
        bubble.rewrite(&text);
        bubble.media = attachments.first().and_then(|name| community.attachments.get(*name)).cloned();
        kind_of(attachments.first().copied()).clone_into(&mut bubble.kind);
        let whole = kept(&attachments, (peer, in_chat), &text);
        community.whole.insert((peer, in_chat), whole);
        Ok(json!(1))
    })
}

/// `messages.delete`: what became of each message stands in its own part of the answer.
pub(super) fn delete(sandbox: &Sandbox, group: i64, call: &Call) -> Result<Value, Trouble> {
    let peer = call.args.whole("peer_id").ok_or_else(|| Trouble::bad("peer_id"))?;
    let asked = call.args.text("cmids").unwrap_or_default();
    let numbers: Vec<i64> = asked.split(',').filter_map(|one| as_whole(&json!(one))).collect();
    if numbers.is_empty() || call.args.whole("delete_for_all") != Some(1) {
        return Err(Trouble::bad("cmids"));
    }
    let now = sandbox.now();
    with_community(sandbox, group, |community| {
        let mut phones = sandbox.phones.lock();
        let mut told = Vec::new();
        for in_chat in numbers {
            let part = |more: Value| {
                let mut part = json!({"peer_id": peer, "conversation_message_id": in_chat, "message_id": 0});
                if let (Some(part), Some(more)) = (part.as_object_mut(), more.as_object()) {
                    part.extend(more.clone());
                }
                part
            };
            told.push(match own(community, &mut phones, peer, in_chat) {
                Some(bubble) if now.0 - bubble.at <= CHANGED_WITHIN_MS => {
                    bubble.status = "deleted";
                    community.whole.remove(&(peer, in_chat));
                    part(json!({"response": 1}))
                }
                _ => {
                    let trouble = Trouble::of(924);
                    part(json!({"error": {"code": trouble.code, "description": trouble.text}}))
                }
            });
        }
        Ok(Value::Array(told))
    })
}
