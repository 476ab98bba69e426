//! What the Bot API answered, told in the outbox's words. The API has no error codes beyond the HTTP ones, so the
//! description's beginning decides, as the server's source writes it.

use serde_json::Value;

use crate::messenger::field;
use crate::messenger::parcel::refused;
use crate::model::result::Code;
use crate::model::vendor::{Answer, Scope};
use crate::net::http::{CallError, Reply};

/// How long the bot rests where the vendor asks to wait and does not say how long.
const REST_MS: i64 = 5_000;

/// The result of a call, or what the failure means.
pub(super) fn result_of(called: Result<Reply, CallError>) -> Result<Value, Failure> {
    let reply = called.map_err(|error| error.answer(false))?;
    let mut body = reply.json();
    match body.get("ok").and_then(Value::as_bool) {
        Some(true) if (200..300).contains(&reply.status) => {
            Ok(body.get_mut("result").map(Value::take).unwrap_or_default())
        }
        Some(false) => Err(read_error(reply.status, &body)),
        _ => Err(read_page(&reply).into()),
    }
}

/// Why a call failed, and how it may be put right.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Failure {
    /// What it means.
    pub(super) answer: Answer,
    /// The group's new id, where it became a supergroup.
    pub(super) moved_to: Option<i64>,
    /// Whether the message that was to be answered is gone.
    pub(super) reply_gone: bool,
}

impl From<Answer> for Failure {
    fn from(answer: Answer) -> Self {
        Self { answer, moved_to: None, reply_gone: false }
    }
}

fn read_error(status: u16, body: &Value) -> Failure {
    let code = field::number(body, "error_code").unwrap_or(i64::from(status));
    let said = field::short(&field::text(body, "description").unwrap_or_else(|| format!("error {code}")));
    let parameters = body.get("parameters").cloned().unwrap_or_default();
    let lower = said.to_lowercase();
    let bare = ["bad request: ", "forbidden: ", "conflict: "].iter().find_map(|start| lower.strip_prefix(start));
    let bare = bare.unwrap_or(&lower);
    let answer = match code {
        401 | 404 | 409 => Answer::Expired { seen: said },
        413 => refused(Code::FileTooBig),
        429 => busy(field::number(&parameters, "retry_after")),
        400 | 403 => read_refusal(bare, said),
        // the server may have taken the message before it stumbled
        500.. => Answer::Unsure { seen: said, resendable: false },
        _ => Answer::Refused { code: Code::Refused, text: said },
    };
    let reply_gone = bare.starts_with("message thread not found")
        || bare.starts_with("message to be replied not found")
        || bare.starts_with("message to reply not found");
    Failure { answer, moved_to: field::number(&parameters, "migrate_to_chat_id"), reply_gone }
}

/// An answer that is not the API's: a gateway or a page in between.
fn read_page(reply: &Reply) -> Answer {
    let seen = format!("HTTP {} without an answer of the API", reply.status);
    match reply.status {
        413 => refused(Code::FileTooBig),
        429 => busy(reply.header("retry-after").and_then(|value| value.parse().ok())),
        // who answered this did not hand the call on
        300..500 => Answer::Down { seen },
        _ => Answer::Unsure { seen, resendable: false },
    }
}

fn busy(seconds: Option<i64>) -> Answer {
    let after_ms = seconds.map_or(REST_MS, |seconds| seconds.clamp(1, 86_400) * 1_000);
    Answer::Busy { after_ms, scope: Scope::Lane }
}

/// What a refusal comes to.
#[derive(Clone, Copy)]
enum Refusal {
    Final(Code),
    Nobody,
    Success,
}

/// Beginnings of descriptions, after `Bad Request: ` or `Forbidden: `, in lower case.
const REFUSALS: &[(&str, Refusal)] = &[
    ("chat not found", Refusal::Nobody),
    ("user not found", Refusal::Nobody),
    ("peer_id_invalid", Refusal::Nobody),
    ("user is deactivated", Refusal::Nobody),
    ("the group chat was deleted", Refusal::Nobody),
    ("group chat was deleted", Refusal::Nobody),
    ("bot was blocked by the user", Refusal::Final(Code::Blocked)),
    ("bot was kicked from", Refusal::Final(Code::Blocked)),
    ("bot is not a member of", Refusal::Final(Code::Blocked)),
    ("bot can't initiate conversation", Refusal::Final(Code::CannotWriteFirst)),
    ("bot can't send messages to bots", Refusal::Final(Code::NotSupported)),
    ("message is too long", Refusal::Final(Code::MessageTooLong)),
    ("caption is too long", Refusal::Final(Code::MessageTooLong)),
    ("message caption is too long", Refusal::Final(Code::MessageTooLong)),
    ("message text is empty", Refusal::Final(Code::MessageEmpty)),
    ("file is too big", Refusal::Final(Code::FileTooBig)),
    ("wrong file identifier", Refusal::Final(Code::FileBad)),
    ("wrong type of the web page content", Refusal::Final(Code::FileBad)),
    ("photo_invalid_dimensions", Refusal::Final(Code::FileBad)),
    ("failed to get http url content", Refusal::Final(Code::FileGone)),
    ("message can't be deleted", Refusal::Final(Code::Unchangeable)),
    ("message can't be edited", Refusal::Final(Code::Unchangeable)),
    ("message to edit not found", Refusal::Final(Code::Deleted)),
    ("message to react not found", Refusal::Final(Code::Deleted)),
    ("reaction_invalid", Refusal::Final(Code::ReactionBad)),
    ("message is not modified", Refusal::Success),
    ("message to delete not found", Refusal::Success),
];

/// Entities, rights, closed topics, forbidden voice messages and whatever comes later have no row: they are plain refusals.
fn read_refusal(bare: &str, text: String) -> Answer {
    match REFUSALS.iter().find(|(start, _)| bare.starts_with(start)).map(|(_, refusal)| *refusal) {
        Some(Refusal::Final(code)) => Answer::Refused { code, text },
        Some(Refusal::Nobody) => Answer::Nobody { text },
        Some(Refusal::Success) => Answer::done(),
        None => Answer::Refused { code: Code::Refused, text },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn failure(code: i64, description: &str) -> Failure {
        read_error(200, &json!({"ok": false, "error_code": code, "description": description}))
    }

    fn code_of(code: i64, description: &str) -> Code {
        match failure(code, description).answer {
            Answer::Refused { code, text } => {
                assert_eq!(text, description);
                code
            }
            other => panic!("{description}: {other:?}"),
        }
    }

    #[test]
    fn a_wrong_token_and_a_second_consumer_stop_the_channel() {
        for (code, text) in [
            (401, "Unauthorized"),
            (404, "Not Found"),
            (409, "Conflict: can't use getUpdates method while webhook is active"),
            (409, "Conflict: terminated by other getUpdates request"),
        ] {
            assert_eq!(failure(code, text).answer, Answer::Expired { seen: text.to_owned() });
        }
    }

    #[test]
    fn too_many_requests_rest_the_lane_as_long_as_asked() {
        let body = json!({"ok": false, "error_code": 429, "description": "Too Many Requests: retry after 35",
            "parameters": {"retry_after": 35}});
        assert_eq!(read_error(429, &body).answer, Answer::Busy { after_ms: 35_000, scope: Scope::Lane });
        assert_eq!(failure(429, "Too Many Requests").answer, Answer::Busy { after_ms: REST_MS, scope: Scope::Lane });
    }

    #[test]
    fn a_stumbling_server_leaves_the_message_unsure() {
        for code in [500, 502, 504] {
            assert!(matches!(failure(code, "Internal").answer, Answer::Unsure { resendable: false, .. }), "{code}");
        }
    }

    #[test]
    fn who_is_not_there_is_nobody() {
        for (code, text) in [
            (400, "Bad Request: chat not found"),
            (400, "Bad Request: user not found"),
            (400, "Bad Request: PEER_ID_INVALID"),
            (403, "Forbidden: user is deactivated"),
            (403, "Forbidden: the group chat was deleted"),
        ] {
            assert_eq!(failure(code, text).answer, Answer::Nobody { text: text.to_owned() });
        }
    }

    #[test]
    fn a_group_that_moved_tells_its_new_id() {
        let body = json!({"ok": false, "error_code": 400,
            "description": "Bad Request: group chat was upgraded to a supergroup chat",
            "parameters": {"migrate_to_chat_id": -1_001_234_567_890_i64}});
        assert_eq!(read_error(400, &body).moved_to, Some(-1_001_234_567_890));
    }

    #[test]
    fn a_reply_to_nothing_is_told_apart() {
        assert!(failure(400, "Bad Request: message to be replied not found").reply_gone);
        assert!(failure(400, "Bad Request: message thread not found").reply_gone);
        assert!(!failure(400, "Bad Request: chat not found").reply_gone);
    }

    #[test]
    fn every_final_row_has_its_code() {
        for (code, text, expected) in [
            (400, "Bad Request: message is too long", Code::MessageTooLong),
            (400, "Bad Request: message caption is too long", Code::MessageTooLong),
            (400, "Bad Request: message text is empty", Code::MessageEmpty),
            (400, "Bad Request: can't parse entities: unexpected end", Code::Refused),
            (400, "Bad Request: wrong file identifier/HTTP URL specified", Code::FileBad),
            (400, "Bad Request: file is too big", Code::FileTooBig),
            (400, "Bad Request: wrong type of the web page content", Code::FileBad),
            (400, "Bad Request: failed to get HTTP URL content", Code::FileGone),
            (400, "Bad Request: PHOTO_INVALID_DIMENSIONS", Code::FileBad),
            (400, "Bad Request: VOICE_MESSAGES_FORBIDDEN", Code::Refused),
            (400, "Bad Request: not enough rights to send text messages to the chat", Code::Refused),
            (400, "Bad Request: TOPIC_CLOSED", Code::Refused),
            (400, "Bad Request: CHAT_WRITE_FORBIDDEN", Code::Refused),
            (400, "Bad Request: something new", Code::Refused),
            (403, "Forbidden: bot was blocked by the user", Code::Blocked),
            (403, "Forbidden: bot was kicked from the supergroup chat", Code::Blocked),
            (403, "Forbidden: bot is not a member of the channel chat", Code::Blocked),
            (403, "Forbidden: bot can't initiate conversation with a user", Code::CannotWriteFirst),
            (403, "Forbidden: bot can't send messages to bots", Code::NotSupported),
        ] {
            assert_eq!(code_of(code, text), expected, "{text}");
        }
        assert_eq!(failure(413, "Request Entity Too Large").answer, refused(Code::FileTooBig));
    }

    #[test]
    fn what_is_already_so_is_success() {
        for text in ["Bad Request: message is not modified: same", "Bad Request: message to delete not found"] {
            assert_eq!(failure(400, text).answer, Answer::done());
        }
    }

    #[test]
    fn pages_in_between_are_judged_by_whether_they_handed_the_call_on() {
        let page = |status| Reply { status, headers: reqwest::header::HeaderMap::new(), body: "<html>".into() };
        assert!(matches!(read_page(&page(302)), Answer::Down { .. }));
        assert!(matches!(read_page(&page(403)), Answer::Down { .. }));
        assert!(matches!(read_page(&page(429)), Answer::Busy { .. }));
        assert!(matches!(read_page(&page(502)), Answer::Unsure { .. }));
        assert!(matches!(read_page(&page(200)), Answer::Unsure { .. }));
    }
}
