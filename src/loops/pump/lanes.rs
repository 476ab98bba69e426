//! All lanes of a process: which of them are due, what to claim for them, and what an answer means for the next call.
//!
//! No input, no output, no clock of its own: the pump tells the time and carries the plans out, the simulator of the tests
//! does the same with seeds. Everything here happens on one thread.

mod clearance;
mod judge;

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap, HashSet};
use std::sync::Arc;

use rand::SeedableRng as _;
use rand::rngs::SmallRng;

use super::lane::{Blocked, Lane, Which};
use super::plan::{board, eligible, flight, give_place, looked, recall, release, want};
use crate::model::errand::Errand;
use crate::model::id::{ErrandId, LaneId};
use crate::model::moment::{Moment, Tick};
use crate::model::pace::Pace;
use crate::model::vendor::Answer;
use crate::store::Result;
use crate::store::outbox::{Accepted, Want};
use crate::store::row::{LaneRow, LaneState, Sent};

pub use self::clearance::Clearance;

/// How the pump goes about it.
#[derive(Debug, Clone, Copy)]
pub struct Rules {
    /// How long before its moment an errand is claimed, in milliseconds: the commit is then done when the moment comes.
    pub ahead_ms: i64,
    /// Open calls of one lane, at most.
    pub lane_flights: u32,
    /// Errands of one claim, at most.
    pub claim_size: usize,
    /// Statuses of one portal that leave in one call.
    pub batch_size: i32,
    /// The longest pause between attempts, in milliseconds.
    pub longest_pause_ms: i64,
}

impl Default for Rules {
    fn default() -> Self {
        Self { ahead_ms: 40, lane_flights: 32, claim_size: 1000, batch_size: 50, longest_pause_ms: 300_000 }
    }
}

/// Errands that leave in one call, and when.
#[derive(Debug, Clone, PartialEq)]
pub struct Flight {
    /// The lane.
    pub lane: LaneId,
    /// The track.
    pub which: Which,
    /// Not before this tick.
    pub start: Tick,
    /// One errand, or several statuses of one portal.
    pub errands: Vec<Errand>,
}

/// What comes of a claim.
#[derive(Debug, Default)]
pub struct Boarded {
    /// Calls, and when they start.
    pub flights: Vec<Flight>,
    /// Errands whose time is over.
    pub late: Vec<Errand>,
    /// Errands that go back: an earlier one to their recipient was put back while they were claimed.
    pub back: Vec<Errand>,
}

/// What becomes of an errand after a call.
#[derive(Debug, Clone, PartialEq)]
pub enum Fate {
    /// It is over, with this answer.
    Final(Answer),
    /// It goes back into the queue.
    Again {
        /// Not before this moment.
        not_before: Moment,
        /// How often a vendor was down for it by now.
        attempts: i32,
    },
}

/// The lanes.
#[derive(Debug)]
pub struct Lanes {
    rules: Rules,
    random: SmallRng,
    by_id: HashMap<LaneId, Lane>,
    timetable: BinaryHeap<Reverse<(Tick, LaneId)>>,
    leaving: HashSet<i16>,
    calendar_ahead_ms: Option<i64>,
}

/// The least share of a claim.
const LEAST_SHARE: usize = 64;

impl Lanes {
    /// No lanes yet. The seed decides the gaps that are drawn.
    #[must_use]
    pub fn new(rules: Rules, seed: u64) -> Self {
        Self {
            rules,
            random: SmallRng::seed_from_u64(seed),
            by_id: HashMap::new(),
            timetable: BinaryHeap::new(),
            leaving: HashSet::new(),
            calendar_ahead_ms: None,
        }
    }

    /// Takes a lane over. Where its last call was made on this boot of the machine, the gap goes on from there, whatever was
    /// done to the calendar; otherwise nobody can tell how long ago it was, and a whole gap is waited.
    ///
    /// # Errors
    /// Where the row cannot be read.
    pub fn adopt(&mut self, row: &LaneRow, boot: &str, tick: Tick) -> Result<()> {
        let pace = row.pace()?;
        let mut lane = Lane::new(row.id, row.shard, pace, tick);
        match (&row.sent_boot, pace) {
            (Some(sent_boot), Pace::Gap { live_ms, .. }) if sent_boot == boot => {
                lane.second.due = Tick(row.sent_tick).plus_ms(row.sent_gap_ms);
                lane.first.due = Tick(row.live_tick).plus_ms(live_ms);
            }
            (Some(_), Pace::Gap { to_ms, live_ms, .. }) => {
                lane.second.due = tick.plus_ms(row.sent_gap_ms.max(to_ms));
                lane.first.due = tick.plus_ms(live_ms);
            }
            // a bucket begins empty: what the last owner took out of it is not known
            (None, _) | (_, Pace::Bucket { .. }) => {}
        }
        Self::settings(&mut lane, row)?;
        self.by_id.insert(row.id, lane);
        Ok(())
    }

    /// Takes over what was changed in a lane's row: its state, its pace, its hours.
    ///
    /// # Errors
    /// Where the row cannot be read.
    pub fn change(&mut self, row: &LaneRow, now: Moment, tick: Tick) -> Result<()> {
        let Some(mut lane) = self.by_id.remove(&row.id) else { return Ok(()) };
        // a running gap stays as it was drawn; the new pace holds from the next call on
        let read = Self::settings(&mut lane, row);
        self.by_id.insert(row.id, lane);
        self.list(row.id, now, tick);
        read
    }

    fn settings(lane: &mut Lane, row: &LaneRow) -> Result<()> {
        lane.state = LaneState::from_db(row.state);
        lane.pace = row.pace()?;
        lane.hours = row.hours()?.map(Arc::new);
        lane.version = row.version;
        Ok(())
    }

    /// Whether the lane is here.
    #[must_use]
    pub fn has(&self, lane: LaneId) -> bool {
        self.by_id.contains_key(&lane)
    }

    /// The lanes that are here.
    pub fn ids(&self) -> impl Iterator<Item = LaneId> {
        self.by_id.keys().copied()
    }

    /// One lane, to look at.
    #[must_use]
    pub fn get(&self, lane: LaneId) -> Option<&Lane> {
        self.by_id.get(&lane)
    }

    /// How many lanes are here, and how many errands of theirs fly.
    #[must_use]
    pub fn count(&self) -> (usize, u64) {
        (self.by_id.len(), self.by_id.values().map(|lane| u64::from(lane.flying)).sum())
    }

    /// Something waits in a lane. Tells whether the lane is here.
    pub fn wake(&mut self, lane: LaneId, rank: i16, id: ErrandId, now: Moment, tick: Tick) -> bool {
        let Some(entry) = self.by_id.get_mut(&lane) else { return false };
        let which = entry.which(rank);
        entry.track(which).wake(rank, id);
        self.list(lane, now, tick);
        true
    }

    /// An errand that was accepted: one that is planned for later is looked for when its moment has come.
    pub fn accepted(&mut self, errand: &Accepted, now: Moment, tick: Tick) -> bool {
        self.compare_calendar(now, tick);
        if errand.not_before <= now {
            return self.wake(errand.lane, errand.rank.to_db(), errand.id, now, tick);
        }
        let until = tick.plus_ms(errand.not_before.since_ms(now));
        let rank = errand.rank.to_db();
        let blocked = Blocked { until, id: errand.id, of_calendar: true, peer: String::new(), rank };
        self.block(errand.lane, blocked, now, tick)
    }

    /// An errand waits; later errands of the rank to its recipient wait too. Tells whether the lane is here.
    pub fn block(&mut self, lane: LaneId, blocked: Blocked, now: Moment, tick: Tick) -> bool {
        self.compare_calendar(now, tick);
        let Some(entry) = self.by_id.get_mut(&lane) else { return false };
        entry.blocked.push(blocked);
        self.list(lane, now, tick);
        true
    }

    /// When to look again. A claim takes whatever is due within the whole time ahead, and the next look comes only when half of
    /// it is left: so many lanes share one claim instead of having one each.
    #[must_use]
    pub fn next_tick(&self) -> Option<Tick> {
        self.timetable.peek().map(|Reverse((tick, _))| Tick(tick.0 - self.rules.ahead_ms * 500))
    }

    /// What is to be claimed now.
    pub fn plan(&mut self, now: Moment, tick: Tick) -> Vec<Want> {
        self.compare_calendar(now, tick);
        let horizon = tick.plus_ms(self.rules.ahead_ms);
        // lanes without a pace share a claim: none of them waits for all of another, and what was accepted together, whose rows
        // lie together, leaves together
        let share = (self.rules.claim_size / self.timetable.len().max(1)).max(LEAST_SHARE);
        let share = i32::try_from(share).unwrap_or(i32::MAX);
        let (mut wants, mut size) = (Vec::new(), 0usize);
        while size < self.rules.claim_size {
            match self.timetable.peek() {
                Some(Reverse((at, _))) if *at <= horizon => {}
                _ => break,
            }
            let Some(Reverse((at, id))) = self.timetable.pop() else { break };
            let Some(lane) = self.by_id.get_mut(&id).filter(|lane| lane.listed_at == Some(at)) else { continue };
            lane.listed_at = None;
            if self.leaving.contains(&lane.shard) {
                continue;
            }
            release(lane, tick);
            for which in [Which::First, Which::Second] {
                if eligible(lane, which, &self.rules, now, tick).is_some_and(|due| due <= horizon) {
                    let want = want(lane, which, &self.rules, share);
                    size += usize::try_from(want.limit).unwrap_or(1);
                    wants.push(want);
                }
            }
            self.list(id, now, tick);
        }
        wants
    }

    /// What was claimed for the wants of a plan.
    pub fn claimed(&mut self, wants: &[Want], rows: Vec<Errand>, now: Moment, tick: Tick) -> Boarded {
        let mut by_track: HashMap<(LaneId, Which), Vec<Errand>> = HashMap::new();
        for errand in rows {
            let which = self.by_id.get(&errand.lane).map_or(Which::Second, |lane| lane.which(errand.rank.to_db()));
            by_track.entry((errand.lane, which)).or_default().push(errand);
        }
        let mut boarded = Boarded::default();
        for want in wants {
            let which = if want.live { Which::First } else { Which::Second };
            let got = by_track.remove(&(want.lane, which)).unwrap_or_default();
            if let Some(lane) = self.by_id.get_mut(&want.lane) {
                looked(lane.track(which), want, &got);
                board(lane, which, got, (now, tick), &mut boarded);
            }
            self.list(want.lane, now, tick);
        }
        boarded
    }

    /// A claim failed: its lanes are free for the next one.
    pub fn unclaimed(&mut self, wants: &[Want], now: Moment, tick: Tick) {
        for want in wants {
            if let Some(lane) = self.by_id.get_mut(&want.lane) {
                lane.track(if want.live { Which::First } else { Which::Second }).claiming = false;
            }
            self.list(want.lane, now, tick);
        }
    }

    /// A call has started at this tick. The answer is what must be written down when it is settled.
    pub fn started(&mut self, id: LaneId, which: Which, at: Tick, now: Moment) -> Sent {
        let mut sent = Sent { lane: id, paced: None, live: None };
        if let Some(lane) = self.by_id.get_mut(&id) {
            let gap_ms = lane.started(which, at, &mut self.random);
            match (lane.pace, which) {
                (Pace::Gap { live_ms, .. }, Which::First) if live_ms > 0 => sent.live = Some(at),
                (Pace::Gap { to_ms, .. }, Which::Second) if to_ms > 0 => sent.paced = Some((at, gap_ms)),
                _ => {}
            }
        }
        self.list(id, now, at);
        sent
    }

    /// Another call of the same errand has started: the gap that was drawn counts from it.
    pub fn moved(&mut self, mut sent: Sent, at: Tick, now: Moment) -> Sent {
        if let Some(lane) = self.by_id.get_mut(&sent.lane) {
            if let Some((_, gap_ms)) = sent.paced {
                sent.paced = Some((at, gap_ms));
                lane.second.due = lane.second.due.max(at.plus_ms(gap_ms));
            }
            if let (Some(_), Pace::Gap { live_ms, .. }) = (sent.live, lane.pace) {
                sent.live = Some(at);
                lane.first.due = lane.first.due.max(at.plus_ms(live_ms));
            }
        }
        self.list(sent.lane, now, at);
        sent
    }

    /// So many more turns of a portal's bucket are taken at this tick than its errands, or fewer where the number is negative:
    /// portals count calls, and an errand may make several.
    pub fn charge(&mut self, id: LaneId, turns: i64, at: Tick, now: Moment) {
        if let (Some(lane), true) = (self.by_id.get_mut(&id), turns != 0) {
            lane.charge(turns, at);
            self.list(id, now, at);
        }
    }

    /// A flight that never started: its errands go back as they were, and what was held behind them too.
    pub fn grounded(&mut self, flight: &Flight, now: Moment, tick: Tick) -> Vec<Errand> {
        let mut back = flight.errands.clone();
        let Some(lane) = self.by_id.get_mut(&flight.lane) else { return back };
        let track = lane.track(flight.which);
        track.unstarted = track.unstarted.saturating_sub(1);
        for errand in &flight.errands {
            back.extend(recall(lane, errand));
        }
        self.list(flight.lane, now, tick);
        back
    }

    /// An errand is settled: its recipient is free for the next one, or waits for the other attempt. Gives back what may
    /// start now, and what was claimed behind it and must go back.
    pub fn settled(&mut self, errand: &Errand, fate: &Fate, now: Moment, tick: Tick) -> (Option<Flight>, Vec<Errand>) {
        let mut freed = (None, Vec::new());
        if let Some(lane) = self.by_id.get_mut(&errand.lane) {
            lane.flying = lane.flying.saturating_sub(1);
            let rank = errand.rank.to_db();
            let which = lane.which(rank);
            if let Fate::Again { .. } = fate {
                let until = lane.pauses.remove(&errand.id).unwrap_or(tick);
                let peer = errand.peer.clone();
                lane.blocked.push(Blocked { until, id: errand.id, of_calendar: false, peer, rank });
                freed.1 = recall(lane, errand);
                lane.pauses.extend(freed.1.iter().map(|held| (held.id, until)));
            }
            if let Some(next) = give_place(lane, errand) {
                freed.0 = Some(flight(lane, which, vec![next], now, tick));
            } else if !lane.is_unpaced(which) && !errand.peer.is_empty() && !lane.in_air_of(errand) {
                // errands to this recipient may have been passed over while it had one on its way
                lane.track(which).rewind();
            }
        }
        self.list(errand.lane, now, tick);
        freed
    }

    /// A lane that was taken over just now is looked at from its beginning.
    pub fn look_at(&mut self, lane: LaneId, now: Moment, tick: Tick) {
        if let Some(entry) = self.by_id.get_mut(&lane) {
            entry.first.rewind();
            entry.second.rewind();
        }
        self.list(lane, now, tick);
    }

    /// Forgets everything: the lanes are another's now.
    pub fn clear(&mut self) {
        self.by_id.clear();
        self.timetable.clear();
        self.leaving.clear();
    }

    /// Every lane is looked at from its beginning: what was overlooked is found.
    pub fn rewind(&mut self, heads: &[(LaneId, i16, ErrandId)], now: Moment, tick: Tick) {
        for (lane, rank, id) in heads {
            self.wake(*lane, *rank, *id, now, tick);
        }
    }

    /// Nothing more is claimed for these shards. Gives back those that are empty already.
    pub fn leave(&mut self, shards: &[i16]) -> Vec<i16> {
        self.leaving.extend(shards);
        if self.leaving.is_empty() {
            // asked after every settling: all lanes are gone through only where some are on their way out
            return Vec::new();
        }
        let busy: HashSet<i16> = self
            .by_id
            .values()
            .filter(|lane| lane.flying > 0 || lane.first.claiming || lane.second.claiming)
            .map(|lane| lane.shard)
            .collect();
        let empty: Vec<i16> = self.leaving.iter().copied().filter(|shard| !busy.contains(shard)).collect();
        for shard in &empty {
            self.leaving.remove(shard);
        }
        let gone: HashSet<i16> = empty.iter().copied().collect();
        self.by_id.retain(|_, lane| !gone.contains(&lane.shard));
        empty
    }

    /// Puts a lane into the timetable at its next tick.
    fn list(&mut self, id: LaneId, now: Moment, tick: Tick) {
        let Some(lane) = self.by_id.get_mut(&id) else { return };
        // a pause is over at its tick and no moment before: what is due is listed by its tick and looked at ahead of it
        let release = lane.blocked.iter().map(|blocked| blocked.until.plus_ms(self.rules.ahead_ms)).min();
        let first = eligible(lane, Which::First, &self.rules, now, tick);
        let second = eligible(lane, Which::Second, &self.rules, now, tick);
        let Some(at) = [first, second, release].into_iter().flatten().min() else { return };
        if lane.listed_at.is_none_or(|listed| at < listed) {
            lane.listed_at = Some(at);
            self.timetable.push(Reverse((at, id)));
        }
    }
}
