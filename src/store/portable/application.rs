//! Applications for VK Notify.

use diesel::prelude::*;

use super::Connection;
use crate::model::id::{ApplicationId, CompanyId};
use crate::store::Result;
use crate::store::row::ApplicationRow;
use crate::store::schema::applications;

/// The applications of a company, newest first.
pub fn of_company(conn: &mut Connection, company: CompanyId) -> Result<Vec<ApplicationRow>> {
    Ok(applications::table
        .filter(applications::company.eq(company.to_string()))
        .order(applications::number.desc())
        .select(ApplicationRow::as_select())
        .load(conn)?)
}

/// One application of a company.
pub fn by_id(conn: &mut Connection, company: CompanyId, id: ApplicationId) -> Result<Option<ApplicationRow>> {
    Ok(applications::table
        .filter(applications::company.eq(company.to_string()))
        .filter(applications::id.eq(id.to_string()))
        .select(ApplicationRow::as_select())
        .first(conn)
        .optional()?)
}

/// The highest number that an application of a company has; 0 where there is none.
pub fn last_number(conn: &mut Connection, company: CompanyId) -> Result<i64> {
    let highest: Option<i64> = applications::table
        .filter(applications::company.eq(company.to_string()))
        .select(diesel::dsl::max(applications::number))
        .first(conn)?;
    Ok(highest.unwrap_or(0))
}

/// Enters an application. A number that is taken is a duplicate.
pub fn create(conn: &mut Connection, row: &ApplicationRow) -> Result<()> {
    diesel::insert_into(applications::table).values(row).execute(conn)?;
    Ok(())
}

/// Whether a company has an application in this state.
pub fn any(conn: &mut Connection, company: CompanyId, state: &str) -> Result<bool> {
    let found =
        applications::table.filter(applications::company.eq(company.to_string())).filter(applications::state.eq(state));
    Ok(diesel::select(diesel::dsl::exists(found)).get_result(conn)?)
}

/// Moves an application on, if it still is in the state that the caller saw; tells whether it was.
pub fn advance(conn: &mut Connection, from: &str, row: &ApplicationRow) -> Result<bool> {
    let known = applications::table
        .filter(applications::company.eq(&row.company))
        .filter(applications::id.eq(&row.id).and(applications::state.eq(from)));
    let told = (
        applications::state.eq(&row.state),
        applications::reason.eq(&row.reason),
        applications::steps.eq(&row.steps),
        applications::seen.eq(row.seen),
        applications::changed_at.eq(row.changed_at),
    );
    Ok(diesel::update(known).set(told).execute(conn)? == 1)
}

/// Somebody read the news of an application; tells whether it is there.
pub fn see(conn: &mut Connection, company: CompanyId, id: ApplicationId) -> Result<bool> {
    let known = applications::table
        .filter(applications::company.eq(company.to_string()))
        .filter(applications::id.eq(id.to_string()));
    Ok(diesel::update(known).set(applications::seen.eq(true)).execute(conn)? == 1)
}
