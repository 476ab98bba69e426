//! The fields that robots have in common, each read from what was filled in.

use std::borrow::Cow;

use super::recipient::SHOWN;
use crate::model::id::LineId;
use crate::model::message::Kind;
use crate::model::php_form::{FieldError, Fields};
use crate::model::result::Code;

/// A mistake of whoever filled the robot in: our stable code, and a text where the code's own says too little.
pub(super) type Wrong = (Code, String);

/// The queue of what a robot asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Queue {
    /// «Очередь сообщений».
    Messages,
    /// «Очередь рассылки».
    Mailing,
    /// «Без паузы (срочное)».
    Urgent,
}

/// What nearly every robot is asked: where it works, and when it answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Terms {
    /// The line; none where the flow chooses.
    pub line: Option<LineId>,
    /// The messenger; none where the flow chooses.
    pub channel: Option<Kind>,
    /// Which queue it waits in.
    pub queue: Queue,
    /// Whether the answer waits until it is known what came of it.
    pub async_result: bool,
}

impl Terms {
    /// Reads them; a robot that has no such field has its default.
    pub(super) fn read(fields: &Fields<'_>) -> Result<Self, Wrong> {
        Ok(Self {
            line: read_line(&trimmed(fields, "line_id")?)?,
            channel: read_channel(&trimmed(fields, "channel")?)?,
            queue: read_queue(&trimmed(fields, "queue")?)?,
            async_result: yes_unless_told(fields, "async_result"),
        })
    }
}

/// A switch that is on where the robot has none.
pub(super) fn yes_unless_told(fields: &Fields<'_>, name: &str) -> bool {
    fields.raw(name).is_none() || fields.flag(name)
}

pub(super) fn read_queue(text: &str) -> Result<Queue, Wrong> {
    match text {
        "" | "messages" => Ok(Queue::Messages),
        "mailing" => Ok(Queue::Mailing),
        "urgent" => Ok(Queue::Urgent),
        other => Err(unknown("Очередь отправки", other)),
    }
}

pub(super) fn read_line(text: &str) -> Result<Option<LineId>, Wrong> {
    if text.is_empty() {
        return Ok(None);
    }
    let line = text.parse().ok().filter(|line: &LineId| *line > 0);
    line.map(Some).ok_or_else(|| (Code::LineNotFound, format!("Id линии — число, а указано «{}»", shown(text))))
}

pub(super) fn read_channel(text: &str) -> Result<Option<Kind>, Wrong> {
    if matches!(text, "" | "auto") {
        return Ok(None);
    }
    let kind = Kind::from_slug(text);
    kind.map(Some).ok_or_else(|| (Code::ChannelNotFound, format!("нет канала «{}»", shown(text))))
}

/// An employee comes as `user_27`; groups, which come too, are nobody in particular.
pub(super) fn read_user(text: &str) -> Option<i64> {
    text.strip_prefix("user_").unwrap_or(text).parse().ok().filter(|id| *id > 0)
}

/// A number of the portal: of a file of the Disk, which fields of the CRM also write as `n123`, or of a document.
pub(super) fn read_file_id(text: &str) -> Result<i64, Wrong> {
    let digits = text.strip_prefix('n').unwrap_or(text);
    let id = digits.parse().ok().filter(|id| *id > 0);
    id.ok_or_else(|| (Code::FileIdBad, format!("Id файла или документа — число, а указано «{}»", shown(text))))
}

pub(super) fn text<'a>(fields: &Fields<'a>, name: &str) -> Result<Cow<'a, str>, Wrong> {
    // a field that was made multiple later brings a list
    let texts = texts(fields, name)?;
    Ok(texts.into_iter().next().unwrap_or_default())
}

pub(super) fn trimmed(fields: &Fields<'_>, name: &str) -> Result<String, Wrong> {
    Ok(text(fields, name)?.trim().to_owned())
}

pub(super) fn texts<'a>(fields: &Fields<'a>, name: &str) -> Result<Vec<Cow<'a, str>>, Wrong> {
    fields.texts(name).map_err(|error: FieldError| (Code::RequestBad, format!("поле {} не читается", error.field)))
}

pub(super) fn unknown(field: &str, value: &str) -> Wrong {
    (Code::RequestBad, format!("в поле «{field}» неизвестное значение «{}»", shown(value)))
}

pub(super) fn shown(text: &str) -> String {
    text.chars().take(SHOWN).collect()
}
