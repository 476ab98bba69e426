//! Rows as the store gives and takes them, where they are more than a few values.

mod tenant;

use diesel::prelude::*;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::schema::{lanes, messages};
use super::{Result, StoreError};
use crate::model::id::LaneId;
use crate::model::moment::Tick;
use crate::model::pace::Pace;
use crate::model::window::Window;

pub use tenant::{LineRow, NewLine, NewUser, UserRow};

/// A lane to be made.
#[derive(Debug, Clone)]
pub struct NewLane {
    /// `channel` or `portal`.
    pub kind: String,
    /// Its pace.
    pub pace: Pace,
    /// Its hours; none is round the clock.
    pub hours: Option<Window>,
}

/// The states of a lane.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
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
    /// `channel` or `portal`.
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

/// A message in the history.
#[derive(Queryable, Selectable, Insertable, Debug, Clone, PartialEq, Eq)]
#[diesel(table_name = messages, check_for_backend(diesel::pg::Pg, diesel::sqlite::Sqlite))]
#[diesel(treat_none_as_default_value = false)]
pub struct MessageRow {
    /// Its id.
    pub id: String,
    /// Whose it is.
    pub company: String,
    /// The channel.
    pub channel: String,
    /// The chat as the vendor names it.
    pub chat: String,
    /// Whether we wrote it.
    pub outgoing: bool,
    /// Its status, see [`crate::model::status::Status`].
    pub status: i16,
    /// The vendor's id.
    pub vendor_id: Option<String>,
    /// What it says, as JSON.
    pub content: String,
    /// Who asked for it, as JSON.
    pub origin: String,
    /// Our stable code of an error.
    pub code: Option<String>,
    /// The reason of an error, for a person.
    pub reason: Option<String>,
    /// When it was accepted or received.
    pub accepted_at: i64,
    /// When the vendor took it.
    pub sent_at: Option<i64>,
    /// When it was delivered.
    pub delivered_at: Option<i64>,
    /// When it was read.
    pub viewed_at: Option<i64>,
}

/// What a receipt changes; what is none stays.
#[derive(AsChangeset, Debug, Clone, Default, PartialEq, Eq)]
#[diesel(table_name = messages)]
pub struct Progress {
    /// The new status.
    pub status: i16,
    /// Our stable code of an error.
    pub code: Option<String>,
    /// The reason of an error.
    pub reason: Option<String>,
    /// When the vendor took it.
    pub sent_at: Option<i64>,
    /// When it was delivered.
    pub delivered_at: Option<i64>,
    /// When it was read.
    pub viewed_at: Option<i64>,
}

/// Writes a value as the text of a column.
///
/// # Errors
/// Where it has no JSON form.
pub fn text<T: Serialize>(value: &T) -> Result<String> {
    serde_json::to_string(value).map_err(|error| StoreError::Unreadable { table: "json", what: error.to_string() })
}

/// Reads a value from the text of a column.
///
/// # Errors
/// Where it is not of that form.
pub fn value<T: DeserializeOwned>(table: &'static str, text: &str) -> Result<T> {
    serde_json::from_str(text).map_err(|error| StoreError::Unreadable { table, what: error.to_string() })
}
