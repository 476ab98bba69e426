//! What people see of the queue, and what the API asks of it.

use diesel::prelude::*;

use super::{Connection, flies};
use crate::model::id::{CompanyId, LaneId, LineId};
use crate::store::Result;
use crate::store::row::RecipientRow;
use crate::store::schema::{accepted_keys, channels, errands, lanes, mailings, recipients};

/// Rows of running mailings of a lane that are not in the outbox yet, each with whether CRM-marketing handed it over.
pub fn pending_rows(conn: &mut Connection, lane: LaneId, limit: i64) -> Result<Vec<(RecipientRow, bool)>> {
    Ok(recipients::table
        .inner_join(mailings::table.on(mailings::id.eq(recipients::mailing)))
        .filter(mailings::lane.eq(lane).and(mailings::state.eq("running")).and(recipients::status.eq("pending")))
        .order((recipients::mailing, recipients::id))
        .limit(limit)
        .select((RecipientRow::as_select(), mailings::portal.is_not_null()))
        .load(conn)?)
}

/// When a key was accepted.
pub fn accepted_at(conn: &mut Connection, company: CompanyId, key: &str) -> Result<Option<i64>> {
    Ok(accepted_keys::table
        .find((company.to_string(), key))
        .select(accepted_keys::accepted_at)
        .first(conn)
        .optional()?)
}

/// The errand of a company with this merge key, in whatever lane: whether it flies, when it was accepted, and its work.
pub fn by_merge_key(conn: &mut Connection, company: CompanyId, key: &str) -> Result<Option<(bool, i64, String)>> {
    let of_company = lanes::table.filter(lanes::company.eq(company.to_string())).select(lanes::id);
    Ok(errands::table
        .filter(errands::lane.eq_any(of_company).and(errands::merge_key.eq(key)))
        .filter(errands::merge_key.is_not_null())
        .select((flies(), errands::accepted_at, errands::work))
        .first(conn)
        .optional()?)
}

/// Gives every lane of a line's channels these hours; the answer are the lanes.
pub fn set_hours(conn: &mut Connection, company: CompanyId, line: LineId, hours: Option<&str>) -> Result<Vec<LaneId>> {
    let ids: Vec<LaneId> = channels::table
        .filter(channels::company.eq(company.to_string()).and(channels::line.eq(line)))
        .select(channels::lane)
        .load(conn)?;
    diesel::update(lanes::table.filter(lanes::id.eq_any(&ids)))
        .set((lanes::hours.eq(hours), lanes::version.eq(lanes::version + 1)))
        .execute(conn)?;
    Ok(ids)
}
