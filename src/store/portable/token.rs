//! Bearer tokens of people and programs. Only hashes are kept: who reads the table cannot sign in with it.

use diesel::prelude::*;

use super::Connection;
use crate::model::id::{CompanyId, UserId};
use crate::store::Result;
use crate::store::row::UserRow;
use crate::store::schema::{tokens, users};

/// Writes a token down.
pub fn create(
    conn: &mut Connection,
    company: CompanyId,
    user: UserId,
    hash: &str,
    now: i64,
    expires_at: i64,
) -> Result<()> {
    diesel::insert_into(tokens::table)
        .values((
            tokens::hash.eq(hash),
            tokens::company.eq(company.to_string()),
            tokens::user_id.eq(user.to_string()),
            tokens::created_at.eq(now),
            tokens::expires_at.eq(expires_at),
        ))
        .execute(conn)?;
    Ok(())
}

/// Whose token it is, while it is good. The hash is the proof of company.
pub fn holder(conn: &mut Connection, hash: &str, now: i64) -> Result<Option<UserRow>> {
    Ok(users::table
        .inner_join(tokens::table.on(tokens::user_id.eq(users::id)))
        .filter(tokens::hash.eq(hash).and(tokens::expires_at.gt(now)))
        .select(UserRow::as_select())
        .first(conn)
        .optional()?)
}

/// Forgets a token.
pub fn forget(conn: &mut Connection, hash: &str) -> Result<bool> {
    Ok(diesel::delete(tokens::table.find(hash)).execute(conn)? == 1)
}

/// Forgets all tokens of a user: the password was changed.
pub fn forget_all(conn: &mut Connection, company: CompanyId, user: UserId) -> Result<usize> {
    let theirs =
        tokens::table.filter(tokens::company.eq(company.to_string()).and(tokens::user_id.eq(user.to_string())));
    Ok(diesel::delete(theirs).execute(conn)?)
}

/// Forgets tokens that are not good any more.
pub fn forget_expired(conn: &mut Connection, now: i64) -> Result<usize> {
    Ok(diesel::delete(tokens::table.filter(tokens::expires_at.le(now))).execute(conn)?)
}
