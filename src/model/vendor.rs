//! The vendor's six answers, and success: everything that the outbox needs to know of a vendor.

use serde::{Deserialize, Serialize};

use super::result::Code;

/// How wide a vendor's request to wait reaches.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Scope {
    /// The whole lane rests.
    Lane,
    /// The same, and the vendor says why: it suspects spam.
    Suspected,
    /// Only this recipient's messages wait; the others go on.
    Recipient,
    /// Nothing was called: something that this errand needs is not there yet. It is looked for again after exactly so long.
    Unready,
    /// Only people who never wrote wait, and the vendor says why: it suspects spam. Dialogs go on.
    Strangers,
}

/// What came of one call to a vendor.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Answer {
    /// The vendor took it. `vendor_ids` are its names for what was made, in the order of sending; a receipt brings them back.
    Done {
        /// The vendor's ids of the messages that were made; empty where it names none.
        vendor_ids: Vec<String>,
        /// The chat as the vendor names it, where it differs from what was asked for (a number normalised, a group moved).
        chat: Option<String>,
    },
    /// The vendor asks to wait; nothing was taken and no attempt is counted.
    Busy {
        /// How long, in milliseconds.
        after_ms: i64,
        /// Who waits.
        scope: Scope,
    },
    /// The vendor or the way to it is down and certainly took nothing: again later, with growing pauses.
    Down {
        /// What was seen, for the journal; never a secret and never the customer's text.
        seen: String,
    },
    /// The credentials were refused: renew once, else the channel is lost and its lane stops.
    Expired {
        /// What the vendor said.
        seen: String,
    },
    /// The vendor will never take this one.
    Refused {
        /// Our stable code.
        code: Code,
        /// What the vendor said, for a person.
        text: String,
    },
    /// There is nobody at this address in this messenger.
    Nobody {
        /// What the vendor said, for a person.
        text: String,
    },
    /// The vendor may have taken it. Never resent by the machine, except where `resendable` says that the vendor
    /// itself drops a repetition.
    Unsure {
        /// What was seen.
        seen: String,
        /// Whether the vendor drops a second call with the same key.
        resendable: bool,
    },
}

impl Answer {
    /// Success without ids.
    #[must_use]
    pub const fn done() -> Self {
        Self::Done { vendor_ids: Vec::new(), chat: None }
    }

    /// What a vendor said who suspects the channel of spam; none where it does not say so.
    #[must_use]
    pub fn suspicion(&self) -> Option<String> {
        match self {
            Self::Busy { after_ms, scope: Scope::Suspected } => {
                Some(format!("the messenger limits the channel because of spam; it rests {} s", after_ms / 1000))
            }
            Self::Busy { after_ms, scope: Scope::Strangers } => {
                let hours = after_ms / 3_600_000;
                Some(format!("the account may not write to strangers; first messages rest {hours} h, dialogs go on"))
            }
            Self::Refused { code: Code::SpamSuspected, text } => Some(text.clone()),
            _ => None,
        }
    }
}
