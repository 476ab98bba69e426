//! Lines.

use diesel::prelude::*;

use super::Connection;
use crate::model::id::{CompanyId, LineId};
use crate::model::window::Window;
use crate::store::Result;
use crate::store::row::{LineRow, NewLine, text};
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

/// Sets the name and the hours of a line.
pub fn change(
    conn: &mut Connection,
    company: CompanyId,
    id: LineId,
    name: &str,
    hours: Option<&Window>,
) -> Result<bool> {
    let line = lines::table.find(id).filter(lines::company.eq(company.to_string()));
    Ok(diesel::update(line).set((lines::name.eq(name), lines::hours.eq(hours.map(text).transpose()?))).execute(conn)?
        == 1)
}
