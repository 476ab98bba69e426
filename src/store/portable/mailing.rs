//! Mailings and their ledger.

use diesel::dsl::count_star;
use diesel::prelude::*;

use super::Connection;
use crate::model::id::{CompanyId, LaneId, LineId, MailingId, RecipientId};
use crate::store::Result;
use crate::store::row::{MailingRow, RecipientRow};
use crate::store::schema::{errands, lines, mailings, recipients};

/// Makes a mailing.
pub fn create(conn: &mut Connection, row: &MailingRow) -> Result<()> {
    diesel::insert_into(mailings::table).values(row).execute(conn)?;
    Ok(())
}

/// One mailing of a company.
pub fn by_id(conn: &mut Connection, company: CompanyId, id: MailingId) -> Result<Option<MailingRow>> {
    Ok(mailings::table
        .find(id.to_string())
        .filter(mailings::company.eq(company.to_string()))
        .select(MailingRow::as_select())
        .first(conn)
        .optional()?)
}

/// The newest mailings of a company, newest first.
pub fn newest(conn: &mut Connection, company: CompanyId, limit: i64) -> Result<Vec<MailingRow>> {
    Ok(mailings::table
        .filter(mailings::company.eq(company.to_string()))
        .order(mailings::id.desc())
        .limit(limit)
        .select(MailingRow::as_select())
        .load(conn)?)
}

/// The mailings of one sender of a portal that got a row since a moment, newest first: candidates for the next row.
pub fn recent(conn: &mut Connection, portal: &str, sender_code: &str, since: i64) -> Result<Vec<MailingRow>> {
    Ok(mailings::table
        .filter(mailings::portal.eq(portal).and(mailings::sender_code.eq(sender_code)))
        .filter(mailings::last_row_at.ge(since))
        .order(mailings::last_row_at.desc())
        .limit(20)
        .select(MailingRow::as_select())
        .load(conn)?)
}

/// Moves a mailing from one of the states to another; tells whether it was in one of them. The row stays locked until the
/// end of the transaction.
pub fn set_state(conn: &mut Connection, company: CompanyId, id: MailingId, from: &[&str], to: &str) -> Result<bool> {
    let mailing = mailings::table
        .find(id.to_string())
        .filter(mailings::company.eq(company.to_string()).and(mailings::state.eq_any(from)));
    Ok(diesel::update(mailing).set(mailings::state.eq(to)).execute(conn)? == 1)
}

/// Adds a row to the ledger of a mailing. One that was finished goes on; one that was stopped meanwhile stays so, and the row gets
/// its end with the others.
pub fn add(conn: &mut Connection, row: &RecipientRow) -> Result<()> {
    let mailing = mailings::table.find(&row.mailing);
    diesel::update(mailing).set(mailings::last_row_at.eq(row.accepted_at)).execute(conn)?;
    diesel::insert_into(recipients::table).values(row).execute(conn)?;
    if row.status == "pending" {
        let finished = mailing.filter(mailings::state.eq("finished"));
        diesel::update(finished).set(mailings::state.eq("running")).execute(conn)?;
    }
    Ok(())
}

/// Rows of a mailing that left, the newest first. They are held until the transaction is over: a receipt that came in this very
/// moment is seen, or waits and has the last word.
pub fn ended(conn: &mut Connection, mailing: MailingId, limit: i64) -> Result<Vec<RecipientRow>> {
    let left = || recipients::status.eq_any(["sent", "delivered", "viewed", "error", "unknown"]);
    let ids: Vec<String> = recipients::table
        .filter(recipients::mailing.eq(mailing.to_string()).and(left()))
        .order(recipients::id.desc())
        .limit(limit)
        .select(recipients::id)
        .load(conn)?;
    Ok(diesel::update(recipients::table.filter(recipients::id.eq_any(ids).and(left())))
        .set(recipients::status.eq(recipients::status))
        .returning(RecipientRow::as_returning())
        .get_results(conn)?)
}

/// How many rows of a mailing wait.
pub fn waiting(conn: &mut Connection, mailing: MailingId) -> Result<i64> {
    let pending =
        recipients::table.filter(recipients::mailing.eq(mailing.to_string()).and(recipients::status.eq("pending")));
    Ok(pending.count().get_result(conn)?)
}

/// Running mailings of which nothing in the outbox leaves before a moment: those that the feeder must feed.
pub fn hungry(conn: &mut Connection, before: i64, limit: i64) -> Result<Vec<MailingRow>> {
    let fed = errands::table
        .filter(errands::mailing.eq(mailings::id.nullable()).and(errands::not_before.le(before)))
        .select(errands::id);
    Ok(mailings::table
        .filter(mailings::state.eq("running"))
        .filter(diesel::dsl::not(diesel::dsl::exists(fed)))
        .order(mailings::id)
        .limit(limit)
        .select(MailingRow::as_select())
        .load(conn)?)
}

/// Whether something of a mailing leaves the outbox before a moment.
pub fn is_fed(conn: &mut Connection, mailing: &str, before: i64) -> Result<bool> {
    let fed =
        errands::table.filter(errands::mailing.eq(mailing).and(errands::not_before.le(before))).select(errands::id);
    Ok(diesel::select(diesel::dsl::exists(fed)).get_result(conn)?)
}

/// How many rows of a mailing are in the outbox.
pub fn in_outbox(conn: &mut Connection, mailing: &str) -> Result<i64> {
    Ok(errands::table.filter(errands::mailing.eq(mailing)).select(count_star()).first(conn)?)
}

/// The next pending rows of a mailing.
pub fn pending(conn: &mut Connection, mailing: &str, limit: i64) -> Result<Vec<RecipientRow>> {
    Ok(recipients::table
        .filter(recipients::mailing.eq(mailing).and(recipients::status.eq("pending")))
        .order(recipients::id)
        .limit(limit)
        .select(RecipientRow::as_select())
        .load(conn)?)
}

/// Takes the next pending row of a mailing; none where there is none. The caller holds the mailing's row.
pub fn take(conn: &mut Connection, mailing: &str, message: &str) -> Result<Option<RecipientRow>> {
    let next: Option<String> = recipients::table
        .filter(recipients::mailing.eq(mailing).and(recipients::status.eq("pending")))
        .order(recipients::id)
        .select(recipients::id)
        .first(conn)
        .optional()?;
    match next {
        Some(next) => take_row(conn, &next, message),
        None => Ok(None),
    }
}

/// Takes one pending row; none where it is not pending any more. The caller holds the mailing's row.
pub fn take_row(conn: &mut Connection, row: &str, message: &str) -> Result<Option<RecipientRow>> {
    let row = recipients::table.find(row).filter(recipients::status.eq("pending"));
    Ok(diesel::update(row)
        .set((recipients::status.eq("queued"), recipients::message.eq(message)))
        .returning(RecipientRow::as_returning())
        .get_result(conn)
        .optional()?)
}

/// Rows that were taken go back to pending: their errands were withdrawn.
pub fn untake(conn: &mut Connection, id: RecipientId) -> Result<bool> {
    let taken = recipients::table.find(id.to_string()).filter(recipients::status.eq("queued"));
    Ok(diesel::update(taken)
        .set((recipients::status.eq("pending"), recipients::message.eq(None::<String>)))
        .execute(conn)?
        == 1)
}

/// Moves a row from one of the statuses to another; gives the row back where it was in one of them.
pub fn advance(
    conn: &mut Connection,
    id: &str,
    from: &[&str],
    to: &str,
    code: Option<&str>,
    reason: Option<&str>,
    sent_at: Option<i64>,
) -> Result<Option<RecipientRow>> {
    let row = recipients::table.find(id).filter(recipients::status.eq_any(from));
    let sent = sent_at.map(|at| recipients::sent_at.eq(at));
    Ok(diesel::update(row)
        .set((recipients::status.eq(to), recipients::code.eq(code), recipients::reason.eq(reason), sent))
        .returning(RecipientRow::as_returning())
        .get_result(conn)
        .optional()?)
}

/// Gives every pending row of a stopped mailing its end.
pub fn end_pending(conn: &mut Connection, mailing: MailingId, code: &str, limit: i64) -> Result<Vec<RecipientRow>> {
    let ids: Vec<String> = recipients::table
        .filter(recipients::mailing.eq(mailing.to_string()).and(recipients::status.eq("pending")))
        .order(recipients::id)
        .limit(limit)
        .select(recipients::id)
        .load(conn)?;
    let rows = recipients::table.filter(recipients::id.eq_any(ids).and(recipients::status.eq("pending")));
    Ok(diesel::update(rows)
        .set((recipients::status.eq("not_sent"), recipients::code.eq(code)))
        .returning(RecipientRow::as_returning())
        .get_results(conn)?)
}

/// Stopped mailings that still have pending rows.
pub fn unended(conn: &mut Connection, limit: i64) -> Result<Vec<MailingRow>> {
    let pending = recipients::table.filter(recipients::mailing.eq(mailings::id).and(recipients::status.eq("pending")));
    Ok(mailings::table
        .filter(mailings::state.eq("stopped").and(diesel::dsl::exists(pending)))
        .limit(limit)
        .select(MailingRow::as_select())
        .load(conn)?)
}

/// The letters of a portal that are not over.
pub fn open_of_portal(conn: &mut Connection, portal: &str) -> Result<Vec<MailingRow>> {
    Ok(mailings::table
        .filter(mailings::portal.eq(portal).and(mailings::state.eq_any(["running", "paused"])))
        .select(MailingRow::as_select())
        .load(conn)?)
}

/// How many rows of a mailing have each status.
pub fn counts(conn: &mut Connection, mailing: &str) -> Result<Vec<(String, i64)>> {
    Ok(recipients::table
        .filter(recipients::mailing.eq(mailing))
        .group_by(recipients::status)
        .select((recipients::status, count_star()))
        .load(conn)?)
}

/// How many rows wait for each mailing of a lane; for the forecast.
pub fn pending_of_lane(conn: &mut Connection, lane: LaneId) -> Result<Vec<(String, i64)>> {
    Ok(recipients::table
        .inner_join(mailings::table.on(mailings::id.eq(recipients::mailing)))
        .filter(mailings::lane.eq(lane).and(mailings::state.eq("running")).and(recipients::status.eq("pending")))
        .group_by(mailings::id)
        .select((mailings::id, count_star()))
        .order(mailings::id)
        .load(conn)?)
}

/// The rows of a mailing, in their order.
pub fn rows(conn: &mut Connection, mailing: MailingId, limit: i64) -> Result<Vec<RecipientRow>> {
    Ok(recipients::table
        .filter(recipients::mailing.eq(mailing.to_string()))
        .order(recipients::id)
        .limit(limit)
        .select(RecipientRow::as_select())
        .load(conn)?)
}

/// The newest row of a mailing: what its next row is compared with.
pub fn last_row(conn: &mut Connection, mailing: &str) -> Result<Option<RecipientRow>> {
    Ok(recipients::table
        .filter(recipients::mailing.eq(mailing))
        .order(recipients::id.desc())
        .select(RecipientRow::as_select())
        .first(conn)
        .optional()?)
}

/// Takes one of the demo period's mailing messages of a line; tells whether one was left.
pub fn use_demo(conn: &mut Connection, company: CompanyId, line: LineId, limit: i32) -> Result<bool> {
    let left = lines::table.find(line).filter(lines::company.eq(company.to_string()).and(lines::demo_used.lt(limit)));
    Ok(diesel::update(left).set(lines::demo_used.eq(lines::demo_used + 1)).execute(conn)? == 1)
}
