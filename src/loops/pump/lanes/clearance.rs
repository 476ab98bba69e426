//! The last look before a call, and what is done when the calendar was moved.

use super::{Flight, Lanes};
use crate::model::id::LaneId;
use crate::model::moment::{Moment, Tick};

/// Whether a claimed flight may start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Clearance {
    /// Now.
    Start,
    /// Not before this tick: it is looked at again then.
    Wait(Tick),
    /// Its lane stands, or rests for long: its errands go back.
    Return,
    /// Its lane is another process's now, which looks after its errands.
    Gone,
}

/// A wait up to here keeps its claim, in milliseconds.
const SHORT_MS: i64 = 1_000;

/// Between two looks while another call of the track begins, in milliseconds.
const LOOK_MS: i64 = 5;

/// A calendar that differs so much from the tick was moved, in milliseconds: by a person, or little by little by a time server.
const MOVED_MS: i64 = 10;

impl Lanes {
    /// The last look before a call: since it was claimed its lane may have been paused, asked to rest, or given another pace.
    #[must_use]
    pub fn clearance(&self, flight: &Flight, now: Moment, tick: Tick) -> Clearance {
        let Some(lane) = self.by_id.get(&flight.lane) else { return Clearance::Gone };
        let Some(opens) = lane.opens(flight.which, now, tick) else { return Clearance::Return };
        if lane.is_launching(flight.which) {
            return Clearance::Wait(opens.max(tick.plus_ms(LOOK_MS)));
        }
        match opens.since_ms(tick) {
            _ if opens <= tick => Clearance::Start,
            0..=SHORT_MS => Clearance::Wait(opens),
            _ => Clearance::Return,
        }
    }

    /// A call begins: until its tick is known, no other one of a paced track may.
    pub fn launched(&mut self, flight: &Flight) {
        if let Some(lane) = self.by_id.get_mut(&flight.lane) {
            lane.track(flight.which).launching = true;
        }
    }

    /// Compares the calendar with the tick. Where it was moved, errands that wait for a moment of it are due at another
    /// tick, and lanes that wait for their hours are looked at again; pauses and gaps go on by the tick.
    pub(super) fn compare_calendar(&mut self, now: Moment, tick: Tick) {
        let ahead_ms = now.0.saturating_sub(tick.0.div_euclid(1000));
        let moved_ms = ahead_ms.saturating_sub(*self.calendar_ahead_ms.get_or_insert(ahead_ms));
        if moved_ms.abs() <= MOVED_MS {
            return;
        }
        self.calendar_ahead_ms = Some(ahead_ms);
        let mut ids: Vec<LaneId> = Vec::new();
        for lane in self.by_id.values_mut() {
            for blocked in lane.blocked.iter_mut().filter(|blocked| blocked.of_calendar) {
                blocked.until = blocked.until.plus_ms(moved_ms.saturating_neg());
            }
            if lane.hours.is_some() || !lane.blocked.is_empty() {
                ids.push(lane.id);
            }
        }
        for id in ids {
            self.list(id, now, tick);
        }
    }
}
