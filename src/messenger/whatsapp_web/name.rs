//! Names of chats and of messages. A person may appear under a phone (`79161234567@c.us`) or under a hidden id
//! (`123@lid`), a message is named `<is it ours>_<chat>_<id>[_<who wrote it in a group>]`.

use sha2::{Digest as _, Sha256};

/// The chat in the spelling of the gateway: without the number of a device, `c.us` for phones. None where it is no chat of
/// people: statuses and newsletters.
pub(super) fn chat(id: &str) -> Option<String> {
    let (user, server) = id.split_once('@')?;
    let user = user.split(':').next().unwrap_or_default();
    let good = !user.is_empty() && user.len() <= 64 && user.chars().all(|c| c.is_ascii_alphanumeric() || c == '-');
    match server {
        _ if !good => None,
        "c.us" | "s.whatsapp.net" => Some(format!("{user}@c.us")),
        "lid" | "g.us" => Some(format!("{user}@{server}")),
        _ => None,
    }
}

/// The phone of a chat that shows it, in digits.
pub(super) fn phone(chat: &str) -> Option<String> {
    let user = chat.strip_suffix("@c.us")?;
    is_number(user).then(|| user.to_owned())
}

pub(super) fn is_group(chat: &str) -> bool {
    chat.ends_with("@g.us")
}

pub(super) fn is_hidden(chat: &str) -> bool {
    chat.ends_with("@lid")
}

pub(super) fn is_number(text: &str) -> bool {
    (5..=15).contains(&text.len()) && text.chars().all(|c| c.is_ascii_digit())
}

/// The name of a message, read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct MessageName {
    pub(super) ours: bool,
    pub(super) chat: String,
    pub(super) id: String,
    pub(super) writer: Option<String>,
}

impl MessageName {
    pub(super) fn read(name: &str) -> Option<Self> {
        let mut parts = name.splitn(4, '_');
        let ours = match parts.next()? {
            "true" => true,
            "false" => false,
            _ => return None,
        };
        let (chat_part, id) = (parts.next()?, parts.next()?);
        let good = !id.is_empty() && id.len() <= 128 && id.chars().all(|c| c.is_ascii_graphic());
        let writer = parts.next().and_then(chat);
        good.then_some(())?;
        Some(Self { ours, chat: chat(chat_part)?, id: id.to_owned(), writer })
    }

    /// How we name it. What we sent is told of later under both names of the chat, so its bare id must do; what came in is
    /// answered under its whole name.
    pub(super) fn vendor_id(&self) -> String {
        if self.ours {
            return self.id.clone();
        }
        let writer = self.writer.as_ref().map(|writer| format!("_{writer}")).unwrap_or_default();
        format!("false_{}_{}{writer}", self.chat, self.id)
    }

    /// Another message of the same writer in the same chat.
    pub(super) fn sibling(&self, id: &str) -> Self {
        // some engines tell the whole name where a bare id is told by others
        let bare = Self::read(id).map_or_else(|| id.to_owned(), |name| name.id);
        Self { id: bare, ..self.clone() }
    }
}

/// The whole name of a message that is to be answered.
pub(super) fn answered(vendor_id: &str, chat: &str) -> String {
    if vendor_id.contains('_') { vendor_id.to_owned() } else { format!("true_{chat}_{vendor_id}") }
}

/// The id of a message of ours, the same at every attempt, in the form that linked devices give to theirs.
pub(super) fn own_id(key: &str) -> String {
    let digest = hex::encode_upper(Sha256::digest(key.as_bytes()));
    format!("3EB0{}", digest.get(..18).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chat_has_one_spelling() {
        for (id, is) in [
            ("79161234567@c.us", Some("79161234567@c.us")),
            ("79161234567:12@s.whatsapp.net", Some("79161234567@c.us")),
            ("123123123123:3@lid", Some("123123123123@lid")),
            ("120363000000000000@g.us", Some("120363000000000000@g.us")),
            ("79161234567-1600000000@g.us", Some("79161234567-1600000000@g.us")),
            ("status@broadcast", None),
            ("1@newsletter", None),
            ("../../x@c.us", None),
            ("@c.us", None),
            ("79161234567", None),
        ] {
            assert_eq!(chat(id).as_deref(), is, "{id}");
        }
    }

    #[test]
    fn a_message_is_named_so_that_receipts_and_answers_find_it() {
        let name = MessageName::read("true_123@lid_3EB0AA").unwrap();
        assert_eq!((name.ours, name.vendor_id().as_str()), (true, "3EB0AA"));
        let name = MessageName::read("false_1203@g.us_3EB0BB_79161234567:2@s.whatsapp.net").unwrap();
        assert_eq!(name.vendor_id(), "false_1203@g.us_3EB0BB_79161234567@c.us");
        assert_eq!(name.sibling("3EB0CC").vendor_id(), "false_1203@g.us_3EB0CC_79161234567@c.us");
        for bad in ["", "true", "true_1@c.us", "maybe_1@c.us_A", "true_status@broadcast_A", "true_1@c.us_"] {
            assert_eq!(MessageName::read(bad), None, "{bad}");
        }
        assert_eq!(answered("3EB0AA", "1@c.us"), "true_1@c.us_3EB0AA");
        assert_eq!(answered("false_1@c.us_AA", "1@c.us"), "false_1@c.us_AA");
    }

    #[test]
    fn an_id_of_ours_is_the_same_at_every_attempt() {
        assert_eq!(own_id("msg_1"), own_id("msg_1"));
        assert_ne!(own_id("msg_1"), own_id("msg_2"));
        assert!(own_id("x").len() == 22 && own_id("x").starts_with("3EB0"));
    }
}
