//! The pump: the only place where vendor calls of the outbox begin.
//!
//! One task owns the lanes (`lanes.rs`), claims what is due a moment ahead of its time, starts every call at its tick and
//! gathers the answers into settling transactions. A claim is committed before the call, so a crash leaves at most the
//! calls in the air without a known fate.

mod flights;
pub mod lane;
pub mod lanes;
pub mod lease;
mod listen;
pub mod trade;

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use tokio::sync::{mpsc, oneshot};

use self::flights::Flights;
use self::lane::Blocked;
use self::lanes::{Fate, Flight, Lanes, Rules};
use self::lease::{Lease, Times, Turn};
use self::trade::{Settled, Trade};
use crate::model::clock::Clock;
use crate::model::errand::Errand;
use crate::model::id::{ErrandId, LaneId};
use crate::model::moment::{Moment, Tick};
use crate::model::pace::Pace;
use crate::model::vendor::Answer;
use crate::store::outbox::{self, Accepted, PutBack, Want};
use crate::store::row::{LaneRow, Sent};
use crate::store::{Conn, Result, Store};

/// What the pump hears.
#[derive(Debug)]
enum Event {
    Accepted(Vec<Accepted>),
    Changed(LaneId),
    Started { lane: LaneId, which: lane::Which, at: Tick, flight: u64 },
    Landed { flight: u64, answers: Vec<Answer>, started: Tick, took_ms: i64 },
    Claimed { claim: String, wants: Vec<Want>, rows: Result<Vec<Errand>> },
    Settled { batch: Arc<Batch>, outcome: Result<Vec<Accepted>> },
    Leased(Box<(Lease, Conn, Turn)>),
    Adopted(Result<Adoption>),
    Rows(Result<Vec<LaneRow>>),
    Heads(Result<Vec<(LaneId, i16, ErrandId)>>),
    Look(oneshot::Sender<Overview>, Vec<LaneId>),
    Stop(oneshot::Sender<()>),
}

#[derive(Debug)]
struct Adoption {
    rows: Vec<LaneRow>,
    heads: Vec<(LaneId, i16, ErrandId)>,
    planned: Vec<(LaneId, i16, ErrandId, i64, String, i32)>,
}

/// What one settling transaction writes.
#[derive(Debug)]
struct Batch {
    settled: Vec<Settled>,
    sent: Vec<Sent>,
    closed: Vec<String>,
    at: Moment,
}

/// When the next calls of a lane are due, by this pump's knowledge.
pub type Overview = Vec<(LaneId, Due)>;

/// When the next call of a lane is due.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Due {
    /// The next live answer, as a moment of the calendar.
    pub live_at: Moment,
    /// The next paced message.
    pub paced_at: Moment,
    /// How many calls are open or claimed.
    pub flying: u32,
}

/// How others reach the pump of this process. Cheap to clone; without a pump its words go nowhere, and on PostgreSQL the
/// pumps of other processes hear of them through the database.
#[derive(Debug, Clone)]
pub struct Bell {
    events: mpsc::UnboundedSender<Event>,
}

impl Bell {
    /// A bell, and what a pump needs to hear it.
    #[must_use]
    pub fn new() -> (Self, Hearing) {
        let (events, hear) = mpsc::unbounded_channel();
        (Self { events }, Hearing(hear))
    }

    /// Errands were accepted and committed.
    pub fn accepted(&self, errands: Vec<Accepted>) {
        if !errands.is_empty() {
            let _ = self.events.send(Event::Accepted(errands));
        }
    }

    /// A lane's state, pace or hours were changed and committed.
    pub fn changed(&self, lane: LaneId) {
        let _ = self.events.send(Event::Changed(lane));
    }

    /// When the next calls of these lanes are due; lanes of other processes are missing in the answer.
    pub async fn look(&self, lanes: Vec<LaneId>) -> Overview {
        let (tell, hear) = oneshot::channel();
        let _ = self.events.send(Event::Look(tell, lanes));
        hear.await.unwrap_or_default()
    }

    /// Claims nothing more, lets open calls finish, settles everything, gives the lanes up.
    pub async fn stop(&self) {
        let (tell, hear) = oneshot::channel();
        let _ = self.events.send(Event::Stop(tell));
        let _ = hear.await;
    }
}

/// The other end of a [`Bell`].
#[derive(Debug)]
pub struct Hearing(mpsc::UnboundedReceiver<Event>);

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
    owner: String,
    good_until: Tick,
    leaving: Vec<i16>,
    lease: Option<Box<(Lease, Conn)>>,
    lease_at: Tick,
    rescan_at: Tick,
    claiming: bool,
    settling: bool,
    landed: Vec<Settled>,
    sent: Vec<Sent>,
    open_claims: HashMap<String, usize>,
    claim_of: HashMap<ErrandId, String>,
    closed: Vec<String>,
    unknown: HashSet<LaneId>,
    stopping: Option<oneshot::Sender<()>>,
}

impl<T> std::fmt::Debug for Pump<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Pump").field("lanes", &self.lanes.count()).finish_non_exhaustive()
    }
}

/// How often lanes are searched for errands whose announcement was lost, in milliseconds.
const RESCAN_MS: i64 = 30_000;

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
        let lease = Box::new((Lease::new(settings.times, !store.is_shared()), crate::store::connect(store.options())?));
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
            owner: String::new(),
            good_until: tick,
            leaving: Vec::new(),
            lease: Some(lease),
            lease_at: tick,
            rescan_at: tick.plus_ms(RESCAN_MS),
            claiming: false,
            settling: false,
            landed: Vec::new(),
            sent: Vec::new(),
            open_claims: HashMap::new(),
            claim_of: HashMap::new(),
            closed: Vec::new(),
            unknown: HashSet::new(),
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
        let idle = !self.claiming && !self.settling && self.landed.is_empty() && self.flights.is_empty();
        self.stopping.is_some() && idle && self.lease.is_some()
    }

    async fn end(mut self) {
        if let Some(mut lease) = self.lease.take() {
            let ended = tokio::task::spawn_blocking(move || {
                let (lease, conn) = &mut *lease;
                lease.end(conn)
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
        let (now, tick) = (self.clock.now(), self.clock.tick());
        self.start_due(now, tick);
        self.settle();
        self.claim(now, tick);
        if tick >= self.lease_at && self.lease.is_some() && self.stopping.is_none() {
            self.lease_at = tick.plus_ms(self.settings.times.beat_ms);
            self.turn_lease(tick);
        }
        if tick >= self.rescan_at {
            self.rescan_at = tick.plus_ms(RESCAN_MS);
            if self.store.is_shared() {
                self.ask(|conn| crate::on!(conn, lane::heads()), Event::Heads);
            }
        }
        if !self.unknown.is_empty() {
            let ids: Vec<LaneId> = self.unknown.drain().collect();
            self.ask(move |conn| crate::on!(conn, lane::by_ids(&ids)), Event::Rows);
        }
    }

    fn hear(&mut self, event: Event) {
        let (now, tick) = (self.clock.now(), self.clock.tick());
        match event {
            Event::Accepted(errands) => self.wake(&errands, now, tick),
            Event::Changed(lane) => {
                self.unknown.insert(lane);
            }
            Event::Started { lane, which, at, flight } => {
                let sent = self.lanes.started(lane, which, at, now);
                self.flights.note(flight, sent);
            }
            Event::Landed { flight, answers, started, took_ms } => self.land(flight, answers, started, took_ms, now),
            Event::Claimed { claim, wants, rows } => self.claimed(claim, &wants, rows, now, tick),
            Event::Settled { batch, outcome } => self.written(&batch, outcome, now, tick),
            Event::Leased(leased) => self.leased(*leased, tick),
            Event::Adopted(outcome) => self.adopt(outcome, now, tick),
            Event::Rows(outcome) => self.rows(outcome, now, tick),
            Event::Heads(Ok(heads)) => self.lanes.rewind(&heads, now, tick),
            Event::Heads(Err(error)) => tracing::warn!(%error, "the lanes could not be searched"),
            Event::Look(tell, lanes) => {
                let _ = tell.send(self.overview(&lanes, now, tick));
            }
            Event::Stop(tell) => {
                self.stopping = Some(tell);
                for flight in self.flights.ground_all() {
                    self.ground(&flight, now, tick);
                }
            }
        }
    }

    fn wake(&mut self, errands: &[Accepted], now: Moment, tick: Tick) {
        for errand in errands {
            if !self.lanes.accepted(errand, now, tick) {
                self.unknown.insert(errand.lane);
            }
        }
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

    fn claim(&mut self, now: Moment, tick: Tick) {
        if self.claiming || self.stopping.is_some() || tick >= self.good_until {
            return;
        }
        let wants = self.lanes.plan(now, tick);
        if wants.is_empty() {
            return;
        }
        self.claiming = true;
        let (store, bell, owner) = (Arc::clone(&self.store), self.bell.clone(), self.owner.clone());
        // what is due within the time ahead may be claimed now; what is planned for later may not
        let by = now.plus_ms(self.settings.rules.ahead_ms);
        tokio::spawn(async move {
            let claim = uuid::Uuid::now_v7().simple().to_string();
            let (asked, name) = (wants.clone(), claim.clone());
            let rows = store.write(move |conn| outbox::claim(conn, &owner, &name, by, &asked)).await;
            let _ = bell.events.send(Event::Claimed { claim, wants, rows });
        });
    }

    fn claimed(&mut self, claim: String, wants: &[Want], rows: Result<Vec<Errand>>, now: Moment, tick: Tick) {
        self.claiming = false;
        let rows = match rows {
            Ok(rows) => rows,
            Err(error) => {
                tracing::warn!(%error, "errands could not be claimed");
                return self.lanes.unclaimed(wants, now, tick);
            }
        };
        if !rows.is_empty() {
            self.claim_of.extend(rows.iter().map(|errand| (errand.id, claim.clone())));
            self.open_claims.insert(claim, rows.len());
        }
        let (flights, late) = self.lanes.claimed(wants, rows, now, tick);
        for errand in late {
            let answer = Answer::Refused { code: crate::model::result::Code::TooLate, text: String::new() };
            self.landed.push(Settled { errand, fate: Fate::Final(answer), ours: true });
        }
        for flight in flights {
            self.fly(flight, now, tick);
        }
    }

    /// Starts a call, or keeps it until its tick.
    fn fly(&mut self, flight: Flight, now: Moment, tick: Tick) {
        if self.stopping.is_some() {
            self.ground(&flight, now, tick);
        } else if flight.start > tick {
            self.flights.keep(flight);
        } else {
            self.start(flight, tick);
        }
    }

    fn start_due(&mut self, now: Moment, tick: Tick) {
        while let Some(flight) = self.flights.due(tick) {
            if tick >= self.good_until {
                // others may believe that this process is dead: nothing is started on their account
                self.ground(&flight, now, tick);
            } else {
                self.start(flight, tick);
            }
        }
    }

    fn start(&mut self, flight: Flight, tick: Tick) {
        metrics::histogram!("switchboard_lateness_seconds").record(seconds(tick.since_ms(flight.start)));
        let (lane, which, errands) = (flight.lane, flight.which, flight.errands.clone());
        let number = self.flights.open(flight);
        let (trade, clock, bell) = (Arc::clone(&self.trade), Arc::clone(&self.clock), self.bell.clone());
        tokio::spawn(async move {
            let count = errands.len();
            let mut call = trade.perform(errands);
            // the tick is read after the call has begun: the next one is counted from the latest possible start
            let first = futures_util::poll!(&mut call);
            let at = clock.tick();
            let answers = match first {
                std::task::Poll::Ready(answers) => answers,
                std::task::Poll::Pending => {
                    let _ = bell.events.send(Event::Started { lane, which, at, flight: number });
                    call.await
                }
            };
            debug_assert_eq!(answers.len(), count);
            let took_ms = clock.tick().since_ms(at);
            let _ = bell.events.send(Event::Landed { flight: number, answers, started: at, took_ms });
        });
    }

    fn land(&mut self, number: u64, answers: Vec<Answer>, started: Tick, took_ms: i64, now: Moment) {
        let Some((flight, noted)) = self.flights.close(number) else { return };
        let tick = self.clock.tick();
        let sent = noted.unwrap_or_else(|| self.lanes.started(flight.lane, flight.which, started, now));
        if sent.paced.is_some() || sent.live.is_some() {
            self.sent.push(sent);
        }
        metrics::histogram!("switchboard_call_seconds").record(seconds(took_ms));
        let missing = Answer::Unsure { seen: "no answer was given".to_owned(), resendable: false };
        let mut answers = answers.into_iter();
        for errand in flight.errands {
            let answer = answers.next().unwrap_or_else(|| missing.clone());
            metrics::counter!("switchboard_calls_total", "outcome" => outcome(&answer)).increment(1);
            let fate = self.lanes.judge(&errand, answer, now, tick);
            self.landed.push(Settled { errand, fate, ours: true });
        }
    }

    fn ground(&mut self, flight: &Flight, now: Moment, tick: Tick) {
        for errand in self.lanes.grounded(flight, now, tick) {
            self.go_back(errand, Moment(0));
        }
    }

    fn go_back(&mut self, errand: Errand, not_before: Moment) {
        let attempts = errand.attempts;
        self.landed.push(Settled { errand, fate: Fate::Again { not_before, attempts }, ours: true });
    }

    /// Writes down what has landed since the last time, in one transaction.
    fn settle(&mut self) {
        if self.settling || (self.landed.is_empty() && self.closed.is_empty()) {
            return;
        }
        self.settling = true;
        let settled = std::mem::take(&mut self.landed);
        for entry in &settled {
            self.account(entry.errand.id);
        }
        let batch = Arc::new(Batch {
            settled,
            sent: std::mem::take(&mut self.sent),
            closed: std::mem::take(&mut self.closed),
            at: self.clock.now(),
        });
        self.write(batch);
    }

    /// One errand of a claim is settled; the last one closes the claim.
    fn account(&mut self, errand: ErrandId) {
        let Some(claim) = self.claim_of.remove(&errand) else { return };
        if let Some(open) = self.open_claims.get_mut(&claim) {
            *open -= 1;
            if *open == 0 {
                self.open_claims.remove(&claim);
                self.closed.push(claim);
            }
        }
    }

    fn write(&self, batch: Arc<Batch>) {
        let (store, bell, trade) = (Arc::clone(&self.store), self.bell.clone(), Arc::clone(&self.trade));
        let boot = self.clock.boot().to_owned();
        tokio::spawn(async move {
            let written = Arc::clone(&batch);
            let outcome = store.write(move |conn| settle(conn, &*trade, &written, &boot)).await;
            let _ = bell.events.send(Event::Settled { batch, outcome });
        });
    }

    fn written(&mut self, batch: &Arc<Batch>, outcome: Result<Vec<Accepted>>, now: Moment, tick: Tick) {
        let accepted = match outcome {
            Ok(accepted) => accepted,
            Err(error) => {
                tracing::error!(%error, errands = batch.settled.len(), "answers could not be written down; trying again");
                let (clock, again) = (Arc::clone(&self.clock), Arc::clone(batch));
                let (store, bell, trade) = (Arc::clone(&self.store), self.bell.clone(), Arc::clone(&self.trade));
                tokio::spawn(async move {
                    clock.sleep_until(clock.tick().plus_ms(500)).await;
                    let (boot, written) = (clock.boot().to_owned(), Arc::clone(&again));
                    let outcome = store.write(move |conn| settle(conn, &*trade, &written, &boot)).await;
                    let _ = bell.events.send(Event::Settled { batch: again, outcome });
                });
                return;
            }
        };
        self.settling = false;
        for entry in &batch.settled {
            let (next, back) = self.lanes.settled(&entry.errand, &entry.fate, now, tick);
            if let Some(flight) = next {
                self.fly(flight, now, tick);
            }
            let not_before = match entry.fate {
                Fate::Again { not_before, .. } => not_before,
                Fate::Final(_) => Moment(0),
            };
            for errand in back {
                self.go_back(errand, not_before);
            }
        }
        self.wake(&accepted, now, tick);
        self.leave(&[]);
    }

    fn turn_lease(&mut self, tick: Tick) {
        let Some(held) = self.lease.take() else { return };
        let (bell, left) = (self.bell.clone(), std::mem::take(&mut self.leaving));
        tokio::task::spawn_blocking(move || {
            let (mut lease, mut conn) = *held;
            let outcome = lease.left(&mut conn, &left).and_then(|()| lease.turn(&mut conn, tick));
            let turn = outcome.unwrap_or_else(|error| {
                tracing::warn!(%error, "the lease could not be renewed");
                Turn::default()
            });
            let _ = bell.events.send(Event::Leased(Box::new((lease, conn, turn))));
        });
    }

    fn leased(&mut self, leased: (Lease, Conn, Turn), tick: Tick) {
        let (lease, conn, turn) = leased;
        if turn.fenced {
            tracing::warn!("this process was too slow: others have taken its lanes");
            self.held.clear();
            self.lanes.clear();
            // whoever takes over settles them as unknown; they were never started
            self.flights.ground_all();
        }
        lease.owner().clone_into(&mut self.owner);
        self.good_until = lease.good_until();
        self.lease = Some(Box::new((lease, conn)));
        if !turn.taken.is_empty() {
            self.held.extend(&turn.taken);
            let shards = turn.taken;
            self.ask(
                move |conn| {
                    Ok(Adoption {
                        rows: crate::on!(conn, lane::of_shards(&shards))?,
                        heads: crate::on!(conn, lane::heads())?,
                        planned: crate::on!(conn, lane::planned())?,
                    })
                },
                Event::Adopted,
            );
        }
        self.leave(&turn.leave);
        for (dead, beat) in turn.dead {
            self.inherit(dead, beat, tick);
        }
    }

    fn leave(&mut self, shards: &[i16]) {
        let empty = self.lanes.leave(shards);
        for shard in &empty {
            self.held.remove(shard);
        }
        self.leaving.extend(empty);
    }

    /// Strikes a dead process out, settles what it left in the air and frees its shards: all of it, or nothing.
    fn inherit(&self, dead: String, beat: i64, tick: Tick) {
        let (store, trade, bell) = (Arc::clone(&self.store), Arc::clone(&self.trade), self.bell.clone());
        let (clock, boot) = (Arc::clone(&self.clock), self.clock.boot().to_owned());
        tokio::spawn(async move {
            let name = dead.clone();
            let outcome = store.write(move |conn| inherit(conn, &*trade, &name, beat, &boot, tick, clock.now())).await;
            match outcome {
                Ok((count, accepted)) => {
                    tracing::info!(process = dead, errands = count, "took over from a process that has died");
                    bell.accepted(accepted);
                }
                Err(error) => tracing::warn!(%error, process = dead, "could not take over from a dead process"),
            }
        });
    }

    fn adopt(&mut self, outcome: Result<Adoption>, now: Moment, tick: Tick) {
        let adoption = match outcome {
            Ok(adoption) => adoption,
            // the shards are held and empty: without their lanes nothing of theirs would ever be sent
            Err(error) => {
                tracing::error!(%error, "the lanes could not be loaded; trying again");
                let shards: Vec<i16> = self.held.iter().copied().collect();
                return self.ask(
                    move |conn| {
                        Ok(Adoption {
                            rows: crate::on!(conn, lane::of_shards(&shards))?,
                            heads: crate::on!(conn, lane::heads())?,
                            planned: crate::on!(conn, lane::planned())?,
                        })
                    },
                    Event::Adopted,
                );
            }
        };
        let boot = self.clock.boot().to_owned();
        for row in adoption.rows.iter().filter(|row| self.held.contains(&row.shard)) {
            if !self.lanes.has(row.id)
                && let Err(error) = self.lanes.adopt(row, &boot, tick)
            {
                tracing::error!(%error, lane = row.id, "the lane cannot be read and stands still");
            }
        }
        for (lane, rank, _, not_before, peer, _) in adoption.planned {
            let until = tick.plus_ms(Moment(not_before).since_ms(now).max(0));
            self.lanes.block(lane, Blocked { until, peer, rank }, now, tick);
        }
        self.lanes.rewind(&adoption.heads, now, tick);
    }

    fn rows(&mut self, outcome: Result<Vec<LaneRow>>, now: Moment, tick: Tick) {
        let rows = match outcome {
            Ok(rows) => rows,
            Err(error) => return tracing::warn!(%error, "lanes could not be read"),
        };
        let boot = self.clock.boot().to_owned();
        for row in rows.iter().filter(|row| self.held.contains(&row.shard)) {
            let read = if self.lanes.has(row.id) {
                self.lanes.change(row, now, tick)
            } else {
                self.lanes.adopt(row, &boot, tick).map(|()| self.lanes.look_at(row.id, now, tick))
            };
            if let Err(error) = read {
                tracing::error!(%error, lane = row.id, "the lane cannot be read and stands still");
            }
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
                };
                (lane.id, due)
            })
            .collect()
    }
}

/// The settling transaction.
fn settle<T: Trade>(conn: &mut Conn, trade: &T, batch: &Batch, boot: &str) -> Result<Vec<Accepted>> {
    let (mut over, mut back) = (Vec::new(), Vec::new());
    for entry in &batch.settled {
        match entry.fate {
            Fate::Final(_) => over.push(entry.errand.id),
            Fate::Again { not_before, attempts } => back.push(PutBack { id: entry.errand.id, not_before, attempts }),
        }
    }
    let gone = if over.is_empty() { Vec::new() } else { outbox::remove(conn, &over)? };
    outbox::put_back(conn, &back)?;
    let accepted = if gone.len() == over.len() {
        trade.settle(conn, &batch.settled, batch.at)?
    } else {
        let gone: HashSet<ErrandId> = gone.into_iter().collect();
        let settled: Vec<Settled> = batch
            .settled
            .iter()
            .map(|entry| {
                let ours = matches!(entry.fate, Fate::Again { .. }) || gone.contains(&entry.errand.id);
                Settled { ours, ..entry.clone() }
            })
            .collect();
        trade.settle(conn, &settled, batch.at)?
    };
    for sent in &batch.sent {
        crate::on!(conn, lane::set_sent(boot, sent))?;
    }
    if !batch.closed.is_empty() {
        crate::on!(conn, errand::close_claims(&batch.closed))?;
    }
    Ok(accepted)
}

/// The transaction that takes over from a dead process. Its lanes wait a whole gap, since nobody knows when its last calls
/// began.
fn inherit<T: Trade>(
    conn: &mut Conn,
    trade: &T,
    dead: &str,
    beat: i64,
    boot: &str,
    tick: Tick,
    now: Moment,
) -> Result<(usize, Vec<Accepted>)> {
    if !crate::on!(conn, owner::strike(dead, beat))? {
        return Ok((0, Vec::new()));
    }
    let errands = outbox::inherit(conn, dead)?;
    let lanes: Vec<LaneId> = errands.iter().map(|errand| errand.lane).collect::<HashSet<_>>().into_iter().collect();
    for row in crate::on!(conn, lane::by_ids(&lanes))? {
        if let Ok(Pace::Gap { to_ms, .. }) = row.pace() {
            let sent = Sent { lane: row.id, paced: (to_ms > 0).then_some((tick, to_ms)), live: Some(tick) };
            crate::on!(conn, lane::set_sent(boot, &sent))?;
        }
    }
    let count = errands.len();
    let settled: Vec<Settled> = errands
        .into_iter()
        .map(|errand| {
            let seen = "the process that made the call has died".to_owned();
            let fate = if trade.is_repeatable(&errand) {
                Fate::Again { not_before: Moment(0), attempts: errand.attempts }
            } else {
                Fate::Final(Answer::Unsure { seen, resendable: false })
            };
            Settled { errand, fate, ours: true }
        })
        .collect();
    let batch = Batch { settled, sent: Vec::new(), closed: Vec::new(), at: now };
    let accepted = settle(conn, trade, &batch, boot)?;
    crate::on!(conn, owner::free_shards(dead))?;
    Ok((count, accepted))
}

#[expect(clippy::cast_precision_loss, reason = "milliseconds of a call are far below 2^52")]
fn seconds(ms: i64) -> f64 {
    ms as f64 / 1000.0
}

const fn outcome(answer: &Answer) -> &'static str {
    match answer {
        Answer::Done { .. } => "done",
        Answer::Busy { .. } => "busy",
        Answer::Down { .. } => "down",
        Answer::Expired { .. } => "expired",
        Answer::Refused { .. } => "refused",
        Answer::Nobody { .. } => "nobody",
        Answer::Unsure { .. } => "unsure",
    }
}
