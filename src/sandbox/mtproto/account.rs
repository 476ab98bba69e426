//! An account: who it is, what was said to it, and how far its updates have come.

use std::collections::{BTreeSet, HashMap, HashSet};

use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use crate::sandbox::phone::Phone;

/// What happened, as a difference tells it.
#[derive(Debug, Clone)]
pub(crate) struct Step {
    /// The state after it.
    pub(crate) pts: i64,
    /// The update, as the schema has it.
    pub(crate) update: Value,
}

/// A basic group.
#[derive(Debug, Clone, Default)]
pub(crate) struct Group {
    /// Its title.
    pub(crate) title: String,
    /// The people in it.
    pub(crate) members: Vec<i64>,
    /// The account has left it.
    pub(crate) left: bool,
    /// The supergroup that it became.
    pub(crate) moved: Option<i64>,
    /// The address by which anybody may join.
    pub(crate) link: Option<String>,
}

/// A supergroup: it counts its messages and its updates by itself.
#[derive(Debug, Default)]
pub(crate) struct Supergroup {
    /// What it has in common with a basic one.
    pub(crate) group: Group,
    /// The last number of a message.
    last: i64,
    /// The state of its updates.
    pub(super) pts: i64,
    /// What happened in it.
    pub(super) log: Vec<Step>,
    /// Messages by their number.
    pub(super) messages: HashMap<i64, Value>,
}

impl Supergroup {
    /// What a basic group became.
    pub(super) fn of(group: Group) -> Self {
        Self { group, pts: 1, ..Self::default() }
    }

    fn enter(&mut self, mut message: Value) -> (i64, Value) {
        (self.last, self.pts) = (self.last + 1, self.pts + 1);
        set(&mut message, "id", self.last);
        self.messages.insert(self.last, message.clone());
        let update = json!({"_": "updateNewChannelMessage", "message": message, "pts": self.pts, "pts_count": 1});
        self.log.push(Step { pts: self.pts, update: update.clone() });
        (self.last, update)
    }
}

fn set(object: &mut Value, name: &str, value: i64) {
    if let Some(fields) = object.as_object_mut() {
        fields.insert(name.to_owned(), json!(value));
    }
}

/// An account.
#[derive(Debug)]
pub(crate) struct Account {
    /// The number of the person.
    pub(crate) id: i64,
    /// The phone, digits only.
    pub(crate) phone: String,
    /// The data centre where it lives.
    pub(crate) home: i64,
    /// How the owner is called.
    pub(crate) name: String,
    /// The name, without the at sign.
    pub(crate) username: String,
    /// The password of the second step.
    pub(crate) password: Option<String>,
    /// What the server keeps between the two halves of a password check.
    pub(super) srp: HashMap<i64, super::srp::Half>,
    /// The state of the updates.
    pub(crate) pts: i64,
    /// What happened since the account was made.
    pub(crate) log: Vec<Step>,
    /// Differences that begin before this state are too long.
    pub(crate) forgotten: i64,
    /// Messages by their number.
    pub(crate) messages: HashMap<i64, Value>,
    /// Numbers that callers chose, and the messages they stand for.
    pub(super) random: HashMap<i64, i64>,
    /// People who were added to the contacts.
    pub(crate) contacts: HashSet<i64>,
    /// Groups by their number.
    pub(crate) groups: HashMap<i64, Group>,
    /// Supergroups by their number.
    pub(crate) supergroups: HashMap<i64, Supergroup>,
    /// Phones whose owners let nobody add them to groups.
    pub(crate) closed: HashSet<String>,
    /// The last number of a message or a group.
    pub(super) last: i64,
    /// Strangers may not be written to.
    pub(crate) limited: bool,
    /// Contacts that will not be imported before they are asked for again.
    pub(crate) retries: i64,
    /// Updates are not pushed: they are found in the difference only.
    pub(crate) silent: bool,
}

impl Account {
    /// An account that nobody ever used.
    pub(crate) fn new(id: i64, phone: &str) -> Self {
        Self {
            id,
            phone: phone.to_owned(),
            home: super::HOME,
            name: "Компания".to_owned(),
            username: format!("company_{phone}"),
            password: None,
            srp: HashMap::new(),
            pts: 1,
            log: Vec::new(),
            forgotten: 0,
            messages: HashMap::new(),
            random: HashMap::new(),
            contacts: HashSet::new(),
            groups: HashMap::new(),
            supergroups: HashMap::new(),
            closed: HashSet::new(),
            last: 0,
            limited: false,
            retries: 0,
            silent: false,
        }
    }

    /// The account as it sees itself.
    pub(crate) fn me(&self) -> Value {
        json!({"_": "user", "self": true, "id": self.id, "access_hash": hash_of(self.id, self.id), "first_name": self.name,
            "username": self.username, "phone": self.phone})
    }

    /// A person as this account sees it: the phone is shown of contacts only.
    pub(crate) fn person(&self, phone: &Phone) -> Value {
        let contact = self.contacts.contains(&phone.chat_id);
        json!({"_": "user", "id": phone.chat_id, "access_hash": hash_of(self.id, phone.chat_id), "first_name": phone.name,
            "username": phone.username, "contact": contact, "phone": contact.then(|| phone.id.clone())})
    }

    /// A group as this account sees it.
    pub(crate) fn group(&self, id: i64, now_s: i64) -> Option<Value> {
        let group = self.groups.get(&id)?;
        let moved = group.moved.map(|channel| self.input_channel(channel));
        Some(json!({"_": "chat", "id": id, "title": group.title, "left": group.left, "photo": {"_": "chatPhotoEmpty"},
            "participants_count": group.members.len() + 1, "date": now_s, "version": 1, "deactivated": moved.is_some(),
            "migrated_to": moved}))
    }

    fn input_channel(&self, channel: i64) -> Value {
        json!({"_": "inputChannel", "channel_id": channel, "access_hash": hash_of(self.id, channel)})
    }

    /// A supergroup as this account sees it.
    fn supergroup(&self, id: i64, now_s: i64) -> Option<Value> {
        let group = &self.supergroups.get(&id)?.group;
        Some(
            json!({"_": "channel", "megagroup": true, "id": id, "access_hash": hash_of(self.id, id), "title": group.title,
            "left": group.left, "photo": {"_": "chatPhotoEmpty"}, "date": now_s}),
        )
    }

    /// Groups and supergroups as this account sees them, with what they became.
    pub(super) fn chats(&self, groups: &BTreeSet<i64>, supergroups: &BTreeSet<i64>, now_s: i64) -> Vec<Value> {
        let moved = groups.iter().filter_map(|id| self.groups.get(id)?.moved);
        let supergroups: BTreeSet<i64> = supergroups.iter().copied().chain(moved).collect();
        let large = supergroups.iter().filter_map(|id| self.supergroup(*id, now_s));
        groups.iter().filter_map(|id| self.group(*id, now_s)).chain(large).collect()
    }

    /// Enters a message where it is said: its number, and the update that tells of it.
    pub(crate) fn enter(&mut self, mut message: Value) -> (i64, Value) {
        let channel = message.get("peer_id").map(|peer| super::whole(peer, "channel_id"));
        if let Some(large) = channel.and_then(|id| self.supergroups.get_mut(&id)) {
            return large.enter(message);
        }
        let id = self.next();
        set(&mut message, "id", id);
        self.messages.insert(id, message.clone());
        (id, self.step(1, json!({"_": "updateNewMessage", "message": message})))
    }

    /// Whether somebody ever wrote.
    pub(super) fn heard_of(&self, person: i64) -> bool {
        self.messages.values().any(|message| {
            let from = message.get("peer_id").map(|peer| super::whole(peer, "user_id"));
            message.get("out").and_then(Value::as_bool) != Some(true) && from == Some(person)
        })
    }

    /// The next number of a message.
    pub(crate) const fn next(&mut self) -> i64 {
        self.last += 1;
        self.last
    }

    /// Writes down what happened, and says the state after it.
    pub(crate) fn step(&mut self, count: i64, mut update: Value) -> Value {
        self.pts += count;
        if let Some(fields) = update.as_object_mut() {
            fields.insert("pts".to_owned(), json!(self.pts));
            fields.insert("pts_count".to_owned(), json!(count));
        }
        self.log.push(Step { pts: self.pts, update: update.clone() });
        update
    }
}

/// What an account must show to speak of a person: nobody can guess it, and it is another one for each account.
pub(crate) fn hash_of(account: i64, person: i64) -> i64 {
    let digest = Sha256::digest(format!("{account}:{person}"));
    digest.iter().take(8).fold(0_i64, |hash, byte| hash.wrapping_shl(8) | i64::from(*byte))
}
