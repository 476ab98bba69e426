//! What can go wrong with a call to a portal, and what to do about each. One row per row of the vendor's `error-codes.md`.
//!
//! Codes decide, never texts: texts are localised. The one exception is the missing tariff, which shares its code with
//! missing rights.

use serde_json::Value;

use crate::model::moment::Moment;
use crate::model::result::Code;
use crate::model::vendor::{Answer, Scope};
use crate::net::http::CallError;

/// Milliseconds that a full bucket rests: at the slowest drain this makes room for two calls.
const TOO_FAST_MS: i64 = 1_000;
/// Milliseconds that a method without budget rests where the portal does not say until when: its window moves by minutes.
const METHOD_REST_MS: i64 = 60_000;
/// Milliseconds between two looks whether an administrator has agreed.
const CONSENT_MS: i64 = 600_000;
/// Milliseconds between two looks whether a portal was paid or unblocked.
const PAUSE_MS: i64 = 3_600_000;
/// Milliseconds between two looks whether a deleted portal is back.
const GONE_MS: i64 = 86_400_000;

/// Why a call did not work.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// The token expired or is unknown: refresh it and repeat the call once.
    #[error("the token was refused: {code}")]
    Token {
        /// The vendor's code.
        code: String,
    },
    /// The portal's bucket is full.
    #[error("the portal's request limit is reached")]
    TooFast,
    /// The method used up its time of ten minutes; other methods go on.
    #[error("the method's time limit is reached")]
    MethodResting {
        /// Until when, where the portal says so.
        until: Option<Moment>,
    },
    /// The vendor blocked REST for this portal by hand: stop and tell people; only its support lifts it.
    #[error("REST of the portal is blocked because of overload")]
    Blocked,
    /// The application, its subscription or the portal's tariff is not paid: pause the portal and tell people.
    #[error("the application or the tariff of the portal is not paid: {text}")]
    Unpaid {
        /// What the vendor said.
        text: String,
    },
    /// An administrator must agree to the method; `ONAPPMETHODCONFIRM` tells when.
    #[error("the method waits for an administrator's consent")]
    NeedsConsent,
    /// The token's user may not do this: try an administrator's token once.
    #[error("the user has no right: {code}")]
    NoRights {
        /// The vendor's code.
        code: String,
        /// What the vendor said.
        text: String,
    },
    /// The portal was closed or removed.
    #[error("the portal is deleted")]
    Gone,
    /// The portal has another address: verify it, store it, repeat the call there.
    #[error("the portal moved")]
    Moved {
        /// The new address of the method; see [`super::client::moved_endpoint`].
        location: String,
    },
    /// The call is wrong and will stay wrong.
    #[error("the portal refused the call: {code}")]
    Refused {
        /// The vendor's code; a sentence in old methods, empty where it gave none.
        code: String,
        /// What the vendor said.
        text: String,
    },
    /// Nothing was taken: no connection, or a page of a web server before the portal.
    #[error("the portal was not reached: {0}")]
    NotReached(String),
    /// The portal may have taken the call: a fault inside it, an unreadable answer, or none in time.
    #[error("the call's fate is unknown: {0}")]
    Unsure(String),
}

impl From<CallError> for Fault {
    fn from(error: CallError) -> Self {
        match error {
            CallError::NotSent(seen) => Self::NotReached(seen),
            CallError::Unsure(seen) => Self::Unsure(seen),
        }
    }
}

impl Fault {
    /// The fault that a JSON body tells of; none where it tells of none. `status` is none inside a batch.
    #[must_use]
    pub fn of_body(status: Option<u16>, json: &Value) -> Option<Self> {
        // imconnector.register fails with HTTP 200 and its error one level deeper
        let nested = json.get("result").filter(|inner| inner.get("result") == Some(&Value::Bool(false)));
        let body = [Some(json), nested].into_iter().flatten().find(|body| body.get("error").is_some())?;
        let (code, text) = read_error(body);
        Some(match Self::of_code(status, &code, &text) {
            Self::MethodResting { .. } => {
                Self::MethodResting { until: super::client::Operating::of(json).map(|operating| operating.reset_at) }
            }
            fault => fault,
        })
    }

    /// The fault of a reply that is not JSON, or no reply of REST: a gateway's page, or nothing.
    #[must_use]
    pub fn of_page(status: u16, empty: bool) -> Self {
        let seen =
            format!("HTTP {status} with {}", if empty { "an empty body" } else { "something that is no REST reply" });
        // a web server that says 4xx has not passed the call on; after anything else it may have been done
        if (400..500).contains(&status) { Self::NotReached(seen) } else { Self::Unsure(seen) }
    }

    fn of_code(status: Option<u16>, code: &str, text: &str) -> Self {
        let (code, text) = (code.to_owned(), text.to_owned());
        match code.to_ascii_lowercase().as_str() {
            "expired_token" | "invalid_token" | "no_auth_found" => Self::Token { code },
            "query_limit_exceeded" => Self::TooFast,
            "operation_time_limit" => Self::MethodResting { until: None },
            "overload_limit" => Self::Blocked,
            "payment_required" | "authorization_error" => Self::Unpaid { text },
            "access_denied" if status == Some(401) || text.contains("commercial plan") => Self::Unpaid { text },
            "access_denied" | "invalid_credentials" | "user_access_error" => Self::NoRights { code, text },
            "method_confirm_waiting" => Self::NeedsConsent,
            // some portals say it with 401, and it is no word about the token
            "method_confirm_denied" => Self::Refused { code, text },
            "portal_deleted" => Self::Gone,
            "internal_server_error" | "error_unexpected_answer" => Self::Unsure(code),
            _ => match status {
                Some(401) => Self::Token { code },
                Some(500..) => Self::Unsure(format!("HTTP {} {code}", status.unwrap_or_default())),
                _ => Self::Refused { code, text },
            },
        }
    }

    /// What the outbox does. `repeatable` says that a second call does no harm. [`Fault::Token`], [`Fault::NoRights`] and
    /// [`Fault::Moved`] come here only after the caller has tried what they ask for.
    #[must_use]
    pub fn answer(&self, repeatable: bool, now: Moment) -> Answer {
        let busy = |after_ms, scope| Answer::Busy { after_ms, scope };
        match self {
            Self::Token { .. } => Answer::Expired { seen: self.to_string() },
            Self::TooFast => busy(TOO_FAST_MS, Scope::Lane),
            Self::MethodResting { until } => {
                let after_ms = until.map_or(METHOD_REST_MS, |until| until.since_ms(now));
                busy(after_ms.clamp(TOO_FAST_MS, PAUSE_MS), Scope::Recipient)
            }
            Self::NeedsConsent => busy(CONSENT_MS, Scope::Recipient),
            Self::Blocked | Self::Unpaid { .. } => busy(PAUSE_MS, Scope::Lane),
            Self::Gone => busy(GONE_MS, Scope::Lane),
            Self::Moved { .. } | Self::NotReached(_) => Answer::Down { seen: self.to_string() },
            Self::NoRights { code, text } | Self::Refused { code, text } => {
                Answer::Refused { code: Code::Refused, text: format!("{code} {text}").trim().to_owned() }
            }
            Self::Unsure(_) => Answer::Unsure { seen: self.to_string(), resendable: repeatable },
        }
    }
}

/// The code and the text of an error in every spelling: a code, a number, a sentence, nothing, or the object of the newer API.
fn read_error(body: &Value) -> (String, String) {
    let text = |value: Option<&Value>| match value {
        Some(Value::String(text)) => text.clone(),
        Some(Value::Number(number)) => number.to_string(),
        _ => String::new(),
    };
    match body.get("error") {
        Some(error @ Value::Object(_)) => (text(error.get("code")), text(error.get("message"))),
        error => (text(error), text(body.get("error_description"))),
    }
}
