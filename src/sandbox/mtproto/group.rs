//! Groups: made, filled, renamed, left; and basic ones that become supergroups.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::account::{Account, Group, Supergroup, hash_of};
use super::{Told, Trouble, text, whole};
use crate::sandbox::phone::{Phone, Phones};
use crate::sandbox::state::{Sandbox, random_hex};

const LONGEST_TITLE: usize = 128;

/// Supergroups have the number of the group that they were, and this.
const FIRST_SUPERGROUP: i64 = 1_700_000_000;

/// A group of either kind.
#[derive(Debug, Clone, Copy)]
enum Place {
    Basic(i64),
    Large(i64),
}

impl Place {
    fn peer(self) -> Value {
        match self {
            Self::Basic(id) => json!({"_": "peerChat", "chat_id": id}),
            Self::Large(id) => json!({"_": "peerChannel", "channel_id": id}),
        }
    }

    fn group(self, account: &mut Account) -> Result<&mut Group, Trouble> {
        let group = match self {
            Self::Basic(id) => account.groups.get_mut(&id),
            Self::Large(id) => account.supergroups.get_mut(&id).map(|large| &mut large.group),
        };
        group.ok_or_else(|| Trouble::bad("CHAT_ID_INVALID"))
    }
}

/// A call about a group.
pub(super) fn act(sandbox: &Sandbox, account: i64, call: &Value) -> Told {
    let now_s = sandbox.unix();
    let mut mtproto = sandbox.mtproto.lock();
    let mut phones = sandbox.phones.lock();
    let account = mtproto.accounts.get_mut(&account).ok_or_else(|| Trouble::bad("USER_ID_INVALID"))?;
    if text(call, "_") == "messages.createChat" {
        return create(account, &mut phones, call, now_s);
    }
    let place = place(account, call)?;
    match text(call, "_") {
        "messages.addChatUser" => {
            let asked: Vec<Value> = call.get("user_id").cloned().into_iter().collect();
            let person = asked.first().map(|user| whole(user, "user_id")).unwrap_or_default();
            if place.group(account)?.members.contains(&person) {
                return Err(Trouble::bad("USER_ALREADY_PARTICIPANT"));
            }
            bring(account, &mut phones, place, &asked, now_s)
        }
        "channels.inviteToChannel" => {
            let asked = call.get("users").and_then(Value::as_array).cloned().unwrap_or_default();
            bring(account, &mut phones, place, &asked, now_s)
        }
        "messages.editChatTitle" | "channels.editTitle" => {
            let title = title(call)?;
            let group = place.group(account)?;
            if group.title == title {
                return Err(Trouble::bad("CHAT_NOT_MODIFIED"));
            }
            group.title.clone_from(&title);
            Ok(done(account, place, &json!({"_": "messageActionChatEditTitle", "title": title}), now_s))
        }
        "messages.deleteChatUser" | "channels.leaveChannel" => {
            place.group(account)?.left = true;
            let me = account.id;
            Ok(done(account, place, &json!({"_": "messageActionChatDeleteUser", "user_id": me}), now_s))
        }
        _ => {
            let link =
                place.group(account)?.link.get_or_insert_with(|| format!("https://t.me/+{}", random_hex(8))).clone();
            Ok(
                json!({"_": "chatInviteExported", "link": link, "admin_id": account.id, "date": now_s, "permanent": true}),
            )
        }
    }
}

/// The group that a call is about: one that the account is in.
fn place(account: &Account, call: &Value) -> Result<Place, Trouble> {
    let given = call.get("channel").or_else(|| call.get("peer")).unwrap_or(call);
    if given.get("channel_id").is_none() {
        let id = whole(given, "chat_id");
        return match account.groups.get(&id) {
            Some(group) if group.left => Err(Trouble::bad("USER_NOT_PARTICIPANT")),
            Some(group) if group.moved.is_none() => Ok(Place::Basic(id)),
            _ => Err(Trouble::bad("CHAT_ID_INVALID")),
        };
    }
    let id = whole(given, "channel_id");
    match account.supergroups.get(&id).filter(|_| whole(given, "access_hash") == hash_of(account.id, id)) {
        None => Err(Trouble::bad("CHANNEL_INVALID")),
        Some(large) if large.group.left => Err(Trouble::bad("USER_NOT_PARTICIPANT")),
        Some(_) => Ok(Place::Large(id)),
    }
}

fn title(call: &Value) -> Result<String, Trouble> {
    let title = text(call, "title").trim();
    let good = !title.is_empty() && title.chars().count() <= LONGEST_TITLE;
    if good { Ok(title.to_owned()) } else { Err(Trouble::bad("CHAT_TITLE_EMPTY")) }
}

fn create(account: &mut Account, phones: &mut Phones, call: &Value, now_s: i64) -> Told {
    let title = title(call)?;
    let asked = call.get("users").and_then(Value::as_array).cloned().unwrap_or_default();
    if asked.is_empty() {
        return Err(Trouble::bad("USERS_TOO_FEW"));
    }
    // nothing is made where somebody may not be asked
    for user in &asked {
        person(account, phones, user)?;
    }
    let place = Place::Basic(account.next());
    if let Place::Basic(id) = place {
        account.groups.insert(id, Group { title: title.clone(), ..Group::default() });
    }
    let missing = join(account, phones, place, &asked)?;
    let members = place.group(account)?.members.clone();
    let action = json!({"_": "messageActionChatCreate", "title": title, "users": members});
    let updates = done(account, place, &action, now_s);
    Ok(invited(&updates, &missing))
}

/// Whom a call speaks of, as far as the account may bring them somewhere.
fn person<'p>(account: &Account, phones: &'p mut Phones, user: &Value) -> Result<&'p mut Phone, Trouble> {
    let id = whole(user, "user_id");
    let known = whole(user, "access_hash") == hash_of(account.id, id);
    let phone = phones.by_chat(id).filter(|_| known).ok_or_else(|| Trouble::bad("USER_ID_INVALID"))?;
    if account.limited && !account.heard_of(id) { Err(Trouble::bad("PEER_FLOOD")) } else { Ok(phone) }
}

/// Lets people into a group; says who does not let others add them.
fn join(account: &mut Account, phones: &mut Phones, place: Place, asked: &[Value]) -> Result<Vec<i64>, Trouble> {
    let mut missing = Vec::new();
    for user in asked {
        let phone = person(account, phones, user)?;
        let (id, closed) = (phone.chat_id, account.closed.contains(&phone.id));
        let members = &mut place.group(account)?.members;
        match (closed, members.contains(&id)) {
            (_, true) => {}
            (true, false) => missing.push(id),
            (false, false) => members.push(id),
        }
    }
    Ok(missing)
}

fn bring(account: &mut Account, phones: &mut Phones, place: Place, asked: &[Value], now_s: i64) -> Told {
    let missing = join(account, phones, place, asked)?;
    let came: Vec<i64> = asked.iter().map(|user| whole(user, "user_id")).filter(|id| !missing.contains(id)).collect();
    let updates = if came.is_empty() {
        told(account, place, None, now_s)
    } else {
        done(account, place, &json!({"_": "messageActionChatAddUser", "users": came}), now_s)
    };
    Ok(invited(&updates, &missing))
}

fn invited(updates: &Value, missing: &[i64]) -> Value {
    let missing: Vec<Value> = missing.iter().map(|id| json!({"_": "missingInvitee", "user_id": id})).collect();
    json!({"_": "messages.invitedUsers", "updates": updates, "missing_invitees": missing})
}

/// What is done with a group is said in it.
fn done(account: &mut Account, place: Place, action: &Value, now_s: i64) -> Value {
    let from = json!({"_": "peerUser", "user_id": account.id});
    let message = json!({"_": "messageService", "out": true, "from_id": from, "peer_id": place.peer(), "date": now_s, "action": action});
    let (_, update) = account.enter(message);
    told(account, place, Some(update), now_s)
}

fn told(account: &Account, place: Place, update: Option<Value>, now_s: i64) -> Value {
    let (mut basic, mut large) = (BTreeSet::new(), BTreeSet::new());
    match place {
        Place::Basic(id) => basic.insert(id),
        Place::Large(id) => large.insert(id),
    };
    let updates: Vec<Value> = update.into_iter().collect();
    json!({"_": "updates", "updates": updates, "users": [account.me()], "chats": account.chats(&basic, &large, now_s),
        "date": now_s, "seq": 0})
}

/// A basic group becomes a supergroup, as it does when it grows or its owner says so; says the number of the supergroup.
pub(crate) fn migrate(sandbox: &Sandbox, account: i64, group: i64, silent: bool) -> Option<i64> {
    let now_s = sandbox.unix();
    let mut mtproto = sandbox.mtproto.lock();
    let found = mtproto.accounts.get_mut(&account)?;
    let basic = found.groups.get_mut(&group).filter(|group| group.moved.is_none())?;
    let channel = FIRST_SUPERGROUP + group;
    let large = Group { link: None, ..basic.clone() };
    basic.moved = Some(channel);
    found.supergroups.insert(channel, Supergroup::of(large));
    let updates =
        done(found, Place::Basic(group), &json!({"_": "messageActionChatMigrateTo", "channel_id": channel}), now_s);
    if !silent {
        mtproto.tell(account, None, &updates);
    }
    Some(channel)
}
