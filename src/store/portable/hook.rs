//! What came in, written down before it is worked.

use diesel::prelude::*;

use super::Connection;
use crate::store::Result;
use crate::store::row::{HookRow, NewHook};
use crate::store::schema::hooks;

/// The states of a delivery in the table.
const WAITING: i16 = 0;
const WORKED: i16 = 1;
const REFUSED: i16 = 2;

/// Writes a delivery down; tells whether it is news. A repetition changes nothing.
pub fn write(conn: &mut Connection, new: &NewHook) -> Result<bool> {
    Ok(diesel::insert_into(hooks::table).values(new).on_conflict_do_nothing().execute(conn)? == 1)
}

/// The oldest deliveries that were not worked.
pub fn waiting(conn: &mut Connection, limit: i64) -> Result<Vec<HookRow>> {
    Ok(hooks::table
        .filter(hooks::state.eq(WAITING))
        .order(hooks::id)
        .limit(limit)
        .select(HookRow::as_select())
        .load(conn)?)
}

/// A delivery is worked; tells whether this call did it. Called first in the transaction that does the work: on PostgreSQL
/// the row stays locked, so another process cannot do it too.
pub fn work(conn: &mut Connection, id: &str) -> Result<bool> {
    let waiting = hooks::table.find(id).filter(hooks::state.eq(WAITING));
    Ok(diesel::update(waiting).set((hooks::state.eq(WORKED), hooks::body.eq(None::<String>))).execute(conn)? == 1)
}

/// A delivery cannot be worked: why stands beside it, and its body is kept for a look.
pub fn refuse(conn: &mut Connection, id: &str, why: &str) -> Result<bool> {
    let waiting = hooks::table.find(id).filter(hooks::state.eq(WAITING));
    Ok(diesel::update(waiting).set((hooks::state.eq(REFUSED), hooks::refusal.eq(why))).execute(conn)? == 1)
}

/// A delivery that this transaction has taken turned out to be one that cannot be worked.
pub fn set_refused(conn: &mut Connection, id: &str, why: &str, body: Option<&str>) -> Result<()> {
    diesel::update(hooks::table.find(id))
        .set((hooks::state.eq(REFUSED), hooks::refusal.eq(why), hooks::body.eq(body)))
        .execute(conn)?;
    Ok(())
}

/// A delivery could not be worked now; tells how often that was so.
pub fn postpone(conn: &mut Connection, id: &str) -> Result<i32> {
    let waiting = hooks::table.find(id).filter(hooks::state.eq(WAITING));
    Ok(diesel::update(waiting)
        .set(hooks::attempts.eq(hooks::attempts + 1))
        .returning(hooks::attempts)
        .get_result(conn)
        .optional()?
        .unwrap_or(0))
}

/// Forgets deliveries that were done with before a moment.
pub fn forget(conn: &mut Connection, before: i64) -> Result<usize> {
    let done = hooks::table.filter(hooks::received_at.lt(before).and(hooks::state.ne(WAITING)));
    Ok(diesel::delete(done).execute(conn)?)
}

/// How many deliveries were not worked, and since when; for the metrics.
pub fn backlog(conn: &mut Connection) -> Result<(i64, Option<i64>)> {
    Ok(hooks::table
        .filter(hooks::state.eq(WAITING))
        .select((diesel::dsl::count_star(), diesel::dsl::min(hooks::received_at)))
        .first(conn)?)
}

/// Why the newest refused deliveries were refused.
pub fn refusals(conn: &mut Connection, limit: i64) -> Result<Vec<(String, String, Option<String>)>> {
    Ok(hooks::table
        .filter(hooks::state.eq(REFUSED))
        .order(hooks::id.desc())
        .limit(limit)
        .select((hooks::id, hooks::source, hooks::refusal))
        .load(conn)?)
}
