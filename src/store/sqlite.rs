//! SQLite: how it is opened, and what is tuned for it.

use std::path::Path;

use diesel::connection::SimpleConnection as _;
use diesel::dsl::sql;
use diesel::expression::SqlLiteral;
use diesel::prelude::*;
use diesel::sql_types::Bool;
use diesel_migrations::{EmbeddedMigrations, MigrationHarness as _, embed_migrations};

use self::starts::with_starts;
use super::{Options, Result, StoreError};

pub(super) mod checkpoint;
pub(super) mod history;
pub(super) mod outbox;
pub(super) mod starts;

const MIGRATIONS: EmbeddedMigrations = embed_migrations!("migrations/sqlite");

/// The portable queries, for this connection.
#[path = "portable.rs"]
#[expect(
    clippy::missing_errors_doc,
    reason = "every function here fails with what the database says and with nothing else"
)]
pub mod nouns;

type Connection = SqliteConnection;

/// The condition of an errand that flies.
fn flies() -> SqlLiteral<Bool> {
    sql("EXISTS (SELECT 1 FROM flights WHERE flights.id = errands.id)")
}

/// The condition of an errand that waits.
fn waits() -> SqlLiteral<Bool> {
    sql("NOT EXISTS (SELECT 1 FROM flights WHERE flights.id = errands.id)")
}

/// Takes the lock beside the file that tells other servers that it is in use; none for a database in memory.
pub(super) fn lock_file(path: &str) -> Result<Option<std::fs::File>> {
    if path.contains(":memory:") {
        return Ok(None);
    }
    if let Some(folder) = Path::new(path).parent() {
        std::fs::create_dir_all(folder).map_err(|error| StoreError::Unreachable(format!("{path}: {error}")))?;
    }
    let file = std::fs::OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .open(format!("{path}.lock"))
        .map_err(|error| StoreError::Unreachable(format!("{path}.lock: {error}")))?;
    file.try_lock().map_err(|_| {
        StoreError::Unreachable(format!("{path} is in use by another server; several servers need PostgreSQL"))
    })?;
    Ok(Some(file))
}

pub(super) fn migrate(path: &str) -> Result<()> {
    let mut conn = establish(path)?;
    conn.batch_execute("PRAGMA busy_timeout = 60000; PRAGMA journal_mode = WAL;")?;
    conn.immediate_transaction(|conn| {
        conn.run_pending_migrations(MIGRATIONS)
            .map(|_| ())
            .map_err(|error| StoreError::Unreachable(format!("a migration failed: {error}")))
    })
}

pub(super) fn is_behind(path: &str) -> Result<bool> {
    let mut conn = establish(path)?;
    conn.has_pending_migration(MIGRATIONS)
        .map_err(|error| StoreError::Unreachable(format!("the migrations cannot be compared: {error}")))
}

pub(super) fn connect(options: &Options) -> Result<Connection> {
    let mut conn = establish(options.sqlite_path())?;
    let synchronous = if options.durable { "FULL" } else { "NORMAL" };
    // busy_timeout first: switching to WAL itself takes a lock
    conn.batch_execute(&format!(
        "PRAGMA busy_timeout = 10000; PRAGMA journal_mode = WAL; PRAGMA synchronous = {synchronous}; \
         PRAGMA foreign_keys = ON; PRAGMA temp_store = MEMORY; PRAGMA cache_size = -8000; \
         PRAGMA wal_autocheckpoint = 10000;"
    ))?;
    Ok(conn)
}

fn establish(path: &str) -> Result<Connection> {
    <SqliteConnection as diesel::Connection>::establish(path)
        .map_err(|error| StoreError::Unreachable(format!("{path}: {error}")))
}
