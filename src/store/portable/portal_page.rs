//! What the pages inside portals keep.

use diesel::prelude::*;

use super::Connection;
use crate::model::id::{CompanyId, PortalId};
use crate::store::Result;
use crate::store::row::PortalPageRow;
use crate::store::schema::portal_pages;

/// What the pages of a portal keep; nothing until something was kept.
pub fn find(conn: &mut Connection, company: CompanyId, portal: PortalId) -> Result<Option<PortalPageRow>> {
    Ok(portal_pages::table
        .find(portal.to_string())
        .filter(portal_pages::company.eq(company.to_string()))
        .select(PortalPageRow::as_select())
        .first(conn)
        .optional()?)
}

/// Makes the row where there is none.
pub fn ensure(conn: &mut Connection, row: &PortalPageRow) -> Result<()> {
    diesel::insert_into(portal_pages::table).values(row).on_conflict_do_nothing().execute(conn)?;
    Ok(())
}

/// Where the tab stands, and who may write there.
pub fn set_settings(
    conn: &mut Connection,
    company: CompanyId,
    portal: PortalId,
    tabs: &str,
    writers: &str,
) -> Result<bool> {
    let row = portal_pages::table.find(portal.to_string()).filter(portal_pages::company.eq(company.to_string()));
    let values = (portal_pages::tabs.eq(tabs), portal_pages::writers.eq(writers));
    Ok(diesel::update(row).set(values).execute(conn)? == 1)
}

/// A test of events was asked for.
pub fn begin_test(conn: &mut Connection, company: CompanyId, portal: PortalId, key: &str, at: i64) -> Result<bool> {
    let row = portal_pages::table.find(portal.to_string()).filter(portal_pages::company.eq(company.to_string()));
    let values =
        (portal_pages::test_key.eq(key), portal_pages::asked_at.eq(at), portal_pages::heard_at.eq(None::<i64>));
    Ok(diesel::update(row).set(values).execute(conn)? == 1)
}

/// The event of a test came. Another test than the last one, or the same once more, changes nothing.
pub fn hear_test(conn: &mut Connection, company: CompanyId, portal: PortalId, key: &str, at: i64) -> Result<bool> {
    let row = portal_pages::table
        .find(portal.to_string())
        .filter(portal_pages::company.eq(company.to_string()))
        .filter(portal_pages::test_key.eq(key).and(portal_pages::heard_at.is_null()));
    Ok(diesel::update(row).set(portal_pages::heard_at.eq(at)).execute(conn)? == 1)
}

/// Everything was put into the portal.
pub fn set_put(conn: &mut Connection, company: CompanyId, portal: PortalId, at: i64) -> Result<bool> {
    let row = portal_pages::table.find(portal.to_string()).filter(portal_pages::company.eq(company.to_string()));
    Ok(diesel::update(row).set(portal_pages::put_at.eq(at)).execute(conn)? == 1)
}
