//! What Telegram's errors mean for a message.

use super::driver::Trouble;
use crate::messenger::field;
use crate::model::result::Code;
use crate::model::vendor::{Answer, Scope};

/// An account that is limited for writing to strangers stays so for a day at least.
const LIMITED_MS: i64 = 24 * 3_600_000;

/// A call's trouble as an answer. Everything that may have been taken may be sent again: Telegram drops repetitions.
pub(super) fn of(trouble: Trouble) -> Answer {
    match trouble {
        Trouble::NotSent(seen) => Answer::Down { seen },
        Trouble::Unsure(seen) => Answer::Unsure { seen, resendable: true },
        Trouble::Refused(error) => refused(error.code, &error.name, error.value),
    }
}

fn refused(code: i32, name: &str, value: Option<u32>) -> Answer {
    let wait_ms = i64::from(value.unwrap_or(60)).max(1) * 1_000;
    let text = field::short(name);
    let final_with = |code| Answer::Refused { code, text: text.clone() };
    match name {
        "FLOOD_WAIT" | "FLOOD_PREMIUM_WAIT" | "FLOOD_TEST_PHONE_WAIT" => {
            Answer::Busy { after_ms: wait_ms, scope: Scope::Lane }
        }
        "SLOWMODE_WAIT" => Answer::Busy { after_ms: wait_ms, scope: Scope::Recipient },
        "PEER_FLOOD" => Answer::Busy { after_ms: LIMITED_MS, scope: Scope::Strangers },
        "AUTH_KEY_UNREGISTERED" | "AUTH_KEY_DUPLICATED" | "AUTH_KEY_INVALID" | "AUTH_KEY_PERM_EMPTY" => {
            Answer::Expired { seen: text }
        }
        _ if ["SESSION_", "USER_DEACTIVATED", "FROZEN_"].iter().any(|start| name.starts_with(start)) => {
            Answer::Expired { seen: text }
        }
        "USER_IS_BLOCKED"
        | "YOU_BLOCKED_USER"
        | "USER_PRIVACY_RESTRICTED"
        | "PRIVACY_PREMIUM_REQUIRED"
        | "PREMIUM_ACCOUNT_REQUIRED"
        | "ALLOW_PAYMENT_REQUIRED"
        | "CHAT_WRITE_FORBIDDEN"
        | "CHAT_ADMIN_REQUIRED"
        | "CHANNEL_PRIVATE"
        | "USER_BANNED_IN_CHANNEL"
        | "CHAT_RESTRICTED"
        | "CHAT_SEND_PLAIN_FORBIDDEN"
        | "CHAT_GUEST_SEND_FORBIDDEN" => final_with(Code::Blocked),
        _ if name.starts_with("CHAT_SEND_") => final_with(Code::Blocked),
        "INPUT_USER_DEACTIVATED" | "USERNAME_NOT_OCCUPIED" | "PHONE_NOT_OCCUPIED" => Answer::Nobody { text },
        "PEER_ID_INVALID"
        | "USER_ID_INVALID"
        | "CHANNEL_INVALID"
        | "CHAT_ID_INVALID"
        | "USERNAME_INVALID"
        | "PHONE_NUMBER_INVALID" => final_with(Code::AddressBad),
        "MESSAGE_TOO_LONG" | "MEDIA_CAPTION_TOO_LONG" => final_with(Code::MessageTooLong),
        "MESSAGE_EMPTY" => final_with(Code::MessageEmpty),
        "FILE_PARTS_INVALID"
        | "MEDIA_INVALID"
        | "MEDIA_EMPTY"
        | "IMAGE_PROCESS_FAILED"
        | "FILE_PART_SIZE_INVALID"
        | "FILE_PART_TOO_BIG" => final_with(Code::FileBad),
        _ if name.starts_with("PHOTO_") => final_with(Code::FileBad),
        "FILE_REFERENCE_EXPIRED" | "LOCATION_INVALID" | "FILE_ID_INVALID" => final_with(Code::FileGone),
        "WORKER_BUSY_TOO_LONG_RETRY" | "RPC_CALL_FAIL" | "RPC_MCGET_FAIL" | "MSG_WAIT_FAILED" => {
            Answer::Unsure { seen: text, resendable: true }
        }
        _ if !(0..500).contains(&code) => Answer::Unsure { seen: format!("{code} {text}"), resendable: true },
        _ if code == 401 => Answer::Expired { seen: text },
        _ if code == 420 => Answer::Busy { after_ms: wait_ms, scope: Scope::Lane },
        _ => final_with(Code::Refused),
    }
}

#[cfg(test)]
mod tests {
    use grammers_mtsender::RpcError;
    use grammers_tl_types::types;

    use super::*;

    fn told(code: i32, text: &str) -> Answer {
        let error = RpcError::from(types::RpcError { error_code: code, error_message: text.to_owned() });
        of(Trouble::Refused(error))
    }

    #[test]
    fn waits_are_as_long_and_as_wide_as_telegram_says() {
        let busy = |seconds: i64, scope| Answer::Busy { after_ms: seconds * 1_000, scope };
        for (code, text, answer) in [
            (420, "FLOOD_WAIT_37", busy(37, Scope::Lane)),
            (420, "FLOOD_PREMIUM_WAIT_5", busy(5, Scope::Lane)),
            (420, "SLOWMODE_WAIT_30", busy(30, Scope::Recipient)),
            (400, "PEER_FLOOD", busy(86_400, Scope::Strangers)),
            (420, "SOMETHING_NEW_9", busy(9, Scope::Lane)),
        ] {
            assert_eq!(told(code, text), answer, "{text}");
        }
    }

    #[test]
    fn what_is_final_has_a_stable_code() {
        for (code, text, is) in [
            (400, "USER_IS_BLOCKED", Code::Blocked),
            (403, "USER_PRIVACY_RESTRICTED", Code::Blocked),
            (403, "PRIVACY_PREMIUM_REQUIRED", Code::Blocked),
            (403, "ALLOW_PAYMENT_REQUIRED_25", Code::Blocked),
            (403, "CHAT_WRITE_FORBIDDEN", Code::Blocked),
            (403, "CHAT_SEND_MEDIA_FORBIDDEN", Code::Blocked),
            (400, "CHANNEL_PRIVATE", Code::Blocked),
            (400, "PEER_ID_INVALID", Code::AddressBad),
            (400, "MESSAGE_TOO_LONG", Code::MessageTooLong),
            (400, "MEDIA_CAPTION_TOO_LONG", Code::MessageTooLong),
            (400, "MESSAGE_EMPTY", Code::MessageEmpty),
            (400, "PHOTO_INVALID_DIMENSIONS", Code::FileBad),
            (400, "FILE_PARTS_INVALID", Code::FileBad),
            (400, "FILE_REFERENCE_EXPIRED", Code::FileGone),
            (400, "SOMETHING_NEW", Code::Refused),
        ] {
            assert!(matches!(told(code, text), Answer::Refused { code, .. } if code == is), "{text}");
        }
        assert!(matches!(told(400, "USERNAME_NOT_OCCUPIED"), Answer::Nobody { .. }));
        assert!(matches!(told(400, "INPUT_USER_DEACTIVATED"), Answer::Nobody { .. }));
    }

    #[test]
    fn credentials_that_are_void_stop_the_channel() {
        for (code, text) in [
            (401, "AUTH_KEY_UNREGISTERED"),
            (406, "AUTH_KEY_DUPLICATED"),
            (401, "SESSION_REVOKED"),
            (401, "USER_DEACTIVATED_BAN"),
            (420, "FROZEN_METHOD_INVALID"),
            (401, "SOMETHING_NEW"),
        ] {
            assert!(matches!(told(code, text), Answer::Expired { .. }), "{text}");
        }
    }

    #[test]
    fn what_may_have_been_taken_may_be_sent_again() {
        for (code, text) in [(500, "RPC_CALL_FAIL"), (-503, "Timeout"), (500, "WORKER_BUSY_TOO_LONG_RETRY")] {
            assert!(matches!(told(code, text), Answer::Unsure { resendable: true, .. }), "{text}");
        }
        assert!(matches!(of(Trouble::Unsure(String::new())), Answer::Unsure { resendable: true, .. }));
        assert!(matches!(of(Trouble::NotSent(String::new())), Answer::Down { .. }));
    }
}
