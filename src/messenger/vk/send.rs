//! Sending: one message is one call of `messages.send`, and a file is uploaded before it.

use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::{ABOUT, answer, call, upload};
use crate::messenger::parcel::refused;
use crate::messenger::{Wire, field};
use crate::model::message::{Media, MediaKind, Outgoing, Peer, Place};
use crate::model::result::Code;
use crate::model::vendor::Answer;

pub(super) async fn send(wire: &Wire, message: &Outgoing) -> Answer {
    match try_send(wire, message).await {
        Ok(answer) | Err(answer) => answer,
    }
}

async fn try_send(wire: &Wire, message: &Outgoing) -> Result<Answer, Answer> {
    check(message)?;
    let peer = recipient(&message.to)?;
    // with `peer_ids` the answer names the message as chats do; one peer alone gets another number
    let mut parameters = vec![("peer_ids", peer.to_string()), ("random_id", random_id(&message.key).to_string())];
    if let Some(text) = said(message).map(str::to_owned).or_else(|| message.content.place.as_ref().map(words_of)) {
        parameters.push(("message", text));
    }
    if let Some(place) = &message.content.place {
        let (latitude, longitude) = place.degrees();
        parameters.extend([("lat", latitude.to_string()), ("long", longitude.to_string())]);
    }
    if let Some(media) = &message.content.media {
        parameters.push(("attachment", upload::place(wire, peer, media).await?));
    }
    if let Some(quoted) = message.reply_to.as_deref().and_then(|id| quoted(peer, id)) {
        parameters.push(("forward", quoted));
    }
    let made = call(wire, "messages.send", &parameters).await?;
    Ok(done(peer, &made))
}

/// The name of a message: the chat and its number in the chat. In chats of many nothing else tells it from others.
pub(super) fn name(peer: &str, in_chat: i64) -> String {
    format!("{peer}_{in_chat}")
}

/// The chat and the number of a message behind its name.
pub(super) fn place_of(name: &str) -> Option<(i64, i64)> {
    let (peer, in_chat) = name.rsplit_once('_')?;
    Some((peer.parse().ok()?, in_chat.parse().ok()?))
}

fn said(message: &Outgoing) -> Option<&str> {
    message.content.text.as_deref().filter(|text| !text.trim().is_empty())
}

/// What is written beside a place: VK takes no message without a text or a file.
fn words_of(place: &Place) -> String {
    let (beside, (latitude, longitude)) = (place.beside(), place.degrees());
    if beside.trim().is_empty() { format!("{latitude}, {longitude}") } else { beside }
}

/// What needs no call to be known.
fn check(message: &Outgoing) -> Result<(), Answer> {
    let (place, content) = (message.content.place.is_some(), &message.content);
    if content.template.is_some() || content.interactive.is_some() || !content.cards.is_empty() {
        return Err(refused(Code::NotSupported));
    }
    let media = message.content.media.as_ref();
    let length = said(message).map_or(0, |text| text.chars().count());
    match media {
        None if length == 0 && !place => Err(refused(Code::MessageEmpty)),
        Some(Media { kind: MediaKind::Sticker, .. }) if length > 0 => Err(refused(Code::NotSupported)),
        _ if length > ABOUT.text_limit => Err(refused(Code::MessageTooLong)),
        Some(media) if media.size.is_some_and(|size| size > super::LARGEST) => Err(refused(Code::FileTooBig)),
        _ => Ok(()),
    }
}

/// A person, a chat of many or another community by its number. Names and phones lead nowhere: people write first.
fn recipient(to: &Peer) -> Result<i64, Answer> {
    match to {
        Peer::Phone(_) | Peer::Email(_) | Peer::Username(_) => Err(refused(Code::CannotWriteFirst)),
        Peer::Chat(chat) => chat.parse().ok().filter(|peer: &i64| *peer != 0).ok_or_else(|| refused(Code::AddressBad)),
    }
}

/// VK drops a second send with the same number; 0 switches that off.
fn random_id(key: &str) -> i32 {
    let digest = Sha256::digest(key.as_bytes());
    let bytes = digest.iter().take(4).fold(0_u32, |number, byte| (number << 8) | u32::from(*byte));
    // positive, since not every layer of VK's takes a sign
    i32::try_from(bytes & 0x7fff_ffff).unwrap_or(1).max(1)
}

/// The message that is answered, if it lies in this chat. A comment under a post does not.
fn quoted(peer: i64, id: &str) -> Option<String> {
    let (chat, in_chat) = id.rsplit_once('_')?;
    let in_chat: i64 = in_chat.parse().ok()?;
    (chat == peer.to_string())
        .then(|| json!({"peer_id": peer, "conversation_message_ids": [in_chat], "is_reply": true}).to_string())
}

/// A call that went well may still bring the recipient's own error.
fn done(peer: i64, made: &Value) -> Answer {
    let chat = Some(peer.to_string());
    if made.is_i64() {
        // the answer for one peer alone names the message in another count, which nothing refers to later
        return Answer::Done { vendor_ids: Vec::new(), chat };
    }
    let ours = |one: &&Value| field::number(one, "peer_id").is_none_or(|of| of == peer);
    let Some(one) = made.as_array().and_then(|all| all.iter().find(ours)) else {
        return answer::unsure("a success without a message id".to_owned());
    };
    if let Some(error) = one.get("error").filter(|error| error.is_object()) {
        return answer::read_error(error);
    }
    match field::number(one, "conversation_message_id").filter(|in_chat| *in_chat > 0) {
        Some(in_chat) => Answer::Done { vendor_ids: vec![name(&peer.to_string(), in_chat)], chat },
        None => answer::unsure("a success without a message id".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::{quoted, random_id};

    #[test]
    fn the_random_id_is_the_same_for_the_same_key_and_never_nothing() {
        assert_eq!(random_id("msg:1"), random_id("msg:1"));
        assert_ne!(random_id("msg:1"), random_id("msg:2"));
        assert!((0..2_000).all(|n| random_id(&format!("msg:{n}")) > 0));
    }

    #[test]
    fn only_a_message_of_the_same_chat_is_quoted() {
        assert!(quoted(5, "5_7").is_some_and(|json| json.contains("[7]")));
        for other in ["6_7", "wall-5_40_7", "5", "5_", ""] {
            assert_eq!(quoted(5, other), None, "{other}");
        }
    }
}
