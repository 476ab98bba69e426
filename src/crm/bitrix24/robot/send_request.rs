//! What the robot is asked to do, read from what was filled in. A mistake is told as an entry with a stable code, so that
//! the automation goes on by its result.

use std::borrow::Cow;

use serde_json::Value;

use crate::model::address::{chat_peer, phone_digits, split_list};
use crate::model::id::LineId;
use crate::model::message::{Kind, Peer};
use crate::model::php_form::{FieldError, Fields};
use crate::model::result::{Code, Entry};

/// The most addresses of one call.
const ADDRESS_LIMIT: usize = 100;
/// How much of an unreadable address is repeated to its writer, in characters.
const SHOWN: usize = 64;

/// A message that a robot asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SendRequest {
    /// Everybody named, in the order of the fields, each once. At least one.
    pub recipients: Vec<Recipient>,
    /// Whether all of them get it.
    pub mode: Mode,
    /// The text, with its randomizer still in it.
    pub text: String,
    /// First and last name, for messengers that make a contact.
    pub names: Option<(String, String)>,
    /// The line; none where the company has one only.
    pub line: Option<LineId>,
    /// The messenger; none where the flow chooses.
    pub channel: Option<Kind>,
    /// Whether the message is shown in the open line.
    pub open_lines: bool,
    /// The employee in whose name it is shown there.
    pub responsible: Option<i64>,
    /// Which queue it waits in.
    pub queue: Queue,
    /// Whether the answer waits until the fate of the message is known.
    pub async_result: bool,
    /// Whether the result goes to the card's comments too.
    pub card_comment: bool,
}

/// One address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recipient {
    /// The address as the result names it.
    pub chat_id: String,
    /// Whom it means, or why that cannot be told. Only this entry of the result is N then.
    pub to: Result<Peer, Code>,
}

/// Who of several addresses gets the message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// «Всем».
    All,
    /// «Первому, у кого есть мессенджер».
    First,
}

/// The queue of a robot's message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Queue {
    /// «Очередь сообщений».
    Messages,
    /// «Очередь рассылки».
    Mailing,
    /// «Без паузы (срочное)».
    Urgent,
}

/// A call that cannot be done for anybody.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{code}: {text}")]
pub struct NotRead {
    /// Our stable code.
    pub code: Code,
    /// What is wrong, for the person who set the robot up, in Russian.
    pub text: String,
    /// The addresses as far as they were read.
    pub chat_ids: Vec<String>,
}

impl NotRead {
    /// The result: one N for each address, or one without an address.
    #[must_use]
    pub fn entries(&self) -> Vec<Entry> {
        if self.chat_ids.is_empty() {
            return vec![Entry::failed("", self.code, &self.text)];
        }
        self.chat_ids.iter().map(|chat_id| Entry::failed(chat_id, self.code, &self.text)).collect()
    }
}

impl SendRequest {
    /// Reads the properties of a call. Phones without a country code are taken for numbers of `region`.
    ///
    /// # Errors
    /// [`NotRead`] where nothing can be sent to anybody; one bad address among good ones is no error.
    pub fn read(properties: &Value, region: &str) -> Result<Self, NotRead> {
        let fields = Fields::of(properties);
        let recipients = read_recipients(&fields, region)?;
        let chat_ids = || recipients.iter().map(|recipient| recipient.chat_id.clone()).collect();
        let rest = Self::read_rest(&fields).map_err(|(code, text)| NotRead { code, text, chat_ids: chat_ids() })?;
        Ok(Self { recipients, ..rest })
    }

    /// Everything but the recipients.
    fn read_rest(fields: &Fields<'_>) -> Result<Self, (Code, String)> {
        let text = text(fields, "message")?;
        if text.trim().is_empty() {
            return Err((Code::MessageEmpty, String::new()));
        }
        let names = (trimmed(fields, "first_name")?, trimmed(fields, "last_name")?);
        Ok(Self {
            recipients: Vec::new(),
            mode: read_mode(&trimmed(fields, "recipients")?)?,
            text: text.into_owned(),
            names: (names.0.len() + names.1.len() > 0).then_some(names),
            line: read_line(&trimmed(fields, "line_id")?)?,
            channel: read_channel(&trimmed(fields, "channel")?)?,
            open_lines: fields.raw("open_lines").is_none() || fields.flag("open_lines"),
            responsible: read_user(&trimmed(fields, "responsible")?),
            queue: read_queue(&trimmed(fields, "queue")?)?,
            async_result: fields.raw("async_result").is_none() || fields.flag("async_result"),
            card_comment: fields.flag("card_comment"),
        })
    }
}

fn read_recipients(fields: &Fields<'_>, region: &str) -> Result<Vec<Recipient>, NotRead> {
    let unreadable = |(code, text)| NotRead { code, text, chat_ids: Vec::new() };
    let lists = |name| texts(fields, name).map_err(unreadable);
    let (phones, chats, messengers) = (lists("phones")?, lists("chat_ids")?, lists("messenger")?);
    let mut recipients = Vec::new();
    collect(&mut recipients, &phones, |text| phone_digits(text, region).map(Peer::Phone));
    collect(&mut recipients, &chats, chat_peer);
    if recipients.is_empty() {
        // the field of the card names the same person a second time, so it counts only where nothing else is given
        collect(&mut recipients, &messengers, |text| messenger_peer(text, region));
    }
    match recipients.len() {
        0 => Err(unreadable((Code::AddressEmpty, String::new()))),
        1..=ADDRESS_LIMIT => Ok(recipients),
        _ => Err(unreadable((Code::RequestBad, format!("адресов больше {ADDRESS_LIMIT}")))),
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

fn read_mode(text: &str) -> Result<Mode, (Code, String)> {
    match text {
        "" | "all" => Ok(Mode::All),
        "first" => Ok(Mode::First),
        other => Err(unknown("Кому отправить", other)),
    }
}

fn read_queue(text: &str) -> Result<Queue, (Code, String)> {
    match text {
        "" | "messages" => Ok(Queue::Messages),
        "mailing" => Ok(Queue::Mailing),
        "urgent" => Ok(Queue::Urgent),
        other => Err(unknown("Очередь отправки", other)),
    }
}

fn read_line(text: &str) -> Result<Option<LineId>, (Code, String)> {
    if text.is_empty() {
        return Ok(None);
    }
    let line = text.parse().ok().filter(|line: &LineId| *line > 0);
    line.map(Some).ok_or_else(|| (Code::LineNotFound, format!("Id линии — число, а указано «{}»", shown(text))))
}

fn read_channel(text: &str) -> Result<Option<Kind>, (Code, String)> {
    if matches!(text, "" | "auto") {
        return Ok(None);
    }
    let kind = Kind::from_slug(text);
    kind.map(Some).ok_or_else(|| (Code::ChannelNotFound, format!("нет канала «{}»", shown(text))))
}

/// An employee comes as `user_27`; groups, which come too, are nobody in particular.
fn read_user(text: &str) -> Option<i64> {
    text.strip_prefix("user_").unwrap_or(text).parse().ok().filter(|id| *id > 0)
}

fn text<'a>(fields: &Fields<'a>, name: &str) -> Result<Cow<'a, str>, (Code, String)> {
    // a field that was made multiple later brings a list
    let texts = texts(fields, name)?;
    Ok(texts.into_iter().next().unwrap_or_default())
}

fn trimmed(fields: &Fields<'_>, name: &str) -> Result<String, (Code, String)> {
    Ok(text(fields, name)?.trim().to_owned())
}

fn texts<'a>(fields: &Fields<'a>, name: &str) -> Result<Vec<Cow<'a, str>>, (Code, String)> {
    fields.texts(name).map_err(|error: FieldError| (Code::RequestBad, format!("поле {} не читается", error.field)))
}

fn unknown(field: &str, value: &str) -> (Code, String) {
    (Code::RequestBad, format!("в поле «{field}» неизвестное значение «{}»", shown(value)))
}

fn shown(text: &str) -> String {
    text.chars().take(SHOWN).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn read(properties: &Value) -> Result<SendRequest, NotRead> {
        SendRequest::read(properties, "RU")
    }

    fn phone(digits: &str) -> Recipient {
        Recipient { chat_id: digits.into(), to: Ok(Peer::Phone(digits.into())) }
    }

    #[test]
    fn every_field_is_read() {
        let request = read(&json!({
            "phones": "+7 999 000-00-01; 8 (999) 000-00-02,79990000001",
            "chat_ids": "@Ivan, -100123; ivan@example.com",
            "messenger": "imol|switchboard_wa|12|wa-79990000009|585",
            "recipients": "first", "message": " Привет \n", "first_name": " Иван ", "last_name": "",
            "line_id": " 12 ", "channel": "telegram_bot", "open_lines": "N", "responsible": "user_27",
            "queue": "mailing", "async_result": "N", "card_comment": "Y",
        }))
        .unwrap();
        let chat = |chat_id: &str, peer| Recipient { chat_id: chat_id.into(), to: Ok(peer) };
        let expected = SendRequest {
            recipients: vec![
                phone("79990000001"),
                phone("79990000002"),
                chat("@ivan", Peer::Username("ivan".into())),
                chat("-100123", Peer::Chat("-100123".into())),
                chat("ivan@example.com", Peer::Email("ivan@example.com".into())),
            ],
            mode: Mode::First,
            text: " Привет \n".into(),
            names: Some(("Иван".into(), String::new())),
            line: Some(12),
            channel: Some(Kind::TelegramBot),
            open_lines: false,
            responsible: Some(27),
            queue: Queue::Mailing,
            async_result: false,
            card_comment: true,
        };
        assert_eq!(request, expected);
    }

    #[test]
    fn what_is_not_filled_in_has_a_sensible_value() {
        let request = read(&json!({"phones": ["+79990000001"], "message": "Привет", "line_id": ""})).unwrap();
        let expected = SendRequest {
            recipients: vec![phone("79990000001")],
            mode: Mode::All,
            text: "Привет".into(),
            names: None,
            line: None,
            channel: None,
            open_lines: true,
            responsible: None,
            queue: Queue::Messages,
            async_result: true,
            card_comment: false,
        };
        assert_eq!(request, expected);
    }

    #[test]
    fn one_bad_phone_spoils_only_its_own_entry() {
        let request = read(&json!({"phones": "79990000001, 12345; 79990000002", "message": "x"})).unwrap();
        let bad = Recipient { chat_id: "12345".into(), to: Err(Code::AddressBad) };
        assert_eq!(request.recipients, [phone("79990000001"), bad, phone("79990000002")]);
    }

    #[test]
    fn a_call_that_cannot_be_done_gets_a_code_for_every_address() {
        for (properties, result) in [
            (json!({"message": "x", "phones": " ; ,"}), ":N:[address_empty] не указан ни телефон, ни id чата"),
            (
                json!({"phones": "79990000001;79990000002", "message": " \n"}),
                "79990000001:N:[message_empty] текст сообщения пуст; 79990000002:N:[message_empty] текст сообщения пуст",
            ),
            (
                json!({"phones": "79990000001", "message": "x", "channel": "icq"}),
                "79990000001:N:[channel_not_found] нет канала «icq»",
            ),
            (
                json!({"phones": "79990000001", "message": "x", "line_id": "x;1"}),
                "79990000001:N:[line_not_found] Id линии — число, а указано «x,1»",
            ),
            (
                json!({"phones": "79990000001", "message": "x", "queue": "?"}),
                "79990000001:N:[request_bad] в поле «Очередь отправки» неизвестное значение «?»",
            ),
            (json!({"phones": {"a": {"b": "c"}}, "message": "x"}), ":N:[request_bad] поле phones не читается"),
            (json!([]), ":N:[address_empty] не указан ни телефон, ни id чата"),
        ] {
            let entries = read(&properties).unwrap_err().entries();
            assert_eq!(crate::model::result::write_entries(&entries), result);
        }
    }

    #[test]
    fn the_messenger_field_is_read_as_the_crm_gives_it() {
        let peer = |text: &str| read(&json!({"messenger": text, "message": "x"})).unwrap().recipients[0].to.clone();
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

    #[test]
    fn too_many_addresses_are_refused_as_a_whole() {
        let many: Vec<_> = (0..101).map(|n| format!("@name_{n}")).collect();
        let error = read(&json!({"chat_ids": many.join(","), "message": "x"})).unwrap_err();
        assert_eq!((error.code, error.chat_ids.len()), (Code::RequestBad, 0));
        assert_eq!(read(&json!({"chat_ids": many[..100].join(","), "message": "x"})).unwrap().recipients.len(), 100);
    }
}
