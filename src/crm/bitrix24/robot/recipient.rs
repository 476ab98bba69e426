//! Whom a robot's message goes to: phones, chat ids, or the card's field «Мессенджер».

use std::borrow::Cow;

use super::field::{Wrong, texts};
use crate::model::address::{chat_peer, phone_digits, split_list};
use crate::model::message::Peer;
use crate::model::php_form::Fields;
use crate::model::result::Code;

/// The most addresses of one call.
const ADDRESS_LIMIT: usize = 100;
/// How much of something unreadable is repeated to its writer, in characters.
pub(super) const SHOWN: usize = 64;

/// One address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recipient {
    /// The address as the result names it.
    pub chat_id: String,
    /// Whom it means, or why that cannot be told. Only this entry of the result is N then.
    pub to: Result<Peer, Code>,
}

/// Reads the three fields that name people. One bad address is an entry of its own; nobody at all, or too many, is an error.
pub(super) fn read_recipients(fields: &Fields<'_>, region: &str) -> Result<Vec<Recipient>, Wrong> {
    let messengers = texts(fields, "messenger")?;
    let mut recipients = people(fields, region)?;
    if recipients.is_empty() {
        // the field of the card names the same person a second time, so it counts only where nothing else is given
        collect(&mut recipients, &messengers, |text| messenger_peer(text, region));
    }
    counted(recipients, Code::AddressEmpty)
}

/// Reads the people who are to be in a group.
pub(super) fn read_people(fields: &Fields<'_>, region: &str) -> Result<Vec<Recipient>, Wrong> {
    counted(people(fields, region)?, Code::AddressEmpty)
}

/// Reads the field that names groups.
pub(super) fn read_groups(fields: &Fields<'_>) -> Result<Vec<Recipient>, Wrong> {
    let mut groups = Vec::new();
    let is_group = |text: &str| chat_peer(text).filter(|peer| matches!(peer, Peer::Chat(_)));
    collect(&mut groups, &texts(fields, "group_ids")?, is_group);
    counted(groups, Code::GroupEmpty)
}

fn people(fields: &Fields<'_>, region: &str) -> Result<Vec<Recipient>, Wrong> {
    let (phones, chats) = (texts(fields, "phones")?, texts(fields, "chat_ids")?);
    let mut people = Vec::new();
    collect(&mut people, &phones, |text| phone_digits(text, region).map(Peer::Phone));
    collect(&mut people, &chats, chat_peer);
    Ok(people)
}

fn counted(recipients: Vec<Recipient>, empty: Code) -> Result<Vec<Recipient>, Wrong> {
    match recipients.len() {
        0 => Err((empty, String::new())),
        1..=ADDRESS_LIMIT => Ok(recipients),
        _ => Err((Code::RequestBad, format!("адресов больше {ADDRESS_LIMIT}"))),
    }
}

fn collect(recipients: &mut Vec<Recipient>, texts: &[Cow<'_, str>], read: impl Fn(&str) -> Option<Peer>) {
    for part in texts.iter().flat_map(|text| split_list(text)) {
        // one more than the limit is enough to refuse the call
        if recipients.len() > ADDRESS_LIMIT {
            return;
        }
        let recipient = match read(part) {
            Some(peer) => Recipient { chat_id: peer.chat_id(), to: Ok(peer) },
            None => Recipient { chat_id: part.chars().take(SHOWN).collect(), to: Err(Code::AddressBad) },
        };
        if !recipients.contains(&recipient) {
            recipients.push(recipient);
        }
    }
}

/// Reads a value of the card's field «Мессенджер»: `imol|connector|line|chat|user` of our own connectors, a Telegram name
/// in any spelling, or a phone.
fn messenger_peer(text: &str, region: &str) -> Option<Peer> {
    if let Some(open_line) = text.strip_prefix("imol|") {
        let mut parts = open_line.split('|');
        let (connector, _line, chat) = (parts.next()?, parts.next()?, parts.next()?);
        // another vendor's connector names chats in its own way
        return chat_peer(chat).filter(|_| connector.starts_with("switchboard"));
    }
    let address = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://")).unwrap_or(text);
    let name = ["t.me/", "telegram.me/", "@"].iter().find_map(|prefix| address.strip_prefix(prefix));
    if let Some(name) = name {
        return chat_peer(&format!("@{}", name.trim_end_matches('/')));
    }
    let is_name = text.starts_with(|c: char| c.is_ascii_alphabetic())
        && (4..=32).contains(&text.len())
        && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    if is_name { chat_peer(&format!("@{text}")) } else { phone_digits(text, region).map(Peer::Phone) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(phones: &str, messenger: &str) -> Vec<Recipient> {
        let properties = serde_json::json!({ "phones": phones, "messenger": messenger });
        read_recipients(&Fields::of(&properties), "RU").unwrap()
    }

    #[test]
    fn one_bad_phone_spoils_only_its_own_entry() {
        let phone = |digits: &str| Recipient { chat_id: digits.into(), to: Ok(Peer::Phone(digits.into())) };
        let bad = Recipient { chat_id: "12345".into(), to: Err(Code::AddressBad) };
        let read = read("79990000001, 12345; 79990000002", "@ivan");
        assert_eq!(read, [phone("79990000001"), bad, phone("79990000002")]);
    }

    #[test]
    fn the_messenger_field_is_read_as_the_crm_gives_it() {
        let peer = |text: &str| read("", text)[0].to.clone();
        assert_eq!(peer("imol|switchboard_wa|12|wa-79990000001|585"), Ok(Peer::Chat("wa-79990000001".into())));
        assert_eq!(peer("imol|telegrambot|12|777|585"), Err(Code::AddressBad));
        for text in ["Ivan_Petrov", "@ivan_petrov", "https://t.me/Ivan_Petrov", "t.me/ivan_petrov/"] {
            assert_eq!(peer(text), Ok(Peer::Username("ivan_petrov".into())), "{text}");
        }
        assert_eq!(peer("+7 999 000-00-01"), Ok(Peer::Phone("79990000001".into())));
        for text in ["https://vk.com/ivan", "imol|", "imol|switchboard_wa|12", "Иван"] {
            assert_eq!(peer(text), Err(Code::AddressBad), "{text}");
        }
    }
}
