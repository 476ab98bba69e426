//! The people and groups that an account knows. Telegram takes their numbers only together with a word that it gave this
//! account for each of them, so every one that is seen is kept.

use std::collections::{BTreeMap, HashMap};

use grammers_tl_types::{enums, types};
use serde::{Deserialize, Serialize};

use crate::model::message::Person;

/// Basic groups have numbers below zero, supergroups and channels such far below.
const CHANNELS: i64 = -1_000_000_000_000;

/// Telegram's own account: it tells codes for signing in, which are nobody's business.
pub(super) const SERVICE: i64 = 777_000;

/// One that is known.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Entry {
    /// The word that goes with the number; basic groups need none.
    #[serde(rename = "h", skip_serializing_if = "Option::is_none")]
    hash: Option<i64>,
    /// The name, or the title of a group.
    #[serde(rename = "n", skip_serializing_if = "String::is_empty")]
    name: String,
    #[serde(rename = "u", skip_serializing_if = "Option::is_none")]
    username: Option<String>,
    #[serde(rename = "p", skip_serializing_if = "Option::is_none")]
    phone: Option<String>,
    /// It is a machine, or a channel where nobody answers.
    #[serde(rename = "b", skip_serializing_if = "std::ops::Not::not")]
    deaf: bool,
    /// The supergroup that a basic group became.
    #[serde(rename = "m", skip_serializing_if = "Option::is_none")]
    moved: Option<i64>,
}

/// All that are known.
#[derive(Debug, Default)]
pub(super) struct Book {
    entries: HashMap<i64, Entry>,
    names: HashMap<String, i64>,
    phones: HashMap<String, i64>,
    /// What was not written down yet.
    news: BTreeMap<i64, Entry>,
}

impl Book {
    /// Reads what was written down.
    pub(super) fn read(&mut self, notes: Vec<(String, String)>) {
        for (name, value) in notes {
            if let (Ok(id), Ok(entry)) = (name.parse(), serde_json::from_str(&value)) {
                self.enter(id, entry);
            }
        }
    }

    fn enter(&mut self, id: i64, entry: Entry) {
        if let Some(name) = &entry.username {
            self.names.insert(name.clone(), id);
        }
        if let Some(phone) = &entry.phone {
            self.phones.insert(phone.clone(), id);
        }
        self.entries.insert(id, entry);
    }

    /// What is to be written down.
    pub(super) fn take_news(&mut self) -> Vec<(String, String)> {
        let news = std::mem::take(&mut self.news);
        let write = |(id, entry): (i64, Entry)| Some((id.to_string(), serde_json::to_string(&entry).ok()?));
        news.into_iter().filter_map(write).collect()
    }

    /// Writes people and groups down; tells whether there was anything new about them.
    pub(super) fn learn(&mut self, users: &[enums::User], chats: &[enums::Chat]) -> bool {
        let mut new = false;
        for user in users {
            if let enums::User::User(user) = user {
                new |= self.learn_one(user.id, of_user(user), user.min);
            }
        }
        for chat in chats {
            if let Some((id, entry, min)) = of_chat(chat) {
                new |= self.learn_one(id, entry, min);
            }
        }
        new
    }

    fn learn_one(&mut self, id: i64, mut entry: Entry, min: bool) -> bool {
        let known = self.entries.get(&id);
        if min {
            // seen from afar: what goes with the number is good for nothing
            if known.is_some() {
                return false;
            }
            entry.hash = None;
        }
        if let Some(known) = known {
            // a phone that was shown once is not forgotten when it is hidden
            entry.phone = entry.phone.or_else(|| known.phone.clone());
            entry.moved = entry.moved.or(known.moved);
            if *known == entry {
                return false;
            }
        }
        self.news.insert(id, entry.clone());
        self.enter(id, entry);
        true
    }

    /// Keeps the phone under which somebody was found.
    pub(super) fn learn_phone(&mut self, id: i64, phone: &str) {
        let Some(mut entry) = self.entries.get(&id).cloned() else { return };
        entry.phone = Some(phone.to_owned());
        self.news.insert(id, entry.clone());
        self.enter(id, entry);
    }

    /// A basic group became a supergroup.
    pub(super) fn follow(&mut self, from: i64, to: i64) {
        let mut entry = self.entries.get(&from).cloned().unwrap_or_default();
        entry.moved = Some(to);
        self.learn_one(from, entry, false);
    }

    /// Where a chat is now: a group may have become a supergroup.
    pub(super) fn now(&self, id: i64) -> i64 {
        self.entries.get(&id).and_then(|entry| entry.moved).unwrap_or(id)
    }

    /// What was known of somebody is wrong: it must be asked for again.
    pub(super) fn forget(&mut self, id: i64) {
        if let Some(entry) = self.entries.remove(&id) {
            entry.username.map(|name| self.names.remove(&name));
            entry.phone.map(|phone| self.phones.remove(&phone));
        }
    }

    pub(super) fn by_name(&self, name: &str) -> Option<i64> {
        self.names.get(name).copied()
    }

    pub(super) fn by_phone(&self, phone: &str) -> Option<i64> {
        self.phones.get(phone).copied()
    }

    /// How a call names somebody; none where the account never met them.
    pub(super) fn input(&self, id: i64) -> Option<enums::InputPeer> {
        let hash = || self.entries.get(&id).and_then(|entry| entry.hash);
        Some(if id > 0 {
            types::InputPeerUser { user_id: id, access_hash: hash()? }.into()
        } else if id > CHANNELS {
            types::InputPeerChat { chat_id: -id }.into()
        } else {
            types::InputPeerChannel { channel_id: mirrored(id), access_hash: hash()? }.into()
        })
    }

    /// How a call that is about a person names them; none where the account never met them.
    pub(super) fn user(&self, id: i64) -> Option<enums::InputUser> {
        let access_hash = self.entries.get(&id).filter(|_| id > 0).and_then(|entry| entry.hash)?;
        Some(types::InputUser { user_id: id, access_hash }.into())
    }

    /// The word that goes with a channel.
    pub(super) fn channel(&self, channel: i64) -> Option<enums::InputChannel> {
        let access_hash = self.entries.get(&mirrored(channel)).and_then(|entry| entry.hash)?;
        Some(types::InputChannel { channel_id: channel, access_hash }.into())
    }

    /// Somebody as the inbox shows them.
    pub(super) fn person(&self, id: i64) -> Person {
        let entry = self.entries.get(&id);
        Person {
            name: entry.map(|entry| entry.name.clone()).filter(|name| !name.is_empty()),
            username: entry.and_then(|entry| entry.username.clone()),
            phone: entry.and_then(|entry| entry.phone.clone()),
            vendor_id: Some(id.to_string()),
        }
    }

    pub(super) fn title(&self, id: i64) -> Option<String> {
        self.entries.get(&id).map(|entry| entry.name.clone()).filter(|name| !name.is_empty())
    }

    /// Whether nobody would read an answer there.
    pub(super) fn is_deaf(&self, id: i64) -> bool {
        id == SERVICE || self.entries.get(&id).is_some_and(|entry| entry.deaf)
    }
}

fn of_user(user: &types::User) -> Entry {
    let names = [user.first_name.as_deref(), user.last_name.as_deref()];
    let name = names.into_iter().flatten().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(" ");
    Entry {
        hash: user.access_hash,
        name,
        username: user.username.as_ref().map(|name| name.to_lowercase()),
        phone: user.phone.clone().filter(|phone| !phone.is_empty()),
        deaf: user.bot,
        moved: None,
    }
}

fn of_chat(chat: &enums::Chat) -> Option<(i64, Entry, bool)> {
    match chat {
        enums::Chat::Chat(chat) => {
            let moved = match &chat.migrated_to {
                Some(enums::InputChannel::Channel(to)) => Some(mirrored(to.channel_id)),
                _ => None,
            };
            Some((below(chat.id), Entry { name: chat.title.clone(), moved, ..Entry::default() }, false))
        }
        enums::Chat::Forbidden(chat) => {
            Some((below(chat.id), Entry { name: chat.title.clone(), ..Entry::default() }, false))
        }
        enums::Chat::Channel(channel) => {
            let entry = Entry {
                hash: channel.access_hash,
                name: channel.title.clone(),
                username: channel.username.as_ref().map(|name| name.to_lowercase()),
                phone: None,
                deaf: channel.broadcast,
                moved: None,
            };
            Some((mirrored(channel.id), entry, channel.min))
        }
        _ => None,
    }
}

/// The number of a small group, as all of us know it. Whoever stands for Telegram may write any number.
pub(super) const fn below(id: i64) -> i64 {
    id.saturating_neg()
}

/// The number of a channel as all of us know it, and back.
const fn mirrored(id: i64) -> i64 {
    CHANNELS.saturating_sub(id)
}

/// The number of a chat, as all of us know it: people above zero, groups below.
pub(super) fn id_of(peer: &enums::Peer) -> i64 {
    match peer {
        enums::Peer::User(peer) => peer.user_id,
        enums::Peer::Chat(peer) => below(peer.chat_id),
        enums::Peer::Channel(peer) => mirrored(peer.channel_id),
    }
}

/// The number of a channel behind that of its chat; none where it is no channel.
pub(super) fn channel_of(id: i64) -> Option<i64> {
    (id <= CHANNELS).then(|| mirrored(id))
}

/// How a message is named: numbers rise within an account, in channels within the channel.
pub(super) fn message_name(chat: i64, message: i32) -> String {
    channel_of(chat).map_or_else(|| message.to_string(), |channel| format!("{channel}_{message}"))
}

/// The number at the end of a message's name.
pub(super) fn message_number(name: &str) -> Option<i32> {
    name.rsplit('_').next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_that_nobody_has_are_numbers_all_the_same() {
        let named = |id| {
            [
                id_of(&types::PeerUser { user_id: id }.into()),
                id_of(&types::PeerChat { chat_id: id }.into()),
                id_of(&types::PeerChannel { channel_id: id }.into()),
            ]
        };
        assert_eq!(named(7), [7, -7, -1_000_000_000_007]);
        assert_eq!(named(i64::MAX), [i64::MAX, -i64::MAX, i64::MIN]);
        assert_eq!(named(i64::MIN), [i64::MIN, i64::MAX, i64::MAX - 999_999_999_999]);
    }
}
