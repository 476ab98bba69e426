//! What was done with messages after they had left.

use diesel::prelude::*;

use super::Connection;
use crate::model::id::{ChangeId, CompanyId, MessageId};
use crate::store::Result;
use crate::store::row::{ChangeEnd, ChangeRow, MessageRow};
use crate::store::schema::message_changes;

/// Writes a change down; tells whether it is news.
pub fn enter(conn: &mut Connection, row: &ChangeRow) -> Result<bool> {
    Ok(diesel::insert_into(message_changes::table).values(row).on_conflict_do_nothing().execute(conn)? == 1)
}

/// What was done with these messages of a company, what was told of before they were known among it.
pub fn of_messages(conn: &mut Connection, company: CompanyId, messages: &[MessageRow]) -> Result<Vec<ChangeRow>> {
    if messages.is_empty() {
        return Ok(Vec::new());
    }
    let mine = || message_changes::table.filter(message_changes::company.eq(company.to_string()));
    let ids: Vec<&str> = messages.iter().map(|row| row.id.as_str()).collect();
    let mut found: Vec<ChangeRow> =
        mine().filter(message_changes::message.eq_any(ids)).select(ChangeRow::as_select()).load(conn)?;
    let channels: Vec<&str> = messages.iter().map(|row| row.channel.as_str()).collect();
    let names: Vec<&str> = messages.iter().filter_map(|row| row.vendor_id.as_deref()).collect();
    let early = mine()
        .filter(message_changes::message.is_null())
        .filter(message_changes::channel.eq_any(channels).and(message_changes::vendor_id.eq_any(names)));
    found.extend(early.select(ChangeRow::as_select()).load::<ChangeRow>(conn)?);
    Ok(found)
}

/// What was done with one message.
pub fn of_message(conn: &mut Connection, company: CompanyId, message: MessageId) -> Result<Vec<ChangeRow>> {
    Ok(message_changes::table
        .filter(message_changes::company.eq(company.to_string()))
        .filter(message_changes::message.eq(message.to_string()))
        .select(ChangeRow::as_select())
        .load(conn)?)
}

/// A change of a company.
pub fn by_id(conn: &mut Connection, company: CompanyId, id: ChangeId) -> Result<Option<ChangeRow>> {
    let row = message_changes::table.find(id.to_string()).filter(message_changes::company.eq(company.to_string()));
    Ok(row.select(ChangeRow::as_select()).first(conn).optional()?)
}

/// Ends a change that waits, or whose fate was unknown; tells whether it did.
pub fn end(conn: &mut Connection, company: CompanyId, id: ChangeId, end: &ChangeEnd) -> Result<bool> {
    let mine = message_changes::table.find(id.to_string()).filter(message_changes::company.eq(company.to_string()));
    let open = mine.filter(message_changes::state.eq_any(["waiting", "unknown"]));
    Ok(diesel::update(open).set(end).execute(conn)? == 1)
}

/// Forgets what was asked for or heard of before a moment; at most `limit`, so that nobody waits long.
pub fn forget(conn: &mut Connection, before: i64, limit: i64) -> Result<usize> {
    let ids: Vec<String> = message_changes::table
        .filter(message_changes::asked_at.lt(before))
        .order(message_changes::asked_at)
        .limit(limit)
        .select(message_changes::id)
        .load(conn)?;
    Ok(diesel::delete(message_changes::table.filter(message_changes::id.eq_any(ids))).execute(conn)?)
}
