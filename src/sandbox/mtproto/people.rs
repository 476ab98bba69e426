//! What people do: customers write, change, delete and read; the owner writes on another device.

use std::collections::BTreeSet;

use bytes::Bytes;
use serde_json::{Value, json};

use super::account::Account;
use super::{Mtproto, file, whole};
use crate::sandbox::phone::{Media, Phone, bubble};
use crate::sandbox::state::Sandbox;

/// What somebody says.
#[derive(Debug, Default)]
pub(crate) struct Words {
    /// The account; the only one where absent.
    pub(crate) line: Option<String>,
    /// The text.
    pub(crate) text: String,
    /// A file: its kind, what it is, what it holds.
    pub(crate) media: Option<(String, Media, Bytes)>,
    /// A place.
    pub(crate) place: Option<(f64, f64)>,
    /// A card: name and phone.
    pub(crate) card: Option<(String, String)>,
    /// The message that is answered.
    pub(crate) quote: Option<String>,
    /// The group in which it is said.
    pub(crate) group: Option<i64>,
    /// The owner of the account says it, on another device.
    pub(crate) ours: bool,
}

fn named(mtproto: &Mtproto, line: Option<&str>) -> Option<i64> {
    mtproto.accounts.keys().copied().find(|id| line.is_none_or(|line| line == id.to_string()))
}

/// Lets a customer or the owner say something; says the number of the message, or nothing where there is no such account.
pub(crate) fn say(sandbox: &Sandbox, digits: &str, words: &Words) -> Option<String> {
    let (now, tick) = (sandbox.now(), sandbox.tick());
    let mut mtproto = sandbox.mtproto.lock();
    let id = named(&mtproto, words.line.as_deref())?;
    let media = content(sandbox, &mut mtproto, words);
    let mut phones = sandbox.phones.lock();
    let account = mtproto.accounts.get_mut(&id)?;
    let phone = phones.get(digits)?;
    let peer = match words.group {
        None => json!({"_": "peerUser", "user_id": phone.chat_id}),
        Some(group) if account.supergroups.contains_key(&group) => json!({"_": "peerChannel", "channel_id": group}),
        Some(group) => json!({"_": "peerChat", "chat_id": group}),
    };
    let from = if words.ours { account.id } else { phone.chat_id };
    let known = account.messages.values().any(|message| message.get("peer_id") == Some(&peer));
    let reply = words.quote.as_deref().and_then(|quote| quote.parse::<i64>().ok());
    let message = json!({"_": "message", "out": words.ours, "peer_id": peer, "date": now.0 / 1000,
        "from_id": (words.group.is_some() || words.ours).then(|| json!({"_": "peerUser", "user_id": from})),
        "message": words.text, "media": media,
        "reply_to": reply.map(|id| json!({"_": "messageReplyHeader", "reply_to_msg_id": id}))});
    let (number, update) = account.enter(message);
    let mut made = bubble("telegram", &id.to_string(), if words.ours { "received" } else { "said" }, now, tick);
    made.id = number.to_string();
    made.text.clone_from(&words.text);
    if let Some((kind, media, _)) = &words.media {
        made.kind.clone_from(kind);
        made.media = Some(media.clone());
    }
    let plain = media.is_null() && reply.is_none() && words.group.is_none() && known;
    let told = if plain {
        // people who are known already are told of in short
        json!({"_": "updateShortMessage", "out": words.ours, "id": number, "user_id": phone.chat_id, "message": words.text,
            "pts": account.pts, "pts_count": 1, "date": now.0 / 1000})
    } else {
        whole_update(account, &[&*phone], words.group, &update, now.0 / 1000)
    };
    let silent = account.silent;
    phones.add(digits, made);
    drop(phones);
    if !silent {
        mtproto.tell(id, None, &told);
    }
    Some(number.to_string())
}

pub(super) fn whole_update(
    account: &Account,
    people: &[&Phone],
    group: Option<i64>,
    update: &Value,
    now_s: i64,
) -> Value {
    let mut users: Vec<Value> = people.iter().map(|phone| account.person(phone)).collect();
    users.push(account.me());
    let named: BTreeSet<i64> = group.into_iter().collect();
    // a number is either a group's or a supergroup's
    let chats = account.chats(&named, &named, now_s);
    json!({"_": "updates", "updates": [update], "users": users, "chats": chats, "date": now_s, "seq": 0})
}

fn content(sandbox: &Sandbox, mtproto: &mut Mtproto, words: &Words) -> Value {
    if let Some((latitude, longitude)) = words.place {
        return json!({"_": "messageMediaGeo", "geo": {"_": "geoPoint", "long": longitude, "lat": latitude, "access_hash": 0}});
    }
    if let Some((name, phone)) = &words.card {
        return json!({"_": "messageMediaContact", "phone_number": phone, "first_name": name, "last_name": "", "vcard": "",
            "user_id": 0});
    }
    words.media.as_ref().map_or(Value::Null, |(kind, media, bytes)| file::keep(sandbox, mtproto, kind, media, bytes))
}

/// Tells an account of something about one person.
fn happen(
    sandbox: &Sandbox,
    digits: &str,
    line: Option<&str>,
    count: i64,
    make: impl FnOnce(&mut Account, &Phone) -> Option<Value>,
) -> bool {
    let now_s = sandbox.unix();
    let mut mtproto = sandbox.mtproto.lock();
    let Some(id) = named(&mtproto, line) else { return false };
    let mut phones = sandbox.phones.lock();
    let (Some(account), Some(phone)) = (mtproto.accounts.get_mut(&id), phones.get(digits)) else { return false };
    let Some(update) = make(account, phone) else { return false };
    let update = account.step(count, update);
    let told = whole_update(account, &[&*phone], None, &update, now_s);
    let silent = account.silent;
    drop(phones);
    if !silent {
        mtproto.tell(id, None, &told);
    }
    true
}

/// Changes a message of the person's own.
pub(crate) fn edit(sandbox: &Sandbox, digits: &str, line: Option<&str>, id: i64, text: &str) -> bool {
    let now_s = sandbox.unix();
    happen(sandbox, digits, line, 1, |account, _| {
        let message = account.messages.get_mut(&id)?;
        let fields = message.as_object_mut()?;
        fields.insert("message".to_owned(), json!(text));
        fields.insert("edit_date".to_owned(), json!(now_s));
        Some(json!({"_": "updateEditMessage", "message": message}))
    })
}

/// Deletes messages for both sides.
pub(crate) fn delete(sandbox: &Sandbox, digits: &str, line: Option<&str>, ids: &[i64]) -> bool {
    let count = i64::try_from(ids.len()).unwrap_or(1);
    happen(sandbox, digits, line, count, |account, _| {
        for id in ids {
            account.messages.remove(id);
        }
        Some(json!({"_": "updateDeleteMessages", "messages": ids}))
    })
}

/// Reads everything that the account wrote; says how much of it was unread.
pub(crate) fn read(sandbox: &Sandbox, digits: &str, line: Option<&str>) -> usize {
    let mut unread = 0;
    let mut accounts = BTreeSet::new();
    {
        let mut phones = sandbox.phones.lock();
        let Some(owner) = phones.get(digits) else { return 0 };
        let theirs = owner.messages.iter_mut().filter(|one| one.messenger == "telegram" && one.direction == "received");
        for one in theirs.filter(|one| one.status != "read" && line.is_none_or(|line| line == one.line)) {
            one.status = "read";
            unread += 1;
            accounts.insert(one.line.clone());
        }
    }
    for account in accounts {
        happen(sandbox, digits, Some(&account), 1, |account, phone| {
            let peer = json!({"_": "peerUser", "user_id": phone.chat_id});
            let ours = account.messages.values().filter(|message| {
                message.get("peer_id") == Some(&peer) && message.get("out") == Some(&Value::Bool(true))
            });
            let max_id = ours.map(|message| whole(message, "id")).max()?;
            Some(json!({"_": "updateReadHistoryOutbox", "peer": peer, "max_id": max_id}))
        });
    }
    unread
}
