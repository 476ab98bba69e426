//! Rows of lanes.

use diesel::prelude::*;
use serde::Serialize;

use super::value;
use crate::model::id::{ErrandId, LaneId};
use crate::model::moment::Tick;
use crate::model::pace::Pace;
use crate::model::window::Window;
use crate::store::Result;
use crate::store::schema::{errands, lanes};

/// A lane to be made.
#[derive(Debug, Clone)]
pub struct NewLane {
    /// `channel`, `portal` or `webhook`.
    pub kind: String,
    /// Its pace.
    pub pace: Pace,
    /// Its hours; none is round the clock.
    pub hours: Option<Window>,
}

/// The states of a lane.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum LaneState {
    /// It runs.
    Running,
    /// A person paused it.
    Paused,
    /// Its channel is lost: it stands until somebody attaches it again.
    Lost,
    /// Its channel came back, and what waits is held until somebody decides (quarantine).
    Held,
}

impl LaneState {
    /// The number that the table holds.
    #[must_use]
    pub const fn to_db(self) -> i16 {
        match self {
            Self::Running => 0,
            Self::Paused => 1,
            Self::Lost => 2,
            Self::Held => 3,
        }
    }

    /// The state of a number in the table; an unknown one holds the lane.
    #[must_use]
    pub const fn from_db(number: i16) -> Self {
        match number {
            0 => Self::Running,
            1 => Self::Paused,
            2 => Self::Lost,
            _ => Self::Held,
        }
    }
}

/// A lane as it is kept.
#[derive(Queryable, Selectable, Debug, Clone)]
#[diesel(table_name = lanes, check_for_backend(diesel::pg::Pg, diesel::sqlite::Sqlite))]
pub struct LaneRow {
    /// Its number.
    pub id: LaneId,
    /// Whose it is.
    pub company: String,
    /// `channel`, `portal` or `webhook`.
    pub kind: String,
    /// Its shard.
    pub shard: i16,
    /// Its state, see [`LaneState`].
    pub state: i16,
    /// Its pace, as JSON.
    pub pace: String,
    /// Its hours, as JSON.
    pub hours: Option<String>,
    /// Counts changes of settings and state.
    pub version: i64,
    /// Which boot the ticks belong to.
    pub sent_boot: Option<String>,
    /// The start of the last paced call.
    pub sent_tick: i64,
    /// The gap drawn after it.
    pub sent_gap_ms: i64,
    /// The start of the last live call.
    pub live_tick: i64,
}

impl LaneRow {
    /// The pace.
    ///
    /// # Errors
    /// Where the row cannot be read.
    pub fn pace(&self) -> Result<Pace> {
        value("lanes", &self.pace)
    }

    /// Takes in when calls began. Earlier starts never replace later ones, and ticks of two boots never stand side by side.
    pub fn note(&mut self, boot: &str, sent: &Sent) {
        let over = |tick: i64, gap_ms: i64| tick.saturating_add(gap_ms.saturating_mul(1000));
        let paced = sent.paced.map(|(tick, gap_ms)| (tick.0, gap_ms));
        let live = sent.live.map(|tick| tick.0);
        if self.sent_boot.as_deref() != Some(boot) {
            self.sent_boot = Some(boot.to_owned());
            self.sent_tick = paced.map(|(tick, _)| tick).or(live).unwrap_or_default();
            self.sent_gap_ms = paced.map_or(self.sent_gap_ms, |(_, gap_ms)| gap_ms);
            self.live_tick = live.unwrap_or_default();
            return;
        }
        if let Some((tick, gap_ms)) = paced
            && over(tick, gap_ms) >= over(self.sent_tick, self.sent_gap_ms)
        {
            (self.sent_tick, self.sent_gap_ms) = (tick, gap_ms);
        }
        self.live_tick = self.live_tick.max(live.unwrap_or(self.live_tick));
    }

    /// The hours.
    ///
    /// # Errors
    /// Where the row cannot be read.
    pub fn hours(&self) -> Result<Option<Window>> {
        self.hours.as_deref().map(|hours| value("lanes", hours)).transpose()
    }
}

/// When calls of a lane really began.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sent {
    /// The lane.
    pub lane: LaneId,
    /// The start of the last paced call, and the gap drawn after it in milliseconds.
    pub paced: Option<(Tick, i64)>,
    /// The start of the last live call.
    pub live: Option<Tick>,
}

/// An errand that waits for a moment.
#[derive(Debug, Clone, Queryable, Selectable)]
#[diesel(table_name = errands, check_for_backend(diesel::pg::Pg, diesel::sqlite::Sqlite))]
pub struct Planned {
    /// Its lane.
    pub lane: LaneId,
    /// Its rank.
    pub rank: i16,
    /// Its number.
    pub id: ErrandId,
    /// The moment, in milliseconds UTC.
    pub not_before: i64,
    /// The recipient.
    pub peer: String,
}
