//! What an installation could not do in a portal, as pages and logs tell it.

use std::fmt;

use serde::Serialize;
use utoipa::ToSchema;

use crate::crm::bitrix24::fault::Fault;

/// One call that did not work.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Trouble {
    /// The method.
    pub method: String,
    /// The vendor's code, or ours where it gave none.
    pub code: String,
    /// What the vendor said.
    pub text: String,
}

impl Trouble {
    /// The trouble that a fault of a call is.
    #[must_use]
    pub fn of(method: &str, fault: &Fault) -> Self {
        let (code, text) = match fault {
            Fault::Refused { code, text } if code.is_empty() => ("refused".to_owned(), text.clone()),
            Fault::Refused { code, text } | Fault::NoRights { code, text } => (code.clone(), text.clone()),
            Fault::Token { code } => ("token".to_owned(), code.clone()),
            Fault::TooFast => ("too_fast".to_owned(), String::new()),
            Fault::MethodResting { .. } => ("resting".to_owned(), String::new()),
            Fault::Blocked => ("blocked".to_owned(), String::new()),
            Fault::Unpaid { text } => ("unpaid".to_owned(), text.clone()),
            Fault::NeedsConsent => ("needs_consent".to_owned(), String::new()),
            Fault::Gone => ("gone".to_owned(), String::new()),
            Fault::Moved { .. } => ("moved".to_owned(), String::new()),
            Fault::NotReached(seen) | Fault::Unsure(seen) => ("not_reached".to_owned(), seen.clone()),
        };
        Self { method: method.to_owned(), code, text }
    }

    /// What is wrong although no call failed: a code of the vendor's or ours, and words.
    #[must_use]
    pub fn new(method: &str, code: &str, text: String) -> Self {
        Self { method: method.to_owned(), code: code.to_owned(), text }
    }

    /// A call that was not made because another one before it failed.
    #[must_use]
    pub fn not_tried(method: &str) -> Self {
        Self::new(method, "not_tried", String::new())
    }
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.method, self.code)?;
        if self.text.is_empty() { Ok(()) } else { write!(f, " ({})", self.text) }
    }
}
