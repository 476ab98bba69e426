//! Which process pumps which lanes.
//!
//! Lanes belong to shards (their number modulo [`SHARDS`]), shards to processes, and a process proves that it lives by
//! beating. Others watch the beats with their own tick, so that no calendar clock takes part: one whose beat stands still
//! is struck out, its shards become free, and what it left flying is inherited. A claim locks the row of its process, so
//! that striking out waits for open claims and no claim comes after it.

use diesel::prelude::*;

use super::{Conn, Result};
use crate::model::id::LaneId;

/// How many shards there are. It divides evenly among 2, 3, 4, 5, 6, 10 and 12 processes.
pub const SHARDS: i16 = 60;

/// What a process is entered for. Each has shards and beats of its own, so that a process may do one without the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Post {
    /// It pumps.
    Pump,
    /// It listens.
    Listener,
}

impl Post {
    /// What the names of processes begin with.
    #[must_use]
    pub const fn prefix(self) -> &'static str {
        match self {
            Self::Pump => "",
            Self::Listener => "listener:",
        }
    }

    /// The first of its shards; the shard of a lane is counted from there.
    #[must_use]
    pub const fn first_shard(self) -> i16 {
        match self {
            Self::Pump => 0,
            Self::Listener => SHARDS,
        }
    }
}

/// The shard of a lane.
#[must_use]
pub fn shard_of(lane: LaneId) -> i16 {
    i16::try_from(lane.rem_euclid(i64::from(SHARDS))).unwrap_or(0)
}

/// Whether a process is still entered; inside a transaction it stays so until the commit.
///
/// # Errors
/// Those of the database.
pub fn is_alive(conn: &mut Conn, owner: &str) -> Result<bool> {
    use super::schema::owners;
    let row = owners::table.find(owner).select(owners::id);
    let found: Option<String> = match conn {
        Conn::Sqlite(conn) => row.first(&mut **conn).optional()?,
        Conn::Postgres(conn) => row.for_key_share().first(&mut **conn).optional()?,
    };
    Ok(found.is_some())
}
