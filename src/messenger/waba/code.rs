//! Meta's error codes, told in the outbox's words. The code alone decides, never the HTTP status
//! (<https://developers.facebook.com/docs/whatsapp/cloud-api/support/error-codes>).

use serde_json::Value;

use crate::messenger::field;
use crate::messenger::parcel::refused;
use crate::model::result::Code;
use crate::model::vendor::{Answer, Scope};
use crate::net::http::{CallError, Reply};

/// What a code means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Meaning {
    /// Meta is in trouble, and said that it did not take the message.
    Again,
    /// The number, the app or the account rests.
    Rest(i64),
    /// The same, because Meta suspects spam.
    Suspect(i64),
    /// This recipient rests.
    RestRecipient(i64),
    /// The token, the permission, the number or the account: nothing goes until a person has mended it.
    Stop,
    /// There is nobody to take it.
    Nobody,
    /// Final, with our code.
    Final(Code),
}

const fn meaning(code: i64) -> Option<Meaning> {
    use Meaning::{Again, Final, Nobody, Rest, RestRecipient, Stop, Suspect};
    Some(match code {
        1 | 2 | 131_000 | 131_016 | 133_004 => Again,
        4 | 80_007 | 131_057 | 132_069 => Rest(60_000),
        130_429 => Rest(5_000),
        131_048 => Suspect(3_600_000),
        133_015 => Rest(300_000),
        // one message in six seconds to one person; the outbox lets the pauses grow
        131_056 => RestRecipient(6_000),
        0
        | 3
        | 10
        | 33
        | 190
        | 200..=299
        | 368
        | 131_005
        | 131_031
        | 131_037
        | 131_042
        | 131_045
        | 133_010
        | 133_016 => Stop,
        131_026 => Nobody,
        131_047 => Final(Code::WindowClosed),
        130_472 | 131_049 => Final(Code::VendorCap),
        131_050 => Final(Code::OptedOut),
        131_021 => Final(Code::AddressBad),
        131_051 | 131_062 => Final(Code::NotSupported),
        // a second try helps only where Meta could not fetch a link; mostly the file itself is at fault, and it would be
        // tried until its time is over
        131_052 | 131_053 => Final(Code::FileBad),
        132_000 | 132_005 | 132_012 | 132_018 => Final(Code::TemplateBad),
        132_001 => Final(Code::TemplateNotFound),
        132_015 | 132_016 | 132_068 => Final(Code::TemplateOff),
        100 | 130_497 | 131_008 | 131_009 | 131_030 | 132_007 | 134_102 | 135_000 => Final(Code::Refused),
        _ => return None,
    })
}

/// The body of a successful call, or what the failure means.
pub(super) fn result_of(called: Result<Reply, CallError>) -> Result<Value, Answer> {
    let reply = called.map_err(|error| error.answer(false))?;
    let body = reply.json();
    match body.get("error") {
        Some(error) if error.is_object() => Err(read_error(reply.status, error)),
        _ if (200..300).contains(&reply.status) && body.is_object() => Ok(body),
        _ => Err(read_page(&reply)),
    }
}

/// What an error object of an answer means.
pub(super) fn read_error(status: u16, error: &Value) -> Answer {
    let said = said(error);
    match field::number(error, "code").and_then(meaning) {
        Some(Meaning::Again) => Answer::Down { seen: said },
        Some(Meaning::Rest(after_ms)) => Answer::Busy { after_ms, scope: Scope::Lane },
        Some(Meaning::Suspect(after_ms)) => Answer::Busy { after_ms, scope: Scope::Suspected },
        Some(Meaning::RestRecipient(after_ms)) => Answer::Busy { after_ms, scope: Scope::Recipient },
        Some(Meaning::Stop) => Answer::Expired { seen: said },
        Some(Meaning::Nobody) => Answer::Nobody { text: said },
        Some(Meaning::Final(code)) => Answer::Refused { code, text: said },
        None if error.get("is_transient").and_then(Value::as_bool) == Some(true) => Answer::Down { seen: said },
        None if status >= 500 => Answer::Unsure { seen: said, resendable: false },
        None => Answer::Refused { code: Code::Refused, text: said },
    }
}

/// Our code and Meta's text for the first error of a status.
pub(super) fn read_status_error(errors: &[Value]) -> (Code, String) {
    let Some(error) = errors.first() else { return (Code::Refused, String::new()) };
    let code = match field::number(error, "code").and_then(meaning) {
        Some(Meaning::Final(code)) => code,
        Some(Meaning::Nobody) => Code::Nobody,
        Some(Meaning::Suspect(_)) => Code::SpamSuspected,
        // after a status nothing is sent again, whatever the reason was
        _ => Code::Refused,
    };
    (code, said(error))
}

/// An answer that is not the API's: a gateway or a page in between.
fn read_page(reply: &Reply) -> Answer {
    let seen = format!("HTTP {} without an answer of the API", reply.status);
    match reply.status {
        413 => refused(Code::FileTooBig),
        429 => Answer::Busy { after_ms: 5_000, scope: Scope::Lane },
        // who answered this did not hand the call on
        300..500 => Answer::Down { seen },
        _ => Answer::Unsure { seen, resendable: false },
    }
}

/// Code, message and details, for a person.
pub(super) fn said(error: &Value) -> String {
    let details = error.get("error_data").and_then(|data| field::text(data, "details"));
    let message = field::text(error, "message").or_else(|| field::text(error, "title"));
    let code = field::number(error, "code").map(|code| format!("({code})"));
    let parts: Vec<String> = [code, details.or(message)].into_iter().flatten().collect();
    field::short(&parts.join(" "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn answer(code: i64) -> Answer {
        read_error(400, &json!({"code": code, "message": "said"}))
    }

    #[test]
    fn trouble_at_meta_is_tried_again() {
        for code in [1, 2, 131_000, 131_016, 133_004] {
            assert_eq!(answer(code), Answer::Down { seen: format!("({code}) said") });
        }
    }

    #[test]
    fn limits_rest_the_lane_and_the_pair_limit_only_the_recipient() {
        for (code, after_ms) in
            [(4, 60_000), (80_007, 60_000), (130_429, 5_000), (131_057, 60_000), (132_069, 60_000), (133_015, 300_000)]
        {
            assert_eq!(answer(code), Answer::Busy { after_ms, scope: Scope::Lane }, "{code}");
        }
        assert_eq!(answer(131_048), Answer::Busy { after_ms: 3_600_000, scope: Scope::Suspected });
        assert_eq!(read_status_error(&[json!({"code": 131_048})]).0, Code::SpamSuspected);
        assert_eq!(answer(131_056), Answer::Busy { after_ms: 6_000, scope: Scope::Recipient });
    }

    #[test]
    fn credentials_and_locked_accounts_stop_the_channel() {
        for code in
            [0, 190, 3, 10, 200, 250, 299, 33, 368, 131_031, 131_005, 131_037, 131_042, 131_045, 133_010, 133_016]
        {
            assert!(matches!(answer(code), Answer::Expired { .. }), "{code}");
        }
    }

    #[test]
    fn every_final_row_has_its_code() {
        for (code, expected) in [
            (100, Code::Refused),
            (130_472, Code::VendorCap),
            (130_497, Code::Refused),
            (131_008, Code::Refused),
            (131_009, Code::Refused),
            (131_021, Code::AddressBad),
            (131_030, Code::Refused),
            (131_047, Code::WindowClosed),
            (131_049, Code::VendorCap),
            (131_050, Code::OptedOut),
            (131_051, Code::NotSupported),
            (131_052, Code::FileBad),
            (131_053, Code::FileBad),
            (131_062, Code::NotSupported),
            (132_000, Code::TemplateBad),
            (132_001, Code::TemplateNotFound),
            (132_005, Code::TemplateBad),
            (132_007, Code::Refused),
            (132_012, Code::TemplateBad),
            (132_015, Code::TemplateOff),
            (132_016, Code::TemplateOff),
            (132_068, Code::TemplateOff),
            (134_102, Code::Refused),
            (135_000, Code::Refused),
        ] {
            assert_eq!(answer(code), Answer::Refused { code: expected, text: format!("({code}) said") });
            assert_eq!(read_status_error(&[json!({"code": code})]).0, expected, "{code}");
        }
        assert!(matches!(answer(131_026), Answer::Nobody { .. }));
        assert_eq!(read_status_error(&[json!({"code": 131_026})]).0, Code::Nobody);
    }

    #[test]
    fn an_unknown_code_goes_by_whether_meta_calls_it_transient() {
        let unknown =
            |status, transient: bool| read_error(status, &json!({"code": 999_999, "is_transient": transient}));
        assert!(matches!(unknown(400, true), Answer::Down { .. }));
        assert!(matches!(unknown(400, false), Answer::Refused { code: Code::Refused, .. }));
        assert!(matches!(unknown(500, false), Answer::Unsure { resendable: false, .. }));
    }

    #[test]
    fn a_status_never_asks_for_another_try() {
        for code in [1, 130_429, 131_056, 190, 999_999] {
            assert_eq!(read_status_error(&[json!({"code": code})]).0, Code::Refused);
        }
        assert_eq!(read_status_error(&[]), (Code::Refused, String::new()));
    }
}
