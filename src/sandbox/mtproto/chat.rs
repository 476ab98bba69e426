//! Finding people and writing to them.

use serde_json::{Value, json};

use super::account::{Account, Group, hash_of};
use super::{Mtproto, Told, Trouble, file, text, whole};
use crate::sandbox::phone::{Media, Phones, bubble, digits};
use crate::sandbox::state::Sandbox;

pub(super) const LONGEST_TEXT: usize = 4_096;
const LONGEST_CAPTION: usize = 1_024;

pub(super) fn account_of(mtproto: &mut Mtproto, id: i64) -> Result<&mut Account, Trouble> {
    mtproto.accounts.get_mut(&id).ok_or_else(|| Trouble(401, "AUTH_KEY_UNREGISTERED".to_owned()))
}

/// `contacts.importContacts`.
pub(super) fn import(sandbox: &Sandbox, account: i64, call: &Value) -> Told {
    let mut mtproto = sandbox.mtproto.lock();
    let mut phones = sandbox.phones.lock();
    let account = account_of(&mut mtproto, account)?;
    let asked = call.get("contacts").and_then(Value::as_array).cloned().unwrap_or_default();
    let (mut imported, mut users, mut again) = (Vec::new(), Vec::new(), Vec::new());
    for contact in &asked {
        if account.retries > 0 {
            account.retries -= 1;
            again.push(json!(whole(contact, "client_id")));
            continue;
        }
        let Some(phone) = phones.get(&digits(text(contact, "phone"))) else { continue };
        account.contacts.insert(phone.chat_id);
        imported
            .push(json!({"_": "importedContact", "user_id": phone.chat_id, "client_id": whole(contact, "client_id")}));
        let mut user = account.person(phone);
        if let Some(fields) = user.as_object_mut() {
            // contacts bear the names that the account gave them
            fields.insert("first_name".to_owned(), json!(text(contact, "first_name")));
            fields.insert("last_name".to_owned(), json!(text(contact, "last_name")));
        }
        users.push(user);
    }
    Ok(json!({"_": "contacts.importedContacts", "imported": imported, "popular_invites": [], "retry_contacts": again,
        "users": users}))
}

/// `contacts.resolvePhone`.
pub(super) fn resolve_phone(sandbox: &Sandbox, account: i64, call: &Value) -> Told {
    let mut mtproto = sandbox.mtproto.lock();
    let mut phones = sandbox.phones.lock();
    let account = account_of(&mut mtproto, account)?;
    let phone = phones.get(&digits(text(call, "phone"))).ok_or_else(|| Trouble::bad("PHONE_NOT_OCCUPIED"))?;
    Ok(resolved(&account.person(phone)))
}

/// `contacts.resolveUsername`.
pub(super) fn resolve_username(sandbox: &Sandbox, account: i64, call: &Value) -> Told {
    let name = text(call, "username");
    if name.len() < 4 || !name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') {
        return Err(Trouble::bad("USERNAME_INVALID"));
    }
    let mut mtproto = sandbox.mtproto.lock();
    let mut phones = sandbox.phones.lock();
    let account = account_of(&mut mtproto, account)?;
    let phone = phones.by_username(name).ok_or_else(|| Trouble::bad("USERNAME_NOT_OCCUPIED"))?;
    Ok(resolved(&account.person(phone)))
}

fn resolved(user: &Value) -> Value {
    json!({"_": "contacts.resolvedPeer", "peer": {"_": "peerUser", "user_id": whole(user, "id")}, "chats": [], "users": [user]})
}

/// Whom a message goes to.
enum To {
    Person(i64),
    Group(i64),
    Supergroup(i64),
}

impl To {
    fn peer(&self) -> Value {
        match self {
            Self::Person(id) => json!({"_": "peerUser", "user_id": id}),
            Self::Group(id) => json!({"_": "peerChat", "chat_id": id}),
            Self::Supergroup(id) => json!({"_": "peerChannel", "channel_id": id}),
        }
    }

    /// The group, and how applications name it.
    fn group<'a>(&self, account: &'a Account) -> Option<(&'a Group, String)> {
        match self {
            Self::Person(_) => None,
            Self::Group(id) => Some((account.groups.get(id)?, format!("-{id}"))),
            Self::Supergroup(id) => Some((&account.supergroups.get(id)?.group, format!("-100{id:010}"))),
        }
    }
}

fn to(account: &Account, phones: &mut Phones, peer: &Value) -> Result<To, Trouble> {
    match text(peer, "_") {
        "inputPeerUser" => {
            let id = whole(peer, "user_id");
            let known = whole(peer, "access_hash") == hash_of(account.id, id) && phones.by_chat(id).is_some();
            if known { Ok(To::Person(id)) } else { Err(Trouble::bad("PEER_ID_INVALID")) }
        }
        "inputPeerChat" => {
            let id = whole(peer, "chat_id");
            match account.groups.get(&id) {
                Some(group) if group.left => Err(Trouble(403, "CHAT_WRITE_FORBIDDEN".to_owned())),
                Some(group) if group.moved.is_none() => Ok(To::Group(id)),
                _ => Err(Trouble::bad("PEER_ID_INVALID")),
            }
        }
        "inputPeerChannel" => {
            let id = whole(peer, "channel_id");
            let large = account.supergroups.get(&id).filter(|_| whole(peer, "access_hash") == hash_of(account.id, id));
            match large {
                None => Err(Trouble::bad("CHANNEL_INVALID")),
                Some(large) if large.group.left => Err(Trouble::bad("CHANNEL_PRIVATE")),
                Some(_) => Ok(To::Supergroup(id)),
            }
        }
        _ => Err(Trouble::bad("PEER_ID_INVALID")),
    }
}

fn check_words(call: &Value) -> Result<(), Trouble> {
    let length = text(call, "message").encode_utf16().count();
    let media = call.get("media").is_some();
    match length {
        0 if !media => Err(Trouble::bad("MESSAGE_EMPTY")),
        _ if media && length > LONGEST_CAPTION => Err(Trouble::bad("MEDIA_CAPTION_TOO_LONG")),
        _ if length > LONGEST_TEXT => Err(Trouble::bad("MESSAGE_TOO_LONG")),
        _ => Ok(()),
    }
}

fn may_write(account: &Account, phones: &mut Phones, to: &To) -> Result<(), Trouble> {
    let To::Person(id) = to else { return Ok(()) };
    let Some(phone) = phones.by_chat(*id) else { return Ok(()) };
    if phone.blocked.contains(&account.id) {
        return Err(Trouble::bad("USER_IS_BLOCKED"));
    }
    if account.limited && !account.heard_of(*id) { Err(Trouble::bad("PEER_FLOOD")) } else { Ok(()) }
}

/// `messages.sendMessage` and `messages.sendMedia`.
pub(super) fn send(sandbox: &Sandbox, account: i64, line: u64, call: &Value) -> Told {
    check_words(call)?;
    let (now, tick) = (sandbox.now(), sandbox.tick());
    let mut mtproto = sandbox.mtproto.lock();
    let random = whole(call, "random_id");
    let to = {
        let mut phones = sandbox.phones.lock();
        let account = account_of(&mut mtproto, account)?;
        if account.random.contains_key(&random) {
            return Err(Trouble::bad("RANDOM_ID_DUPLICATE"));
        }
        let to = to(account, &mut phones, call.get("peer").unwrap_or(&Value::Null))?;
        may_write(account, &mut phones, &to)?;
        let answered = call.get("reply_to").map(|reply| whole(reply, "reply_to_msg_id"));
        let messages = match &to {
            To::Supergroup(id) => account.supergroups.get(id).map_or(&account.messages, |large| &large.messages),
            _ => &account.messages,
        };
        if answered.is_some_and(|id| !messages.contains_key(&id)) {
            return Err(Trouble::bad("REPLY_MESSAGE_ID_INVALID"));
        }
        to
    };
    let given = call.get("media");
    let (media, seen) = match given {
        Some(given) => file::sent(&mut mtproto, sandbox, given)?,
        None => (Value::Null, ("text".to_owned(), None)),
    };
    let account_id = account;
    let account = account_of(&mut mtproto, account)?;
    let reply = call
        .get("reply_to")
        .map(|reply| json!({"_": "messageReplyHeader", "reply_to_msg_id": whole(reply, "reply_to_msg_id")}));
    let message = json!({"_": "message", "out": true, "from_id": {"_": "peerUser", "user_id": account.id}, "peer_id": to.peer(),
        "date": now.0 / 1000, "message": text(call, "message"), "media": media, "reply_to": reply});
    let (id, update) = account.enter(message);
    account.random.insert(random, id);
    let pts = account.pts;
    let reached = arrive(sandbox, account, &to, id, text(call, "message"), seen, (now, tick));
    let all = |updates: Vec<Value>| json!({"_": "updates", "updates": updates, "users": [], "chats": [], "date": now.0 / 1000, "seq": 0});
    let told = if given.is_none() && matches!(to, To::Person(_)) {
        json!({"_": "updateShortSentMessage", "out": true, "id": id, "pts": pts, "pts_count": 1, "date": now.0 / 1000})
    } else {
        all(vec![json!({"_": "updateMessageID", "id": id, "random_id": random}), update.clone()])
    };
    mtproto.tell(account_id, Some(line), &all(vec![update]));
    drop(mtproto);
    if let Some(reader) = reached {
        super::people::read(sandbox, &reader, Some(&account_id.to_string()));
    }
    Ok(told)
}

/// Puts the message on the phones; says whose owner reads everything at once.
fn arrive(
    sandbox: &Sandbox,
    account: &Account,
    to: &To,
    id: i64,
    text: &str,
    (kind, media): (String, Option<Media>),
    (now, tick): (crate::model::moment::Moment, crate::model::moment::Tick),
) -> Option<String> {
    let mut phones = sandbox.phones.lock();
    let group = to.group(account);
    let people = match to {
        To::Person(person) => vec![*person],
        _ => group.as_ref().map(|(group, _)| group.members.clone()).unwrap_or_default(),
    };
    let mut reader = None;
    for person in people {
        let Some(owner) = phones.by_chat(person) else { continue };
        let digits = owner.id.clone();
        if owner.reads && matches!(to, To::Person(_)) {
            reader = Some(digits.clone());
        }
        let mut made = bubble("telegram", &account.id.to_string(), "received", now, tick);
        made.id = id.to_string();
        text.clone_into(&mut made.text);
        made.kind.clone_from(&kind);
        made.media.clone_from(&media);
        made.tag = group.as_ref().map(|(_, name)| name.clone());
        phones.add(&digits, made);
    }
    reader
}

/// `messages.getMessages`: what files are named anew with.
pub(super) fn messages(sandbox: &Sandbox, account: i64, call: &Value) -> Told {
    let mut mtproto = sandbox.mtproto.lock();
    let asked = call.get("id").and_then(Value::as_array).cloned().unwrap_or_default();
    let account = account_of(&mut mtproto, account)?;
    let found: Vec<Value> = asked
        .iter()
        .map(|asked| {
            let empty = json!({"_": "messageEmpty", "id": whole(asked, "id")});
            account.messages.get(&whole(asked, "id")).cloned().unwrap_or(empty)
        })
        .collect();
    let found: Vec<Value> = found.into_iter().map(|message| file::named_anew(&mtproto, message)).collect();
    Ok(json!({"_": "messages.messages", "messages": found, "topics": [], "chats": [], "users": []}))
}
