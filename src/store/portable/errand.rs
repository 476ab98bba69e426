//! Errands and claims.

use std::collections::BTreeSet;

use diesel::prelude::*;

use super::{Connection, flies, waits};
use crate::model::id::{CompanyId, LaneId};
use crate::store::Result;
use crate::store::outbox::ErrandRow;
use crate::store::place;
use crate::store::schema::{accepted_keys, claims, errands, expiries, lanes};

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
        .filter(errands::id.eq_any(ids).and(flies()))
        .order(errands::id)
        .select(ErrandRow::as_select())
        .load(conn)?)
}

pub(in crate::store) fn withdraw_mailing(conn: &mut Connection, mailing: &str) -> Result<Vec<ErrandRow>> {
    Ok(diesel::delete(errands::table.filter(errands::mailing.eq(mailing).and(waits())))
        .returning(ErrandRow::as_returning())
        .get_results(conn)?)
}

pub(in crate::store) fn flying_of_mailing(conn: &mut Connection, mailing: &str) -> Result<i64> {
    Ok(errands::table.filter(errands::mailing.eq(mailing).and(flies())).count().get_result(conn)?)
}

pub(in crate::store) fn withdraw_expired(conn: &mut Connection, now: i64, limit: i64) -> Result<Vec<ErrandRow>> {
    let due = expiries::table.filter(expiries::due.le(now));
    let lanes: BTreeSet<LaneId> =
        due.select(expiries::lane).order(expiries::due).limit(limit).load(conn)?.into_iter().collect();
    let mut rows = Vec::new();
    for lane in lanes {
        let ids: Vec<i64> = errands::table
            .filter(errands::id.between(*place::lane(lane).start(), *place::lane(lane).end()))
            .filter(errands::expires_at.le(now).and(waits()))
            .order(errands::id)
            .limit(limit)
            .select(errands::id)
            .load(conn)?;
        if i64::try_from(ids.len()).is_ok_and(|found| found < limit) {
            diesel::delete(expiries::table.filter(expiries::due.le(now).and(expiries::lane.eq(lane)))).execute(conn)?;
        }
        rows.extend(withdraw(conn, &ids)?);
    }
    Ok(rows)
}

pub(in crate::store) fn withdraw_lane(
    conn: &mut Connection,
    lane: LaneId,
    before: i64,
    limit: i64,
) -> Result<Vec<ErrandRow>> {
    let ids: Vec<i64> = errands::table
        .filter(errands::id.between(*place::lane(lane).start(), *place::lane(lane).end()))
        .filter(errands::accepted_at.lt(before).and(waits()))
        .order(errands::id)
        .limit(limit)
        .select(errands::id)
        .load(conn)?;
    withdraw(conn, &ids)
}

pub(in crate::store) fn withdraw_unmailed(
    conn: &mut Connection,
    lane: LaneId,
    before: i64,
    limit: i64,
) -> Result<Vec<ErrandRow>> {
    let ids: Vec<i64> = errands::table
        .filter(errands::id.between(*place::lane(lane).start(), *place::lane(lane).end()))
        .filter(errands::accepted_at.lt(before).and(waits()))
        .filter(errands::mailing.is_null())
        .order(errands::id)
        .limit(limit)
        .select(errands::id)
        .load(conn)?;
    withdraw(conn, &ids)
}

/// The errand of a company with this merge key, in whatever lane, and whether it flies.
pub(in crate::store) fn by_merge_key(
    conn: &mut Connection,
    company: CompanyId,
    key: &str,
) -> Result<Option<(ErrandRow, bool)>> {
    let of_company = lanes::table.filter(lanes::company.eq(company.to_string())).select(lanes::id);
    Ok(errands::table
        .filter(errands::lane.eq_any(of_company).and(errands::merge_key.eq(key)))
        .filter(errands::merge_key.is_not_null())
        .select((ErrandRow::as_select(), flies()))
        .first(conn)
        .optional()?)
}

/// Gives an errand that waits other work; tells whether it waited.
pub(in crate::store) fn rewrite(conn: &mut Connection, id: i64, work: &str) -> Result<bool> {
    let waiting = errands::table.filter(errands::id.eq(id).and(waits()));
    Ok(diesel::update(waiting).set(errands::work.eq(work)).execute(conn)? == 1)
}

pub(in crate::store) fn withdraw_one(conn: &mut Connection, id: i64) -> Result<Vec<ErrandRow>> {
    withdraw(conn, &[id])
}

fn withdraw(conn: &mut Connection, ids: &[i64]) -> Result<Vec<ErrandRow>> {
    Ok(diesel::delete(errands::table.filter(errands::id.eq_any(ids).and(waits())))
        .returning(ErrandRow::as_returning())
        .get_results(conn)?)
}

pub(in crate::store) fn look(conn: &mut Connection, lane: LaneId, limit: i64) -> Result<Vec<(ErrandRow, bool, i64)>> {
    Ok(errands::table
        .filter(errands::id.between(*place::lane(lane).start(), *place::lane(lane).end()))
        .order(errands::id)
        .limit(limit)
        .select((ErrandRow::as_select(), flies(), errands::not_before))
        .load(conn)?)
}

/// Whether a call of a lane is in the air.
pub fn any_flies(conn: &mut Connection, lane: LaneId) -> Result<bool> {
    let of_lane = errands::id.between(*place::lane(lane).start(), *place::lane(lane).end());
    let flying = errands::table.filter(of_lane.and(flies()));
    Ok(flying.select(errands::id).first::<i64>(conn).optional()?.is_some())
}

/// How many errands wait in a lane.
pub fn waiting(conn: &mut Connection, lane: LaneId) -> Result<i64> {
    let of_lane = errands::id.between(*place::lane(lane).start(), *place::lane(lane).end());
    Ok(errands::table.filter(of_lane.and(waits())).count().get_result(conn)?)
}

/// When the oldest errand of a lane was accepted; none where nothing waits.
pub fn oldest(conn: &mut Connection, lane: LaneId) -> Result<Option<i64>> {
    let of_lane = errands::id.between(*place::lane(lane).start(), *place::lane(lane).end());
    let waiting = errands::table.filter(of_lane.and(waits()));
    Ok(waiting.select(diesel::dsl::min(errands::accepted_at)).first(conn)?)
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
