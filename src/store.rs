//! The only place that knows SQL. Two databases, one set of functions.
//!
//! Portable queries live in `store/portable/`, one file per noun, and are compiled twice: once for each connection type.
//! The few that really differ (claim, accept, settle in bulk) are written per database in `sqlite.rs` and `postgres.rs`.
//! All writes of a process go through [`Store::write`], which gathers those of the same few milliseconds into one
//! transaction, so that durability costs one flush for many of them.

pub mod backup;
mod fixed;
pub mod founding;
pub mod history;
pub mod notice;
pub mod outbox;
pub mod owner;
mod place;
mod postgres;
pub mod row;
mod schema;
mod secret;
mod sqlite;
pub mod state;
mod writer;

use std::sync::Arc;
use std::time::Duration;

use diesel::connection::{AnsiTransactionManager, SimpleConnection as _, TransactionManager as _};
use diesel::prelude::*;
use diesel::r2d2::{ManageConnection, Pool};

pub use secret::{BadKey, Keyring};
pub use writer::Writer;

/// Runs a portable function on whichever database the connection belongs to:
/// `on!(conn, channel::by_id(company, id))`. The connection is passed as the first argument.
#[macro_export]
macro_rules! on {
    ($conn:expr, $noun:ident :: $verb:ident ( $($arg:expr),* $(,)? )) => {
        match $conn {
            $crate::store::Conn::Sqlite(conn) => $crate::store::sqlite_nouns::$noun::$verb(conn $(, $arg)*),
            $crate::store::Conn::Postgres(conn) => $crate::store::postgres_nouns::$noun::$verb(conn $(, $arg)*),
        }
    };
}

#[doc(hidden)]
pub use postgres::nouns as postgres_nouns;
#[doc(hidden)]
pub use sqlite::nouns as sqlite_nouns;

/// Why the store did not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The database said no, or is not there.
    #[error("the database failed: {0}")]
    Database(#[from] diesel::result::Error),
    /// No connection could be had.
    #[error("the database cannot be reached: {0}")]
    Unreachable(String),
    /// A row holds something that this version cannot read.
    #[error("a row of {table} cannot be read: {what}")]
    Unreadable {
        /// The table.
        table: &'static str,
        /// What was wrong.
        what: String,
    },
    /// The process is shutting down, or the writer has died.
    #[error("the store is closed")]
    Closed,
    /// The connection broke at the very end, and nobody can tell whether the change was kept.
    #[error("it is not known whether the database kept the change")]
    Unsure,
    /// The process no longer holds what it wanted to write for: another one has taken over.
    #[error("this process has lost its lanes to another one")]
    Fenced,
}

impl StoreError {
    /// Whether a unique rule was broken: the thing is already there.
    #[must_use]
    pub fn is_duplicate(&self) -> bool {
        matches!(
            self,
            Self::Database(diesel::result::Error::DatabaseError(diesel::result::DatabaseErrorKind::UniqueViolation, _))
        )
    }
}

/// What store functions give back.
pub type Result<T, E = StoreError> = std::result::Result<T, E>;

/// A connection to either database, inside or outside a transaction.
pub enum Conn {
    /// SQLite.
    Sqlite(Box<SqliteConnection>),
    /// PostgreSQL.
    Postgres(Box<PgConnection>),
}

impl std::fmt::Debug for Conn {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(if matches!(self, Self::Sqlite(_)) { "SQLite connection" } else { "PostgreSQL connection" })
    }
}

impl Conn {
    /// Runs statements that give nothing back.
    ///
    /// # Errors
    /// What the database said.
    pub fn batch(&mut self, sql: &str) -> Result<()> {
        match self {
            Self::Sqlite(conn) => conn.batch_execute(sql)?,
            Self::Postgres(conn) => conn.batch_execute(sql)?,
        }
        Ok(())
    }

    /// Does several things in one transaction, outside the writer's queue.
    ///
    /// # Errors
    /// What the work or the database said; then nothing of it was kept, unless the connection broke at the commit.
    pub fn transact<T>(&mut self, work: impl FnOnce(&mut Self) -> Result<T>) -> Result<T> {
        self.begin()?;
        let outcome = work(self).and_then(|done| self.commit().map(|()| done));
        if outcome.is_err() {
            self.rollback();
        }
        outcome
    }

    fn begin(&mut self) -> Result<()> {
        match self {
            // a transaction that begins by reading could not become a writer when another one has written meanwhile
            Self::Sqlite(conn) => AnsiTransactionManager::begin_transaction_sql(&mut **conn, "BEGIN IMMEDIATE")?,
            Self::Postgres(conn) => AnsiTransactionManager::begin_transaction(&mut **conn)?,
        }
        Ok(())
    }

    fn commit(&mut self) -> Result<()> {
        match self {
            Self::Sqlite(conn) => AnsiTransactionManager::commit_transaction(&mut **conn)?,
            Self::Postgres(conn) => AnsiTransactionManager::commit_transaction(&mut **conn)?,
        }
        Ok(())
    }

    fn rollback(&mut self) {
        // where rolling back fails the connection is gone, and with it the transaction
        let _ = match self {
            Self::Sqlite(conn) => AnsiTransactionManager::rollback_transaction(&mut **conn),
            Self::Postgres(conn) => AnsiTransactionManager::rollback_transaction(&mut **conn),
        };
    }

    /// Names the transaction, by its writer and that one's count, to those who ask for its fate. Tells whether anybody can be
    /// asked: on SQLite its fate is always known.
    fn mark(&mut self, pen: &str, count: i64) -> Result<bool> {
        match self {
            Self::Sqlite(_) => Ok(false),
            Self::Postgres(conn) => postgres::pen::mark(conn, pen, count).map(|()| true),
        }
    }

    fn is_broken(&mut self) -> bool {
        match self {
            Self::Sqlite(conn) => AnsiTransactionManager::is_broken_transaction_manager(&mut **conn),
            Self::Postgres(conn) => AnsiTransactionManager::is_broken_transaction_manager(&mut **conn),
        }
    }
}

/// How the databases are opened.
#[derive(Debug, Clone)]
pub struct Options {
    /// `sqlite:<path>` or `postgres://…`.
    pub url: String,
    /// Connections that read, at most.
    pub readers: u32,
    /// Connections that write; SQLite always has one.
    pub writers: usize,
    /// Whether a commit waits until the disk has it. Without it a power cut may lose the last moments.
    pub durable: bool,
}

impl Options {
    /// The address and the defaults for the rest.
    #[must_use]
    pub fn new(url: impl Into<String>) -> Self {
        Self { url: url.into(), readers: 8, writers: 2, durable: true }
    }

    /// Whether the address is one of PostgreSQL.
    #[must_use]
    pub fn is_postgres(&self) -> bool {
        self.url.starts_with("postgres://") || self.url.starts_with("postgresql://")
    }

    /// The path of the SQLite file.
    #[must_use]
    pub fn sqlite_path(&self) -> &str {
        let path = self.url.strip_prefix("sqlite:").unwrap_or(&self.url);
        path.strip_prefix("//").unwrap_or(path)
    }
}

/// Makes and checks the pool's connections.
struct Manager(Options);

impl ManageConnection for Manager {
    type Connection = Conn;
    type Error = StoreError;

    fn connect(&self) -> Result<Conn> {
        connect(&self.0)
    }

    fn is_valid(&self, conn: &mut Conn) -> Result<()> {
        conn.batch("SELECT 1")
    }

    fn has_broken(&self, conn: &mut Conn) -> bool {
        conn.is_broken()
    }
}

/// The open database: a pool that reads, and a writer that gathers.
pub struct Store {
    readers: Pool<Manager>,
    writer: Writer,
    options: Options,
    // held for the life of the store: two servers on one SQLite file would both believe to be alone
    _lock: Option<std::fs::File>,
}

impl std::fmt::Debug for Store {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Store").field("postgres", &self.options.is_postgres()).finish_non_exhaustive()
    }
}

impl Store {
    /// Opens the database, brings its tables up to date (safe when several processes start at once) and starts the writer.
    ///
    /// # Errors
    /// Where the database cannot be reached, is held by another server (SQLite), or a migration fails.
    pub fn open(options: Options) -> Result<Arc<Self>> {
        let lock = if options.is_postgres() { None } else { sqlite::lock_file(options.sqlite_path())? };
        migrate(&options)?;
        let readers = Pool::builder()
            .max_size(options.readers.max(1))
            .min_idle(Some(1))
            .test_on_check_out(options.is_postgres())
            .connection_timeout(Duration::from_secs(10))
            .build(Manager(options.clone()))
            .map_err(|error| StoreError::Unreachable(error.to_string()))?;
        let connections = (0..if options.is_postgres() { options.writers.max(1) } else { 1 })
            .map(|_| connect_writer(&options))
            .collect::<Result<Vec<_>>>()?;
        let writer = Writer::start(connections, &options)?;
        Ok(Arc::new(Self { readers, writer, options, _lock: lock }))
    }

    /// Whether this is PostgreSQL, which several processes may share.
    #[must_use]
    pub fn is_shared(&self) -> bool {
        self.options.is_postgres()
    }

    /// How the database was opened.
    #[must_use]
    pub const fn options(&self) -> &Options {
        &self.options
    }

    /// Writes: runs the job in a transaction that may hold other jobs too, and answers when it is committed and durable.
    /// Where the transaction fails, every job of it is run again in one of its own: a job must not keep what it learnt.
    /// Where the connection breaks at the commit, the database is asked what became of it before anybody is answered.
    ///
    /// # Errors
    /// What the job gave back, after its changes were rolled back; or that of the database. [`StoreError::Unsure`] where
    /// the store closes before the database could say.
    pub async fn write<T, F>(&self, job: F) -> Result<T>
    where
        T: Send + 'static,
        F: FnMut(&mut Conn) -> Result<T> + Send + 'static,
    {
        self.writer.run(job).await
    }

    /// The same for a thread that may block.
    ///
    /// # Errors
    /// As [`Store::write`].
    pub fn write_blocking<T, F>(&self, job: F) -> Result<T>
    where
        T: Send + 'static,
        F: FnMut(&mut Conn) -> Result<T> + Send + 'static,
    {
        self.writer.run_blocking(job)
    }

    /// Reads on a thread of its own, outside any transaction.
    ///
    /// # Errors
    /// What the job gave back, or that no connection could be had.
    pub async fn read<T, F>(self: &Arc<Self>, job: F) -> Result<T>
    where
        T: Send + 'static,
        F: FnOnce(&mut Conn) -> Result<T> + Send + 'static,
    {
        let store = Arc::clone(self);
        tokio::task::spawn_blocking(move || store.read_blocking(job)).await.map_err(|_| StoreError::Closed)?
    }

    /// The same for a thread that may block.
    ///
    /// # Errors
    /// As [`Store::read`].
    pub fn read_blocking<T>(&self, job: impl FnOnce(&mut Conn) -> Result<T>) -> Result<T> {
        let mut conn = self.readers.get().map_err(|error| StoreError::Unreachable(error.to_string()))?;
        job(&mut conn)
    }
}

/// Brings the tables up to date. Several processes may call it at once: one does the work, the others wait.
///
/// # Errors
/// Where the database cannot be reached or a migration fails.
pub fn migrate(options: &Options) -> Result<()> {
    if options.is_postgres() { postgres::migrate(&options.url) } else { sqlite::migrate(options.sqlite_path()) }
}

/// A connection for the writer. On SQLite its cache holds more: what it writes it has read just before; and the log is moved
/// by a thread of its own.
fn connect_writer(options: &Options) -> Result<Conn> {
    let mut conn = connect(options)?;
    if matches!(conn, Conn::Sqlite(_)) {
        conn.batch("PRAGMA cache_size = -32000; PRAGMA wal_autocheckpoint = 0")?;
    }
    Ok(conn)
}

/// A connection of one's own, outside the pools: for a lease, a backup, a writer.
///
/// # Errors
/// Where the database cannot be reached.
pub fn connect(options: &Options) -> Result<Conn> {
    if options.is_postgres() {
        Ok(Conn::Postgres(Box::new(postgres::connect(options)?)))
    } else {
        Ok(Conn::Sqlite(Box::new(sqlite::connect(options)?)))
    }
}
