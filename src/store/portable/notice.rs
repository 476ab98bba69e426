//! Letters of this server to the people of companies. States: 0 waits, 1 is being sent, 2 left, 3 nobody knows whether it
//! left, 4 was given up. A letter is sent by whoever moved it from 0 to 1, and one of unknown fate never again.

use diesel::prelude::*;

use super::Connection;
use crate::model::id::CompanyId;
use crate::store::Result;
use crate::store::row::NoticeRow;
use crate::store::schema::notices;

/// Writes a letter.
pub fn write(conn: &mut Connection, row: &NoticeRow) -> Result<()> {
    diesel::insert_into(notices::table).values(row).execute(conn)?;
    Ok(())
}

/// Whether a letter with this subject was written to an address since a moment.
pub fn is_told(conn: &mut Connection, company: CompanyId, address: &str, subject: &str, since: i64) -> Result<bool> {
    let same = notices::table
        .filter(notices::company.eq(company.to_string()).and(notices::address.eq(address)))
        .filter(notices::subject.eq(subject).and(notices::created_at.ge(since)))
        .select(notices::id);
    Ok(diesel::select(diesel::dsl::exists(same)).get_result(conn)?)
}

/// Letters whose time has come, of whatever company: for the herald alone.
pub fn due(conn: &mut Connection, now: i64, limit: i64) -> Result<Vec<NoticeRow>> {
    Ok(notices::table
        .filter(notices::state.lt(2i16).and(notices::due_at.le(now)))
        .order(notices::due_at)
        .limit(limit)
        .select(NoticeRow::as_select())
        .load(conn)?)
}

/// Takes a letter to send it until a moment; tells whether it is ours.
pub fn take(conn: &mut Connection, id: &str, due_at: i64, until: i64) -> Result<bool> {
    let row = notices::table.find(id).filter(notices::state.eq(0i16).and(notices::due_at.eq(due_at)));
    let taken = (notices::state.eq(1i16), notices::attempts.eq(notices::attempts + 1), notices::due_at.eq(until));
    Ok(diesel::update(row).set(taken).execute(conn)? == 1)
}

/// Keeps what became of a letter that was taken, if it is still being sent; a later moment is when it is tried again.
pub fn land(conn: &mut Connection, id: &str, until: i64, state: i16, due_at: i64) -> Result<bool> {
    let row = notices::table.find(id).filter(notices::state.eq(1i16).and(notices::due_at.eq(until)));
    Ok(diesel::update(row).set((notices::state.eq(state), notices::due_at.eq(due_at))).execute(conn)? == 1)
}

/// Forgets letters that were written before a moment.
pub fn forget(conn: &mut Connection, before: i64) -> Result<()> {
    diesel::delete(notices::table.filter(notices::created_at.lt(before))).execute(conn)?;
    Ok(())
}
