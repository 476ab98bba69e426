//! VK's error codes, told in the outbox's words. The HTTP status is 200 for errors too, so the code alone decides
//! (<https://dev.vk.com/ru/reference/errors>).

use serde_json::Value;

use crate::messenger::field;
use crate::messenger::parcel::refused;
use crate::model::result::Code;
use crate::model::vendor::{Answer, Scope};
use crate::net::http::{CallError, Reply};

/// What a code means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Meaning {
    /// VK stumbled, perhaps after it took the message.
    Unsure,
    /// VK is in trouble, and took nothing.
    Again,
    /// The community rests.
    Rest(i64),
    /// This recipient rests.
    RestRecipient(i64),
    /// The key, its rights or the community: nothing goes until a person has mended it.
    Stop,
    /// There is nobody to take it.
    Nobody,
    /// Final, with our code.
    Final(Code),
}

const fn meaning(code: i64) -> Option<Meaning> {
    use Meaning::{Again, Final, Nobody, Rest, RestRecipient, Stop, Unsure};
    Some(match code {
        1 | 10 | 36 => Unsure,
        43 => Again,
        6 => Rest(1_000),
        29 => Rest(3_600_000),
        9 | 223 => RestRecipient(60_000),
        // 14, 17 and 3300 ask the owner to open a page; 912: the bot's abilities are switched off
        2 | 5 | 14 | 16 | 17 | 23 | 27 | 28 | 38 | 42 | 912 | 1116 | 1117 | 3300 | 3609 => Stop,
        18 | 37 | 927 | 936 | 3610 => Nobody,
        30 | 900 | 902 | 917 | 922 | 945 | 1012 => Final(Code::Blocked),
        901 | 985 | 987 | 988 => Final(Code::CannotWriteFirst),
        950 => Final(Code::WindowClosed),
        113 => Final(Code::AddressBad),
        22 | 105 | 129 | 1150 | 1152 | 1153 => Final(Code::FileBad),
        910 | 914 => Final(Code::MessageTooLong),
        909 | 924 => Final(Code::ChangeTooLate),
        920 => Final(Code::Unchangeable),
        911 | 946 => Final(Code::NotSupported),
        _ => return None,
    })
}

/// The `response` of a successful call, or what the failure means.
pub(super) fn result_of(called: Result<Reply, CallError>) -> Result<Value, Answer> {
    let reply = called.map_err(|error| error.answer(true))?;
    let mut body = reply.json();
    if let Some(error) = body.get("error").filter(|error| error.is_object()) {
        return Err(read_error(error));
    }
    match body.get_mut("response").map(Value::take) {
        Some(response) if (200..300).contains(&reply.status) => Ok(response),
        _ => Err(read_page(&reply)),
    }
}

/// What an error object means: that of a whole call, or that of one recipient of a call that went well.
pub(super) fn read_error(error: &Value) -> Answer {
    let code = field::number(error, "error_code").or_else(|| field::number(error, "code"));
    let said = said(error, code);
    match code.and_then(meaning) {
        Some(Meaning::Unsure) => unsure(said),
        Some(Meaning::Again) => Answer::Down { seen: said },
        Some(Meaning::Rest(after_ms)) => Answer::Busy { after_ms, scope: Scope::Lane },
        Some(Meaning::RestRecipient(after_ms)) => Answer::Busy { after_ms, scope: Scope::Recipient },
        Some(Meaning::Stop) => Answer::Expired { seen: said },
        Some(Meaning::Nobody) => Answer::Nobody { text: said },
        Some(Meaning::Final(code)) => Answer::Refused { code, text: said },
        None => Answer::Refused { code: Code::Refused, text: said },
    }
}

/// Whether a refusal is that of a code.
pub(super) fn is(answer: &Answer, code: i64) -> bool {
    let (Answer::Refused { text, .. } | Answer::Nobody { text }) = answer else { return false };
    text.starts_with(&format!("({code})"))
}

/// The fate is unknown; the same `random_id` makes another try harmless.
pub(super) const fn unsure(seen: String) -> Answer {
    Answer::Unsure { seen, resendable: true }
}

/// Asking and uploading twice does no harm, since nobody sees anything of it.
pub(super) fn repeatable(answer: Answer) -> Answer {
    match answer {
        Answer::Unsure { seen, .. } => Answer::Down { seen },
        other => other,
    }
}

/// An answer that is not the API's: a gateway or a page in between.
pub(super) fn read_page(reply: &Reply) -> Answer {
    let seen = format!("HTTP {} without an answer of the API", reply.status);
    match reply.status {
        413 => refused(Code::FileTooBig),
        429 => Answer::Busy { after_ms: 5_000, scope: Scope::Lane },
        // who answered this did not hand the call on
        300..500 => Answer::Down { seen },
        _ => unsure(seen),
    }
}

/// The code and VK's words, for a person, with the page that the owner is asked to open. The parameters that VK repeats
/// beside them hold what we sent, so they are not looked at.
fn said(error: &Value, code: Option<i64>) -> String {
    let words = field::text(error, "error_msg").or_else(|| field::text(error, "description"));
    let parts = [code.map(|code| format!("({code})")), words, field::text(error, "redirect_uri")];
    field::short(&parts.into_iter().flatten().collect::<Vec<_>>().join(" "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn answer(code: i64) -> Answer {
        read_error(
            &json!({"error_code": code, "error_msg": "said", "request_params": [{"key": "message", "value": "x"}]}),
        )
    }

    #[test]
    fn trouble_at_vk_is_tried_again_with_the_same_key() {
        for code in [1, 10, 36] {
            assert_eq!(answer(code), Answer::Unsure { seen: format!("({code}) said"), resendable: true });
        }
        assert_eq!(answer(43), Answer::Down { seen: "(43) said".to_owned() });
    }

    #[test]
    fn limits_rest_the_lane_and_flood_control_only_the_recipient() {
        for (code, after_ms, scope) in [
            (6, 1_000, Scope::Lane),
            (29, 3_600_000, Scope::Lane),
            (9, 60_000, Scope::Recipient),
            (223, 60_000, Scope::Recipient),
        ] {
            assert_eq!(answer(code), Answer::Busy { after_ms, scope }, "{code}");
        }
    }

    #[test]
    fn credentials_captchas_and_locked_communities_stop_the_channel() {
        for code in [2, 5, 14, 16, 17, 23, 27, 28, 38, 42, 912, 1116, 1117, 3300, 3609] {
            assert!(matches!(answer(code), Answer::Expired { .. }), "{code}");
        }
        let captcha = json!({"error_code": 17, "error_msg": "Validation", "redirect_uri": "https://vk.com/v"});
        assert_eq!(read_error(&captcha), Answer::Expired { seen: "(17) Validation https://vk.com/v".to_owned() });
    }

    #[test]
    fn every_final_row_has_its_code() {
        for (codes, expected) in [
            (vec![30, 900, 902, 917, 922, 945, 1012], Code::Blocked),
            (vec![901, 985, 987, 988], Code::CannotWriteFirst),
            (vec![950], Code::WindowClosed),
            (vec![113], Code::AddressBad),
            (vec![22, 105, 129, 1150, 1152, 1153], Code::FileBad),
            (vec![910, 914], Code::MessageTooLong),
            (vec![911, 946], Code::NotSupported),
            (vec![909, 924], Code::ChangeTooLate),
            (vec![920], Code::Unchangeable),
            (
                vec![7, 8, 15, 100, 150, 212, 213, 222, 913, 921, 925, 932, 935, 940, 943, 944, 947, 969, 9999],
                Code::Refused,
            ),
        ] {
            for code in codes {
                assert_eq!(answer(code), Answer::Refused { code: expected, text: format!("({code}) said") });
            }
        }
        for code in [18, 37, 927, 936, 3610] {
            assert_eq!(answer(code), Answer::Nobody { text: format!("({code}) said") });
        }
    }

    #[test]
    fn the_error_of_one_recipient_is_read_like_that_of_a_call() {
        let error = json!({"code": 901, "description": "no permission"});
        let expected = Answer::Refused { code: Code::CannotWriteFirst, text: "(901) no permission".to_owned() };
        assert_eq!(read_error(&error), expected);
    }
}
