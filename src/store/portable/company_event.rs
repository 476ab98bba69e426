//! What happened in companies.

use diesel::prelude::*;

use super::Connection;
use crate::model::id::CompanyId;
use crate::store::Result;
use crate::store::row::CompanyEventRow;
use crate::store::schema::company_events;

/// Writes down what happened.
pub fn write(conn: &mut Connection, row: &CompanyEventRow) -> Result<()> {
    diesel::insert_into(company_events::table).values(row).execute(conn)?;
    Ok(())
}

/// What happened in a company after something that is known, oldest first; an empty text is the beginning.
pub fn after(conn: &mut Connection, company: CompanyId, known: &str, limit: i64) -> Result<Vec<CompanyEventRow>> {
    Ok(company_events::table
        .filter(company_events::company.eq(company.to_string()).and(company_events::id.gt(known)))
        .order(company_events::id)
        .limit(limit)
        .select(CompanyEventRow::as_select())
        .load(conn)?)
}

/// Whether something of a kind happened to a subject since a moment.
pub fn has(conn: &mut Connection, company: CompanyId, kind: &str, subject: &str, since: i64) -> Result<bool> {
    let found = company_events::table
        .filter(company_events::company.eq(company.to_string()).and(company_events::kind.eq(kind)))
        .filter(company_events::subject.eq(subject).and(company_events::at.ge(since)))
        .select(company_events::id);
    Ok(diesel::select(diesel::dsl::exists(found)).get_result(conn)?)
}

/// Forgets what happened before a moment.
pub fn forget(conn: &mut Connection, before: i64) -> Result<()> {
    diesel::delete(company_events::table.filter(company_events::at.lt(before))).execute(conn)?;
    Ok(())
}
