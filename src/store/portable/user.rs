//! Users.

use diesel::prelude::*;

use super::Connection;
use crate::model::id::{CompanyId, UserId};
use crate::store::Result;
use crate::store::row::{NewUser, UserRow};
use crate::store::schema::users;

/// Makes a user.
pub fn create(conn: &mut Connection, company: CompanyId, new: &NewUser, now: i64) -> Result<()> {
    diesel::insert_into(users::table)
        .values((
            users::id.eq(new.id.to_string()),
            users::company.eq(company.to_string()),
            users::login.eq(&new.login),
            users::name.eq(&new.name),
            users::role.eq(&new.role),
            users::password_hash.eq(&new.password_hash),
            users::created_at.eq(now),
        ))
        .execute(conn)?;
    Ok(())
}

/// The user of a login, of whatever company: for signing in and for commands of the person who runs the server.
pub fn by_login(conn: &mut Connection, login: &str) -> Result<Option<UserRow>> {
    Ok(users::table.filter(users::login.eq(login)).select(UserRow::as_select()).first(conn).optional()?)
}

/// One user of a company.
pub fn by_id(conn: &mut Connection, company: CompanyId, id: UserId) -> Result<Option<UserRow>> {
    Ok(users::table
        .find(id.to_string())
        .filter(users::company.eq(company.to_string()))
        .select(UserRow::as_select())
        .first(conn)
        .optional()?)
}

/// The administrators of a company, oldest first.
pub fn admins(conn: &mut Connection, company: CompanyId) -> Result<Vec<UserRow>> {
    Ok(users::table
        .filter(users::company.eq(company.to_string()).and(users::role.eq("admin")))
        .order(users::id)
        .select(UserRow::as_select())
        .load(conn)?)
}

/// Every user, oldest first: for commands of the person who runs the server.
pub fn all(conn: &mut Connection) -> Result<Vec<UserRow>> {
    Ok(users::table.order(users::id).select(UserRow::as_select()).load(conn)?)
}

/// Whether there is any user, of whatever company: a server without one is set up by the first who comes.
pub fn any(conn: &mut Connection) -> Result<bool> {
    Ok(diesel::select(diesel::dsl::exists(users::table.select(users::id))).get_result(conn)?)
}

/// Sets the hash of a password.
pub fn set_password(conn: &mut Connection, company: CompanyId, id: UserId, hash: &str) -> Result<bool> {
    let user = users::table.find(id.to_string()).filter(users::company.eq(company.to_string()));
    Ok(diesel::update(user).set(users::password_hash.eq(hash)).execute(conn)? == 1)
}
