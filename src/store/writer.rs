//! The writer: gathers the jobs of the same few milliseconds into one transaction and answers when it is durable.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::mpsc;
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex};
use tokio::sync::oneshot;

use super::sqlite::checkpoint::Checkpointer;
use super::{Conn, Options, Result, StoreError};

/// At most this many jobs share a transaction: more would make the first one wait for the last.
const MOST_JOBS: usize = 512;

/// So long a database that has just gone is waited for before callers hear of it.
const PATIENCE: Duration = Duration::from_secs(5);

/// Between two attempts to reach it.
const PAUSE: Duration = Duration::from_millis(50);

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
    ///
    /// # Errors
    /// Where the database cannot be reached.
    pub fn start(connections: Vec<Conn>, options: &Options) -> Result<Self> {
        let shared = Arc::new(Shared::default());
        let threads = connections
            .into_iter()
            .map(|conn| {
                let (shared, options) = (Arc::clone(&shared), options.clone());
                let log = matches!(conn, Conn::Sqlite(_)).then(|| Checkpointer::start(&options)).transpose()?;
                Ok(std::thread::spawn(move || write_all(&shared, conn, &options, log)))
            })
            .collect::<Result<_>>()?;
        Ok(Self { shared, threads })
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

fn write_all(shared: &Shared, conn: Conn, options: &Options, log: Option<Checkpointer>) {
    let mut pen = Pen::new(conn, options, log);
    while let Some(jobs) = next_jobs(shared) {
        pen.write_together(jobs, shared);
        // nobody waits for it any more
        pen.tend_log();
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

/// A connection that writes, and is made anew when it breaks.
struct Pen<'a> {
    /// Its name in the database, and how many transactions it has written: by both the last one is known.
    name: String,
    count: i64,
    conn: Option<Conn>,
    options: &'a Options,
    /// Moves the log of SQLite.
    log: Option<Checkpointer>,
    /// Whether a database that has just gone is waited for: a restart of it then costs moments and no request.
    patient: bool,
}

/// What came of a transaction.
enum Tried {
    /// It is in the database.
    Kept,
    /// A job said no; everything was rolled back.
    Refused,
    /// The connection broke at the commit, and the database has not kept it.
    Lost,
    /// It could not be done, or nobody can tell.
    Failed(StoreError),
}

impl<'a> Pen<'a> {
    fn new(mut conn: Conn, options: &'a Options, log: Option<Checkpointer>) -> Self {
        if let Conn::Postgres(conn) = &mut conn
            && let Err(error) = super::postgres::pen::sweep(conn)
        {
            tracing::warn!(%error, "writers of processes that are long gone could not be forgotten");
        }
        let name = uuid::Uuid::now_v7().simple().to_string();
        Self { name, count: 0, conn: Some(conn), options, log, patient: true }
    }

    fn write_together(&mut self, mut jobs: Vec<Box<dyn Job>>, shared: &Shared) {
        match self.attempt(shared, |conn| jobs.iter_mut().all(|job| job.run(conn))) {
            Tried::Kept => jobs.into_iter().for_each(|job| job.settle(Ok(()))),
            Tried::Failed(error @ (StoreError::Unreachable(_) | StoreError::Unsure)) => {
                for job in jobs {
                    job.settle(Err(again(&error)));
                }
            }
            _ => jobs.into_iter().for_each(|job| self.write_alone(job, shared)),
        }
    }

    fn tend_log(&mut self) {
        if let (Some(log), Some(Conn::Sqlite(conn))) = (&self.log, &mut self.conn) {
            log.committed(conn);
        }
    }

    fn write_alone(&mut self, mut job: Box<dyn Job>, shared: &Shared) {
        let mut tried = self.attempt(shared, |conn| job.run(conn));
        if matches!(tried, Tried::Lost) {
            tried = self.attempt(shared, |conn| job.run(conn));
        }
        job.settle(match tried {
            // what a job refused it tells itself
            Tried::Kept | Tried::Refused => Ok(()),
            Tried::Failed(error) => Err(error),
            Tried::Lost => Err(StoreError::Unreachable("the connection breaks at every commit".to_owned())),
        });
    }

    fn attempt(&mut self, shared: &Shared, work: impl FnOnce(&mut Conn) -> bool) -> Tried {
        self.count += 1;
        let (name, count) = (self.name.clone(), self.count);
        let conn = match self.begun() {
            Ok(conn) => conn,
            Err(error) => return Tried::Failed(error),
        };
        if !work(conn) {
            self.roll_back();
            return Tried::Refused;
        }
        let is_marked = match conn.mark(&name, count) {
            Ok(is_marked) => is_marked,
            Err(error) => {
                self.roll_back();
                return Tried::Failed(error);
            }
        };
        match (conn.commit(), is_marked) {
            (Ok(()), _) => Tried::Kept,
            (Err(error), true) => {
                tracing::warn!(%error, "a commit broke off: asking the database what became of it");
                self.conn = None;
                self.learn(shared)
            }
            (Err(error), false) => {
                self.roll_back();
                Tried::Failed(error)
            }
        }
    }

    fn roll_back(&mut self) {
        if let Some(conn) = &mut self.conn {
            conn.rollback();
            if conn.is_broken() {
                self.conn = None;
            }
        }
    }

    /// A connection with an open transaction. One that broke while nothing was written is made anew without a word.
    fn begun(&mut self) -> Result<&mut Conn> {
        if let Some(mut conn) = self.conn.take()
            && conn.begin().is_ok()
        {
            return Ok(self.conn.insert(conn));
        }
        let since = Instant::now();
        loop {
            let connected = super::connect_writer(self.options).and_then(|mut conn| conn.begin().map(|()| conn));
            match connected {
                Ok(conn) => {
                    self.patient = true;
                    return Ok(self.conn.insert(conn));
                }
                Err(_) if self.patient && since.elapsed() < PATIENCE => std::thread::sleep(PAUSE),
                Err(error) => {
                    self.patient = false;
                    tracing::error!(%error, "the writer cannot reach the database");
                    return Err(StoreError::Unreachable(error.to_string()));
                }
            }
        }
    }

    /// What became of a transaction whose commit broke off. Its callers wait for as long as it takes, since every other
    /// answer might be a lie; those who come meanwhile do not.
    fn learn(&mut self, shared: &Shared) -> Tried {
        let since = Instant::now();
        loop {
            let asked = super::connect(self.options).and_then(|mut conn| match &mut conn {
                Conn::Sqlite(_) => Err(StoreError::Unsure),
                Conn::Postgres(inner) => {
                    super::postgres::pen::is_kept(inner, &self.name, self.count).map(|kept| (kept, conn))
                }
            });
            match asked {
                Ok((kept, conn)) => {
                    self.conn = Some(conn);
                    tracing::info!(kept, "the database told what became of a commit that broke off");
                    return if kept { Tried::Kept } else { Tried::Lost };
                }
                Err(StoreError::Unsure) => return Tried::Failed(StoreError::Unsure),
                Err(_) => {}
            }
            if since.elapsed() >= PATIENCE {
                refuse_waiting(shared);
            }
            if shared.queue.lock().closed {
                return Tried::Failed(StoreError::Unsure);
            }
            std::thread::sleep(PAUSE);
        }
    }
}

/// Answers the jobs that wait: the database is not there.
fn refuse_waiting(shared: &Shared) {
    let jobs = std::mem::take(&mut shared.queue.lock().jobs);
    for job in jobs {
        job.settle(Err(StoreError::Unreachable("the database does not answer".to_owned())));
    }
}

/// An error for every job of a transaction.
fn again(error: &StoreError) -> StoreError {
    match error {
        StoreError::Unreachable(why) => StoreError::Unreachable(why.clone()),
        _ => StoreError::Unsure,
    }
}
