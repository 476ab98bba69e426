//! What became of a transaction whose commit broke off.
//!
//! Each writer counts its transactions in a row of its own, which is part of each of them: whatever is kept, the count is kept with
//! it. `txid_status` cannot tell it: after a crash PostgreSQL gives the number of a transaction that left nothing on the disk to
//! the next one, and then calls the lost one «committed» when that one is.

use std::marker::PhantomData;

use diesel::connection::{Connection as _, SimpleConnection as _};
use diesel::pg::Pg;
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Text};

use super::Connection;
use crate::store::Result;
use crate::store::fixed::fixed;

fixed! {
    Mark<'a> on Pg as PgConnection, gives () {
        "INSERT INTO pens (id, count, at) VALUES (" pen: Text = &'a str,
        ", " count: BigInt = i64,
        ; ", (extract(epoch FROM now()) * 1000)::bigint) ON CONFLICT (id) DO UPDATE SET count = excluded.count, at = excluded.at"
    }
}

fixed! {
    // writes, so that it waits where the lost connection still holds the row: what it read before that one ends would be no answer
    Kept<'a> on Pg as PgConnection, gives BigInt {
        "INSERT INTO pens (id, count, at) VALUES (" pen: Text = &'a str,
        ; ", 0, (extract(epoch FROM now()) * 1000)::bigint) ON CONFLICT (id) DO UPDATE SET at = excluded.at RETURNING count"
    }
}

fixed! {
    Sweep<'a> on Pg as PgConnection, gives () {
        "DELETE FROM pens WHERE at < (extract(epoch FROM now()) * 1000)::bigint - " age_ms: BigInt = i64,
        ; ""
    }
}

/// A row that nobody has written to for so long, in milliseconds, belongs to a process that is gone.
const OLD_MS: i64 = 7 * 24 * 3_600_000;

/// Makes the count part of the open transaction. It fails where the transaction has failed, so that a commit never rolls back
/// without a word.
pub(in crate::store) fn mark(conn: &mut Connection, pen: &str, count: i64) -> Result<()> {
    Mark { pen, count, nothing: PhantomData }.execute(conn)?;
    Ok(())
}

/// Whether the transaction with this count was kept, asked on another connection. An error where it is under way.
pub(in crate::store) fn is_kept(conn: &mut Connection, pen: &str, count: i64) -> Result<bool> {
    let kept: i64 = conn.transaction(|conn| {
        conn.batch_execute("SET LOCAL lock_timeout = '50ms'")?;
        Kept { pen, nothing: PhantomData }.get_result(conn)
    })?;
    Ok(kept == count)
}

/// Forgets the writers of processes that are long gone.
pub(in crate::store) fn sweep(conn: &mut Connection) -> Result<()> {
    Sweep { age_ms: OLD_MS, nothing: PhantomData }.execute(conn)?;
    Ok(())
}
