//! What customers do in VK: write to a community, comment its posts, allow or forbid its messages, read.

use bytes::Bytes;
use serde_json::{Value, json};

use super::{Community, callback, file, object, send};
use crate::sandbox::phone::{Media, Phone, bubble};
use crate::sandbox::state::Sandbox;

/// What a customer does.
#[derive(Debug, Default)]
pub(crate) struct Words {
    /// The community; the only one where absent.
    pub(crate) line: Option<String>,
    /// The text.
    pub(crate) text: String,
    /// A file, with what it is and what it holds.
    pub(crate) media: Option<(String, Media, Bytes)>,
    /// A place.
    pub(crate) place: Option<(f64, f64)>,
    /// The message that is answered.
    pub(crate) quote: Option<String>,
    /// The data of the button that was pressed.
    pub(crate) press: Option<String>,
    /// The tag of the notification that is answered.
    pub(crate) tag: Option<String>,
    /// The delivery brings the first letters alone.
    pub(crate) cropped: bool,
    /// The chat of many that it is written into.
    pub(crate) group: Option<i64>,
    /// What led the person here: the marks of a link.
    pub(crate) led_by: Option<(String, String)>,
    /// It is written under a post instead of a chat.
    pub(crate) comment: bool,
    /// Nothing is written: messages are allowed or forbidden.
    pub(crate) allow: Option<bool>,
}

/// Lets a customer do something; says the number of the message in its chat, or nothing where there is no such community.
pub(crate) fn say(sandbox: &Sandbox, digits: &str, words: &Words) -> Option<String> {
    let address = words.media.as_ref().map(|(_, media, bytes)| file::keep(sandbox, media.clone(), bytes.clone()));
    let (now, tick) = (sandbox.now(), sandbox.tick());
    let mut vk = sandbox.vk.lock();
    let wanted = |community: &&mut Community| words.line.as_ref().is_none_or(|line| *line == community.id.to_string());
    let community = vk.communities.values_mut().find(wanted)?;
    let mut phones = sandbox.phones.lock();
    let owner = phones.get(digits)?;
    let peer = owner.vk_id;
    if let Some(allow) = words.allow {
        set_allowed(community, owner, allow);
        return Some(String::new());
    }
    if words.comment {
        let id = i64::try_from(sandbox.serial()).unwrap_or(1);
        let comment = json!({"id": id, "from_id": peer, "date": now.0 / 1000, "text": words.text, "post_id": 40,
            "owner_id": -community.id, "post_owner_id": -community.id, "parents_stack": []});
        callback::push(community, "wall_reply_new", &comment);
        return Some(id.to_string());
    }
    let chat = if let Some(group) = words.group {
        // a community sees of a chat what its owner lets it see; here all of it
        community.chats.get_mut(&(group - super::chat::FIRST))?.members.insert(peer);
        group
    } else {
        owner.vk_allowed.insert(community.id);
        peer
    };
    let (in_chat, id) = community.next_message(chat);
    let mut made = bubble("vk", &community.id.to_string(), "said", now, tick);
    made.id = in_chat.to_string();
    made.text.clone_from(&words.text);
    if let Some((kind, media, _)) = &words.media {
        made.kind.clone_from(kind);
        made.media = Some(media.clone());
    }
    phones.add(digits, made);
    drop(phones);
    let mut message = message(words, peer, (in_chat, id), now.0 / 1000, address.as_deref());
    if let (Some(fields), true) = (message.as_object_mut(), chat != peer) {
        fields.insert("peer_id".to_owned(), json!(chat));
    }
    if words.cropped {
        community.whole.insert((peer, in_chat), message.clone());
        if let Some(fields) = message.as_object_mut() {
            let first: String = words.text.chars().take(10).collect();
            fields.insert("text".to_owned(), json!(first));
            fields.insert("is_cropped".to_owned(), json!(true));
        }
    }
    let info = json!({"button_actions": ["text", "callback", "open_link"], "keyboard": true, "inline_keyboard": true,
        "carousel": true, "lang_id": 0});
    callback::push(community, "message_new", &json!({"message": message, "client_info": info}));
    Some(in_chat.to_string())
}

fn set_allowed(community: &mut Community, owner: &mut Phone, allow: bool) {
    let person = owner.vk_id;
    if allow {
        owner.vk_allowed.insert(community.id);
        callback::push(community, "message_allow", &json!({"user_id": person, "key": ""}));
    } else {
        owner.vk_allowed.remove(&community.id);
        callback::push(community, "message_deny", &json!({"user_id": person}));
    }
}

fn message(words: &Words, peer: i64, (in_chat, id): (i64, i64), date: i64, address: Option<&str>) -> Value {
    let attachments: Vec<Value> =
        words.media.iter().zip(address).map(|((kind, media, _), url)| attachment(kind, media, url, peer)).collect();
    let quote: Option<i64> = words.quote.as_ref().and_then(|quote| quote.parse().ok());
    object([
        ("date", Some(json!(date))),
        ("from_id", Some(json!(peer))),
        ("id", Some(json!(id))),
        ("version", Some(json!(10_003_521))),
        ("out", Some(json!(0))),
        ("fwd_messages", Some(json!([]))),
        ("important", Some(json!(false))),
        ("is_hidden", Some(json!(false))),
        ("attachments", Some(Value::Array(attachments))),
        ("conversation_message_id", Some(json!(in_chat))),
        ("text", Some(json!(words.text))),
        ("peer_id", Some(json!(peer))),
        ("random_id", Some(json!(0))),
        ("ref", words.led_by.as_ref().map(|(mark, _)| json!(mark))),
        ("ref_source", words.led_by.as_ref().map(|(_, source)| json!(source))),
        ("message_tag", words.tag.as_ref().map(|tag| json!(tag))),
        ("payload", words.press.as_ref().map(|data| json!(data))),
        ("reply_message", quote.map(|number| json!({"conversation_message_id": number, "peer_id": peer}))),
        (
            "geo",
            words.place.map(|(lat, lon)| json!({"type": "point", "coordinates": {"latitude": lat, "longitude": lon}})),
        ),
    ])
}

fn attachment(kind: &str, media: &Media, url: &str, owner: i64) -> Value {
    let id = 655_000_001;
    match kind {
        "image" => {
            let sizes = json!([{"height": 97, "type": "m", "width": 130, "url": format!("{url}?size=m")},
                {"height": 960, "type": "w", "width": 1280, "url": url}]);
            json!({"type": "photo", "photo": {"album_id": -3, "id": id, "owner_id": owner, "access_key": "8a", "sizes": sizes, "text": ""}})
        }
        "voice" => json!({"type": "audio_message", "audio_message": {"id": id, "owner_id": owner, "duration": 5,
            "waveform": [0, 3], "link_ogg": url, "link_mp3": url, "access_key": "99"}}),
        "audio" => {
            json!({"type": "audio", "audio": {"id": id, "owner_id": owner, "artist": "Артист", "title": media.name, "url": url}})
        }
        _ => {
            let ext = media.name.rsplit_once('.').map_or("", |(_, ext)| ext);
            json!({"type": "doc", "doc": {"id": id, "owner_id": owner, "title": media.name, "size": media.size, "ext": ext,
                "type": 1, "url": url, "access_key": "77"}})
        }
    }
}

/// Reads what came; says how much of it was unread.
pub(crate) fn read(sandbox: &Sandbox, digits: &str, line: Option<&str>) -> usize {
    let mut vk = sandbox.vk.lock();
    let mut phones = sandbox.phones.lock();
    let Some(owner) = phones.get(digits) else { return 0 };
    let peer = owner.vk_id;
    let mut count = 0;
    for community in vk.communities.values_mut() {
        let name = community.id.to_string();
        if line.is_some_and(|line| line != name) {
            continue;
        }
        let unread = owner.messages.iter_mut().filter(|bubble| {
            bubble.messenger == "vk" && bubble.line == name && bubble.direction == "received" && bubble.status == "sent"
        });
        let numbers: Vec<i64> = unread
            .filter_map(|bubble| {
                bubble.status = "read";
                bubble.id.parse().ok()
            })
            .collect();
        count += numbers.len();
        if let Some(last) = numbers.into_iter().max() {
            callback::push(community, "message_read", &send::read(peer, last, 0));
        }
    }
    count
}
