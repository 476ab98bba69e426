//! Files that lie at a portal: what a robot wants to be fetched before its messages can leave.

use serde::{Deserialize, Serialize};

/// Which file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "at")]
pub enum PortalFile {
    /// A file of the Disk.
    Disk {
        /// Its number there.
        id: i64,
    },
    /// A document that the CRM made of a template.
    Document {
        /// Its number; none for the newest one of the card.
        id: Option<i64>,
        /// The card: the number of its kind, and its own; none where the robot's document is no card of the CRM.
        card: Option<(i64, i64)>,
        /// Whether it is wanted as PDF, which the portal makes of it after a while.
        pdf: bool,
    },
}

impl PortalFile {
    /// Whether it may not be there yet though nothing is wrong.
    #[must_use]
    pub const fn ripens(&self) -> bool {
        matches!(self, Self::Document { .. })
    }
}
