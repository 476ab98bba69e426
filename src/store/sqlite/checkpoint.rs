//! Moving the log of SQLite into its file, on a thread of its own: the writer would stand for a tenth of a second each time.
//!
//! The thread moves nearly all of it while the writer goes on; only what was written meanwhile is left, and the writer moves
//! that itself after a commit. Then everything is moved, and its next transaction begins the log anew.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use diesel::connection::SimpleConnection as _;
use diesel::prelude::*;
use diesel::sql_types::Integer;

use super::Connection;
use crate::store::{Options, Result};

/// So many pages of 4 KB may stand in the log before they are moved.
const MOST_PAGES: i32 = 8_000;

/// Between two looks at the log while somebody writes.
const LOOK: Duration = Duration::from_millis(20);

#[derive(Debug, Default)]
struct Shared {
    wrote: AtomicBool,
    finish: AtomicBool,
    closed: AtomicBool,
}

/// The thread that moves the log.
#[derive(Debug)]
pub(in crate::store) struct Checkpointer {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

#[derive(QueryableByName)]
struct Log {
    #[diesel(sql_type = Integer)]
    log: i32,
    #[diesel(sql_type = Integer)]
    checkpointed: i32,
}

impl Checkpointer {
    pub(in crate::store) fn start(options: &Options) -> Result<Self> {
        let mut conn = super::connect(options)?;
        let shared = Arc::new(Shared::default());
        let theirs = Arc::clone(&shared);
        let thread = std::thread::spawn(move || {
            while !theirs.closed.load(Ordering::Relaxed) {
                if theirs.wrote.swap(false, Ordering::Relaxed) {
                    move_log(&mut conn, &theirs);
                    // not parked: the next commit would end that at once
                    std::thread::sleep(LOOK);
                } else {
                    std::thread::park();
                }
            }
        });
        Ok(Self { shared, thread: Some(thread) })
    }

    /// The writer has committed.
    pub(in crate::store) fn committed(&self, conn: &mut Connection) {
        if self.shared.finish.swap(false, Ordering::Relaxed)
            && let Err(error) = conn.batch_execute("PRAGMA wal_checkpoint(PASSIVE)")
        {
            tracing::warn!(%error, "the rest of the log could not be moved");
        }
        // the first commit after a rest wakes the thread
        if !self.shared.wrote.swap(true, Ordering::Relaxed)
            && let Some(thread) = &self.thread
        {
            thread.thread().unpark();
        }
    }
}

impl Drop for Checkpointer {
    fn drop(&mut self) {
        self.shared.closed.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            thread.thread().unpark();
            let _ = thread.join();
        }
    }
}

fn move_log(conn: &mut Connection, shared: &Shared) {
    let moved = checkpoint(conn, "NOOP").and_then(|log| {
        if log.log - log.checkpointed < MOST_PAGES {
            return Ok(());
        }
        checkpoint(conn, "PASSIVE")?;
        shared.finish.store(true, Ordering::Relaxed);
        Ok(())
    });
    if let Err(error) = moved {
        tracing::warn!(%error, "the log could not be moved into the file; trying again");
    }
}

fn checkpoint(conn: &mut Connection, mode: &str) -> Result<Log> {
    Ok(diesel::sql_query(format!("PRAGMA wal_checkpoint({mode})")).get_result(conn)?)
}
