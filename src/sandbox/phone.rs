//! The phones of customers: what they received, what they said, and which messengers they have.

use std::collections::{HashMap, HashSet, VecDeque};

use serde::Serialize;
use serde_json::{Value, json};

use crate::model::moment::{Moment, Tick};

/// How many messages a phone keeps.
const KEPT: usize = 5_000;

/// What Telegram knows people by: this number and the last nine digits of their phone.
const FIRST_CHAT: i64 = 5_000_000_000;

/// What VK knows people by: this number and the last eight digits of their phone.
const FIRST_PERSON: i64 = 300_000_000;

/// A file that came with a message.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Media {
    /// The name of the file.
    pub(crate) name: String,
    /// Its content type.
    pub(crate) mime: String,
    /// Its size in bytes.
    pub(crate) size: usize,
}

/// One message on a phone.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Bubble {
    /// Rising by one over all phones.
    pub(crate) n: u64,
    /// `telegram_bot`, `waba`, `whatsapp_web`, `vk`, `vk_notify`, `avito` or `email`.
    pub(crate) messenger: &'static str,
    /// The bot or the phone number it goes through.
    pub(crate) line: String,
    /// `received` by the phone, or `said` by its owner.
    pub(crate) direction: &'static str,
    /// `text`, `image`, `document`, `template` and so on.
    pub(crate) kind: String,
    /// The subject of a letter.
    pub(crate) subject: Option<String>,
    /// The text or the caption.
    pub(crate) text: String,
    /// The sender has changed the text since.
    pub(crate) edited: bool,
    /// The file.
    pub(crate) media: Option<Media>,
    /// Buttons under it: texts and what they send back.
    pub(crate) buttons: Vec<(String, String)>,
    /// How the business reacts to it.
    pub(crate) reaction: Option<String>,
    /// How the owner of the phone reacts to it.
    pub(crate) own_reaction: Option<String>,
    /// The vendor's id of the message.
    pub(crate) id: String,
    /// `sent`, `delivered`, `read`, `failed` or `deleted`.
    pub(crate) status: &'static str,
    /// What the sender asked to be given back with statuses.
    pub(crate) tag: Option<String>,
    /// When it came, milliseconds of UTC.
    pub(crate) at: i64,
    /// When it came, microseconds of the machine's clock.
    pub(crate) at_us: i64,
}

/// The phone of one customer.
#[derive(Debug)]
#[expect(clippy::struct_excessive_bools, reason = "what a phone has and does is switched one by one")]
pub(crate) struct Phone {
    /// The number, digits only.
    pub(crate) id: String,
    /// How the owner is called.
    pub(crate) name: String,
    /// The name in Telegram, without the at sign.
    pub(crate) username: String,
    /// The id in Telegram.
    pub(crate) chat_id: i64,
    /// The number in VK.
    pub(crate) vk_id: i64,
    /// The communities that may write to it in VK.
    pub(crate) vk_allowed: HashSet<i64>,
    /// The number has VK.
    pub(crate) vk: bool,
    /// The number has `WhatsApp`.
    pub(crate) whatsapp: bool,
    /// Switched on: messages are delivered.
    pub(crate) online: bool,
    /// Reads every message as it comes.
    pub(crate) reads: bool,
    /// Pressed start in every bot.
    pub(crate) started_all: bool,
    /// The bots it pressed start in.
    pub(crate) started: HashSet<i64>,
    /// The bots it blocked.
    pub(crate) blocked: HashSet<i64>,
    /// Until when each `WhatsApp` number may write freely, milliseconds of UTC.
    pub(crate) windows: HashMap<String, i64>,
    next_message: i64,
    /// How many messages it ever received.
    pub(crate) received: u64,
    /// The latest messages, oldest first.
    pub(crate) messages: VecDeque<Bubble>,
}

/// All phones.
#[derive(Debug, Default)]
pub(crate) struct Phones {
    by_id: HashMap<String, Phone>,
    by_chat: HashMap<i64, String>,
    by_username: HashMap<String, String>,
    by_vk: HashMap<i64, String>,
    order: Vec<String>,
    next: u64,
}

impl Phone {
    /// The id of the next message in the chat with a bot.
    pub(crate) fn next_message(&mut self) -> i64 {
        self.next_message += 1;
        self.next_message
    }

    /// Whether this bot may write to it.
    pub(crate) fn has_started(&self, bot: i64) -> bool {
        self.started_all || self.started.contains(&bot)
    }

    /// The bubble with this id on this line, the latest first.
    pub(crate) fn find(&mut self, line: &str, id: &str) -> Option<&mut Bubble> {
        self.messages.iter_mut().rev().find(|bubble| bubble.id == id && bubble.line == line)
    }

    /// The person as Telegram tells it.
    pub(crate) fn person(&self) -> Value {
        json!({"id": self.chat_id, "is_bot": false, "first_name": self.name, "username": self.username, "language_code": "ru"})
    }

    /// The private chat as Telegram tells it.
    pub(crate) fn chat(&self) -> Value {
        json!({"id": self.chat_id, "first_name": self.name, "username": self.username, "type": "private"})
    }

    /// How it looks in a list, without messages.
    pub(crate) fn card(&self) -> Value {
        json!({"id": self.id, "name": self.name, "username": self.username, "chat_id": self.chat_id, "vk_id": self.vk_id,
            "email": super::mail::address_of(&self.id), "whatsapp": self.whatsapp, "vk": self.vk,
            "online": self.online, "reads": self.reads, "started": self.started_all || !self.started.is_empty(),
            "blocked": self.blocked, "windows": self.windows, "received": self.received})
    }
}

impl Phones {
    /// The phone of this number, made when it is not there.
    pub(crate) fn make(&mut self, digits: &str, name: Option<String>) -> &mut Phone {
        let phone = self.by_id.entry(digits.to_owned()).or_insert_with(|| {
            let phone = blank(digits, free_chat(digits, &self.by_chat), free_person(digits, &self.by_vk));
            self.by_vk.insert(phone.vk_id, digits.to_owned());
            self.by_chat.insert(phone.chat_id, digits.to_owned());
            self.by_username.insert(phone.username.clone(), digits.to_owned());
            self.order.push(digits.to_owned());
            phone
        });
        if let Some(name) = name {
            phone.name = name;
        }
        phone
    }

    /// The phone of this number.
    pub(crate) fn get(&mut self, digits: &str) -> Option<&mut Phone> {
        self.by_id.get_mut(digits)
    }

    /// The phone of this chat of Telegram.
    pub(crate) fn by_chat(&mut self, chat: i64) -> Option<&mut Phone> {
        self.by_id.get_mut(self.by_chat.get(&chat)?)
    }

    /// The phone of this person in VK.
    pub(crate) fn by_vk(&mut self, person: i64) -> Option<&mut Phone> {
        self.by_id.get_mut(self.by_vk.get(&person)?)
    }

    /// The phone of this name in Telegram.
    pub(crate) fn by_username(&mut self, name: &str) -> Option<&mut Phone> {
        self.by_id.get_mut(self.by_username.get(&name.trim_start_matches('@').to_lowercase())?)
    }

    /// Gives the phone another name in Telegram.
    pub(crate) fn rename(&mut self, digits: &str, username: &str) {
        let Some(phone) = self.by_id.get_mut(digits) else { return };
        self.by_username.remove(&phone.username.to_lowercase());
        username.clone_into(&mut phone.username);
        self.by_username.insert(username.to_lowercase(), digits.to_owned());
    }

    /// Puts a message on a phone and says its number.
    pub(crate) fn add(&mut self, digits: &str, mut bubble: Bubble) -> u64 {
        self.next += 1;
        bubble.n = self.next;
        let Some(phone) = self.by_id.get_mut(digits) else { return 0 };
        phone.received += u64::from(bubble.direction == "received");
        if phone.messages.len() >= KEPT {
            phone.messages.pop_front();
        }
        phone.messages.push_back(bubble);
        self.next
    }

    /// The phones in the order of their making.
    pub(crate) fn all(&self) -> impl Iterator<Item = &Phone> {
        self.order.iter().filter_map(|id| self.by_id.get(id))
    }
}

/// A message that says nothing yet.
pub(crate) fn bubble(messenger: &'static str, line: &str, direction: &'static str, now: Moment, tick: Tick) -> Bubble {
    Bubble {
        n: 0,
        messenger,
        line: line.to_owned(),
        direction,
        kind: "text".to_owned(),
        subject: None,
        text: String::new(),
        edited: false,
        media: None,
        buttons: Vec::new(),
        reaction: None,
        own_reaction: None,
        id: String::new(),
        status: "sent",
        tag: None,
        at: now.0,
        at_us: tick.0,
    }
}

impl Bubble {
    /// The sender gives it another text.
    pub(crate) fn rewrite(&mut self, text: &str) {
        text.clone_into(&mut self.text);
        self.edited = true;
    }
}

/// Only the digits of a number.
pub(crate) fn digits(text: &str) -> String {
    text.chars().filter(char::is_ascii_digit).collect()
}

fn free_chat(digits: &str, taken: &HashMap<i64, String>) -> i64 {
    let last = digits.get(digits.len().saturating_sub(9)..).unwrap_or(digits);
    let mut chat = FIRST_CHAT + last.parse::<i64>().unwrap_or(0);
    while taken.contains_key(&chat) {
        chat += 1_000_000_000;
    }
    chat
}

fn free_person(digits: &str, taken: &HashMap<i64, String>) -> i64 {
    let last = digits.get(digits.len().saturating_sub(8)..).unwrap_or(digits);
    let mut person = FIRST_PERSON + last.parse::<i64>().unwrap_or(0);
    while taken.contains_key(&person) {
        person += 100_000_000;
    }
    person
}

fn blank(digits: &str, chat_id: i64, vk_id: i64) -> Phone {
    Phone {
        id: digits.to_owned(),
        name: format!("Клиент {}", digits.get(digits.len().saturating_sub(4)..).unwrap_or(digits)),
        username: format!("client_{digits}"),
        chat_id,
        vk_id,
        vk_allowed: HashSet::new(),
        vk: true,
        whatsapp: true,
        online: true,
        reads: false,
        started_all: false,
        started: HashSet::new(),
        blocked: HashSet::new(),
        windows: HashMap::new(),
        next_message: 0,
        received: 0,
        messages: VecDeque::new(),
    }
}
