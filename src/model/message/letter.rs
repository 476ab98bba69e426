//! Letters: messages with subjects, in threads.

use serde::{Deserialize, Serialize};

use super::Incoming;

/// What an answer goes on from, in messengers that have threads.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Default)]
pub struct Thread {
    /// The subject, as it was last written.
    pub subject: Option<String>,
    /// The vendor's ids of what was said so far, oldest first; the last one is answered.
    pub ids: Vec<String>,
    /// The address that answers go to, where whoever wrote asked for another one than the chat's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answers_to: Option<String>,
}

/// A letter that came in: a message with a subject, in a thread.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Letter {
    /// The message.
    #[serde(flatten)]
    pub message: Incoming,
    /// The subject.
    pub subject: Option<String>,
    /// The vendor's ids that it names as its forerunners, oldest first.
    pub references: Vec<String>,
    /// The address that its writer wants answers at, where it is another one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answers_to: Option<String>,
    /// The letter as its writer laid it out, safe to be shown; none where it is plain text.
    pub html: Option<String>,
    /// The whole text, where the message's own text leaves quotations out.
    pub whole: Option<String>,
    /// Whether a machine wrote it: it is shown, and never answered by a machine.
    pub auto: bool,
    /// Whether the server takes it for spam: of a stranger it is left alone.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub junk: bool,
}
