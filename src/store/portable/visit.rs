//! Sign-ins at the pages of vendors: begun by somebody, come back from once.

use diesel::prelude::*;

use super::Connection;
use crate::model::id::CompanyId;
use crate::store::Result;
use crate::store::row::VisitRow;
use crate::store::schema::visits;

/// Writes down that somebody was sent to a vendor's page.
pub fn begin(conn: &mut Connection, row: &VisitRow) -> Result<()> {
    diesel::insert_into(visits::table).values(row).execute(conn)?;
    Ok(())
}

/// Ends a visit that was begun at the moment or later; none where there is none, or somebody was faster.
pub fn end(conn: &mut Connection, company: CompanyId, digest: &str, since: i64) -> Result<Option<VisitRow>> {
    let mine = visits::table.find(digest).filter(visits::company.eq(company.to_string()));
    let fresh = mine.clone().filter(visits::created_at.ge(since));
    let Some(row) = fresh.select(VisitRow::as_select()).first(conn).optional()? else { return Ok(None) };
    Ok((diesel::delete(mine).execute(conn)? == 1).then_some(row))
}

/// Forgets visits that nobody came back from.
pub fn forget(conn: &mut Connection, before: i64) -> Result<usize> {
    Ok(diesel::delete(visits::table.filter(visits::created_at.lt(before))).execute(conn)?)
}
