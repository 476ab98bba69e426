//! The pace of a lane: when its next vendor call may start.

use serde::{Deserialize, Serialize};

/// How fast a lane may go.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Pace {
    /// A gap between calls, drawn anew for each one from `from_ms` to `to_ms`; live answers have their own small gap.
    Gap {
        /// The shortest gap, in milliseconds.
        from_ms: i64,
        /// The longest gap, in milliseconds; not below `from_ms`.
        to_ms: i64,
        /// The gap between two live answers, in milliseconds.
        live_ms: i64,
    },
    /// A leaky bucket: `burst` calls at once, then `per_second`.
    Bucket {
        /// Calls a second, in thousandths.
        per_second_milli: i64,
        /// Calls that may go at once after a rest.
        burst: i64,
    },
}

impl Pace {
    /// What the channels of most messengers begin with: 15 seconds between messages, one between live answers.
    pub const CAREFUL: Self = Self::Gap { from_ms: 15_000, to_ms: 15_000, live_ms: 1_000 };

    /// No pace at all.
    pub const NONE: Self = Self::Gap { from_ms: 0, to_ms: 0, live_ms: 0 };

    /// Whether calls may follow each other without any pause.
    #[must_use]
    pub const fn is_none(&self) -> bool {
        matches!(self, Self::Gap { to_ms: 0, live_ms: 0, .. })
    }
}
