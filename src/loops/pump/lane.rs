//! One lane in the pump's memory: when its next call may start, and what is known of its queue.
//!
//! A lane has two tracks. On a channel the first one is for live answers and the second one for everything paced; on a
//! portal the first one is for calls and the second one for statuses, which leave in batches when nothing else waits.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use rand::Rng;

use crate::model::errand::Errand;
use crate::model::id::{ErrandId, LaneId};
use crate::model::moment::{Moment, Tick};
use crate::model::pace::Pace;
use crate::model::window::Window;
use crate::store::row::LaneState;

/// Which of the two tracks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Which {
    /// Live answers; on a portal, calls.
    First,
    /// Paced messages; on a portal, statuses.
    Second,
}

/// The place before the first errand of a lane.
pub const START: (i16, ErrandId) = (-1, 0);

/// One track of a lane.
#[derive(Debug, Clone)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each one is asked for alone; together they are no state of their own"
)]
pub struct Track {
    /// No call may start before this tick.
    pub due: Tick,
    /// Everything up to this place was looked at.
    pub after: (i16, ErrandId),
    /// Whether something may wait behind it.
    pub work: bool,
    /// Whether a claim is under way.
    pub claiming: bool,
    /// Whether something came while a claim was under way.
    pub woken: bool,
    /// Calls that are claimed and have not started.
    pub unstarted: u32,
    /// Whether a call begins just now: until its tick is known nothing else of a paced track may begin.
    pub launching: bool,
    /// Errands whose wait is over: they are claimed even where the calendar was moved since and says otherwise.
    pub ready: Vec<ErrandId>,
}

impl Track {
    const fn new(due: Tick) -> Self {
        let ready = Vec::new();
        Self { due, after: START, work: false, claiming: false, woken: false, unstarted: 0, launching: false, ready }
    }

    /// Something waits at this place.
    pub fn wake(&mut self, rank: i16, id: ErrandId) {
        self.work = true;
        self.woken = true;
        self.after = self.after.min((rank, id - 1));
    }

    /// Looks at everything again.
    pub const fn rewind(&mut self) {
        self.work = true;
        self.woken = true;
        self.after = START;
    }
}

/// An errand that waits for another attempt, or for its moment: later ones of the same rank to its recipient must not
/// overtake it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Blocked {
    /// Until when.
    pub until: Tick,
    /// The errand.
    pub id: ErrandId,
    /// Whether it waits for a moment of the calendar, which may be moved; a pause between attempts goes by the tick.
    pub of_calendar: bool,
    /// The recipient; empty where the errand has none.
    pub peer: String,
    /// The rank of the errand.
    pub rank: i16,
}

/// A recipient that something was claimed for and not settled yet.
#[derive(Debug, Clone, Default)]
pub struct Air {
    /// How many of its errands are on their way; more than one only while they go back.
    pub open: u32,
    /// What was claimed behind them and starts when they are over.
    pub held: VecDeque<Errand>,
}

/// A lane.
#[derive(Debug, Clone)]
pub struct Lane {
    /// Its number.
    pub id: LaneId,
    /// Its shard.
    pub shard: i16,
    /// Its state.
    pub state: LaneState,
    /// Its pace.
    pub pace: Pace,
    /// Its hours.
    pub hours: Option<Arc<Window>>,
    /// The version of the row it was read from.
    pub version: i64,
    /// Live answers, or calls of a portal.
    pub first: Track,
    /// Paced messages, or statuses of a portal.
    pub second: Track,
    /// The vendor asked for rest until then.
    pub rest_until: Tick,
    /// How many calls in a row found the vendor down.
    pub downs: u32,
    /// Claimed and not settled.
    pub flying: u32,
    /// Recipients that wait for another attempt.
    pub blocked: Vec<Blocked>,
    /// Until when errands shall pause that are about to go back.
    pub pauses: HashMap<ErrandId, Tick>,
    /// Recipients that something was claimed for, by rank.
    pub in_air: HashMap<(i16, String), Air>,
    /// For which tick the lane stands in the timetable.
    pub listed_at: Option<Tick>,
}

impl Lane {
    /// A lane that nobody has sent through yet.
    #[must_use]
    pub fn new(id: LaneId, shard: i16, pace: Pace, now: Tick) -> Self {
        Self {
            id,
            shard,
            state: LaneState::Running,
            pace,
            hours: None,
            version: 0,
            first: Track::new(now),
            second: Track::new(now),
            rest_until: Tick(i64::MIN),
            downs: 0,
            flying: 0,
            blocked: Vec::new(),
            pauses: HashMap::new(),
            in_air: HashMap::new(),
            listed_at: None,
        }
    }

    /// The track of a rank.
    #[must_use]
    pub const fn which(&self, rank: i16) -> Which {
        match self.pace {
            Pace::Gap { .. } if rank == 0 => Which::First,
            Pace::Bucket { .. } if rank < 3 => Which::First,
            Pace::Gap { .. } | Pace::Bucket { .. } => Which::Second,
        }
    }

    /// A track, to be changed.
    pub const fn track(&mut self, which: Which) -> &mut Track {
        match which {
            Which::First => &mut self.first,
            Which::Second => &mut self.second,
        }
    }

    /// The lowest and the highest rank of a track.
    #[must_use]
    pub const fn ranks(&self, which: Which) -> (i16, i16) {
        match (self.pace, which) {
            (Pace::Gap { .. }, Which::First) => (0, 0),
            (Pace::Gap { .. }, Which::Second) => (1, 3),
            (Pace::Bucket { .. }, Which::First) => (0, 2),
            (Pace::Bucket { .. }, Which::Second) => (3, 3),
        }
    }

    /// Whether the calls of a track follow each other without any pause.
    #[must_use]
    pub const fn is_unpaced(&self, which: Which) -> bool {
        match (self.pace, which) {
            (Pace::Gap { live_ms, .. }, Which::First) => live_ms == 0,
            (Pace::Gap { to_ms, .. }, Which::Second) => to_ms == 0,
            (Pace::Bucket { .. }, _) => false,
        }
    }

    /// When the next call of a track may be claimed; none while there is no work, the lane stands, or a claim is open.
    /// `now` and `tick` are the same instant on both clocks.
    #[must_use]
    pub fn next(&self, which: Which, now: Moment, tick: Tick) -> Option<Tick> {
        let track = self.see(which);
        let waits_for_the_first = matches!(self.pace, Pace::Bucket { .. }) && which == Which::Second && self.first.work;
        let open = !self.is_unpaced(which) && track.unstarted > 0;
        if !track.work || track.claiming || open || waits_for_the_first {
            return None;
        }
        self.opens(which, now, tick)
    }

    /// From when on a call of a track may start, by the pace, the rest and the hours; none while the lane stands.
    #[must_use]
    pub fn opens(&self, which: Which, now: Moment, tick: Tick) -> Option<Tick> {
        if self.state != LaneState::Running {
            return None;
        }
        let due = self.see(which).due.max(self.rest_until);
        // live answers and the calls of a portal do not ask the hours
        let asks = which == Which::Second && matches!(self.pace, Pace::Gap { .. });
        let Some(hours) = self.hours.as_ref().filter(|_| asks) else { return Some(due) };
        let due_at = now.plus_ms(due.since_ms(tick).max(0));
        let opens_at = hours.next_open(due_at)?;
        if opens_at <= now { Some(due) } else { Some(due.max(tick.plus_ms(opens_at.since_ms(now)))) }
    }

    /// Whether a call of this track, or of the other one where they share a bucket, begins just now.
    #[must_use]
    pub const fn is_launching(&self, which: Which) -> bool {
        match self.pace {
            Pace::Bucket { .. } => self.first.launching || self.second.launching,
            Pace::Gap { .. } => !self.is_unpaced(which) && self.see(which).launching,
        }
    }

    /// Whether something of an errand's rank to its recipient is still on its way.
    #[must_use]
    pub fn in_air_of(&self, errand: &Errand) -> bool {
        self.in_air.contains_key(&(errand.rank.to_db(), errand.peer.clone()))
    }

    const fn see(&self, which: Which) -> &Track {
        match which {
            Which::First => &self.first,
            Which::Second => &self.second,
        }
    }

    /// How many calls may leave at once at this tick; none where the lane has no bucket.
    #[must_use]
    pub fn calls_left(&self, tick: Tick) -> Option<i64> {
        let Pace::Bucket { per_second_milli, burst } = self.pace else { return None };
        let (step_us, room_us) = bucket_us(per_second_milli, burst);
        let due_us = self.first.due.max(self.rest_until).0.max(tick.0.saturating_sub(room_us));
        let rested_us = tick.0 - due_us;
        Some(if rested_us < 0 { 0 } else { rested_us / step_us + 1 })
    }

    /// A paced or live call has started: the next one of its track is due after a gap that is drawn now. The answer is the
    /// gap, in milliseconds.
    pub fn started(&mut self, which: Which, at: Tick, random: &mut impl Rng) -> i64 {
        let (pace, track) = (self.pace, self.track(which));
        track.unstarted = track.unstarted.saturating_sub(1);
        track.launching = false;
        match pace {
            Pace::Gap { live_ms, .. } if which == Which::First => {
                track.due = at.plus_ms(live_ms);
                live_ms
            }
            Pace::Gap { from_ms, to_ms, .. } => {
                let gap_ms = if to_ms > from_ms { random.random_range(from_ms..=to_ms) } else { from_ms };
                track.due = at.plus_ms(gap_ms);
                gap_ms
            }
            Pace::Bucket { per_second_milli, burst } => {
                self.charge(1, at);
                bucket_us(per_second_milli, burst).0 / 1000
            }
        }
    }

    /// So many turns are taken out of the bucket at this tick, or given back where the number is negative. A gap counts no turns.
    pub fn charge(&mut self, turns: i64, at: Tick) {
        let Pace::Bucket { per_second_milli, burst } = self.pace else { return };
        let (step_us, room_us) = bucket_us(per_second_milli, burst);
        // the bucket's «theoretical arrival time»: a burst may run ahead of it
        let rested = if turns > 0 { self.first.due.0.max(at.0 - room_us) } else { self.first.due.0 };
        let full = Tick(rested + step_us * turns);
        (self.first.due, self.second.due) = (full, full);
    }
}

/// The time of one call of a bucket, and of the burst that may run ahead of it; both in microseconds.
fn bucket_us(per_second_milli: i64, burst: i64) -> (i64, i64) {
    let step_us = 1_000_000_000 / per_second_milli.max(1);
    (step_us, step_us * (burst - 1).max(0))
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng as _;
    use rand::rngs::SmallRng;

    use super::*;

    #[test]
    fn a_bucket_tells_how_many_calls_are_left() {
        let (mut random, start) = (SmallRng::seed_from_u64(1), Tick(1_000_000_000));
        let mut lane = Lane::new(1, 0, Pace::Bucket { per_second_milli: 2_000, burst: 3 }, start);
        assert_eq!(lane.calls_left(start.plus_ms(60_000)), Some(3), "after a rest it is full");
        let at = start.plus_ms(60_000);
        for left in [2, 1, 0] {
            assert!(lane.first.due <= at);
            lane.started(Which::First, at, &mut random);
            assert_eq!(lane.calls_left(at), Some(left));
        }
        assert!(lane.first.due > at);
        assert_eq!(lane.calls_left(at.plus_ms(500)), Some(1), "two a second come back");
        lane.rest_until = at.plus_ms(10_000);
        assert_eq!(lane.calls_left(at.plus_ms(5_000)), Some(0), "the vendor asked for rest");
    }

    #[test]
    fn turns_that_were_taken_ahead_and_not_used_come_back() {
        let start = Tick(1_000_000_000);
        let mut lane = Lane::new(1, 0, Pace::Bucket { per_second_milli: 2_000, burst: 5 }, start);
        let at = start.plus_ms(60_000);
        lane.started(Which::First, at, &mut SmallRng::seed_from_u64(1));
        lane.charge(3, at);
        assert_eq!(lane.calls_left(at), Some(1), "one call was made and three are to come");
        lane.charge(-2, at.plus_ms(100));
        assert_eq!(lane.calls_left(at.plus_ms(100)), Some(3), "one of the three came");
        let mut gap = Lane::new(2, 0, Pace::Gap { from_ms: 10, to_ms: 10, live_ms: 10 }, start);
        gap.charge(3, at);
        assert_eq!((gap.first.due, gap.second.due), (start, start));
    }
}
