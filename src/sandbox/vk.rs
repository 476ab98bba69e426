//! VK: communities, their keys, files, messages and the Callback API.

pub(crate) mod callback;
mod change;
mod chat;
mod file;
pub(crate) mod oauth;
pub(crate) mod say;
mod send;

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use serde_json::{Map, Value, json};
use tokio::sync::mpsc::UnboundedSender;

use super::answer::Answer;
use super::args::{as_text, as_whole};
use super::door::Call;
use super::fault::{Fault, Kind};
use super::limit::Bucket;
use super::state::Sandbox;
pub(crate) use file::{Stored, download, upload};

/// The version that every call must name.
const VERSION: &str = "5.199";

/// Everything of VK.
#[derive(Debug, Default)]
pub(crate) struct Vk {
    /// The communities, by number.
    pub(crate) communities: HashMap<i64, Community>,
    /// The applications that people sign in to, and who signs in.
    pub(crate) sign_in: oauth::SignIn,
    /// What customers sent and communities uploaded, by the name in the address.
    pub(crate) files: HashMap<String, Stored>,
}

/// A community.
#[derive(Debug)]
pub(crate) struct Community {
    /// Its number, without the minus.
    pub(crate) id: i64,
    /// The name that people see.
    pub(crate) name: String,
    /// The name in the address.
    pub(crate) screen_name: String,
    /// The access key.
    pub(crate) token: String,
    /// Whether the person who signs in manages it.
    pub(crate) managed: bool,
    /// What the key may do.
    pub(crate) rights: HashSet<String>,
    /// The addresses that events go to.
    pub(crate) servers: Vec<Server>,
    /// What an address must answer to be taken; changes whenever a server is added or edited.
    pub(crate) code: String,
    /// Messages sent with a `random_id`: the chat, the id, and what was answered when.
    pub(crate) sent: HashMap<(i64, i64), (i64, Value)>,
    /// Messages whose deliveries were cut, whole: by the chat and the number there.
    pub(crate) whole: HashMap<(i64, i64), Value>,
    /// The number of the last message in each chat.
    pub(crate) last_in_chat: HashMap<i64, i64>,
    /// The number of the last message of all.
    pub(crate) last_message: i64,
    /// Its chats of many, by their numbers.
    pub(crate) chats: std::collections::BTreeMap<i64, chat::Chat>,
    /// What may be attached to a message, by its name there.
    pub(crate) attachments: HashMap<String, super::phone::Media>,
    /// Uploads that were not saved yet, by what the upload answered.
    pub(crate) uploads: HashMap<String, Stored>,
    /// The bucket of the key.
    pub(crate) pace: Bucket,
}

/// An address that events go to.
#[derive(Debug)]
pub(crate) struct Server {
    /// Its number in the community.
    pub(crate) id: i64,
    /// The address.
    pub(crate) url: String,
    /// How it is called in the settings.
    pub(crate) title: String,
    /// What events carry as proof.
    pub(crate) secret: String,
    /// `unconfigured`, `wait`, `failed` or `ok`.
    pub(crate) status: &'static str,
    /// The events that are switched on.
    pub(crate) events: HashSet<String>,
    /// How many of the next events are delivered twice.
    pub(crate) doubles: u32,
    /// Where its deliveries queue up.
    pub(crate) outbox: UnboundedSender<callback::Item>,
}

impl Community {
    /// A community without any server.
    pub(crate) fn new(id: i64, token: String) -> Self {
        Self {
            id,
            name: "Песочница".to_owned(),
            screen_name: format!("club{id}"),
            token,
            managed: true,
            rights: ["messages", "photos", "docs", "manage"].map(str::to_owned).into(),
            servers: Vec::new(),
            code: super::state::random_hex(4),
            sent: HashMap::new(),
            whole: HashMap::new(),
            last_in_chat: HashMap::new(),
            last_message: 1_500,
            chats: std::collections::BTreeMap::new(),
            attachments: HashMap::new(),
            uploads: HashMap::new(),
            pace: Bucket::new(20.0, 20.0),
        }
    }

    /// The number of the next message in a chat, and of all.
    pub(crate) fn next_message(&mut self, peer: i64) -> (i64, i64) {
        self.last_message += 1;
        let in_chat = self.last_in_chat.entry(peer).or_insert(320);
        *in_chat += 1;
        (*in_chat, self.last_message)
    }
}

/// An error of the API.
#[derive(Debug)]
pub(crate) struct Trouble {
    code: i64,
    text: String,
}

impl Trouble {
    /// An error with the text that VK gives to its code.
    pub(crate) fn of(code: i64) -> Self {
        Self { code, text: text_of(code).to_owned() }
    }

    /// A parameter that is wrong.
    pub(crate) fn bad(what: &str) -> Self {
        Self { code: 100, text: format!("One of the parameters specified was missing or invalid: {what}") }
    }

    fn answer(self, call: Option<&Call>) -> Answer {
        let shown = |(key, value): (&String, &Value)| {
            let hidden = key == "access_token";
            (!hidden).then(|| json!({"key": key, "value": as_text(value).unwrap_or_default()}))
        };
        let passed: Vec<Value> = call.map(|call| call.args.0.iter().filter_map(shown).collect()).unwrap_or_default();
        let error = json!({"error_code": self.code, "error_msg": self.text, "request_params": passed});
        // errors come with 200 too
        Answer::json(200, json!({"error": error}))
    }

    /// The same as a recipient's part of a call that went well.
    pub(crate) fn of_recipient(self, peer: i64) -> Value {
        json!({"peer_id": peer, "message_id": 0, "conversation_message_id": 0,
            "error": {"code": self.code, "description": self.text}})
    }
}

fn text_of(code: i64) -> &'static str {
    match code {
        1 => "Unknown error occurred",
        3 => "Unknown method passed",
        5 => "User authorization failed: invalid access_token (4).",
        6 => "Too many requests per second",
        8 => "Invalid request: v is required",
        9 => "Flood control",
        10 => "Internal server error",
        15 => "Access denied",
        18 => "User was deleted or banned",
        22 => "Upload error",
        27 => "Group authorization failed: invalid access_token.",
        900 => "Can't send messages for users from blacklist",
        909 => "Can't edit this message, because it's too old",
        920 => "Can't edit this kind of message",
        924 => "Can't delete this message for everybody",
        901 => "Can't send messages for users without permission",
        914 => "Message is too long",
        917 => "You don't have access to this chat",
        927 => "Chat does not exist",
        935 => "User not found in chat",
        2_000 => "Cannot add more than 10 servers",
        _ => "Something went wrong",
    }
}

/// Answers a call of a method.
pub(crate) fn answer(sandbox: &Arc<Sandbox>, method: &str, call: &Call) -> Answer {
    match act(sandbox, method, call) {
        Ok(response) => Answer::json(200, json!({"response": response})),
        Err(trouble) => trouble.answer(Some(call)),
    }
}

fn act(sandbox: &Arc<Sandbox>, method: &str, call: &Call) -> Result<Value, Trouble> {
    if call.args.text("v").as_deref() != Some(VERSION) {
        return Err(Trouble::of(8));
    }
    if let Some(told) = oauth::for_a_person(sandbox, method, call) {
        return told;
    }
    let group = group_of(sandbox, call)?;
    let needs = match method {
        "messages.send"
        | "messages.edit"
        | "messages.delete"
        | "messages.isMessagesFromGroupAllowed"
        | "messages.createChat"
        | "messages.editChat"
        | "messages.removeChatUser"
        | "messages.getInviteLink"
        | "messages.getByConversationMessageId" => "messages",
        "photos.getMessagesUploadServer" | "photos.saveMessagesPhoto" => "photos",
        "docs.getMessagesUploadServer" | "docs.save" => "docs",
        "groups.getTokenPermissions" | "groups.getById" | "users.get" => "",
        name if name.starts_with("groups.") => "manage",
        _ => return Err(Trouble::of(3)),
    };
    with_community(sandbox, group, |community| {
        let may = needs.is_empty() || community.rights.contains(needs);
        if may { Ok(()) } else { Err(Trouble::of(15)) }
    })?;
    if let Some(told) = chat::act(sandbox, group, method, call) {
        return told;
    }
    match method {
        "messages.send" => send::send(sandbox, group, call),
        "messages.edit" => change::edit(sandbox, group, call),
        "messages.delete" => change::delete(sandbox, group, call),
        "messages.isMessagesFromGroupAllowed" => send::is_allowed(sandbox, group, call),
        "photos.getMessagesUploadServer" => file::upload_server(sandbox, group, "photo"),
        "docs.getMessagesUploadServer" => {
            let kind = call.args.text("type").unwrap_or_else(|| "doc".to_owned());
            file::upload_server(sandbox, group, &kind)
        }
        "photos.saveMessagesPhoto" => file::save_photo(sandbox, group, call),
        "docs.save" => file::save_document(sandbox, group, call),
        "groups.getTokenPermissions" => with_community(sandbox, group, |community| Ok(permissions(community))),
        "groups.getById" => with_community(sandbox, group, |community| Ok(card(community))),
        "messages.getByConversationMessageId" => {
            let number = |name: &str| call.args.whole(name).unwrap_or_default();
            let asked = (number("peer_id"), number("conversation_message_ids"));
            with_community(sandbox, group, |community| {
                let items: Vec<&Value> = community.whole.get(&asked).into_iter().collect();
                Ok(json!({"count": items.len(), "items": items}))
            })
        }
        "users.get" => Ok(users(sandbox, call)),
        other => callback::settings(sandbox, group, other, call),
    }
}

/// Lets somebody work on a community.
pub(crate) fn with_community<T>(
    sandbox: &Sandbox,
    group: i64,
    work: impl FnOnce(&mut Community) -> Result<T, Trouble>,
) -> Result<T, Trouble> {
    let mut vk = sandbox.vk.lock();
    work(vk.communities.get_mut(&group).ok_or_else(|| Trouble::of(5))?)
}

fn group_of(sandbox: &Sandbox, call: &Call) -> Result<i64, Trouble> {
    let token = call.args.text("access_token").or_else(|| call.bearer.clone()).unwrap_or_default();
    let (tick, limited) = (sandbox.tick(), sandbox.settings.lock().vk_limits);
    let mut vk = sandbox.vk.lock();
    let found = vk.communities.values_mut().find(|community| community.token == token && !token.is_empty());
    let community = found.ok_or_else(|| Trouble::of(5))?;
    if limited && !community.pace.take(tick.0) {
        return Err(Trouble::of(6));
    }
    if call.args.whole("group_id").is_some_and(|asked| asked != community.id) {
        return Err(Trouble::of(27));
    }
    Ok(community.id)
}

fn permissions(community: &Community) -> Value {
    let bits = [("photos", 4), ("messages", 4096), ("docs", 131_072), ("manage", 262_144)];
    let held: Vec<(&str, i64)> = bits.into_iter().filter(|(name, _)| community.rights.contains(*name)).collect();
    let mask: i64 = held.iter().map(|(_, bit)| bit).sum();
    let named: Vec<Value> = held.iter().map(|(name, bit)| json!({"name": name, "setting": bit})).collect();
    json!({"mask": mask, "permissions": named})
}

fn card(community: &Community) -> Value {
    let group = json!({"id": community.id, "name": community.name, "screen_name": community.screen_name,
        "is_closed": 0, "type": "group"});
    json!({"groups": [group], "profiles": []})
}

fn users(sandbox: &Sandbox, call: &Call) -> Value {
    let asked = call.args.text("user_ids").unwrap_or_default();
    let mut phones = sandbox.phones.lock();
    let person = |id: &str| {
        let phone = phones.by_vk(id.trim().parse().ok()?)?;
        Some(json!({"id": phone.vk_id, "first_name": phone.name, "last_name": "", "can_access_closed": true,
            "is_closed": false, "screen_name": phone.username}))
    };
    Value::Array(asked.split(',').filter_map(person).collect())
}

/// The answer of a planned fault that takes nothing.
pub(crate) fn refuse_by_plan(fault: &Fault) -> Answer {
    let code = match fault.kind {
        Kind::Busy => 6,
        Kind::TokenExpired => 5,
        Kind::Refuse => fault.code.as_ref().and_then(as_whole).unwrap_or(901),
        _ => 10,
    };
    let mut trouble = Trouble::of(code);
    if let Some(text) = &fault.text {
        trouble.text.clone_from(text);
    }
    trouble.answer(None)
}

/// An object with only the fields that have a value.
pub(crate) fn object(fields: impl IntoIterator<Item = (&'static str, Option<Value>)>) -> Value {
    let kept = fields.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?)));
    Value::Object(kept.collect::<Map<String, Value>>())
}
