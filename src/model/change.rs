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
    /// React to it, in the place of our reaction before; no emoji takes that back.
    React {
        /// The emoji.
        emoji: Option<String>,
    },
}

impl ChangeAct {
    /// The written form of what is done.
    #[must_use]
    pub const fn slug(&self) -> &'static str {
        match self {
            Self::Edit { .. } => "edit",
            Self::Delete => "delete",
            Self::React { .. } => "react",
        }
    }

    /// The new text, or the emoji.
    #[must_use]
    pub fn text(&self) -> Option<&str> {
        match self {
            Self::Edit { text } => Some(text),
            Self::React { emoji } => emoji.as_deref(),
            Self::Delete => None,
        }
    }
}

/// The longest emoji, in characters: a family and a flag of a region are put together of several.
const LONGEST_EMOJI: usize = 16;

/// Whether a text may be one emoji. Which of them are taken is the vendor's own matter.
#[must_use]
pub fn is_emoji(text: &str) -> bool {
    let fits = |c: char| !(c.is_alphabetic() || c.is_whitespace() || c.is_control());
    // digits are emoji where a frame follows them
    (1..=LONGEST_EMOJI).contains(&text.chars().count()) && text.chars().all(fits) && !text.is_ascii()
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_emoji_is_told_from_words() {
        for good in ["👍", "❤️", "👨‍👩‍👧‍👦", "🏴󠁧󠁢󠁥󠁮󠁧󠁿", "1️⃣", "🇷🇺"]
        {
            assert!(is_emoji(good), "{good}");
        }
        for bad in ["", " ", "+1", "да", "👍 👍", "ok", ":)", "👍\n", "👍👍👍👍👍👍👍👍👍👍👍👍👍👍👍👍👍"]
        {
            assert!(!is_emoji(bad), "{bad}");
        }
    }
}
