//! Errands and claims.

use diesel::prelude::*;

use super::Connection;
use crate::model::id::LaneId;
use crate::store::Result;
use crate::store::outbox::{ErrandRow, FLYING, PutBack, WAITING};
use crate::store::schema::{accepted_keys, claims, errands};

/// Writes down which errands a process has taken, so that they are found when it dies.
pub fn open_claim(conn: &mut Connection, id: &str, owner: &str, list: &str) -> Result<()> {
    diesel::insert_into(claims::table)
        .values((claims::id.eq(id), claims::owner.eq(owner), claims::errands.eq(list)))
        .execute(conn)?;
    Ok(())
}

/// The list of a claim, if there is one of this name.
pub fn claimed(conn: &mut Connection, id: &str) -> Result<Option<String>> {
    Ok(claims::table.find(id).select(claims::errands).first(conn).optional()?)
}

/// Forgets claims whose errands are all settled.
pub fn close_claims(conn: &mut Connection, ids: &[String]) -> Result<()> {
    diesel::delete(claims::table.filter(claims::id.eq_any(ids))).execute(conn)?;
    Ok(())
}

/// Closes the claims of a process and gives back their lists.
pub fn claims_of(conn: &mut Connection, owner: &str) -> Result<Vec<String>> {
    Ok(diesel::delete(claims::table.filter(claims::owner.eq(owner))).returning(claims::errands).get_results(conn)?)
}

/// Those of the errands that still fly.
pub(in crate::store) fn flying(conn: &mut Connection, ids: &[i64]) -> Result<Vec<ErrandRow>> {
    Ok(errands::table
        .filter(errands::id.eq_any(ids).and(errands::state.eq(FLYING)))
        .order(errands::id)
        .select(ErrandRow::as_select())
        .load(conn)?)
}

pub(in crate::store) fn put_back(conn: &mut Connection, errand: &PutBack) -> Result<()> {
    diesel::update(errands::table.find(errand.id).filter(errands::state.eq(FLYING)))
        .set((
            errands::state.eq(WAITING),
            errands::not_before.eq(errand.not_before.0),
            errands::attempts.eq(errand.attempts),
        ))
        .execute(conn)?;
    Ok(())
}

pub(in crate::store) fn withdraw_mailing(conn: &mut Connection, mailing: &str) -> Result<Vec<ErrandRow>> {
    Ok(diesel::delete(errands::table.filter(errands::mailing.eq(mailing).and(errands::state.eq(WAITING))))
        .returning(ErrandRow::as_returning())
        .get_results(conn)?)
}

pub(in crate::store) fn flying_of_mailing(conn: &mut Connection, mailing: &str) -> Result<i64> {
    Ok(errands::table.filter(errands::mailing.eq(mailing).and(errands::state.eq(FLYING))).count().get_result(conn)?)
}

pub(in crate::store) fn withdraw_expired(conn: &mut Connection, now: i64, limit: i64) -> Result<Vec<ErrandRow>> {
    let ids: Vec<i64> = errands::table
        .filter(errands::expires_at.le(now).and(errands::state.eq(WAITING)))
        .order(errands::expires_at)
        .limit(limit)
        .select(errands::id)
        .load(conn)?;
    withdraw(conn, &ids)
}

pub(in crate::store) fn withdraw_lane(
    conn: &mut Connection,
    lane: LaneId,
    before: i64,
    limit: i64,
) -> Result<Vec<ErrandRow>> {
    let ids: Vec<i64> = errands::table
        .filter(errands::lane.eq(lane).and(errands::accepted_at.lt(before)).and(errands::state.eq(WAITING)))
        .order(errands::id)
        .limit(limit)
        .select(errands::id)
        .load(conn)?;
    withdraw(conn, &ids)
}

fn withdraw(conn: &mut Connection, ids: &[i64]) -> Result<Vec<ErrandRow>> {
    Ok(diesel::delete(errands::table.filter(errands::id.eq_any(ids).and(errands::state.eq(WAITING))))
        .returning(ErrandRow::as_returning())
        .get_results(conn)?)
}

pub(in crate::store) fn look(conn: &mut Connection, lane: LaneId, limit: i64) -> Result<Vec<(ErrandRow, i16, i64)>> {
    Ok(errands::table
        .filter(errands::lane.eq(lane))
        .order((errands::rank, errands::id))
        .limit(limit)
        .select((ErrandRow::as_select(), errands::state, errands::not_before))
        .load(conn)?)
}

/// Whether a call of a lane is in the air.
pub fn flies(conn: &mut Connection, lane: LaneId) -> Result<bool> {
    let flying = errands::table.filter(errands::lane.eq(lane).and(errands::state.eq(FLYING)));
    Ok(flying.select(errands::id).first::<i64>(conn).optional()?.is_some())
}

/// How many errands wait in a lane.
pub fn waiting(conn: &mut Connection, lane: LaneId) -> Result<i64> {
    Ok(errands::table.filter(errands::lane.eq(lane).and(errands::state.eq(WAITING))).count().get_result(conn)?)
}

/// How many errands there are of each rank, and the oldest one's moment of acceptance; for the metrics.
pub fn depth(conn: &mut Connection) -> Result<Vec<(i16, i64, Option<i64>)>> {
    Ok(errands::table
        .group_by(errands::rank)
        .select((errands::rank, diesel::dsl::count_star(), diesel::dsl::min(errands::accepted_at)))
        .load(conn)?)
}

/// Forgets keys that were accepted before a moment; at most `limit`, so that nobody waits long.
pub fn forget_keys(conn: &mut Connection, before: i64) -> Result<usize> {
    Ok(diesel::delete(accepted_keys::table.filter(accepted_keys::accepted_at.lt(before))).execute(conn)?)
}
