//! What robots were promised.

use diesel::prelude::*;

use super::Connection;
use crate::model::id::{AnswerId, CompanyId};
use crate::store::Result;
use crate::store::row::{AnswerRow, EntryRow};
use crate::store::schema::{answer_entries, answers};

/// The states of an answer in the table.
const OPEN: i16 = 0;
const GIVEN: i16 = 1;

/// Promises an answer with its entries.
pub fn create(conn: &mut Connection, answer: &AnswerRow, entries: &[EntryRow]) -> Result<()> {
    diesel::insert_into(answers::table).values(answer).execute(conn)?;
    for entry in entries {
        diesel::insert_into(answer_entries::table).values(entry).execute(conn)?;
    }
    Ok(())
}

/// An answer of a company.
pub fn by_id(conn: &mut Connection, company: CompanyId, id: AnswerId) -> Result<Option<AnswerRow>> {
    Ok(answers::table
        .find(id.to_string())
        .filter(answers::company.eq(company.to_string()))
        .select(AnswerRow::as_select())
        .first(conn)
        .optional()?)
}

/// The entries of an answer, in their order.
pub fn entries(conn: &mut Connection, id: AnswerId) -> Result<Vec<EntryRow>> {
    Ok(answer_entries::table
        .filter(answer_entries::answer.eq(id.to_string()))
        .order(answer_entries::entry)
        .select(EntryRow::as_select())
        .load(conn)?)
}

/// Fills an entry in that was open. Gives back how many entries are open now, or none where it was filled before.
pub fn fill(
    conn: &mut Connection,
    id: AnswerId,
    entry: i32,
    ok: bool,
    code: Option<&str>,
    reason: Option<&str>,
) -> Result<Option<i32>> {
    let open = answer_entries::table.find((id.to_string(), entry)).filter(answer_entries::ok.is_null());
    let filled = diesel::update(open)
        .set((answer_entries::ok.eq(ok), answer_entries::code.eq(code), answer_entries::reason.eq(reason)))
        .execute(conn)?;
    if filled == 0 {
        return Ok(None);
    }
    // the row of the answer is locked by this: of two that fill the last entries one sees the nought
    Ok(diesel::update(answers::table.find(id.to_string()))
        .set(answers::open_entries.eq(answers::open_entries - 1))
        .returning(answers::open_entries)
        .get_result(conn)
        .optional()?)
}

/// Keeps what is to be tried, or that nothing is.
pub fn set_plan(conn: &mut Connection, id: AnswerId, plan: Option<&str>) -> Result<()> {
    diesel::update(answers::table.find(id.to_string())).set(answers::plan.eq(plan)).execute(conn)?;
    Ok(())
}

/// An entry is tried now with this message.
pub fn try_entry(conn: &mut Connection, id: AnswerId, entry: i32, message: &str) -> Result<()> {
    diesel::update(answer_entries::table.find((id.to_string(), entry)))
        .set(answer_entries::message.eq(message))
        .execute(conn)?;
    Ok(())
}

/// Entries of an answer that were never tried are taken out of it; gives back how many entries are open then.
pub fn drop_untried(conn: &mut Connection, id: AnswerId) -> Result<i32> {
    let untried = answer_entries::table
        .filter(answer_entries::answer.eq(id.to_string()))
        .filter(answer_entries::ok.is_null().and(answer_entries::message.is_null()));
    let dropped = i32::try_from(diesel::delete(untried).execute(conn)?).unwrap_or(i32::MAX);
    Ok(diesel::update(answers::table.find(id.to_string()))
        .set(answers::open_entries.eq(answers::open_entries - dropped))
        .returning(answers::open_entries)
        .get_result(conn)?)
}

/// The answer is due at this moment, if it is not due earlier.
pub fn hasten(conn: &mut Connection, id: AnswerId, by: i64) -> Result<()> {
    let later = answers::table.find(id.to_string()).filter(answers::answer_by.is_null().or(answers::answer_by.gt(by)));
    diesel::update(later).set(answers::answer_by.eq(by)).execute(conn)?;
    Ok(())
}

/// The answer is given; tells whether it was still open.
pub fn give(conn: &mut Connection, id: AnswerId) -> Result<bool> {
    let open = answers::table.find(id.to_string()).filter(answers::state.eq(OPEN));
    Ok(diesel::update(open).set(answers::state.eq(GIVEN)).execute(conn)? == 1)
}

/// Open answers whose time is nearly over.
pub fn due(conn: &mut Connection, by: i64, limit: i64) -> Result<Vec<AnswerRow>> {
    Ok(answers::table
        .filter(answers::answer_by.le(by).and(answers::state.eq(OPEN)))
        .order(answers::answer_by)
        .limit(limit)
        .select(AnswerRow::as_select())
        .load(conn)?)
}

/// Forgets answers that were given before a moment.
pub fn forget(conn: &mut Connection, before: i64) -> Result<usize> {
    let old = answers::table.filter(answers::created_at.lt(before).and(answers::state.eq(GIVEN)));
    let ids: Vec<String> = old.select(answers::id).limit(1000).load(conn)?;
    diesel::delete(answer_entries::table.filter(answer_entries::answer.eq_any(&ids))).execute(conn)?;
    Ok(diesel::delete(answers::table.filter(answers::id.eq_any(&ids))).execute(conn)?)
}
