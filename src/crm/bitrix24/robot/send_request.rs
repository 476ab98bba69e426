//! What a robot that sends is asked to do, read from what was filled in. A mistake is told as an entry with a stable code, so that
//! the automation goes on by its result.

use serde_json::Value;

use super::field::{
    Queue, Terms, Wrong, read_file_id, read_user, shown, text, texts, trimmed, unknown, yes_unless_told,
};
use super::recipient::{Recipient, read_groups, read_recipients};
use crate::model::id::LineId;
use crate::model::message::Kind;
use crate::model::php_form::Fields;
use crate::model::portal_file::PortalFile;
use crate::model::result::{Code, Entry};

/// A message that a robot asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SendRequest {
    /// Everybody named, in the order of the fields, each once. At least one.
    pub recipients: Vec<Recipient>,
    /// Whether all of them get it.
    pub mode: Mode,
    /// Whether the recipients are groups.
    pub into_groups: bool,
    /// The text, with its randomizer still in it; beneath a file it may be empty.
    pub text: String,
    /// The file that goes with it.
    pub file: Option<PortalFile>,
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

/// What a robot that sends has beside its text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Beside {
    /// Nothing.
    Nothing,
    /// A file of the Disk.
    Disk,
    /// A document of the CRM: the one that is named, or the newest of the card.
    Document,
    /// A document of the CRM where one is named.
    MaybeDocument,
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

    /// A mistake in a call whose addresses are known, as far as they are.
    pub(super) fn of((code, text): Wrong, recipients: &[Recipient]) -> Self {
        Self { code, text, chat_ids: recipients.iter().map(|recipient| recipient.chat_id.clone()).collect() }
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
    /// Reads the properties of a call of the main robot. Phones without a country code are taken for numbers of `region`.
    ///
    /// # Errors
    /// [`NotRead`] where nothing can be sent to anybody; one bad address among good ones is no error.
    pub fn read(properties: &Value, region: &str) -> Result<Self, NotRead> {
        Self::read_with(properties, region, Beside::Nothing, false)
    }

    /// The same for any robot that sends.
    pub(super) fn read_with(
        properties: &Value,
        region: &str,
        beside: Beside,
        into_groups: bool,
    ) -> Result<Self, NotRead> {
        let fields = Fields::of(properties);
        let recipients = if into_groups { read_groups(&fields) } else { read_recipients(&fields, region) };
        let recipients = recipients.map_err(|wrong| NotRead::of(wrong, &[]))?;
        match Self::read_rest(&fields, beside) {
            Ok(rest) => Ok(Self { recipients, into_groups, ..rest }),
            Err(wrong) => Err(NotRead::of(wrong, &recipients)),
        }
    }

    /// Everything but the recipients.
    fn read_rest(fields: &Fields<'_>, beside: Beside) -> Result<Self, Wrong> {
        let file = read_file(fields, beside)?;
        let text = text(fields, "message")?;
        if text.trim().is_empty() && file.is_none() {
            return Err((Code::MessageEmpty, String::new()));
        }
        let names = (trimmed(fields, "first_name")?, trimmed(fields, "last_name")?);
        let mode = read_mode(&trimmed(fields, "recipients")?)?;
        let Terms { line, channel, queue, async_result } = Terms::read(fields)?;
        Ok(Self {
            recipients: Vec::new(),
            mode,
            into_groups: false,
            text: text.into_owned(),
            file,
            names: (names.0.len() + names.1.len() > 0).then_some(names),
            line,
            channel,
            open_lines: yes_unless_told(fields, "open_lines"),
            responsible: read_user(&trimmed(fields, "responsible")?),
            queue,
            async_result,
        })
    }
}

fn read_file(fields: &Fields<'_>, beside: Beside) -> Result<Option<PortalFile>, Wrong> {
    let name = match beside {
        Beside::Nothing => return Ok(None),
        Beside::Disk => "disk_file_id",
        Beside::Document | Beside::MaybeDocument => "document_id",
    };
    let given: Vec<String> =
        texts(fields, name)?.iter().map(|id| id.trim().to_owned()).filter(|id| !id.is_empty()).collect();
    let id = match given.as_slice() {
        [] => None,
        [id] => Some(read_file_id(id)?),
        _ => return Err((Code::FileIdBad, "один робот отправляет один файл, а указано несколько".to_owned())),
    };
    let document = |id| -> Result<Option<PortalFile>, Wrong> {
        let pdf = match trimmed(fields, "format")?.as_str() {
            "" | "pdf" => true,
            "docx" => false,
            other => return Err(unknown("Формат", other)),
        };
        Ok(Some(PortalFile::Document { id, card: None, pdf }))
    };
    match (beside, id) {
        (Beside::Disk, Some(id)) => Ok(Some(PortalFile::Disk { id })),
        (Beside::Disk, None) => Err((Code::FileIdBad, "не указан Id файла на Диске".to_owned())),
        (Beside::MaybeDocument, None) | (Beside::Nothing, _) => Ok(None),
        (Beside::Document | Beside::MaybeDocument, id) => document(id),
    }
}

fn read_mode(text: &str) -> Result<Mode, Wrong> {
    match text {
        "" | "all" => Ok(Mode::All),
        "first" => Ok(Mode::First),
        other => Err(unknown("Кому отправить", other)),
    }
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
            into_groups: false,
            text: " Привет \n".into(),
            file: None,
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
            into_groups: false,
            text: "Привет".into(),
            file: None,
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
    fn a_file_and_a_document_are_named_by_their_number() {
        let read = |beside, properties: Value| {
            let mut all = json!({"phones": "79990000001"});
            all.as_object_mut().unwrap().extend(properties.as_object().unwrap().clone());
            SendRequest::read_with(&all, "RU", beside, false).map(|request| request.file)
        };
        let document = |id, pdf| Ok(Some(PortalFile::Document { id, card: None, pdf }));
        assert_eq!(read(Beside::Disk, json!({"disk_file_id": " n5437 "})), Ok(Some(PortalFile::Disk { id: 5437 })));
        assert_eq!(read(Beside::Document, json!({"document_id": ["61"]})), document(Some(61), true));
        assert_eq!(read(Beside::Document, json!({"document_id": "", "format": "docx"})), document(None, false));
        assert_eq!(read(Beside::MaybeDocument, json!({"document_id": "", "message": "x"})), Ok(None));
        for (beside, properties, code) in [
            (Beside::Disk, json!({"disk_file_id": ""}), Code::FileIdBad),
            (Beside::Disk, json!({"disk_file_id": "https://p/disk/1"}), Code::FileIdBad),
            (Beside::Disk, json!({"disk_file_id": ["1", "2"]}), Code::FileIdBad),
            (Beside::Document, json!({"document_id": "-1"}), Code::FileIdBad),
            (Beside::Document, json!({"format": "odt"}), Code::RequestBad),
            (Beside::MaybeDocument, json!({"message": " "}), Code::MessageEmpty),
        ] {
            assert_eq!(read(beside, properties.clone()).unwrap_err().code, code, "{properties}");
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
