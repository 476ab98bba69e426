//! A process that pumps: what `loops/pump.rs` does around the lanes, with every wait made a step of the simulation.

use std::collections::{BTreeMap, BTreeSet};

use switchboard::loops::pump::lanes::{Clearance, Fate, Flight, Lanes, Rules};
use switchboard::loops::pump::trade::Settled;
use switchboard::model::errand::Errand;
use switchboard::model::id::{ErrandId, LaneId};
use switchboard::model::moment::{Moment, Tick};
use switchboard::model::result::Code;
use switchboard::model::vendor::Answer;
use switchboard::store::outbox::{Accepted, Want};
use switchboard::store::row::Sent;

use super::database::Batch;

/// What a process wants to happen.
pub enum Wish {
    Claim(Vec<Want>),
    Call(u64, Flight),
    Settle(Batch),
    /// A lane of this name is empty and goes to another process.
    Give(LaneId, String),
}

/// The name of before, whose calls are still open.
#[derive(Default)]
struct Former {
    owner: String,
    last: u64,
    landed: Vec<Settled>,
}

pub struct Process {
    pub owner: String,
    pub boot: String,
    pub lanes: Lanes,
    pub held: BTreeSet<LaneId>,
    pub tenure: u64,
    /// Until then calls may be started; the far future while nothing holds the process up.
    pub good_until: Tick,
    pub wishes: Vec<Wish>,
    kept: Vec<Flight>,
    open: BTreeMap<u64, (Flight, Option<Sent>)>,
    last: u64,
    claiming: bool,
    settling: bool,
    landed: Vec<Settled>,
    sent: Vec<Sent>,
    open_claims: BTreeMap<u64, usize>,
    claim_of: BTreeMap<ErrandId, u64>,
    closed: Vec<u64>,
    former: Former,
}

impl Process {
    pub fn new(owner: String, boot: String, seed: u64) -> Self {
        let rules = Rules { lane_flights: 8, claim_size: 20, ..Rules::default() };
        Self {
            owner,
            boot,
            lanes: Lanes::new(rules, seed),
            held: BTreeSet::new(),
            tenure: 0,
            good_until: Tick(i64::MAX),
            wishes: Vec::new(),
            kept: Vec::new(),
            open: BTreeMap::new(),
            last: 0,
            claiming: false,
            settling: false,
            landed: Vec::new(),
            sent: Vec::new(),
            open_claims: BTreeMap::new(),
            claim_of: BTreeMap::new(),
            closed: Vec::new(),
            former: Former::default(),
        }
    }

    /// When to look again.
    pub fn next_tick(&self) -> Option<Tick> {
        let kept = self.kept.iter().map(|flight| flight.start).min();
        let lanes = self.lanes.next_tick().filter(|_| !self.claiming);
        kept.into_iter().chain(lanes).min()
    }

    pub fn turn(&mut self, now: Moment, tick: Tick) {
        // the lease names what is to be left at every beat
        self.leave(&[]);
        let (due, kept) = std::mem::take(&mut self.kept).into_iter().partition(|flight| flight.start <= tick);
        self.kept = kept;
        let mut due: Vec<Flight> = due;
        due.sort_by_key(|flight| flight.start);
        for flight in due {
            self.launch(flight, now, tick);
        }
        self.settle();
        if !self.claiming && tick < self.good_until {
            let wants = self.lanes.plan(now, tick);
            if !wants.is_empty() {
                self.claiming = true;
                self.wishes.push(Wish::Claim(wants));
            }
        }
    }

    /// The answer of a claim; none where this process was struck out.
    pub fn claimed(&mut self, claim: u64, wants: &[Want], rows: Option<Vec<Errand>>, now: Moment, tick: Tick) {
        self.claiming = false;
        let Some(rows) = rows else {
            self.good_until = self.good_until.min(tick);
            return self.lanes.unclaimed(wants, now, tick);
        };
        if !rows.is_empty() {
            self.claim_of.extend(rows.iter().map(|errand| (errand.id, claim)));
            self.open_claims.insert(claim, rows.len());
        }
        let boarded = self.lanes.claimed(wants, rows, now, tick);
        for errand in boarded.late {
            let answer = Answer::Refused { code: Code::TooLate, text: String::new() };
            self.landed.push(Settled { errand, fate: Fate::Final(answer), ours: true });
        }
        for errand in boarded.back {
            self.go_back(errand, Moment(0));
        }
        for flight in boarded.flights {
            self.fly(flight, now, tick);
        }
    }

    fn fly(&mut self, flight: Flight, now: Moment, tick: Tick) {
        self.launch(flight, now, tick);
    }

    fn launch(&mut self, flight: Flight, now: Moment, tick: Tick) {
        let late = tick >= self.good_until;
        let clearance = if late { Clearance::Return } else { self.lanes.clearance(&flight, now, tick) };
        match clearance {
            Clearance::Start => {
                self.lanes.launched(&flight);
                self.last += 1;
                self.open.insert(self.last, (flight.clone(), None));
                self.wishes.push(Wish::Call(self.last, flight));
            }
            Clearance::Wait(start) => self.kept.push(Flight { start, ..flight }),
            Clearance::Return => {
                for errand in self.lanes.grounded(&flight, now, tick) {
                    self.go_back(errand, Moment(0));
                }
            }
            Clearance::Gone => {}
        }
    }

    fn go_back(&mut self, errand: Errand, not_before: Moment) {
        let attempts = errand.attempts;
        self.landed.push(Settled { errand, fate: Fate::Again { not_before, attempts }, ours: true });
    }

    /// The tick of a call's start is known.
    pub fn started(&mut self, number: u64, at: Tick, now: Moment) -> Option<Sent> {
        let entry = self.open.get_mut(&number).filter(|entry| entry.1.is_none() && number > self.former.last)?;
        let sent = self.lanes.started(entry.0.lane, entry.0.which, at, now);
        entry.1 = Some(sent);
        Some(sent)
    }

    pub fn land(&mut self, number: u64, answers: Vec<Answer>, now: Moment, tick: Tick) {
        let Some((flight, sent)) = self.open.remove(&number) else { return };
        self.sent.extend(sent.filter(|sent| sent.paced.is_some() || sent.live.is_some()));
        for (errand, answer) in flight.errands.into_iter().zip(answers) {
            let fate = self.lanes.judge(&errand, answer, now, tick);
            let settled = Settled { errand, fate, ours: true };
            if number <= self.former.last { self.former.landed.push(settled) } else { self.landed.push(settled) }
        }
    }

    fn settle(&mut self) {
        let former = !self.former.landed.is_empty();
        if self.settling || (!former && self.landed.is_empty() && self.closed.is_empty()) {
            return;
        }
        self.settling = true;
        let (owner, settled) = if former {
            (self.former.owner.clone(), std::mem::take(&mut self.former.landed))
        } else {
            (self.owner.clone(), std::mem::take(&mut self.landed))
        };
        for entry in &settled {
            let Some(claim) = self.claim_of.remove(&entry.errand.id) else { continue };
            let Some(open) = self.open_claims.get_mut(&claim) else { continue };
            *open -= 1;
            if *open == 0 {
                self.open_claims.remove(&claim);
                self.closed.push(claim);
            }
        }
        let (sent, closed) = (std::mem::take(&mut self.sent), std::mem::take(&mut self.closed));
        self.wishes.push(Wish::Settle(Batch { owner, boot: self.boot.clone(), settled, sent, closed }));
    }

    pub fn written(&mut self, batch: &Batch, now: Moment, tick: Tick) {
        self.settling = false;
        for entry in &batch.settled {
            if batch.owner != self.owner {
                if matches!(entry.fate, Fate::Again { .. }) {
                    self.lanes.wake(entry.errand.lane, entry.errand.rank.to_db(), entry.errand.id, now, tick);
                }
                continue;
            }
            let (next, back) = self.lanes.settled(&entry.errand, &entry.fate, now, tick);
            if let Some(flight) = next {
                self.fly(flight, now, tick);
            }
            let not_before = if let Fate::Again { not_before, .. } = entry.fate { not_before } else { Moment(0) };
            for errand in back {
                self.go_back(errand, not_before);
            }
        }
        self.leave(&[]);
    }

    pub fn accepted(&mut self, errand: &Accepted, now: Moment, tick: Tick) {
        self.lanes.accepted(errand, now, tick);
    }

    /// Lanes are to go to another process as soon as nothing of theirs flies.
    pub fn leave(&mut self, lanes: &[LaneId]) {
        let shards: Vec<i16> = lanes.iter().map(|lane| i16::try_from(*lane).unwrap()).collect();
        for shard in self.lanes.leave(&shards) {
            self.held.remove(&i64::from(shard));
            self.wishes.push(Wish::Give(i64::from(shard), self.owner.clone()));
        }
    }

    /// The lease found that this process was too slow: it begins anew under another name.
    pub fn fence(&mut self, owner: String) {
        let mut landed = std::mem::take(&mut self.former.landed);
        landed.append(&mut self.landed);
        self.former = Former { owner: std::mem::replace(&mut self.owner, owner), last: self.last, landed };
        self.held.clear();
        self.tenure += 1;
        self.lanes.clear();
        self.kept.clear();
        self.good_until = Tick(i64::MAX);
    }

    /// Calls that are open, for the end of the process.
    pub fn in_the_air(&self) -> impl Iterator<Item = &Errand> {
        self.open.values().flat_map(|(flight, _)| &flight.errands)
    }

    pub fn errands_of(&self, number: u64) -> Vec<Errand> {
        self.open.get(&number).map(|(flight, _)| flight.errands.clone()).unwrap_or_default()
    }
}
