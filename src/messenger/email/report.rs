//! What a mail server reports about a letter of ours (RFC 3464): where it cannot deliver, the message becomes an error.

use mail_parser::{HeaderName, Message, MessageParser, MimeHeaders as _, PartType};

use super::letter::{good_id, references};
use super::smtp;
use crate::messenger::field;
use crate::model::message::{Event, Receipt};
use crate::model::moment::Moment;
use crate::model::result::Code;
use crate::model::status::Status;

/// What our ids begin with; what follows up to the at sign is the key of the message.
pub(super) const PREFIX: &str = "sb.";

/// The key of the message that an id of ours names.
pub(super) fn key_of(id: &str) -> Option<String> {
    let key = id.strip_prefix(PREFIX)?.split_once('@')?.0;
    (!key.is_empty()).then(|| key.to_owned())
}

/// Reads a report; none where the letter is not one, or speaks of no letter that can be named.
pub(super) fn read(letter: &Message<'_>, at: Moment) -> Option<Event> {
    let says = status_of(letter);
    let failed_recipient = letter.header_raw("X-Failed-Recipients").is_some();
    let is_report = letter.content_type().is_some_and(|kind| {
        kind.ctype() == "multipart"
            && kind.subtype() == Some("report")
            && kind.attribute("report-type").is_none_or(|kind| kind.eq_ignore_ascii_case("delivery-status"))
    });
    if !(is_report && says.is_some() || failed_recipient) {
        return None;
    }
    let original = original_id(letter)?;
    let key = key_of(&original);
    let says = says.unwrap_or_else(|| Says { action: "failed".to_owned(), ..Says::default() });
    let receipt =
        |status, error| Event::Receipt(Receipt { vendor_id: original.clone(), key: key.clone(), status, at, error });
    Some(match says.action.as_str() {
        "failed" => receipt(Status::Error, Some(says.reason())),
        "delivered" => receipt(Status::Delivered, None),
        action => Event::Ignored { what: format!("a report: {}", field::short(action)) },
    })
}

/// What a report says of the first recipient that it speaks of.
#[derive(Debug, Default)]
struct Says {
    action: String,
    status: String,
    recipient: String,
    diagnostic: String,
}

impl Says {
    /// Our code and the server's words.
    fn reason(&self) -> (Code, String) {
        let nobody = ["5.1.1", "5.1.2", "5.1.3", "5.1.10", "5.4.4"].contains(&self.status.as_str());
        let code = match (nobody, smtp::suspects_spam(&self.status, &self.diagnostic)) {
            (true, _) => Code::Nobody,
            (false, true) => Code::SpamSuspected,
            (false, false) => Code::Refused,
        };
        let words = [self.status.as_str(), self.recipient.as_str(), self.diagnostic.as_str()];
        let words: Vec<&str> = words.into_iter().filter(|word| !word.is_empty()).collect();
        let text = if words.is_empty() { "the letter came back".to_owned() } else { words.join(" ") };
        (code, field::short(&text))
    }
}

fn status_of(letter: &Message<'_>) -> Option<Says> {
    let status = letter.parts.iter().find(|part| {
        part.content_type().is_some_and(|kind| {
            kind.ctype() == "message" && kind.subtype().is_some_and(|kind| kind.eq_ignore_ascii_case("delivery-status"))
        })
    })?;
    let body = String::from_utf8_lossy(status.contents()).into_owned();
    let mut says = Says::default();
    let mut field = String::new();
    // folded lines belong to the field above them
    for line in body.replace("\r\n ", " ").replace("\n ", " ").replace("\r\n\t", " ").replace("\n\t", " ").lines() {
        let Some((name, value)) = line.split_once(':') else { continue };
        name.trim().to_lowercase().clone_into(&mut field);
        let value = value.trim();
        // «rfc822; a@b», «smtp; 550 …»
        let bare = || value.split_once(';').map_or(value, |(_, value)| value).trim().to_owned();
        match field.as_str() {
            "action" if says.action.is_empty() => says.action = value.to_lowercase(),
            "status" if says.status.is_empty() => {
                value.split_whitespace().next().unwrap_or_default().clone_into(&mut says.status);
            }
            "final-recipient" if says.recipient.is_empty() => says.recipient = bare(),
            "diagnostic-code" if says.diagnostic.is_empty() => says.diagnostic = bare(),
            _ => {}
        }
    }
    (!says.action.is_empty()).then_some(says)
}

/// The id of the letter that a report speaks of: in the copy of its headers, or among the report's own forerunners.
fn original_id(letter: &Message<'_>) -> Option<String> {
    let copied = letter.parts.iter().find_map(|part| {
        if let PartType::Message(inner) = &part.body {
            return inner.message_id().and_then(good_id);
        }
        let headers = part
            .content_type()
            .is_some_and(|kind| kind.subtype().is_some_and(|kind| kind.eq_ignore_ascii_case("rfc822-headers")));
        if !headers {
            return None;
        }
        // a copy may end without a line end
        let copy = [part.contents(), b"\r\n\r\n"].concat();
        let parsed = MessageParser::default().parse_headers(&copy)?;
        parsed.header(HeaderName::MessageId)?.as_text().and_then(good_id)
    });
    copied.or_else(|| references(letter).into_iter().rev().find(|id| key_of(id).is_some()))
}
