//! Groups: what is done with them at a vendor, and what came of it.

use serde::{Deserialize, Serialize};

use super::message::Peer;
use super::result::Code;

/// What is to be done with a group.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "do")]
pub enum GroupAct {
    /// Make one.
    Create {
        /// Its title.
        title: String,
        /// Who is in it from the beginning, beside ourselves.
        people: Vec<Peer>,
    },
    /// Add people to one.
    Add {
        /// The chat as the vendor names it.
        chat: String,
        /// Who.
        people: Vec<Peer>,
    },
    /// Give one another title.
    Rename {
        /// The chat as the vendor names it.
        chat: String,
        /// The new title.
        title: String,
    },
    /// Leave one; where the vendor lets its maker delete it for all, it is deleted.
    Leave {
        /// The chat as the vendor names it.
        chat: String,
    },
}

impl GroupAct {
    /// The written form of what is done.
    #[must_use]
    pub const fn slug(&self) -> &'static str {
        match self {
            Self::Create { .. } => "create",
            Self::Add { .. } => "add",
            Self::Rename { .. } => "rename",
            Self::Leave { .. } => "leave",
        }
    }

    /// The chat that it is about; none before there is one.
    #[must_use]
    pub fn chat(&self) -> Option<&str> {
        match self {
            Self::Create { .. } => None,
            Self::Add { chat, .. } | Self::Rename { chat, .. } | Self::Leave { chat } => Some(chat),
        }
    }

    /// Whom it brings into the group.
    #[must_use]
    pub fn people(&self) -> &[Peer] {
        match self {
            Self::Create { people, .. } | Self::Add { people, .. } => people,
            Self::Rename { .. } | Self::Leave { .. } => &[],
        }
    }

    /// Whether a second call does no harm. A second group would.
    #[must_use]
    pub const fn is_repeatable(&self) -> bool {
        !matches!(self, Self::Create { .. })
    }
}

/// Somebody who could not be added.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeftOut {
    /// Who, as was asked for.
    pub who: Peer,
    /// Our stable code: [`Code::GroupPrivacy`] where an invitation may help.
    pub code: Code,
    /// What the vendor said; may be empty.
    pub text: String,
}

/// What came of it at the vendor.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GroupDone {
    /// The chat as the vendor names it.
    pub chat: String,
    /// Who of the people is not in it.
    #[serde(default)]
    pub left_out: Vec<LeftOut>,
    /// The address by which anybody may join; asked for where somebody is left out by privacy, and none where the vendor gives
    /// none.
    #[serde(default)]
    pub invite: Option<String>,
}
