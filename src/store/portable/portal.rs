//! Portals and the tokens of their people.

use diesel::prelude::*;

use super::Connection;
use crate::model::id::{CompanyId, LaneId, PortalId};
use crate::store::Result;
use crate::store::row::{PortalPatch, PortalRow, TokenPairRow};
use crate::store::schema::{answer_entries, answers, hooks, portal_tokens, portals};

/// Installs a portal.
pub fn create(conn: &mut Connection, row: &PortalRow) -> Result<()> {
    diesel::insert_into(portals::table).values(row).execute(conn)?;
    Ok(())
}

/// Changes what an installation, an update or a move brings.
pub fn patch(conn: &mut Connection, company: CompanyId, id: PortalId, patch: &PortalPatch) -> Result<bool> {
    let portal = portals::table.find(id.to_string()).filter(portals::company.eq(company.to_string()));
    Ok(diesel::update(portal).set(patch).execute(conn)? == 1)
}

/// Puts a portal from one state into another; whether it was in it. What another process does to it at this moment is waited for.
pub fn turn(conn: &mut Connection, company: CompanyId, id: PortalId, from: &str, to: &str) -> Result<bool> {
    let portal = portals::table.find(id.to_string()).filter(portals::company.eq(company.to_string()));
    Ok(diesel::update(portal.filter(portals::state.eq(from))).set(portals::state.eq(to)).execute(conn)? == 1)
}

/// The portal of a member id: the key of every delivery of Bitrix24, checked with its application token.
pub fn by_member(conn: &mut Connection, member_id: &str) -> Result<Option<PortalRow>> {
    Ok(portals::table.filter(portals::member_id.eq(member_id)).select(PortalRow::as_select()).first(conn).optional()?)
}

/// A portal, whosever it is: for a delivery that was proven when it came.
pub fn whosever(conn: &mut Connection, id: &str) -> Result<Option<PortalRow>> {
    Ok(portals::table.find(id).select(PortalRow::as_select()).first(conn).optional()?)
}

/// The portal whose secret path this is.
pub fn by_hook_key(conn: &mut Connection, key: &str) -> Result<Option<PortalRow>> {
    Ok(portals::table.filter(portals::hook_key.eq(key)).select(PortalRow::as_select()).first(conn).optional()?)
}

/// One portal of a company.
pub fn by_id(conn: &mut Connection, company: CompanyId, id: PortalId) -> Result<Option<PortalRow>> {
    Ok(portals::table
        .find(id.to_string())
        .filter(portals::company.eq(company.to_string()))
        .select(PortalRow::as_select())
        .first(conn)
        .optional()?)
}

/// The portals of a company.
pub fn of_company(conn: &mut Connection, company: CompanyId) -> Result<Vec<PortalRow>> {
    Ok(portals::table
        .filter(portals::company.eq(company.to_string()))
        .order(portals::id)
        .select(PortalRow::as_select())
        .load(conn)?)
}

/// Holds the row of a portal until the end of the transaction: others that hold it wait.
pub fn hold(conn: &mut Connection, id: PortalId) -> Result<()> {
    diesel::update(portals::table.find(id.to_string())).set(portals::state.eq(portals::state)).execute(conn)?;
    Ok(())
}

/// Every installed portal with its lane.
pub fn lanes(conn: &mut Connection) -> Result<Vec<(String, LaneId)>> {
    Ok(portals::table.filter(portals::state.eq("installed")).select((portals::id, portals::lane)).load(conn)?)
}

/// The lane of a portal; none where the application is not there any more, so that nobody can be told anything.
pub fn lane_of(conn: &mut Connection, company: CompanyId, id: PortalId) -> Result<Option<LaneId>> {
    Ok(portals::table
        .find(id.to_string())
        .filter(portals::company.eq(company.to_string()).and(portals::state.ne("uninstalled")))
        .select(portals::lane)
        .first(conn)
        .optional()?)
}

/// Whether an employee is known as an administrator, also where the pair is not good any more.
pub fn is_admin(conn: &mut Connection, portal: &str, user_id: &str) -> Result<bool> {
    let known = portal_tokens::table.find((portal, user_id)).select(portal_tokens::is_admin);
    Ok(known.first(conn).optional()?.unwrap_or(false))
}

/// Removes what a portal left with us besides its messages: deliveries, and what its robots were promised.
pub fn clean(conn: &mut Connection, row: &PortalRow) -> Result<()> {
    let owners = [row.id.clone(), format!("member:{}", row.member_id)];
    diesel::delete(hooks::table.filter(hooks::owner.eq_any(owners))).execute(conn)?;
    let promised = answers::table.filter(answers::portal.eq(&row.id));
    let of_promised = answer_entries::table.filter(answer_entries::answer.eq_any(promised.select(answers::id)));
    diesel::delete(of_promised).execute(conn)?;
    diesel::delete(promised).execute(conn)?;
    Ok(())
}

/// Keeps a token pair of one of the portal's people, as a page, an event or an installation brought it.
pub fn keep_tokens(conn: &mut Connection, row: &TokenPairRow) -> Result<()> {
    let kept = diesel::update(portal_tokens::table.find((&row.portal, &row.user_id)))
        .set((
            portal_tokens::is_admin.eq(row.is_admin),
            portal_tokens::access_token.eq(&row.access_token),
            portal_tokens::refresh_token.eq(&row.refresh_token),
            portal_tokens::expires_at.eq(row.expires_at),
            portal_tokens::version.eq(portal_tokens::version + 1),
            portal_tokens::dead.eq(false),
        ))
        .execute(conn)?;
    if kept == 0 {
        diesel::insert_into(portal_tokens::table).values(row).execute(conn)?;
    }
    Ok(())
}

/// The token pairs of a portal that may still be good: administrators first, the freshest first.
pub fn tokens(conn: &mut Connection, portal: PortalId) -> Result<Vec<TokenPairRow>> {
    Ok(portal_tokens::table
        .filter(portal_tokens::portal.eq(portal.to_string()).and(portal_tokens::dead.eq(false)))
        .order((portal_tokens::is_admin.desc(), portal_tokens::expires_at.desc()))
        .select(TokenPairRow::as_select())
        .load(conn)?)
}

/// Takes the right to renew a pair until a moment; one process at a time has it.
pub fn lease_tokens(
    conn: &mut Connection,
    portal: PortalId,
    user_id: &str,
    version: i64,
    owner: &str,
    now: i64,
    until: i64,
) -> Result<bool> {
    let free = portal_tokens::table
        .find((portal.to_string(), user_id))
        .filter(portal_tokens::version.eq(version).and(portal_tokens::lease_until.le(now)));
    Ok(diesel::update(free)
        .set((portal_tokens::lease_owner.eq(owner), portal_tokens::lease_until.eq(until)))
        .execute(conn)?
        == 1)
}

/// Writes a renewed pair over the version it began from, and gives the right to renew back.
pub fn renew_tokens(
    conn: &mut Connection,
    portal: PortalId,
    user_id: &str,
    version: i64,
    access: &str,
    refresh: &str,
    expires_at: i64,
) -> Result<bool> {
    let held = portal_tokens::table.find((portal.to_string(), user_id)).filter(portal_tokens::version.eq(version));
    Ok(diesel::update(held)
        .set((
            portal_tokens::access_token.eq(access),
            portal_tokens::refresh_token.eq(refresh),
            portal_tokens::expires_at.eq(expires_at),
            portal_tokens::version.eq(version + 1),
            portal_tokens::lease_until.eq(0i64),
        ))
        .execute(conn)?
        == 1)
}

/// Gives the right to renew back without a new pair; a dead pair is not tried again.
pub fn drop_lease(conn: &mut Connection, portal: PortalId, user_id: &str, version: i64, dead: bool) -> Result<()> {
    let held = portal_tokens::table.find((portal.to_string(), user_id)).filter(portal_tokens::version.eq(version));
    diesel::update(held).set((portal_tokens::lease_until.eq(0i64), portal_tokens::dead.eq(dead))).execute(conn)?;
    Ok(())
}

/// Forgets the tokens of a portal that was uninstalled.
pub fn forget_tokens(conn: &mut Connection, portal: PortalId) -> Result<()> {
    diesel::delete(portal_tokens::table.filter(portal_tokens::portal.eq(portal.to_string()))).execute(conn)?;
    Ok(())
}
