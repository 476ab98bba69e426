//! Changing what was said: a message that has left gets another text, or is taken back on both sides.

use serde::{Deserialize, Serialize};

use super::message::MediaKind;

/// What is to be done with a message that has left.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "do")]
pub enum ChangeAct {
    /// Give it another text, or its file another caption.
    Edit {
        /// The text.
        text: String,
    },
    /// Take it back, on both sides.
    Delete,
}

impl ChangeAct {
    /// The written form of what is done.
    #[must_use]
    pub const fn slug(&self) -> &'static str {
        match self {
            Self::Edit { .. } => "edit",
            Self::Delete => "delete",
        }
    }

    /// The new text.
    #[must_use]
    pub fn text(&self) -> Option<&str> {
        match self {
            Self::Edit { text } => Some(text),
            Self::Delete => None,
        }
    }
}

/// A message that has left, as far as a messenger must know it to change it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Said {
    /// The chat as the vendor names it.
    pub chat: String,
    /// The vendor's id of the message.
    pub vendor_id: String,
    /// What kind of file it carries; its text is a caption then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub media: Option<MediaKind>,
}
