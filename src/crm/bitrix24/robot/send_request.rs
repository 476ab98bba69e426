//! What the robot is asked to do, read from what was filled in. A mistake is told as an entry with a stable code, so that
//! the automation goes on by its result.

use std::borrow::Cow;

use serde_json::Value;

use super::recipient::{Recipient, SHOWN, read_recipients};

use crate::model::id::LineId;
use crate::model::message::Kind;
use crate::model::php_form::{FieldError, Fields};
use crate::model::result::{Code, Entry};

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
    /// A robot of an older or a newer program: it waits for an answer all the same.
    #[must_use]
    pub fn unknown_robot(code: &str) -> Self {
        Self { code: Code::RequestBad, text: format!("нет робота «{}»", shown(code)), chat_ids: Vec::new() }
    }

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
        let unreadable = |(code, text)| NotRead { code, text, chat_ids: Vec::new() };
        let lists = |name| texts(&fields, name).map_err(unreadable);
        let (phones, chats, messengers) = (lists("phones")?, lists("chat_ids")?, lists("messenger")?);
        let recipients = read_recipients(&phones, &chats, &messengers, region).map_err(unreadable)?;
        let chat_ids = || recipients.iter().map(|recipient| recipient.chat_id.clone()).collect();
        let rest = Self::read_rest(&fields).map_err(|(code, text)| NotRead { code, text, chat_ids: chat_ids() })?;
        Ok(Self { recipients, ..rest })
    }

    /// Whether the result goes to the card's comments too; told also by a call that cannot be read otherwise.
    #[must_use]
    pub fn wants_comment(properties: &Value) -> bool {
        Fields::of(properties).flag("card_comment")
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
        })
    }
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
    use crate::model::message::Peer;
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
        };
        assert_eq!(request, expected);
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
    fn too_many_addresses_are_refused_as_a_whole() {
        let many: Vec<_> = (0..101).map(|n| format!("@name_{n}")).collect();
        let error = read(&json!({"chat_ids": many.join(","), "message": "x"})).unwrap_err();
        assert_eq!((error.code, error.chat_ids.len()), (Code::RequestBad, 0));
        assert_eq!(read(&json!({"chat_ids": many[..100].join(","), "message": "x"})).unwrap().recipients.len(), 100);
    }
}
