//! The SMS provider: one sender for each line, and what the portal is told of its messages.

use serde_json::{Value, json};

use crate::model::id::LineId;
use crate::model::result::Code;
use crate::model::status::Status;

/// The method of a status update; fifty of them go in one batch. It needs the token of an administrator: with any other it
/// fails for the letters of other people.
pub const STATUS_METHOD: &str = "messageservice.message.status.update";

const CODE_PREFIX: &str = "switchboard_";

/// What the portal can be told of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum SmsStatus {
    /// It waits here.
    Queued,
    /// It left.
    Sent,
    /// It arrived.
    Delivered,
    /// There is nobody with this messenger at the number.
    Undelivered,
    /// It cannot be sent.
    Failed,
}

impl SmsStatus {
    /// The written form.
    #[must_use]
    pub const fn slug(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Sent => "sent",
            Self::Delivered => "delivered",
            Self::Undelivered => "undelivered",
            Self::Failed => "failed",
        }
    }

    /// What to tell of a message with this status. Bitrix24 has no word for viewed, so it stays delivered; a message whose
    /// fate is unknown stays sent, which is what the portal believes anyway.
    #[must_use]
    pub const fn of(status: Status, code: Option<Code>) -> Self {
        match (status, code) {
            (Status::Sent | Status::Unknown, _) => Self::Sent,
            (Status::Delivered | Status::Viewed, _) => Self::Delivered,
            (Status::Error, Some(Code::Nobody)) => Self::Undelivered,
            (Status::Error | Status::NotSent, _) => Self::Failed,
        }
    }
}

/// A sender as it should stand in the portal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sender {
    /// The line.
    pub line: LineId,
    /// The line's name, which people choose by.
    pub title: String,
    /// Where the portal posts messages to; see [`handler_url`].
    pub handler: String,
}

impl Sender {
    /// The code: `switchboard_<line>`.
    #[must_use]
    pub fn code(&self) -> String {
        format!("{CODE_PREFIX}{}", self.line)
    }

    /// The parameters of `messageservice.sender.add`.
    #[must_use]
    pub fn add_body(&self) -> Value {
        let mut body = self.update_body();
        if let Some(map) = body.as_object_mut() {
            map.insert("TYPE".to_owned(), json!("SMS"));
        }
        body
    }

    /// The parameters of `messageservice.sender.update`.
    #[must_use]
    pub fn update_body(&self) -> Value {
        let name = format!("Switchboard: {}", self.title);
        json!({
            "CODE": self.code(),
            "HANDLER": self.handler,
            "NAME": { "ru": name, "en": name },
            "DESCRIPTION": {
                "ru": format!("Сообщения в мессенджер через линию {}", self.line),
                "en": format!("Messages to a messenger through line {}", self.line),
            },
        })
    }
}

/// The line of a sender's code; none where the code is not ours.
#[must_use]
pub fn line_of(code: &str) -> Option<LineId> {
    code.strip_prefix(CODE_PREFIX).and_then(|line| line.parse().ok())
}

/// The handler of a portal's senders: `base` and, as its last part, a secret that nobody can guess. Messages without an
/// author may come without an application token; then this part is the proof.
#[must_use]
pub fn handler_url(base: &str, path_secret: &str) -> String {
    format!("{}/{path_secret}", base.trim_end_matches('/'))
}

/// The parameters of a status update.
#[must_use]
pub fn status_body(code: &str, message_id: &str, status: SmsStatus) -> Value {
    json!({ "CODE": code, "MESSAGE_ID": message_id, "STATUS": status.slug() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_status_becomes_the_portals_word() {
        for (status, code, word) in [
            (Status::Sent, None, "sent"),
            (Status::Delivered, None, "delivered"),
            (Status::Viewed, None, "delivered"),
            (Status::Error, Some(Code::Nobody), "undelivered"),
            (Status::Error, Some(Code::Blocked), "failed"),
            (Status::NotSent, Some(Code::Stopped), "failed"),
            (Status::Unknown, None, "sent"),
        ] {
            assert_eq!(SmsStatus::of(status, code).slug(), word);
        }
    }

    #[test]
    fn a_senders_code_names_its_line() {
        let sender =
            Sender { line: 12, title: "Продажи".into(), handler: handler_url("https://a.example/hook/", "s3") };
        assert_eq!(line_of(&sender.code()), Some(12));
        assert_eq!(sender.add_body()["HANDLER"], "https://a.example/hook/s3");
        assert_eq!(sender.add_body()["NAME"]["ru"], "Switchboard: Продажи");
        assert_eq!(line_of("switchboard_wa"), None);
        assert_eq!(line_of("other_12"), None);
    }
}
