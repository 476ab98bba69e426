//! `messages.send`: who may be written to, what is dropped as a repetition, and what the customer sees.

use std::sync::Arc;

use serde_json::{Value, json};

use super::{Community, Trouble, callback, change, chat, object, with_community};
use crate::sandbox::args::as_whole;
use crate::sandbox::door::Call;
use crate::sandbox::phone::{Phones, bubble};
use crate::sandbox::state::Sandbox;

const LONGEST_TEXT: usize = 9_000;

/// How long a `random_id` is remembered, milliseconds.
const REMEMBERED_MS: i64 = 3_600_000;

/// `messages.send`.
pub(super) fn send(sandbox: &Arc<Sandbox>, group: i64, call: &Call) -> Result<Value, Trouble> {
    let random_id = call.args.whole("random_id").ok_or_else(|| Trouble::bad("random_id is a required parameter"))?;
    let text = call.args.text("message").unwrap_or_default();
    let attached = call.args.text("attachment").unwrap_or_default();
    let place = call.args.text("lat").zip(call.args.text("long"));
    if text.trim().is_empty() && attached.is_empty() {
        return Err(Trouble::bad("message is empty or invalid"));
    }
    if text.chars().count() > LONGEST_TEXT {
        return Err(Trouble::of(914));
    }
    let many = call.args.text("peer_ids");
    let peers: Vec<i64> = match &many {
        Some(list) => list.split(',').filter_map(|peer| peer.trim().parse().ok()).collect(),
        None => ["peer_id", "user_id"].iter().filter_map(|name| call.args.whole(name)).take(1).collect(),
    };
    if peers.is_empty() || peers.len() > 100 {
        return Err(Trouble::bad("peer_id or peer_ids"));
    }
    let quoted = call.args.text("forward").and_then(|forward| serde_json::from_str::<Value>(&forward).ok());
    let (now, tick) = (sandbox.now(), sandbox.tick());
    with_community(sandbox, group, |community| {
        let attachments: Vec<_> = attached.split(',').filter(|name| !name.is_empty()).collect();
        if !attachments.iter().all(|name| community.attachments.contains_key(*name)) {
            return Err(Trouble::bad("attachment"));
        }
        let mut phones = sandbox.phones.lock();
        let mut told = Vec::new();
        for peer in peers {
            let known = community.sent.get(&(peer, random_id)).filter(|(at, _)| now.0 - at < REMEMBERED_MS);
            if let (Some((_, answer)), true) = (known, random_id != 0) {
                told.push(answer.clone());
                continue;
            }
            let many_read = peer > chat::FIRST;
            let readers = if many_read {
                chat::members(community, &mut phones, peer)
            } else {
                may_write(community, &mut phones, peer).map(|digits| vec![digits])
            };
            let answer = match readers {
                Err(trouble) => trouble.of_recipient(peer),
                Ok(members) => {
                    let (in_chat, id) = community.next_message(peer);
                    let mut made = bubble("vk", &community.id.to_string(), "received", now, tick);
                    made.id = in_chat.to_string();
                    made.text.clone_from(&text);
                    made.media = attachments.first().and_then(|name| community.attachments.get(*name)).cloned();
                    kind_of(attachments.first().copied()).clone_into(&mut made.kind);
                    if let Some((lat, long)) = &place {
                        "location".clone_into(&mut made.kind);
                        format!("{lat} {long} {text}").trim_end().clone_into(&mut made.text);
                    }
                    made.tag = many_read.then(|| peer.to_string());
                    let reads =
                        !many_read && members.iter().any(|digits| phones.get(digits).is_some_and(|phone| phone.reads));
                    made.status = if reads { "read" } else { "sent" };
                    for digits in &members {
                        phones.add(digits, made.clone());
                    }
                    let answer = json!({"peer_id": peer, "message_id": id, "conversation_message_id": in_chat});
                    let kept = change::kept(&attachments, (peer, in_chat), &text);
                    community.whole.insert((peer, in_chat), kept);
                    tell(community, peer, (in_chat, id), (random_id, now.0 / 1000), &text, quoted.as_ref());
                    if reads {
                        callback::push(community, "message_read", &read(peer, in_chat, id));
                    }
                    answer
                }
            };
            community.sent.insert((peer, random_id), (now.0, answer.clone()));
            told.push(answer);
        }
        match (many, told.as_slice()) {
            // one peer alone gets a number, or its trouble as that of the call
            (None, [one]) => match one.get("error") {
                Some(error) => Err(Trouble::of(error.get("code").and_then(as_whole).unwrap_or(1))),
                None => Ok(one.get("message_id").cloned().unwrap_or_default()),
            },
            _ => Ok(Value::Array(told)),
        }
    })
}

/// What the community hears of a message of its own.
fn tell(
    community: &mut Community,
    peer: i64,
    (in_chat, id): (i64, i64),
    (random_id, date): (i64, i64),
    text: &str,
    quoted: Option<&Value>,
) {
    let answered = quoted.and_then(|forward| forward.get("conversation_message_ids")?.get(0)?.as_i64());
    let message = object([
        ("date", Some(json!(date))),
        ("from_id", Some(json!(-community.id))),
        ("id", Some(json!(id))),
        ("version", Some(json!(10_003_540))),
        ("out", Some(json!(1))),
        ("fwd_messages", Some(json!([]))),
        ("important", Some(json!(false))),
        ("is_hidden", Some(json!(false))),
        ("attachments", Some(json!([]))),
        ("conversation_message_id", Some(json!(in_chat))),
        ("text", Some(json!(text))),
        ("peer_id", Some(json!(peer))),
        ("random_id", Some(json!(random_id))),
        ("reply_message", answered.map(|number| json!({"conversation_message_id": number, "peer_id": peer}))),
    ]);
    callback::push(community, "message_reply", &message);
}

/// The mark that a customer has read everything up to a message.
pub(super) fn read(peer: i64, in_chat: i64, id: i64) -> Value {
    json!({"from_id": peer, "peer_id": peer, "read_message_id": id, "conversation_message_id": in_chat})
}

fn may_write(community: &Community, phones: &mut Phones, peer: i64) -> Result<String, Trouble> {
    let phone = phones.by_vk(peer).ok_or_else(|| Trouble::of(901))?;
    if phone.blocked.contains(&community.id) {
        return Err(Trouble::of(900));
    }
    if phone.vk_allowed.contains(&community.id) { Ok(phone.id.clone()) } else { Err(Trouble::of(901)) }
}

pub(super) fn kind_of(attachment: Option<&str>) -> &'static str {
    match attachment {
        Some(name) if name.starts_with("photo") => "image",
        Some(name) if name.starts_with("audio_message") => "voice",
        Some(_) => "document",
        None => "text",
    }
}

/// `messages.isMessagesFromGroupAllowed`.
pub(super) fn is_allowed(sandbox: &Sandbox, group: i64, call: &Call) -> Result<Value, Trouble> {
    let user = call.args.whole("user_id").ok_or_else(|| Trouble::bad("user_id"))?;
    let allowed = sandbox.phones.lock().by_vk(user).is_some_and(|phone| phone.vk_allowed.contains(&group));
    Ok(json!({"is_allowed": i64::from(allowed)}))
}
