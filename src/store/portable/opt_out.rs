//! Who refused mailings.

use diesel::prelude::*;

use super::Connection;
use crate::model::id::CompanyId;
use crate::store::Result;
use crate::store::schema::opt_outs;

/// Keeps that an address refused mailings; the first time counts.
pub fn keep(conn: &mut Connection, company: CompanyId, address: &str, word: &str, at: i64) -> Result<()> {
    let row = (
        opt_outs::company.eq(company.to_string()),
        opt_outs::address.eq(address),
        opt_outs::word.eq(word),
        opt_outs::at.eq(at),
    );
    diesel::insert_into(opt_outs::table).values(row).on_conflict_do_nothing().execute(conn)?;
    Ok(())
}

/// The words by which an address refused mailings.
pub fn word(conn: &mut Connection, company: CompanyId, address: &str) -> Result<Option<String>> {
    let row = opt_outs::table.find((company.to_string(), address)).select(opt_outs::word);
    Ok(row.first(conn).optional()?)
}

/// An address wants mailings again; tells whether it had refused them.
pub fn forget(conn: &mut Connection, company: CompanyId, address: &str) -> Result<bool> {
    Ok(diesel::delete(opt_outs::table.find((company.to_string(), address))).execute(conn)? == 1)
}

/// Whether one of these addresses refused mailings.
pub fn has_any(conn: &mut Connection, company: CompanyId, addresses: &[String]) -> Result<bool> {
    let found = opt_outs::table
        .filter(opt_outs::company.eq(company.to_string()).and(opt_outs::address.eq_any(addresses)))
        .select(opt_outs::address);
    Ok(diesel::select(diesel::dsl::exists(found)).get_result(conn)?)
}
