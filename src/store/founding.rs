//! The first user of a server: of several who want to be it at once, one is.

use diesel::connection::SimpleConnection as _;

use super::{Conn, Result};
use crate::model::id::CompanyId;
use crate::store::row::NewUser;

/// Makes a company and its administrator where there is no user at all; tells whether it did. Others who try at the same
/// moment wait and are refused; on SQLite there is one writer anyway.
///
/// # Errors
/// Those of the database.
pub fn found(conn: &mut Conn, company: CompanyId, name: &str, zone: &str, user: &NewUser, now: i64) -> Result<bool> {
    if let Conn::Postgres(conn) = conn {
        conn.batch_execute("LOCK TABLE users IN SHARE ROW EXCLUSIVE MODE")?;
    }
    if crate::on!(conn, user::any())? {
        return Ok(false);
    }
    crate::on!(conn, company::create(company, name, zone, now))?;
    crate::on!(conn, user::create(company, user, now))?;
    Ok(true)
}
