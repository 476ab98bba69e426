//! The pump: the only place where vendor calls of the outbox begin.
//!
//! One task owns the lanes (`lanes.rs`), claims what is due a moment ahead of its time, starts every call at its tick and
//! gathers the answers into settling transactions. A claim is committed before the call, so a crash leaves at most the
//! calls in the air without a known fate.

mod bell;
mod flights;
pub mod lane;
pub mod lanes;
mod launching;
pub mod lease;
mod listen;
mod plan;
mod settling;
mod tenure;
pub mod trade;
mod witness;

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::AtomicI64;

use tokio::sync::oneshot;

use self::flights::Flights;
use self::lanes::{Fate, Lanes, Rules};
use self::lease::{Lease, Times, Turn};
use self::settling::Batch;
use self::tenure::Adoption;
use self::trade::{Settled, Trade};
use crate::model::clock::Clock;
use crate::model::errand::Errand;
use crate::model::id::{ErrandId, LaneId};
use crate::model::moment::{Moment, Tick};
use crate::model::vendor::Answer;
use crate::store::outbox::{self, Accepted, Want};
use crate::store::owner::shard_of;
use crate::store::row::{LaneRow, Sent};
use crate::store::{Conn, Result, Store, StoreError};

pub use self::bell::{Bell, Due, Hearing, Overview};

/// What the pump hears.
#[derive(Debug)]
enum Event {
    Accepted(Vec<Accepted>),
    Changed(LaneId),
    Started { lane: LaneId, which: lane::Which, at: Tick, flight: u64 },
    Landed { flight: u64, answers: Vec<Answer>, started: Tick },
    Claimed { claim: String, wants: Vec<Want>, rows: Result<Vec<Errand>> },
    Settled { batch: Arc<Batch>, outcome: Result<Vec<Accepted>> },
    Leased(Box<(Lease, Option<Conn>, Turn)>),
    Inherited,
    Adopted { tenure: u64, outcome: Result<Adoption> },
    Rows { tenure: u64, outcome: Result<Vec<LaneRow>>, asked: Vec<LaneId> },
    Missed,
    Heads(Result<Vec<(LaneId, i16, ErrandId)>>),
    Look(oneshot::Sender<Overview>, Vec<LaneId>),
    Stop(oneshot::Sender<()>),
}

/// How the pump is set up.
#[derive(Debug, Clone, Copy, Default)]
pub struct Settings {
    /// Claiming and pausing.
    pub rules: Rules,
    /// The lease.
    pub times: Times,
}

/// The pump of a process.
pub struct Pump<T> {
    store: Arc<Store>,
    clock: Arc<dyn Clock>,
    trade: Arc<T>,
    bell: Bell,
    settings: Settings,
    lanes: Lanes,
    flights: Flights,
    held: HashSet<i16>,
    // counts the changes of `held`: what was read of lanes before one of them may be another process's past
    tenure: u64,
    owner: String,
    former: Option<Former>,
    good_until: Tick,
    fence: Arc<AtomicI64>,
    leaving: Vec<i16>,
    lease: Option<Box<(Lease, Option<Conn>)>>,
    lease_at: Tick,
    rescan_at: Tick,
    claiming: bool,
    settling: bool,
    landed: Vec<Settled>,
    apart: Vec<Batch>,
    sent: Vec<Sent>,
    open_claims: HashMap<Arc<str>, usize>,
    claim_of: HashMap<ErrandId, Arc<str>>,
    closed: Vec<String>,
    unknown: HashSet<LaneId>,
    early: Vec<Accepted>,
    stopping: Option<oneshot::Sender<()>>,
}

impl<T> std::fmt::Debug for Pump<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Pump").field("lanes", &self.lanes.count()).finish_non_exhaustive()
    }
}

/// The name under which calls were made that are still open, though this process has another name by now.
#[derive(Debug)]
struct Former {
    owner: String,
    last_flight: u64,
    landed: Vec<Settled>,
}

/// How often lanes are searched for errands whose announcement was lost, in milliseconds.
const RESCAN_MS: i64 = 30_000;

/// Between two attempts to write when the database is away, in milliseconds.
const AGAIN_MS: i64 = 500;

impl<T: Trade> Pump<T> {
    /// A pump that has not begun.
    ///
    /// # Errors
    /// Where the database cannot be reached.
    pub fn new(
        store: Arc<Store>,
        clock: Arc<dyn Clock>,
        trade: Arc<T>,
        bell: Bell,
        settings: Settings,
    ) -> Result<Self> {
        let conn = crate::store::connect(store.options())?;
        let lease = Box::new((Lease::new(settings.times, !store.is_shared()), Some(conn)));
        let tick = clock.tick();
        Ok(Self {
            store,
            clock,
            trade,
            bell,
            settings,
            lanes: Lanes::new(settings.rules, rand::random()),
            flights: Flights::default(),
            held: HashSet::new(),
            tenure: 0,
            owner: String::new(),
            former: None,
            good_until: tick,
            fence: Arc::new(AtomicI64::new(tick.0)),
            leaving: Vec::new(),
            lease: Some(lease),
            lease_at: tick,
            rescan_at: tick.plus_ms(RESCAN_MS),
            claiming: false,
            settling: false,
            landed: Vec::new(),
            apart: Vec::new(),
            sent: Vec::new(),
            open_claims: HashMap::new(),
            claim_of: HashMap::new(),
            closed: Vec::new(),
            unknown: HashSet::new(),
            early: Vec::new(),
            stopping: None,
        })
    }

    /// Pumps until it is told to stop.
    pub async fn run(mut self, hearing: Hearing) {
        let mut hear = hearing.0;
        if self.store.is_shared() {
            listen::start(self.store.options().clone(), self.bell.clone());
        }
        let clock = Arc::clone(&self.clock);
        let mut events = Vec::new();
        loop {
            self.turn();
            if self.is_done() {
                break;
            }
            tokio::select! {
                biased;
                _ = hear.recv_many(&mut events, 4096) => {}
                () = clock.sleep_until(self.next_tick()) => {}
            }
            for event in events.drain(..) {
                self.hear(event);
            }
        }
        self.end().await;
    }

    fn is_done(&self) -> bool {
        let written = self.landed.is_empty() && self.former.as_ref().is_none_or(|former| former.landed.is_empty());
        let idle = !self.claiming && !self.settling && written && self.apart.is_empty() && self.flights.is_empty();
        self.stopping.is_some() && idle && self.lease.is_some()
    }

    async fn end(mut self) {
        if let Some(mut lease) = self.lease.take() {
            let options = self.store.options().clone();
            let ended = tokio::task::spawn_blocking(move || {
                let (lease, conn) = &mut *lease;
                let mut conn = conn.take().map_or_else(|| crate::store::connect(&options), Ok)?;
                lease.end(&mut conn)
            });
            if let Ok(Err(error)) = ended.await {
                tracing::warn!(%error, "the lanes could not be given up in order; others take them when the lease ends");
            }
        }
        if let Some(stopped) = self.stopping.take() {
            let _ = stopped.send(());
        }
    }

    fn next_tick(&self) -> Tick {
        let mut next = self.lease_at.min(self.rescan_at);
        if let Some(start) = self.flights.next_start() {
            next = next.min(start);
        }
        if !self.claiming && self.stopping.is_none() {
            next = next.min(self.lanes.next_tick().unwrap_or(next));
        }
        next
    }

    /// Everything that is due: start, settle, claim, lease.
    fn turn(&mut self) {
        let (now, tick) = self.clock.read();
        self.start_due(now, tick);
        self.settle();
        self.claim(now, tick);
        // also while it stops: what is still in the air is taken for lost where the beats end
        if tick >= self.lease_at && self.lease.is_some() {
            self.lease_at = tick.plus_ms(self.settings.times.beat_ms);
            self.turn_lease(tick);
        }
        if tick >= self.rescan_at {
            self.rescan_at = tick.plus_ms(RESCAN_MS);
            self.rescan();
        }
        if !self.unknown.is_empty() {
            let (asked, tenure): (Vec<LaneId>, u64) = (self.unknown.drain().collect(), self.tenure);
            let ids = asked.clone();
            self.ask(
                move |conn| crate::on!(conn, lane::by_ids(&ids)),
                move |outcome| Event::Rows { tenure, outcome, asked },
            );
        }
    }

    fn hear(&mut self, event: Event) {
        let (now, tick) = self.clock.read();
        match event {
            Event::Accepted(errands) => self.wake(&errands, now, tick),
            Event::Changed(lane) => {
                self.unknown.insert(lane);
            }
            Event::Started { lane, which, at, flight } => {
                if !self.is_former(flight) {
                    let sent = if let Some(sent) = self.flights.noted(flight) {
                        self.lanes.charge(lane, self.flights.follow(flight), at, now);
                        self.lanes.moved(sent, at, now)
                    } else {
                        let sent = self.lanes.started(lane, which, at, now);
                        self.lanes.charge(lane, self.flights.ahead(flight), at, now);
                        sent
                    };
                    self.flights.note(flight, sent);
                }
            }
            Event::Landed { flight, answers, started } => self.land(flight, answers, started, now),
            Event::Claimed { claim, wants, rows } => self.claimed(claim, &wants, rows, now, tick),
            Event::Settled { batch, outcome } => self.written(&batch, outcome, now, tick),
            Event::Leased(leased) => self.leased(*leased, tick),
            // its shards are free: they are taken without waiting for the next beat
            Event::Inherited => self.lease_at = tick,
            Event::Adopted { tenure, outcome } => self.adopt(tenure, outcome, now, tick),
            Event::Rows { tenure, outcome, asked } => self.rows(tenure, outcome, asked, now, tick),
            Event::Missed => {
                // what was said meanwhile is lost: every lane is read again, and looked for work
                self.unknown.extend(self.lanes.ids());
                self.rescan_at = tick;
            }
            Event::Heads(Ok(heads)) => self.lanes.rewind(&heads, now, tick),
            Event::Heads(Err(error)) => tracing::warn!(%error, "the lanes could not be searched"),
            Event::Look(tell, lanes) => {
                let _ = tell.send(self.overview(&lanes, now, tick));
            }
            Event::Stop(tell) => {
                self.stopping = Some(tell);
                self.lease_at = tick;
                for flight in self.flights.ground_all() {
                    self.ground(&flight, now, tick);
                }
            }
        }
    }

    fn wake(&mut self, errands: &[Accepted], now: Moment, tick: Tick) {
        for errand in errands {
            // the lanes of other processes are none of our business
            if !self.lanes.accepted(errand, now, tick) && self.held.contains(&shard_of(errand.lane)) {
                self.unknown.insert(errand.lane);
                self.early.push(*errand);
            }
        }
    }

    /// Hears again of errands whose lanes were still being read when they were accepted: the reading may have missed them.
    fn wake_early(&mut self, now: Moment, tick: Tick) {
        let early = std::mem::take(&mut self.early);
        self.wake(&early, now, tick);
    }

    /// Reads in the background and hears the answer as an event.
    fn ask<A: Send + 'static>(
        &self,
        read: impl FnOnce(&mut Conn) -> Result<A> + Send + 'static,
        event: impl FnOnce(Result<A>) -> Event + Send + 'static,
    ) {
        let (store, bell) = (Arc::clone(&self.store), self.bell.clone());
        tokio::spawn(async move {
            let _ = bell.events.send(event(store.read(read).await));
        });
    }

    fn rescan(&self) {
        if self.store.is_shared() {
            return self.ask(|conn| crate::on!(conn, lane::heads()), Event::Heads);
        }
        let store = Arc::clone(&self.store);
        tokio::task::spawn_blocking(move || {
            if let Err(error) = outbox::fold_starts(&store) {
                tracing::warn!(%error, "the starts of calls stay beside the rows of their lanes until the next time");
            }
        });
    }

    /// Whether others may believe that this process is dead: nothing is started on their account.
    fn is_fenced(&self, tick: Tick) -> bool {
        tick >= self.good_until
    }

    fn claim(&mut self, now: Moment, tick: Tick) {
        if self.claiming || self.stopping.is_some() || self.is_fenced(tick) {
            return;
        }
        let wants = self.lanes.plan(now, tick);
        if wants.is_empty() {
            return;
        }
        self.claiming = true;
        let (store, clock, bell) = (Arc::clone(&self.store), Arc::clone(&self.clock), self.bell.clone());
        let (owner, trade) = (self.owner.clone(), Arc::clone(&self.trade));
        let by = now;
        tokio::spawn(async move {
            let claim = uuid::Uuid::now_v7().simple().to_string();
            let mut again = false;
            let rows = loop {
                let (owner, name, asked) = (owner.clone(), claim.clone(), wants.clone());
                // where the commit's answer is lost, the errands may be claimed all the same: the same claim is asked for
                let rows = store
                    .write(move |conn| {
                        outbox::claim(conn, &owner, &name, by, &asked, std::mem::replace(&mut again, true))
                    })
                    .await;
                match rows {
                    Err(error) if !matches!(error, StoreError::Fenced | StoreError::Closed) => {
                        tracing::warn!(%error, "errands could not be claimed; trying again");
                        again = true;
                        clock.sleep_until(clock.tick().plus_ms(AGAIN_MS)).await;
                    }
                    rows => break rows,
                }
            };
            if let Ok(rows) = &rows {
                trade.prepare(rows).await;
            }
            let _ = bell.events.send(Event::Claimed { claim, wants, rows });
        });
    }

    fn claimed(&mut self, claim: String, wants: &[Want], rows: Result<Vec<Errand>>, now: Moment, tick: Tick) {
        self.claiming = false;
        let rows = match rows {
            Ok(rows) => rows,
            Err(error) => {
                // nothing is claimed before the lease has its say
                tracing::warn!(%error, "errands could not be claimed");
                self.good_until = self.good_until.min(tick);
                return self.lanes.unclaimed(wants, now, tick);
            }
        };
        if !rows.is_empty() {
            let claim: Arc<str> = claim.into();
            self.claim_of.extend(rows.iter().map(|errand| (errand.id, Arc::clone(&claim))));
            self.open_claims.insert(claim, rows.len());
        }
        let boarded = self.lanes.claimed(wants, rows, now, tick);
        for errand in boarded.late {
            let answer = Answer::Refused { code: crate::model::result::Code::TooLate, text: String::new() };
            self.landed.push(Settled { errand, fate: Fate::Final(answer), ours: true });
        }
        for errand in boarded.back {
            self.go_back(errand, Moment(0));
        }
        for flight in boarded.flights {
            self.fly(flight, now, tick);
        }
    }

    fn overview(&self, lanes: &[LaneId], now: Moment, tick: Tick) -> Overview {
        let at = |due: Tick| now.plus_ms(due.since_ms(tick).max(0));
        lanes
            .iter()
            .filter_map(|id| self.lanes.get(*id))
            .map(|lane| {
                let rest = lane.rest_until;
                let due = Due {
                    live_at: at(lane.first.due.max(rest)),
                    paced_at: at(lane.second.due.max(rest)),
                    flying: lane.flying,
                    calls_left: lane.calls_left(tick),
                };
                (lane.id, due)
            })
            .collect()
    }
}

#[expect(clippy::cast_precision_loss, reason = "milliseconds of a call are far below 2^52")]
fn seconds(ms: i64) -> f64 {
    ms as f64 / 1000.0
}
