//! Which process pumps which lanes.
//!
//! Lanes belong to shards (their number modulo [`SHARDS`]), shards to processes, and a process proves that it lives by
//! beating. Others watch the beats with their own tick, so that no calendar clock takes part: one whose beat stands still
//! is struck out, its shards become free, and what it left flying is inherited. A claim locks the row of its process, so
//! that striking out waits for open claims and no claim comes after it.

use diesel::prelude::*;

use super::{Conn, Result};

/// How many shards there are. It divides evenly among 2, 3, 4, 5, 6, 10 and 12 processes.
pub const SHARDS: i16 = 60;

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

/// Waits for the claims of a process that are being written: after it they are in the database, or never will be.
///
/// # Errors
/// Those of the database.
pub fn await_claims(conn: &mut Conn, owner: &str) -> Result<()> {
    use super::schema::owners;
    if let Conn::Postgres(conn) = conn {
        let row = owners::table.find(owner).select(owners::id);
        row.for_update().first::<String>(&mut **conn).optional()?;
    }
    Ok(())
}
