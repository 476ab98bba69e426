//! Copies of a SQLite database, consistent while others write.

use std::path::Path;

use diesel::connection::SimpleConnection as _;
use diesel::prelude::*;
use diesel::sql_types::Text;

use super::{Options, Result, StoreError, sqlite};

/// Writes the database as it is at one moment into a new file; writers go on meanwhile.
///
/// # Errors
/// Where the file is there already or cannot be written, or the database cannot be read.
pub fn copy_sqlite(options: &Options, to: &Path) -> Result<()> {
    let mut conn = sqlite::connect(options)?;
    let to = to.to_str().ok_or_else(|| StoreError::Unreachable("the name of the file is no text".to_owned()))?;
    diesel::sql_query("VACUUM INTO ?").bind::<Text, _>(to).execute(&mut conn)?;
    Ok(())
}

/// Whether a file is a whole SQLite database of ours.
///
/// # Errors
/// What is wrong with it.
pub fn check_sqlite(file: &Path) -> Result<()> {
    #[derive(QueryableByName)]
    struct Check {
        #[diesel(sql_type = Text)]
        quick_check: String,
    }
    let path = file.to_str().ok_or_else(|| StoreError::Unreachable("the name of the file is no text".to_owned()))?;
    let mut conn = <SqliteConnection as Connection>::establish(&format!("file:{path}?mode=ro"))
        .map_err(|error| StoreError::Unreachable(error.to_string()))?;
    let found: Vec<Check> = diesel::sql_query("PRAGMA quick_check(1)").load(&mut conn)?;
    if found.first().is_none_or(|found| found.quick_check != "ok") {
        return Err(StoreError::Unreadable { table: "all", what: "the file is damaged".to_owned() });
    }
    conn.batch_execute("SELECT id FROM companies LIMIT 1")?;
    Ok(())
}

/// Takes the lock that a server holds; it is free again when the value is dropped.
///
/// # Errors
/// Where a server runs on the database.
pub fn lock_sqlite(options: &Options) -> Result<Option<std::fs::File>> {
    sqlite::lock_file(options.sqlite_path())
}
