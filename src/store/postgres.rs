//! PostgreSQL: how it is opened, and what is tuned for it.

use diesel::connection::SimpleConnection as _;
use diesel::dsl::Eq;
use diesel::prelude::*;
use diesel_migrations::{EmbeddedMigrations, MigrationHarness as _, embed_migrations};

use super::row::LaneRow;
use super::schema::errands;
use super::{Options, Result, StoreError};

pub(super) mod history;
pub(super) mod outbox;
pub(super) mod pen;

const MIGRATIONS: EmbeddedMigrations = embed_migrations!("migrations/postgres");

/// Held while tables are brought up to date, so that of several processes one does it and the others wait.
const MIGRATION_LOCK: i64 = 0x5377_6974_6368;

/// The portable queries, for this connection.
#[path = "portable.rs"]
#[expect(
    clippy::missing_errors_doc,
    reason = "every function here fails with what the database says and with nothing else"
)]
pub mod nouns;

type Connection = PgConnection;

/// The condition of an errand that flies.
fn flies() -> Eq<errands::state, i16> {
    errands::state.eq(1)
}

/// The condition of an errand that waits.
fn waits() -> Eq<errands::state, i16> {
    errands::state.eq(0)
}

/// Starts of calls stand in the rows of their lanes.
fn with_starts(
    conn: &mut Connection,
    read: impl FnOnce(&mut Connection) -> Result<Vec<LaneRow>>,
) -> Result<Vec<LaneRow>> {
    read(conn)
}

pub(super) fn migrate(url: &str) -> Result<()> {
    let mut conn = establish(url)?;
    conn.batch_execute(&format!("SELECT pg_advisory_lock({MIGRATION_LOCK})"))?;
    // the lock goes with the connection
    conn.run_pending_migrations(MIGRATIONS)
        .map(|_| ())
        .map_err(|error| StoreError::Unreachable(format!("a migration failed: {error}")))
}

pub(super) fn is_behind(url: &str) -> Result<bool> {
    let mut conn = establish(url)?;
    conn.has_pending_migration(MIGRATIONS)
        .map_err(|error| StoreError::Unreachable(format!("the migrations cannot be compared: {error}")))
}

pub(super) fn connect(options: &Options) -> Result<Connection> {
    let mut conn = establish(&options.url)?;
    let commit = if options.durable { "on" } else { "off" };
    // a process whose machine has gone must not hold rows until the end of the day: others wait for them to take over
    conn.batch_execute(&format!(
        "SET synchronous_commit = {commit}; SET jit = off; SET plan_cache_mode = force_generic_plan; \
         SET idle_in_transaction_session_timeout = '3s'; SET tcp_keepalives_idle = 5; SET tcp_keepalives_interval = 2; \
         SET tcp_keepalives_count = 3"
    ))?;
    Ok(conn)
}

fn establish(url: &str) -> Result<Connection> {
    // the address holds a password, so only the database's own words are passed on
    <PgConnection as diesel::Connection>::establish(url).map_err(|error| StoreError::Unreachable(error.to_string()))
}
