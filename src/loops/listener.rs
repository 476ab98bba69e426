//! The listener: keeps the connections of messengers that need one, each of them in one process only.
//!
//! A channel is listened to by the process that holds the shard of its lane; the shards of listening are shared by the same
//! rules as those of pumping, and apart from them. Where messages leave by the very connection that is listened on, the process
//! that pumps the lane listens: it ends before the pump gives the shard up, and where the pump is not certain any more of
//! what it holds. Each channel has a task of its own (`listener/keep.rs`), which is begun
//! anew when the channel was changed, and ended before its shard is given up.

mod keep;

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::pump::lease::{Lease, Times, Turn};
use crate::app::App;
use crate::flow::listen;
use crate::model::id::ChannelId;
use crate::model::moment::Tick;
use crate::store::owner::{Post, SHARDS};
use crate::store::row::ChannelRow;
use crate::store::{Conn, Result, StoreError};

/// How often the channels are looked through when nothing rings, in milliseconds: another process may have changed one.
const LOOK_MS: i64 = 2_000;

/// Listens until it is told to stop: to channels whose lanes this process pumps and that have one line for all, and where it
/// `shares` the others, to its part of them.
pub(crate) async fn run(app: App, ring: Arc<Notify>, stop: CancellationToken, shares: bool) {
    run_at(app, ring, stop, Times::default(), shares).await;
}

/// The same with other times of the lease.
pub(crate) async fn run_at(app: App, ring: Arc<Notify>, stop: CancellationToken, times: Times, shares: bool) {
    let mut listener = Listener::new(app, times, shares);
    let clock = Arc::clone(&listener.app.clock);
    let mut look_at = clock.tick();
    while !stop.is_cancelled() {
        listener.turn_lease().await;
        if clock.tick() >= look_at || listener.tasks.values().any(|task| task.running.is_finished()) {
            look_at = clock.tick().plus_ms(LOOK_MS);
            listener.look().await;
        }
        tokio::select! {
            () = stop.cancelled() => {}
            () = ring.notified() => look_at = clock.tick(),
            () = clock.sleep_until(listener.lease_at.min(look_at)) => {}
        }
    }
    listener.end().await;
}

/// The task of one channel.
struct Task {
    running: JoinHandle<()>,
    stop: CancellationToken,
    shard: i16,
    /// What the channel was when the task began, and on whose behalf it began: a change begins it anew.
    mark: Mark,
}

type Mark = (String, String, i64, String);

/// A channel to listen to.
struct Ours {
    row: ChannelRow,
    shard: i16,
    /// The process in whose name it is done.
    owner: String,
    one_line: bool,
}

struct Listener {
    app: App,
    /// Whether it takes its part of the channels that go nowhere with a lane.
    shares: bool,
    times: Times,
    lease: Lease,
    conn: Option<Conn>,
    lease_at: Tick,
    /// Shards that are given up as soon as nobody listens for them.
    leaving: HashSet<i16>,
    tasks: HashMap<ChannelId, Task>,
}

impl Listener {
    fn new(app: App, times: Times, shares: bool) -> Self {
        let alone = !app.store.is_shared();
        let lease_at = app.clock.tick();
        let lease = Lease::of(Post::Listener, times, alone);
        Self { app, shares, times, lease, conn: None, lease_at, leaving: HashSet::new(), tasks: HashMap::new() }
    }

    /// Beats, and takes or gives up what the lease says.
    async fn turn_lease(&mut self) {
        let tick = self.app.clock.tick();
        if tick < self.lease_at {
            return;
        }
        self.lease_at = tick.plus_ms(self.times.beat_ms);
        if !self.shares {
            return;
        }
        let all = usize::try_from(SHARDS).unwrap_or(0);
        if !self.app.store.is_shared() && self.lease.held().len() == all {
            // nobody else is there to share with or to be told
            return;
        }
        let empty: Vec<i16> = self.leaving.drain().collect();
        match self.on_lease(move |lease, conn| lease.left(conn, &empty).and_then(|()| lease.turn(conn, tick))).await {
            Ok(turn) => self.heed(turn).await,
            Err(error) => tracing::warn!(%error, "the lease of listening could not be renewed"),
        }
    }

    async fn heed(&mut self, turn: Turn) {
        if turn.fenced {
            tracing::warn!("this process was too slow: others listen in its place");
            self.silence(|_| true).await;
        }
        for (dead, beat) in turn.dead {
            let freed = self.app.store.write(move |conn| {
                if crate::on!(conn, owner::strike(&dead, beat))? {
                    crate::on!(conn, owner::free_shards(&dead))?;
                }
                Ok(())
            });
            match freed.await {
                // its shards are taken without waiting for the next beat
                Ok(()) => self.lease_at = self.app.clock.tick(),
                Err(error) => tracing::warn!(%error, "could not take over from a process that listened"),
            }
        }
        if !turn.leave.is_empty() {
            self.silence(|task| turn.leave.contains(&task.shard)).await;
            self.leaving.extend(&turn.leave);
        }
        if !turn.taken.is_empty() {
            self.look().await;
        }
    }

    /// Begins and ends tasks, so that they are those of the channels that are ours.
    async fn look(&mut self) {
        let kinds = listen::messengers();
        let read = self.app.store.read(move |conn| crate::on!(conn, listening::channels(&kinds))).await;
        let rows = match read {
            Ok(rows) => rows,
            Err(error) => return tracing::warn!(%error, "the channels to listen to could not be read"),
        };
        let ours = self.ours(rows);
        let known = |id: &ChannelId, task: &Task| {
            ours.get(id).is_some_and(|ours| mark(ours) == task.mark) && !task.running.is_finished()
        };
        let stale: HashSet<ChannelId> =
            self.tasks.iter().filter(|(id, task)| !known(id, task)).map(|(id, _)| *id).collect();
        // while they end they still talk
        self.end_tasks(&stale).await;
        let talking = ours.values().filter(|ours| ours.one_line).map(|ours| ours.shard).collect();
        self.app.posts.talk(&talking);
        for (id, ours) in ours {
            if !self.tasks.contains_key(&id) {
                self.begin(id, &ours);
            }
        }
        #[expect(clippy::cast_precision_loss, reason = "nobody has 2^52 channels")]
        metrics::gauge!("switchboard_listening_channels").set(self.tasks.len() as f64);
    }

    /// The channels that this process listens to now.
    fn ours(&self, rows: Vec<(ChannelRow, i16)>) -> HashMap<ChannelId, Ours> {
        let held: HashSet<i16> =
            self.lease.held().iter().filter(|shard| !self.leaving.contains(shard)).copied().collect();
        let (pump, pumped) = self.app.posts.open(self.app.clock.tick());
        let mine = |(row, shard): (ChannelRow, i16)| {
            let one_line = listen::has_one_line(&row.messenger);
            let (shard, owner) = if one_line {
                (shard, pump.as_str())
            } else {
                (shard + Post::Listener.first_shard(), self.lease.owner())
            };
            let held = if one_line { pumped.contains(&shard) } else { held.contains(&shard) };
            let id = row.id.parse().ok().filter(|_| held)?;
            Some((id, Ours { row, shard, owner: owner.to_owned(), one_line }))
        };
        rows.into_iter().filter_map(mine).collect()
    }

    fn begin(&mut self, id: ChannelId, ours: &Ours) {
        let stop = CancellationToken::new();
        let keep = keep::keep(self.app.clone(), id, ours.owner.clone(), ours.one_line, stop.clone());
        let (running, mark) = (tokio::spawn(keep), mark(ours));
        self.tasks.insert(id, Task { running, stop, shard: ours.shard, mark });
    }

    /// Ends the tasks that `which` says.
    async fn silence(&mut self, which: impl Fn(&Task) -> bool) {
        let these = self.tasks.iter().filter(|(_, task)| which(task)).map(|(id, _)| *id).collect();
        self.end_tasks(&these).await;
    }

    async fn end_tasks(&mut self, these: &HashSet<ChannelId>) {
        let ended: Vec<Task> = these.iter().filter_map(|id| self.tasks.remove(id)).collect();
        for task in &ended {
            task.stop.cancel();
        }
        for task in ended {
            let _ = task.running.await;
        }
    }

    async fn end(mut self) {
        self.silence(|_| true).await;
        self.app.posts.talk(&HashSet::new());
        if !self.shares {
            return;
        }
        if let Err(error) = self.on_lease(Lease::end).await {
            tracing::warn!(%error, "listening could not be given up in order; others take over when the lease ends");
        }
    }

    /// Does something with the lease in one transaction, on a connection of its own that is made anew after an error.
    async fn on_lease<T: Send + 'static>(
        &mut self,
        work: impl FnOnce(&mut Lease, &mut Conn) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let (mut lease, conn) = (self.lease.clone(), self.conn.take());
        let options = self.app.store.options().clone();
        let done = tokio::task::spawn_blocking(move || {
            let mut conn = conn.map_or_else(|| crate::store::connect(&options), Ok)?;
            let outcome = conn.transact(|conn| work(&mut lease, conn))?;
            Ok::<_, StoreError>((outcome, lease, conn))
        });
        let (outcome, lease, conn) = done.await.map_err(|_| StoreError::Closed)??;
        (self.lease, self.conn) = (lease, Some(conn));
        Ok(outcome)
    }
}

fn mark(ours: &Ours) -> Mark {
    let row = &ours.row;
    (row.secrets.clone(), row.settings.clone(), row.connected_at, ours.owner.clone())
}
