//! Lanes.

use diesel::dsl::{count_star, sql};
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Bool};

use super::{Connection, waits, with_starts};
use crate::model::id::{CompanyId, ErrandId, LaneId};
use crate::store::Result;
use crate::store::place;
use crate::store::row::{LaneRow, NewLane, Planned, text};
use crate::store::schema::{errands, lanes};

/// Makes a lane.
pub fn create(conn: &mut Connection, company: CompanyId, new: &NewLane) -> Result<LaneId> {
    let id = diesel::insert_into(lanes::table)
        .values((
            lanes::company.eq(company.to_string()),
            lanes::kind.eq(&new.kind),
            lanes::shard.eq(0i16),
            lanes::state.eq(0i16),
            lanes::pace.eq(text(&new.pace)?),
            lanes::hours.eq(new.hours.as_ref().map(text).transpose()?),
            lanes::version.eq(0i64),
            lanes::sent_tick.eq(0i64),
            lanes::sent_gap_ms.eq(0i64),
            lanes::live_tick.eq(0i64),
        ))
        .returning(lanes::id)
        .get_result::<i64>(conn)?;
    let shard = crate::store::owner::shard_of(id);
    diesel::update(lanes::table.find(id)).set(lanes::shard.eq(shard)).execute(conn)?;
    Ok(id)
}

/// One lane of a company.
pub fn by_id(conn: &mut Connection, company: CompanyId, id: LaneId) -> Result<Option<LaneRow>> {
    Ok(lanes::table
        .find(id)
        .filter(lanes::company.eq(company.to_string()))
        .select(LaneRow::as_select())
        .first(conn)
        .optional()?)
}

/// The lanes of a company, in their order.
pub fn of_company(conn: &mut Connection, company: CompanyId) -> Result<Vec<LaneRow>> {
    Ok(lanes::table
        .filter(lanes::company.eq(company.to_string()))
        .order(lanes::id)
        .select(LaneRow::as_select())
        .load(conn)?)
}

/// The lanes of these shards: what a process loads when it takes them.
pub fn of_shards(conn: &mut Connection, shards: &[i16]) -> Result<Vec<LaneRow>> {
    with_starts(conn, |conn| {
        Ok(lanes::table.filter(lanes::shard.eq_any(shards)).select(LaneRow::as_select()).load(conn)?)
    })
}

/// Lanes by their numbers, of whatever company: for the pump alone.
pub fn by_ids(conn: &mut Connection, ids: &[LaneId]) -> Result<Vec<LaneRow>> {
    with_starts(conn, |conn| Ok(lanes::table.filter(lanes::id.eq_any(ids)).select(LaneRow::as_select()).load(conn)?))
}

/// Whose lanes are; for whoever tells pages what changed.
pub fn companies(conn: &mut Connection, ids: &[LaneId]) -> Result<Vec<(LaneId, String)>> {
    Ok(lanes::table.filter(lanes::id.eq_any(ids)).select((lanes::id, lanes::company)).load(conn)?)
}

/// Which lanes have work: the lowest number of each lane and rank. Leaps from one to the next, so that a lane costs as much
/// whether it holds one errand or a million.
pub fn heads(conn: &mut Connection) -> Result<Vec<(LaneId, i16, ErrandId)>> {
    #[derive(QueryableByName)]
    struct Head {
        #[diesel(sql_type = BigInt)]
        id: ErrandId,
    }
    let heads: Vec<Head> = diesel::sql_query(
        "WITH RECURSIVE heads (id) AS (SELECT min(id) FROM errands UNION ALL \
         SELECT (SELECT min(id) FROM errands WHERE id >= ((heads.id >> 38) + 1) << 38) FROM heads WHERE id IS NOT NULL) \
         SELECT id FROM heads WHERE id IS NOT NULL",
    )
    .load(conn)?;
    let place = |Head { id }| {
        let (lane, rank) = place::lane_and_rank(id);
        (lane, rank, id)
    };
    Ok(heads.into_iter().map(place).collect())
}

/// Errands that wait for a moment: the few that were put back or planned.
pub fn planned(conn: &mut Connection) -> Result<Vec<Planned>> {
    Ok(errands::table
        // in words, not as a value: only so the index of the planned ones is found
        .filter(sql::<Bool>("errands.not_before > 0").and(waits()))
        .select(Planned::as_select())
        .load(conn)?)
}

/// Moves a lane from one of the states to another; tells whether it was in one of them.
pub fn set_state(conn: &mut Connection, company: CompanyId, id: LaneId, from: &[i16], to: i16) -> Result<bool> {
    let lane = lanes::table.find(id).filter(lanes::company.eq(company.to_string())).filter(lanes::state.eq_any(from));
    Ok(diesel::update(lane).set((lanes::state.eq(to), lanes::version.eq(lanes::version + 1))).execute(conn)? == 1)
}

/// Sets the pace and the hours of a lane.
pub fn set_pace(
    conn: &mut Connection,
    company: CompanyId,
    id: LaneId,
    pace: &crate::model::pace::Pace,
    hours: Option<&crate::model::window::Window>,
) -> Result<bool> {
    let lane = lanes::table.find(id).filter(lanes::company.eq(company.to_string()));
    Ok(diesel::update(lane)
        .set((
            lanes::pace.eq(text(pace)?),
            lanes::hours.eq(hours.map(text).transpose()?),
            lanes::version.eq(lanes::version + 1),
        ))
        .execute(conn)?
        == 1)
}

/// How many lanes there are in each state; for the metrics.
pub fn count_by_state(conn: &mut Connection) -> Result<Vec<(i16, i64)>> {
    Ok(lanes::table.group_by(lanes::state).select((lanes::state, count_star())).load(conn)?)
}
