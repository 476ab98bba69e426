//! The seam of changes: how long a message that has left may be changed, as plain data.

use serde::Serialize;
use utoipa::ToSchema;

use crate::model::change::ChangeAct;

/// A minute, in milliseconds.
pub(super) const MINUTE_MS: i64 = 60_000;

/// An hour, in milliseconds.
pub(super) const HOUR_MS: i64 = 60 * MINUTE_MS;

/// What a messenger does with messages that have left, beside the abilities `edits` and `deletes`. What it does not is shown to
/// people and answered with a stable code.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, ToSchema)]
pub struct Changes {
    /// How long a text may be changed, in milliseconds after it was sent; none where that has no end.
    pub edit_within_ms: Option<i64>,
    /// How long a message may be deleted for both sides; none where that has no end.
    pub delete_within_ms: Option<i64>,
    /// Whether captions of files may be changed too.
    pub captions: bool,
    /// Whether messages of the other side may be deleted too.
    pub deletes_theirs: bool,
    /// When a thrown die may be deleted at the soonest, in private chats; none where dice are as all else.
    pub dice_after_ms: Option<i64>,
    /// How long a message may be reacted to; none where that has no end.
    pub react_within_ms: Option<i64>,
}

impl Changes {
    /// Nothing is ever changed.
    pub const NONE: Self = Self {
        edit_within_ms: None,
        delete_within_ms: None,
        captions: false,
        deletes_theirs: false,
        dice_after_ms: None,
        react_within_ms: None,
    };

    /// How long this may be done, in milliseconds after the message was sent; none where that has no end.
    #[must_use]
    pub const fn within_ms(&self, act: &ChangeAct) -> Option<i64> {
        match act {
            ChangeAct::Edit { .. } => self.edit_within_ms,
            ChangeAct::Delete => self.delete_within_ms,
            ChangeAct::React { .. } => self.react_within_ms,
        }
    }
}
