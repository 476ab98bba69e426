//! Who asked for an outgoing message, hence who must be told what became of it.

use serde::{Deserialize, Serialize};

use super::id::{AnswerId, MailingId, OperatorWordId, PortalId, RecipientId};

/// Who asked. One function of `flow::tell` matches on it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "by")]
pub enum Origin {
    /// Nobody waits for a word.
    Nobody,
    /// A robot: its answer is put together from one entry per address.
    Robot {
        /// The promised answer.
        answer: AnswerId,
        /// Which address of the call, from 0.
        entry: i32,
    },
    /// The SMS provider: the portal hears the status of its message.
    Sms {
        /// The portal.
        portal: PortalId,
        /// The sender's code.
        code: String,
        /// The portal's id of the message.
        message: String,
    },
    /// A row of a mailing; a row that CRM-marketing handed over also tells its portal.
    Recipient {
        /// The mailing.
        mailing: MailingId,
        /// The row.
        recipient: RecipientId,
    },
    /// An operator in an open line: the portal hears whether the message was taken and read.
    OpenLine {
        /// What the operator said.
        word: OperatorWordId,
        /// Which part of it, from 0.
        place: i32,
    },
    /// A call of the public API.
    Api {
        /// What the caller named it, given back in its callback.
        tracking: Option<String>,
    },
}
