//! The writer: gathers the jobs of the same few milliseconds into one transaction and answers when it is durable.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::mpsc;

use parking_lot::{Condvar, Mutex};
use tokio::sync::oneshot;

use super::{Conn, Options, Result, StoreError};

/// At most this many jobs share a transaction: more would make the first one wait for the last.
const MOST_JOBS: usize = 512;

/// A job with its answer: `run` does the work, `settle` tells the caller once the transaction's fate is known.
trait Job: Send {
    fn run(&mut self, conn: &mut Conn) -> bool;
    fn settle(self: Box<Self>, committed: Result<()>);
}

struct Typed<T, F, A> {
    work: F,
    outcome: Option<Result<T>>,
    answer: A,
}

impl<T, F, A> Job for Typed<T, F, A>
where
    T: Send,
    F: FnMut(&mut Conn) -> Result<T> + Send,
    A: FnOnce(Result<T>) + Send,
{
    fn run(&mut self, conn: &mut Conn) -> bool {
        // a panic of one job must not take the writer of all others with it
        let outcome = catch_unwind(AssertUnwindSafe(|| (self.work)(conn))).unwrap_or(Err(StoreError::Closed));
        let good = outcome.is_ok();
        self.outcome = Some(outcome);
        good
    }

    fn settle(self: Box<Self>, committed: Result<()>) {
        let outcome = self.outcome.unwrap_or(Err(StoreError::Closed));
        (self.answer)(match committed {
            Ok(()) => outcome,
            // what the job itself said tells more than the failure of the transaction around it
            Err(error) => outcome.and(Err(error)),
        });
    }
}

#[derive(Default)]
struct Queue {
    jobs: Vec<Box<dyn Job>>,
    closed: bool,
}

#[derive(Default)]
struct Shared {
    queue: Mutex<Queue>,
    came: Condvar,
}

/// The threads that write, and the queue before them.
#[derive(Debug)]
pub struct Writer {
    shared: Arc<Shared>,
    threads: Vec<std::thread::JoinHandle<()>>,
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Shared")
    }
}

impl Writer {
    /// Starts one thread for each connection.
    #[must_use]
    pub fn start(connections: Vec<Conn>, options: &Options) -> Self {
        let shared = Arc::new(Shared::default());
        let threads = connections
            .into_iter()
            .map(|conn| {
                let (shared, options) = (Arc::clone(&shared), options.clone());
                std::thread::spawn(move || write_all(&shared, conn, &options))
            })
            .collect();
        Self { shared, threads }
    }

    /// Hands a job over and waits for its commit.
    ///
    /// # Errors
    /// What the job or the database said.
    pub async fn run<T, F>(&self, work: F) -> Result<T>
    where
        T: Send + 'static,
        F: FnMut(&mut Conn) -> Result<T> + Send + 'static,
    {
        let (tell, hear) = oneshot::channel();
        self.push(Box::new(Typed {
            work,
            outcome: None,
            answer: move |outcome| {
                // the caller may have gone away; its work is done all the same
                let _ = tell.send(outcome);
            },
        }));
        hear.await.unwrap_or(Err(StoreError::Closed))
    }

    /// The same for a thread that may block.
    ///
    /// # Errors
    /// What the job or the database said.
    pub fn run_blocking<T, F>(&self, work: F) -> Result<T>
    where
        T: Send + 'static,
        F: FnMut(&mut Conn) -> Result<T> + Send + 'static,
    {
        let (tell, hear) = mpsc::sync_channel(1);
        self.push(Box::new(Typed {
            work,
            outcome: None,
            answer: move |outcome| {
                let _ = tell.send(outcome);
            },
        }));
        hear.recv().unwrap_or(Err(StoreError::Closed))
    }

    fn push(&self, job: Box<dyn Job>) {
        let mut queue = self.shared.queue.lock();
        if queue.closed {
            drop(queue);
            return job.settle(Err(StoreError::Closed));
        }
        queue.jobs.push(job);
        drop(queue);
        self.shared.came.notify_one();
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.shared.queue.lock().closed = true;
        self.shared.came.notify_all();
        let this = std::thread::current().id();
        for thread in self.threads.drain(..).filter(|thread| thread.thread().id() != this) {
            let _ = thread.join();
        }
    }
}

fn write_all(shared: &Shared, mut conn: Conn, options: &Options) {
    while let Some(jobs) = next_jobs(shared) {
        write_together(&mut conn, jobs, options);
    }
}

/// Replaces a connection that was cut. Tells whether this one can be used.
fn mend(conn: &mut Conn, options: &Options) -> bool {
    if !conn.is_broken() && conn.batch("SELECT 1").is_ok() {
        return true;
    }
    match super::connect(options) {
        Ok(fresh) => {
            *conn = fresh;
            true
        }
        // the next transaction fails too and says so; it is tried again with every job
        Err(error) => {
            tracing::error!(%error, "the writer cannot reach the database");
            false
        }
    }
}

/// Waits for jobs and takes what is there; none when the store closes and everything is written.
fn next_jobs(shared: &Shared) -> Option<Vec<Box<dyn Job>>> {
    let mut queue = shared.queue.lock();
    while queue.jobs.is_empty() {
        if queue.closed {
            return None;
        }
        shared.came.wait(&mut queue);
    }
    let rest = if queue.jobs.len() > MOST_JOBS { queue.jobs.split_off(MOST_JOBS) } else { Vec::new() };
    Some(std::mem::replace(&mut queue.jobs, rest))
}

fn write_together(conn: &mut Conn, mut jobs: Vec<Box<dyn Job>>, options: &Options) {
    // a cut connection shows at the first word, before anything was written
    if conn.begin().is_ok() || (mend(conn, options) && conn.begin().is_ok()) {
        if jobs.iter_mut().all(|job| job.run(conn)) {
            match conn.commit() {
                Ok(()) => return jobs.into_iter().for_each(|job| job.settle(Ok(()))),
                Err(error) => {
                    conn.rollback();
                    let alive = conn.batch("SELECT 1").is_ok();
                    mend(conn, options);
                    if !alive {
                        // the commit may have been done: whoever asked must decide whether to ask again
                        let seen = error.to_string();
                        return jobs.into_iter().for_each(|job| job.settle(Err(StoreError::Unreachable(seen.clone()))));
                    }
                }
            }
        } else {
            conn.rollback();
            mend(conn, options);
        }
    }
    for job in jobs {
        write_alone(conn, job);
    }
}

fn write_alone(conn: &mut Conn, mut job: Box<dyn Job>) {
    let outcome = conn.begin().and_then(|()| {
        if job.run(conn) {
            conn.commit()
        } else {
            conn.rollback();
            Ok(())
        }
    });
    if outcome.is_err() {
        conn.rollback();
    }
    job.settle(outcome);
}
