//! The seam of groups: what a messenger does with them, as plain data.

use serde::Serialize;
use utoipa::ToSchema;

use crate::model::group::GroupAct;

/// What a messenger does with groups. What it does not is shown to people and answered with a stable code.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, ToSchema)]
#[expect(clippy::struct_excessive_bools, reason = "a row of yes and no is what this is")]
pub struct Groups {
    /// Makes them.
    pub create: bool,
    /// Adds people, or invites them where their privacy forbids it.
    pub add: bool,
    /// Gives them other titles.
    pub rename: bool,
    /// Leaves them.
    pub leave: bool,
    /// The longest title, in characters.
    pub title_limit: usize,
    /// The most people that are added at once.
    pub most_people: usize,
}

impl Groups {
    /// Whether the messenger does this.
    #[must_use]
    pub const fn does(&self, act: &GroupAct) -> bool {
        match act {
            GroupAct::Create { .. } => self.create,
            GroupAct::Add { .. } => self.add,
            GroupAct::Rename { .. } => self.rename,
            GroupAct::Leave { .. } => self.leave,
        }
    }
}
