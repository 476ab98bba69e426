//! Companies.

use diesel::prelude::*;

use super::Connection;
use crate::model::id::CompanyId;
use crate::store::Result;
use crate::store::schema::companies;

/// Makes a company.
pub fn create(conn: &mut Connection, id: CompanyId, name: &str, zone: &str, now: i64) -> Result<()> {
    diesel::insert_into(companies::table)
        .values((
            companies::id.eq(id.to_string()),
            companies::name.eq(name),
            companies::zone.eq(zone),
            companies::created_at.eq(now),
        ))
        .execute(conn)?;
    Ok(())
}

/// The companies, oldest first: for commands of the person who runs the server.
pub fn all(conn: &mut Connection) -> Result<Vec<(String, String)>> {
    Ok(companies::table.order(companies::id).select((companies::id, companies::name)).load(conn)?)
}

/// The name and the zone of a company.
pub fn by_id(conn: &mut Connection, id: CompanyId) -> Result<Option<(String, String)>> {
    Ok(companies::table.find(id.to_string()).select((companies::name, companies::zone)).first(conn).optional()?)
}
