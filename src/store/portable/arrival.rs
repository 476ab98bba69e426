//! Files that came in with messages, and what became of fetching them.

use diesel::prelude::*;
use diesel::sql_types::Bool;

use super::Connection;
use crate::model::id::CompanyId;
use crate::store::Result;
use crate::store::row::{ArrivalPart, ArrivalRow};
use crate::store::schema::{arrivals, channels, lanes};

/// Enters files that are to be fetched.
pub fn enter(conn: &mut Connection, rows: &[ArrivalRow]) -> Result<()> {
    diesel::insert_into(arrivals::table).values(rows).on_conflict_do_nothing().execute(conn)?;
    Ok(())
}

/// Files that are due, of whatever company, those that wait longest first. What comes over a line waits until it is open again.
pub fn due(conn: &mut Connection, now: i64, part: &ArrivalPart, limit: i64) -> Result<Vec<ArrivalRow>> {
    let lined = || {
        channels::table
            .inner_join(lanes::table.on(lanes::id.eq(channels::lane)))
            .filter(channels::messenger.eq_any(&part.lined))
            .select(channels::id)
    };
    let here = lined().filter(lanes::shard.eq_any(&part.shards).and(channels::state.eq("connected")));
    Ok(arrivals::table
        .filter(arrivals::due_at.le(now))
        .filter(
            arrivals::channel.eq_any(here).or(arrivals::channel.ne_all(lined()).and(part.others.into_sql::<Bool>())),
        )
        .order(arrivals::due_at)
        .limit(limit)
        .select(ArrivalRow::as_select())
        .load(conn)?)
}

/// Takes a file to fetch it, until a moment; tells whether nobody else did. Who dies meanwhile has taken it no longer.
pub fn take(conn: &mut Connection, row: &ArrivalRow, until: i64) -> Result<bool> {
    let seen = arrivals::table.find((&row.message, row.place)).filter(arrivals::due_at.eq(row.due_at));
    Ok(diesel::update(seen).set(arrivals::due_at.eq(until)).execute(conn)? == 1)
}

/// Writes down what became of fetching a file.
pub fn note(conn: &mut Connection, row: &ArrivalRow) -> Result<()> {
    diesel::update(arrivals::table.find((&row.message, row.place)).filter(arrivals::company.eq(&row.company)))
        .set((
            arrivals::attempts.eq(row.attempts),
            arrivals::due_at.eq(row.due_at),
            arrivals::file.eq(&row.file),
            arrivals::code.eq(&row.code),
            arrivals::reason.eq(&row.reason),
        ))
        .execute(conn)?;
    Ok(())
}

/// The files of messages of a company, in their order.
pub fn of_messages(conn: &mut Connection, company: CompanyId, messages: &[String]) -> Result<Vec<ArrivalRow>> {
    Ok(arrivals::table
        .filter(arrivals::company.eq(company.to_string()).and(arrivals::message.eq_any(messages)))
        .order((arrivals::message, arrivals::place))
        .select(ArrivalRow::as_select())
        .load(conn)?)
}

/// Forgets the files of messages that are forgotten.
pub fn forget(conn: &mut Connection, messages: &[String]) -> Result<()> {
    diesel::delete(arrivals::table.filter(arrivals::message.eq_any(messages))).execute(conn)?;
    Ok(())
}
