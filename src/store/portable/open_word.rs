//! What operators said in open lines, and what became of each part of it.

use diesel::prelude::*;

use super::Connection;
use crate::model::id::{CompanyId, OperatorWordId};
use crate::store::Result;
use crate::store::row::{WordPartRow, WordRow};
use crate::store::schema::{open_line_parts, open_line_words};

/// Writes down what was said; tells whether it is news.
pub fn create(conn: &mut Connection, row: &WordRow) -> Result<bool> {
    Ok(diesel::insert_into(open_line_words::table).values(row).on_conflict_do_nothing().execute(conn)? == 1)
}

/// Writes down the parts of what was said.
pub fn create_parts(conn: &mut Connection, rows: &[WordPartRow]) -> Result<()> {
    diesel::insert_into(open_line_parts::table).values(rows).on_conflict_do_nothing().execute(conn)?;
    Ok(())
}

/// What was said, by its id.
pub fn by_id(conn: &mut Connection, company: CompanyId, id: OperatorWordId) -> Result<Option<WordRow>> {
    Ok(open_line_words::table
        .find(id.to_string())
        .filter(open_line_words::company.eq(company.to_string()))
        .select(WordRow::as_select())
        .first(conn)
        .optional()?)
}

/// What was said, by the portal's name for it.
pub fn by_im(conn: &mut Connection, portal: &str, (im_chat, im_message): (i64, i64)) -> Result<Option<WordRow>> {
    let im = open_line_words::im_chat.eq(im_chat).and(open_line_words::im_message.eq(im_message));
    Ok(open_line_words::table
        .filter(open_line_words::portal.eq(portal).and(im))
        .select(WordRow::as_select())
        .first(conn)
        .optional()?)
}

/// The parts of what was said, in their order.
pub fn parts(conn: &mut Connection, word: &str) -> Result<Vec<WordPartRow>> {
    Ok(open_line_parts::table
        .filter(open_line_parts::word.eq(word))
        .order(open_line_parts::place)
        .select(WordPartRow::as_select())
        .load(conn)?)
}

/// Moves a part from one of the states to another; tells whether it was in one of them.
pub fn turn_part(conn: &mut Connection, word: &str, place: i32, from: &[&str], to: &str) -> Result<bool> {
    let part = open_line_parts::table.find((word, place)).filter(open_line_parts::state.eq_any(from));
    Ok(diesel::update(part).set(open_line_parts::state.eq(to)).execute(conn)? == 1)
}

/// What the portal was told of it; tells whether that is news.
pub fn tell(conn: &mut Connection, word: &str, from: &str, to: &str) -> Result<bool> {
    let told = open_line_words::table.find(word).filter(open_line_words::told.eq(from));
    Ok(diesel::update(told).set(open_line_words::told.eq(to)).execute(conn)? == 1)
}

/// Of how many words a portal was told this.
pub fn count(conn: &mut Connection, told: &str) -> Result<i64> {
    Ok(open_line_words::table.filter(open_line_words::told.eq(told)).count().get_result(conn)?)
}

/// Forgets what was said before a moment; at most `limit`, so that nobody waits long.
pub fn forget(conn: &mut Connection, before: i64, limit: i64) -> Result<()> {
    let old = open_line_words::table.filter(open_line_words::said_at.lt(before)).order(open_line_words::said_at);
    let ids: Vec<String> = old.limit(limit).select(open_line_words::id).load(conn)?;
    diesel::delete(open_line_parts::table.filter(open_line_parts::word.eq_any(&ids))).execute(conn)?;
    diesel::delete(open_line_words::table.filter(open_line_words::id.eq_any(&ids))).execute(conn)?;
    Ok(())
}
