//! The world around the outbox: time, the vendor, people, and everything that breaks.

mod people;
mod tenure;

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};

use switchboard::loops::pump::lane::Blocked;
use switchboard::loops::pump::lanes::{Fate, Flight};
use switchboard::loops::pump::trade::Settled;
use switchboard::model::errand::Errand;
use switchboard::model::id::LaneId;
use switchboard::model::moment::{Moment, Tick};
use switchboard::model::pace::Pace;
use switchboard::model::vendor::Answer;
use switchboard::model::window::Window;
use switchboard::store::outbox::{Accepted, Want};
use switchboard::store::row::{LaneRow, LaneState, Sent};

use super::database::{Batch, Database, Mailing, is_repeatable, wanted};
use super::process::{Process, Wish};
use super::vendor;
use super::witness::Witness;

const MS: i64 = 1000;
const SECOND: i64 = 1_000_000;

/// A Monday, 09:00 UTC.
const START: i64 = 1_767_603_600_000;

/// Faults and new work come until then.
const TROUBLE_US: i64 = 240 * SECOND;

/// By then everything must be over.
const END_US: i64 = 12 * 3600 * SECOND;

/// What happens. `Life` names one life of one process: what was meant for an earlier one is dropped.
enum Event {
    Turn(Life),
    ClaimRuns { life: Life, owner: String, claim: u64, by: Moment, wants: Vec<Want>, planned_us: i64, lost: bool },
    ClaimHeard { life: Life, claim: u64, wants: Vec<Want>, rows: Option<Vec<Errand>> },
    Began { life: Life, number: u64, at: Tick },
    Ended { life: Life, number: u64, lane: LaneId, answers: Vec<Answer> },
    SettleRuns { life: Life, batch: Batch, lost: bool },
    SettleHeard { life: Life, batch: Batch },
    Announce { life: Life, accepted: Accepted },
    Read { life: Life, lane: LaneId },
    Row { life: Life, tenure: u64, row: Box<LaneRow> },
    Wake(Life),
    Inherit(String),
    Take,
    Revive(usize),
    Rescan(Life),
    Arrive,
    Trouble,
    Feed,
    Keep,
    Calm,
}

#[derive(Clone, Copy, PartialEq, Eq)]
struct Life {
    slot: usize,
    number: u64,
}

struct Slot {
    number: u64,
    process: Option<Process>,
    stalled_until_us: i64,
    next_turn_us: i64,
}

pub struct World {
    random: SmallRng,
    us: i64,
    /// The real time at which the machine was started: ticks count from there.
    boot_us: i64,
    boot: String,
    wall_ahead_ms: i64,
    events: BinaryHeap<Reverse<(i64, u64)>>,
    what: std::collections::HashMap<u64, Event>,
    counter: u64,
    database: Database,
    slots: Vec<Slot>,
    pub witness: Witness,
    accepted: usize,
    calm: bool,
}

/// What a run saw, for the sum at the end.
pub struct Sum {
    pub starts: usize,
    pub ends: usize,
    pub answers: std::collections::BTreeMap<&'static str, usize>,
}

/// Runs one seed to its end.
pub fn run(seed: u64) -> Sum {
    let mut world = World::new(seed);
    world.begin();
    while let Some(Reverse((us, key))) = world.events.pop() {
        let event = world.what.remove(&key).unwrap();
        assert!(us < END_US, "not everything ends: {}", world.rest());
        world.us = us;
        let whose = event.of_life();
        let changes = event.changes();
        world.happen(event);
        if changes {
            world.database.check_ledgers();
        }
        if whose.is_some() || changes {
            world.carry_out(whose);
        }
        if world.calm && world.is_over() {
            break;
        }
    }
    assert!(world.is_over(), "nothing happens any more, and not everything has ended: {}", world.rest());
    assert_eq!(world.witness.ends, world.accepted, "as many ends as errands that were not withdrawn");
    Sum { starts: world.witness.starts, ends: world.witness.ends, answers: world.witness.answers }
}

impl World {
    fn new(seed: u64) -> Self {
        let mut random = SmallRng::seed_from_u64(seed);
        let slots = (0..random.random_range(1..=3)).map(|_| Slot::empty()).collect();
        Self {
            random,
            us: 0,
            boot_us: -60 * SECOND,
            boot: "boot 1".into(),
            wall_ahead_ms: START,
            events: BinaryHeap::new(),
            what: std::collections::HashMap::new(),
            counter: 0,
            database: Database::default(),
            slots,
            witness: Witness::default(),
            accepted: 0,
            calm: false,
        }
    }

    fn begin(&mut self) {
        for lane in 1..=self.random.random_range(1..=4) {
            let pace = self.any_pace();
            self.database.add_lane(lane, pace);
        }
        for _ in 0..self.random.random_range(0..=2) {
            self.add_mailing();
        }
        for slot in 0..self.slots.len() {
            self.at(0, Event::Revive(slot));
        }
        for _ in 0..self.random.random_range(5..60) {
            let us = self.random.random_range(0..TROUBLE_US);
            self.at(us, Event::Arrive);
        }
        for _ in 0..self.random.random_range(0..25) {
            let us = self.random.random_range(0..TROUBLE_US);
            self.at(us, Event::Trouble);
        }
        self.at(0, Event::Feed);
        self.at(0, Event::Keep);
        self.at(TROUBLE_US, Event::Calm);
    }

    fn any_pace(&mut self) -> Pace {
        match self.random.random_range(0..6) {
            0 => Pace::NONE,
            1 => Pace::Bucket { per_second_milli: 2_000, burst: self.random.random_range(1..5) },
            2 => Pace::Gap { from_ms: 2_000, to_ms: 2_000, live_ms: 0 },
            3 => Pace::CAREFUL,
            _ => {
                let from_ms = self.random.random_range(100..4_000);
                let to_ms = from_ms + self.random.random_range(0..4_000);
                Pace::Gap { from_ms, to_ms, live_ms: self.random.random_range(0..1_500) }
            }
        }
    }

    fn add_mailing(&mut self) {
        let lane = self.any_lane();
        let size = self.random.random_range(1..15);
        let pending = (0..size).map(|n| format!("m{n}")).collect();
        let rank = self.random.random_range(2..=3);
        let state = "running";
        self.database.mailings.push(Mailing { lane, rank, state, pending, size, ..Mailing::default() });
    }

    fn any_lane(&mut self) -> LaneId {
        self.random.random_range(1..=i64::try_from(self.database.lanes.len()).unwrap())
    }

    fn at(&mut self, us: i64, event: Event) {
        self.counter += 1;
        self.what.insert(self.counter, event);
        self.events.push(Reverse((us, self.counter)));
    }

    fn after(&mut self, least_us: i64, most_us: i64, event: Event) {
        let wait_us = self.random.random_range(least_us..=most_us);
        self.at(self.us + wait_us, event);
    }

    fn now(&self) -> Moment {
        Moment(self.us.div_euclid(MS) + self.wall_ahead_ms)
    }

    fn tick(&self) -> Tick {
        Tick(self.us - self.boot_us)
    }

    /// A wait for the database: a few milliseconds, sometimes seconds.
    fn wait(&mut self) -> i64 {
        if !self.calm && self.random.random_bool(0.02) {
            self.random.random_range(SECOND..6 * SECOND)
        } else {
            self.random.random_range(100..8 * MS)
        }
    }

    fn process(&mut self, life: Life) -> Option<&mut Process> {
        let slot = &mut self.slots[life.slot];
        slot.process.as_mut().filter(|_| slot.number == life.number)
    }

    fn lives(&self) -> Vec<Life> {
        let lives = self.slots.iter().enumerate().filter(|(_, slot)| slot.process.is_some());
        lives.map(|(slot, at)| Life { slot, number: at.number }).collect()
    }

    fn is_over(&self) -> bool {
        let fed = |mailing: &Mailing| mailing.pending.is_empty() && mailing.queued.is_empty();
        self.database.errands.is_empty() && self.database.mailings.iter().all(fed)
    }

    fn rest(&self) -> String {
        let errand = |row: &super::database::Row| {
            let errand = &row.errand;
            format!("{} (lane {}, rank {:?}, flying {})", errand.id, errand.lane, errand.rank, row.flying)
        };
        let errands: Vec<String> = self.database.errands.values().map(errand).collect();
        errands.join(", ")
    }

    fn happen(&mut self, event: Event) {
        let (now, tick) = (self.now(), self.tick());
        // what a process would do while it is held up, it does afterwards
        if let Some(life) = event.of_life() {
            let until_us = self.slots[life.slot].stalled_until_us;
            if until_us > self.us {
                return self.at(until_us, event);
            }
        }
        match event {
            Event::Turn(life) => self.slots[life.slot].next_turn_us = i64::MAX,
            Event::ClaimRuns { life, owner, claim, by, wants, planned_us, lost } => {
                let rows = self.database.claim(&owner, claim, by, &wants);
                if !lost && let Some(rows) = &rows {
                    self.check_ranks(&wants, rows, by, planned_us);
                }
                let us = self.us + self.wait();
                if lost {
                    // the commit's answer got lost: the same claim is asked for again
                    self.at(
                        us + 500 * MS,
                        Event::ClaimRuns { life, owner, claim, by, wants, planned_us: i64::MIN, lost: false },
                    );
                } else {
                    self.at(us, Event::ClaimHeard { life, claim, wants, rows });
                }
            }
            Event::ClaimHeard { life, claim, wants, rows } => {
                if let Some(process) = self.process(life) {
                    process.claimed(claim, &wants, rows, now, tick);
                }
            }
            Event::Began { life, number, at } => {
                if let Some(process) = self.process(life)
                    && let Some(sent) = process.started(number, at, now)
                {
                    let pace = process.lanes.get(sent.lane).map(|lane| lane.pace);
                    if let Some(pace) = pace {
                        self.witness.gap(&sent, pace);
                    }
                }
            }
            Event::Ended { life, number, lane, answers } => self.ended(life, number, lane, answers),
            Event::SettleRuns { life, batch, lost } => {
                let over = self.database.settle(&batch);
                self.tell(&over);
                let us = self.us + self.wait();
                if lost {
                    self.at(us + 500 * MS, Event::SettleRuns { life, batch, lost: false });
                } else {
                    self.at(us, Event::SettleHeard { life, batch });
                }
            }
            Event::SettleHeard { life, batch } => self.settled(life, &batch),
            Event::Announce { life, accepted } => self.announce(life, &accepted),
            Event::Read { life, lane } => {
                let row = Box::new(self.database.lanes[&lane].clone());
                if let Some(tenure) = self.process(life).map(|process| process.tenure) {
                    self.after(100, 5 * MS, Event::Row { life, tenure, row });
                }
            }
            Event::Row { life, tenure, row } => {
                if let Some(process) = self.process(life) {
                    if process.tenure != tenure {
                        return self.after(0, MS, Event::Read { life, lane: row.id });
                    }
                    process.lanes.change(&row, now, tick).unwrap();
                }
            }
            Event::Wake(life) => self.wake(life),
            Event::Inherit(owner) => self.inherit(&owner),
            Event::Take => self.take(),
            Event::Revive(slot) => self.revive(slot),
            Event::Rescan(life) => self.rescan(life),
            Event::Arrive => self.arrive(),
            Event::Trouble => self.trouble(),
            Event::Feed => self.feed(),
            Event::Keep => self.keep(),
            Event::Calm => self.calm(),
        }
    }

    /// A process turns, or all of them, and what it wishes is set going.
    fn carry_out(&mut self, whose: Option<Life>) {
        for life in self.lives() {
            if whose.is_some_and(|whose| whose != life) {
                continue;
            }
            if self.slots[life.slot].stalled_until_us > self.us {
                continue;
            }
            let (now, tick) = (self.now(), self.tick());
            while let Some(process) = self.process(life) {
                process.turn(now, tick);
                let wishes = std::mem::take(&mut process.wishes);
                if wishes.is_empty() {
                    break;
                }
                for wish in wishes {
                    self.grant(life, wish);
                }
            }
            let next = self.process(life).and_then(|process| process.next_tick());
            let next_us = next.map_or(i64::MAX, |tick| (tick.0 + self.boot_us).max(self.us + 50));
            if next_us < self.slots[life.slot].next_turn_us {
                self.slots[life.slot].next_turn_us = next_us;
                self.at(next_us, Event::Turn(life));
            }
        }
    }

    fn grant(&mut self, life: Life, wish: Wish) {
        let lost = !self.calm && self.random.random_bool(0.02);
        match wish {
            Wish::Claim(wants) => {
                self.counter += 1;
                let (claim, by, planned_us) = (self.counter, self.now(), self.us);
                let owner = self.slots[life.slot].process.as_ref().unwrap().owner.clone();
                let us = self.us + self.wait();
                self.at(us, Event::ClaimRuns { life, owner, claim, by, wants, planned_us, lost });
            }
            Wish::Call(number, flight) => self.call(life, number, &flight),
            Wish::Settle(batch) => {
                let us = self.us + self.wait();
                self.at(us, Event::SettleRuns { life, batch, lost });
            }
            Wish::Give(lane, owner) => {
                if self.database.owner_of.get(&lane) == Some(&owner) {
                    self.database.owner_of.remove(&lane);
                }
                self.after(MS, 500 * MS, Event::Take);
            }
        }
    }

    fn call(&mut self, life: Life, number: u64, flight: &Flight) {
        let (now, us) = (self.now(), self.us);
        let process = self.slots[life.slot].process.as_ref().unwrap();
        let lane = process.lanes.get(flight.lane).unwrap();
        self.witness.call(&self.database, lane, flight.which, &flight.errands, us, now);
        let answers: Vec<Answer> =
            flight.errands.iter().map(|errand| vendor::answer(&mut self.random, errand, self.calm)).collect();
        // a vendor that answers at once, one that takes its time, and one that is nearly given up
        let took_us = match self.random.random_range(0..20) {
            0..8 => 0,
            8..19 => self.random.random_range(MS..700 * MS),
            _ => self.random.random_range(5 * SECOND..40 * SECOND),
        };
        let began_us = self.us + self.random.random_range(0..MS);
        self.at(began_us, Event::Began { life, number, at: Tick(began_us - self.boot_us) });
        self.at(began_us + took_us, Event::Ended { life, number, lane: flight.lane, answers });
    }

    fn ended(&mut self, life: Life, number: u64, lane: LaneId, answers: Vec<Answer>) {
        let (now, tick) = (self.now(), self.tick());
        let Some(process) = self.process(life) else { return };
        let errands = process.errands_of(number);
        for (errand, answer) in errands.iter().zip(&answers) {
            self.witness.answer(errand, Some(answer));
        }
        if answers.iter().any(|answer| matches!(answer, Answer::Expired { .. })) {
            // the flow loses the channel before the answer is handed on, and somebody attaches it again
            self.set_state(lane, if self.calm { LaneState::Running } else { LaneState::Lost });
        }
        self.process(life).unwrap().land(number, answers, now, tick);
    }

    fn settled(&mut self, life: Life, batch: &Batch) {
        let (now, tick, us) = (self.now(), self.tick(), self.us);
        let Some(process) = self.process(life) else { return };
        process.written(batch, now, tick);
        let held = process.held.clone();
        for Settled { errand, fate, .. } in batch.settled.iter().filter(|entry| held.contains(&entry.errand.lane)) {
            if let (Fate::Again { not_before, .. }, Some(row)) = (fate, self.database.errands.get_mut(&errand.id)) {
                row.known_us = Some(us + not_before.since_ms(now).max(0) * MS + 30 * MS);
            }
        }
    }

    fn tell(&mut self, over: &[(Errand, Fate)]) {
        for (errand, fate) in over {
            self.witness.end(errand, fate);
        }
    }

    fn announce(&mut self, life: Life, accepted: &Accepted) {
        let (now, tick, us) = (self.now(), self.tick(), self.us);
        let Some(process) = self.process(life) else { return };
        if !process.held.contains(&accepted.lane) {
            return;
        }
        process.accepted(accepted, now, tick);
        let wait_us = accepted.not_before.since_ms(now).max(0) * MS;
        if let Some(row) = self.database.errands.get_mut(&accepted.id)
            && !row.flying
        {
            row.known_us = Some(us + wait_us + 30 * MS);
        }
    }

    fn say(&mut self, accepted: Accepted) {
        for life in self.lives() {
            self.after(50, 15 * MS, Event::Announce { life, accepted });
        }
    }

    fn set_state(&mut self, lane: LaneId, state: LaneState) {
        self.database.lanes.get_mut(&lane).unwrap().state = state.to_db();
        self.changed(lane);
    }

    fn changed(&mut self, lane: LaneId) {
        for life in self.lives() {
            self.after(50, 15 * MS, Event::Read { life, lane });
        }
    }

    /// What was known to wait when a claim was planned, and stands before what it got, was not passed over.
    fn check_ranks(&self, wants: &[Want], got: &[Errand], by: Moment, planned_us: i64) {
        for want in wants {
            let last = got.iter().filter(|errand| {
                errand.lane == want.lane && (want.ranks.0..=want.ranks.1).contains(&errand.rank.to_db())
            });
            let Some(last) = last.map(|errand| (errand.rank.to_db(), errand.id)).max() else { continue };
            let from_start = Want { after: (-1, 0), ..want.clone() };
            // by the calendar it was due when the claim was planned
            let due = by.plus_ms(-30);
            for row in self.database.errands.values().filter(|row| wanted(row, &from_start, due)) {
                let place = (row.errand.rank.to_db(), row.errand.id);
                let known = row.known_us.is_some_and(|known| known < planned_us);
                assert!(
                    !known || place > last,
                    "errand {place:?} of lane {} is passed over by {last:?}, known since {:?}, planned {planned_us}, {want:?}",
                    want.lane,
                    row.known_us
                );
            }
        }
    }
}

impl Slot {
    const fn empty() -> Self {
        Self { number: 0, process: None, stalled_until_us: 0, next_turn_us: i64::MAX }
    }
}

impl Event {
    /// Whether it may change rows, or what several processes hold.
    const fn changes(&self) -> bool {
        !matches!(self, Self::ClaimRuns { .. }) && self.of_life().is_none()
    }

    /// Whose doing it is, where a process does it; what happens in the database or at the vendor is nobody's.
    const fn of_life(&self) -> Option<Life> {
        match self {
            Self::Turn(life)
            | Self::Wake(life)
            | Self::Rescan(life)
            | Self::ClaimHeard { life, .. }
            | Self::Began { life, .. }
            | Self::Ended { life, .. }
            | Self::SettleHeard { life, .. }
            | Self::Announce { life, .. }
            | Self::Read { life, .. }
            | Self::Row { life, .. } => Some(*life),
            _ => None,
        }
    }
}
