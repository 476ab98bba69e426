//! Lines.

use diesel::prelude::*;

use super::Connection;
use crate::model::id::{CompanyId, LineId};
use crate::store::Result;
use crate::store::row::{LineChange, LineRow, NewLine, text};
use crate::store::schema::lines;

/// Makes a line.
pub fn create(conn: &mut Connection, company: CompanyId, new: &NewLine, now: i64) -> Result<LineId> {
    Ok(diesel::insert_into(lines::table)
        .values((
            lines::company.eq(company.to_string()),
            lines::name.eq(&new.name),
            lines::plan.eq(&new.plan),
            lines::expires_at.eq(new.expires_at.0),
            lines::hours.eq(new.hours.as_ref().map(text).transpose()?),
            lines::demo_used.eq(0),
            lines::created_at.eq(now),
        ))
        .returning(lines::id)
        .get_result(conn)?)
}

/// One line of a company.
pub fn by_id(conn: &mut Connection, company: CompanyId, id: LineId) -> Result<Option<LineRow>> {
    Ok(lines::table
        .find(id)
        .filter(lines::company.eq(company.to_string()))
        .select(LineRow::as_select())
        .first(conn)
        .optional()?)
}

/// The lines of a company, in their order.
pub fn of_company(conn: &mut Connection, company: CompanyId) -> Result<Vec<LineRow>> {
    Ok(lines::table
        .filter(lines::company.eq(company.to_string()))
        .order(lines::id)
        .select(LineRow::as_select())
        .load(conn)?)
}

/// Changes a line.
pub fn change(conn: &mut Connection, company: CompanyId, id: LineId, change: &LineChange) -> Result<bool> {
    let line = || lines::table.find(id).filter(lines::company.eq(company.to_string()));
    if let Some(plan) = &change.plan {
        diesel::update(line()).set(lines::plan.eq(plan)).execute(conn)?;
    }
    if let Some(at) = change.expires_at {
        diesel::update(line()).set(lines::expires_at.eq(at.0)).execute(conn)?;
    }
    let hours = change.hours.as_ref().map(text).transpose()?;
    Ok(diesel::update(line()).set((lines::name.eq(&change.name), lines::hours.eq(hours))).execute(conn)? == 1)
}

/// Until when lines may send, of whatever company: for the pump alone.
pub fn ends(conn: &mut Connection, ids: &[LineId]) -> Result<Vec<(LineId, i64)>> {
    Ok(lines::table.filter(lines::id.eq_any(ids)).select((lines::id, lines::expires_at)).load(conn)?)
}
