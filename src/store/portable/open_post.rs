//! What is written into open lines, and what messages wish about that.

use diesel::prelude::*;

use super::Connection;
use crate::model::id::{CompanyId, MessageId, OpenLinePostId};
use crate::store::Result;
use crate::store::row::PostRow;
use crate::store::schema::{open_line_chats, open_line_posts, open_line_wishes};

/// The dialogs of a connection.
macro_rules! chats {
    ($portal:expr, $messenger:expr, $line:expr) => {
        open_line_chats::table
            .filter(open_line_chats::portal.eq($portal).and(open_line_chats::messenger.eq($messenger)))
            .filter(open_line_chats::open_line.eq($line))
            .select(open_line_chats::id)
    };
}

/// Makes a post; tells whether there was none of its key.
pub fn create(conn: &mut Connection, row: &PostRow) -> Result<bool> {
    Ok(diesel::insert_into(open_line_posts::table).values(row).on_conflict_do_nothing().execute(conn)? == 1)
}

/// A post of a company.
pub fn by_id(conn: &mut Connection, company: CompanyId, id: OpenLinePostId) -> Result<Option<PostRow>> {
    Ok(open_line_posts::table
        .find(id.to_string())
        .filter(open_line_posts::company.eq(company.to_string()))
        .select(PostRow::as_select())
        .first(conn)
        .optional()?)
}

/// The posts of a message, in whatever open line.
pub fn of_message(conn: &mut Connection, message: &str) -> Result<Vec<PostRow>> {
    Ok(open_line_posts::table
        .filter(open_line_posts::message.eq(message))
        .order(open_line_posts::id)
        .select(PostRow::as_select())
        .load(conn)?)
}

/// The call of a post begins: its fate is open until it is told, its text is known by what comes back, and `reason` says what of
/// it is missing.
pub fn begin(conn: &mut Connection, id: &str, said: &str, reason: Option<&str>, now: i64) -> Result<()> {
    diesel::update(open_line_posts::table.find(id))
        .set((open_line_posts::tried_at.eq(now), open_line_posts::said.eq(said), open_line_posts::reason.eq(reason)))
        .execute(conn)?;
    Ok(())
}

/// The call of a post certainly was not taken.
pub fn not_begun(conn: &mut Connection, id: &str) -> Result<()> {
    diesel::update(open_line_posts::table.find(id)).set(open_line_posts::tried_at.eq(None::<i64>)).execute(conn)?;
    Ok(())
}

/// The portal did not take a post as it was: it is written once more in another way.
pub fn again(conn: &mut Connection, id: &str, reason: &str) -> Result<()> {
    let open = open_line_posts::table.find(id).filter(open_line_posts::state.eq("waiting"));
    diesel::update(open)
        .set((open_line_posts::tried_at.eq(None::<i64>), open_line_posts::reason.eq(reason)))
        .execute(conn)?;
    Ok(())
}

/// Holds the posts of a message until the transaction is over: whoever ends one of them is seen, or waits.
pub fn hold(conn: &mut Connection, message: &str) -> Result<()> {
    diesel::update(open_line_posts::table.filter(open_line_posts::message.eq(message)))
        .set(open_line_posts::message.eq(message))
        .execute(conn)?;
    Ok(())
}

/// The posts of a chat that wait, the newest first.
pub fn waiting(conn: &mut Connection, chat: &str) -> Result<Vec<String>> {
    Ok(open_line_posts::table
        .filter(open_line_posts::chat.eq(chat).and(open_line_posts::state.eq("waiting")))
        .order(open_line_posts::id.desc())
        .select(open_line_posts::id)
        .load(conn)?)
}

/// The post of a chat that was written down last, of those that wait.
pub fn last_waiting(conn: &mut Connection, chat: &str) -> Result<Option<String>> {
    Ok(open_line_posts::table
        .filter(open_line_posts::chat.eq(chat).and(open_line_posts::state.eq("waiting")))
        .order(open_line_posts::id.desc())
        .select(open_line_posts::id)
        .first(conn)
        .optional()?)
}

/// Ends a post that waits; tells whether it did.
pub fn end(conn: &mut Connection, id: &str, state: &str, reason: Option<&str>, now: i64) -> Result<bool> {
    let open = open_line_posts::table.find(id).filter(open_line_posts::state.eq("waiting"));
    let told = (open_line_posts::state.eq(state), open_line_posts::reason.eq(reason), open_line_posts::done_at.eq(now));
    Ok(diesel::update(open).set(told).execute(conn)? == 1)
}

/// Parks a post that waits, until its line works again.
pub fn park(conn: &mut Connection, id: &str) -> Result<()> {
    let open = open_line_posts::table.find(id).filter(open_line_posts::state.eq("waiting"));
    diesel::update(open)
        .set((open_line_posts::state.eq("parked"), open_line_posts::tried_at.eq(None::<i64>)))
        .execute(conn)?;
    Ok(())
}

/// Takes parked posts of a connection out of their place, oldest first; at most `limit`, so that nobody waits long.
pub fn unpark(conn: &mut Connection, (portal, messenger, line): (&str, &str, i64), limit: i64) -> Result<Vec<PostRow>> {
    let mut rows: Vec<PostRow> = open_line_posts::table
        .filter(open_line_posts::state.eq("parked"))
        .filter(open_line_posts::chat.eq_any(chats!(portal, messenger, line)))
        .order(open_line_posts::id)
        .limit(limit)
        .select(PostRow::as_select())
        .load(conn)?;
    let ids: Vec<&str> = rows.iter().map(|row| row.id.as_str()).collect();
    for part in ids.chunks(500) {
        let parked = open_line_posts::table.filter(open_line_posts::id.eq_any(part));
        diesel::update(parked).set(open_line_posts::state.eq("waiting")).execute(conn)?;
    }
    for row in &mut rows {
        "waiting".clone_into(&mut row.state);
    }
    Ok(rows)
}

/// How many posts of a connection are parked.
pub fn parked(conn: &mut Connection, (portal, messenger, line): (&str, &str, i64)) -> Result<i64> {
    Ok(open_line_posts::table
        .filter(open_line_posts::state.eq("parked"))
        .filter(open_line_posts::chat.eq_any(chats!(portal, messenger, line)))
        .count()
        .get_result(conn)?)
}

/// What was written lately in the name of an employee and has not come back yet, oldest first.
pub fn unechoed(conn: &mut Connection, chat: &str, author: i64, since: i64) -> Result<Vec<PostRow>> {
    let written = open_line_posts::author.eq(author).and(open_line_posts::said.is_not_null());
    // what the portal refused comes back as nothing
    let written = written.and(open_line_posts::state.eq_any(["waiting", "done", "unknown"]));
    Ok(open_line_posts::table
        .filter(open_line_posts::chat.eq(chat).and(written).and(open_line_posts::echo.is_null()))
        .filter(open_line_posts::tried_at.ge(since).or(open_line_posts::done_at.ge(since)))
        .order(open_line_posts::id)
        .select(PostRow::as_select())
        .load(conn)?)
}

/// What a post came back as; tells whether that is news.
pub fn set_echo(conn: &mut Connection, id: &str, im_message: i64) -> Result<bool> {
    let open = open_line_posts::table.find(id).filter(open_line_posts::echo.is_null());
    Ok(diesel::update(open).set(open_line_posts::echo.eq(im_message)).execute(conn)? == 1)
}

/// Keeps what a message wishes: whether it is shown in open lines, and under whose name.
pub fn wish(
    conn: &mut Connection,
    company: CompanyId,
    message: MessageId,
    (show, author): (bool, Option<i64>),
    now: i64,
) -> Result<()> {
    diesel::insert_into(open_line_wishes::table)
        .values((
            open_line_wishes::message.eq(message.to_string()),
            open_line_wishes::company.eq(company.to_string()),
            open_line_wishes::show.eq(show),
            open_line_wishes::author.eq(author),
            open_line_wishes::made_at.eq(now),
        ))
        .on_conflict(open_line_wishes::message)
        .do_update()
        .set((open_line_wishes::show.eq(show), open_line_wishes::author.eq(author)))
        .execute(conn)?;
    Ok(())
}

/// What a message wishes; none where it wishes nothing.
pub fn wish_of(conn: &mut Connection, message: &str) -> Result<Option<(bool, Option<i64>)>> {
    let row = open_line_wishes::table.find(message);
    Ok(row.select((open_line_wishes::show, open_line_wishes::author)).first(conn).optional()?)
}

/// Forgets posts that are over and wishes of before a moment; at most `limit` of each, so that nobody waits long.
pub fn forget(conn: &mut Connection, before: i64, limit: i64) -> Result<()> {
    let old = open_line_posts::table
        .filter(open_line_posts::made_at.lt(before).and(open_line_posts::state.ne("waiting")))
        .order(open_line_posts::made_at)
        .limit(limit);
    let ids: Vec<String> = old.select(open_line_posts::id).load(conn)?;
    diesel::delete(open_line_posts::table.filter(open_line_posts::id.eq_any(ids))).execute(conn)?;
    let old = open_line_wishes::table.filter(open_line_wishes::made_at.lt(before)).order(open_line_wishes::made_at);
    let ids: Vec<String> = old.limit(limit).select(open_line_wishes::message).load(conn)?;
    diesel::delete(open_line_wishes::table.filter(open_line_wishes::message.eq_any(ids))).execute(conn)?;
    Ok(())
}
