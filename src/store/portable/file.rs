//! Files: what they are; their content lies elsewhere.

use diesel::prelude::*;

use super::Connection;
use crate::model::id::{CompanyId, FileId};
use crate::store::Result;
use crate::store::row::FileRow;
use crate::store::schema::files;

/// Makes the row of a file whose content is on its way.
pub fn create(conn: &mut Connection, row: &FileRow) -> Result<()> {
    diesel::insert_into(files::table).values(row).execute(conn)?;
    Ok(())
}

/// The content is there: what it turned out to be, and how long it is kept. Tells whether the row still was.
pub fn fill(conn: &mut Connection, row: &FileRow) -> Result<bool> {
    let mine = files::table.find(&row.id).filter(files::company.eq(&row.company));
    let filled = diesel::update(mine).set((
        files::mime.eq(&row.mime),
        files::size.eq(row.size),
        files::sha256.eq(&row.sha256),
        files::expires_at.eq(row.expires_at),
    ));
    Ok(filled.execute(conn)? == 1)
}

/// A file of a company whose content is there.
pub fn by_id(conn: &mut Connection, company: CompanyId, id: FileId) -> Result<Option<FileRow>> {
    Ok(files::table
        .find(id.to_string())
        .filter(files::company.eq(company.to_string()).and(files::size.is_not_null()))
        .select(FileRow::as_select())
        .first(conn)
        .optional()?)
}

/// Files of a company whose content is there.
pub fn by_ids(conn: &mut Connection, company: CompanyId, ids: &[String]) -> Result<Vec<FileRow>> {
    Ok(files::table
        .filter(files::company.eq(company.to_string()).and(files::size.is_not_null()))
        .filter(files::id.eq_any(ids))
        .select(FileRow::as_select())
        .load(conn)?)
}

/// A file whose content is there, of whatever company: for whoever brings a link that we signed.
pub fn whosever(conn: &mut Connection, id: FileId) -> Result<Option<FileRow>> {
    Ok(files::table
        .find(id.to_string())
        .filter(files::size.is_not_null())
        .select(FileRow::as_select())
        .first(conn)
        .optional()?)
}

/// Keeps a file of a company until a later moment; an earlier one changes nothing.
pub fn keep_until(conn: &mut Connection, company: CompanyId, id: FileId, until: i64) -> Result<()> {
    let mine = files::table.find(id.to_string()).filter(files::company.eq(company.to_string()));
    diesel::update(mine.filter(files::expires_at.lt(until))).set(files::expires_at.eq(until)).execute(conn)?;
    Ok(())
}

/// Files whose time is over, oldest first: the company and the id.
pub fn expired(conn: &mut Connection, now: i64, limit: i64) -> Result<Vec<(String, String)>> {
    Ok(files::table
        .filter(files::expires_at.le(now))
        .order(files::expires_at)
        .limit(limit)
        .select((files::company, files::id))
        .load(conn)?)
}

/// Marks a file whose time is over as one that nobody opens any more; tells whether its time still is over.
pub fn close(conn: &mut Connection, id: &str, now: i64) -> Result<bool> {
    let late = files::table.find(id).filter(files::expires_at.le(now));
    Ok(diesel::update(late).set(files::size.eq(None::<i64>)).execute(conn)? == 1)
}

/// Removes the row of a file.
pub fn remove(conn: &mut Connection, id: &str) -> Result<()> {
    diesel::delete(files::table.find(id)).execute(conn)?;
    Ok(())
}
