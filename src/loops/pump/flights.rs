//! Calls that are claimed and wait for their tick, and calls that are open.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap, HashMap};

use super::lanes::Flight;
use crate::model::moment::Tick;
use crate::store::row::Sent;

/// The flights of a pump.
#[derive(Debug, Default)]
pub(super) struct Flights {
    last: u64,
    kept: BTreeMap<u64, Flight>,
    starts: BinaryHeap<Reverse<(Tick, u64)>>,
    open: HashMap<u64, Open>,
}

/// An open call.
#[derive(Debug)]
pub(super) struct Open {
    pub(super) flight: Flight,
    /// When it really started, as far as that is known.
    pub(super) sent: Option<Sent>,
    /// Turns of its lane that were taken ahead for the calls that follow the first one, and are not used yet.
    pub(super) ahead: i64,
}

impl Flights {
    /// Keeps a flight until its tick.
    pub(super) fn keep(&mut self, flight: Flight) {
        self.last += 1;
        self.starts.push(Reverse((flight.start, self.last)));
        self.kept.insert(self.last, flight);
    }

    /// When the next kept flight starts.
    pub(super) fn next_start(&self) -> Option<Tick> {
        self.starts.peek().map(|Reverse((tick, _))| *tick)
    }

    /// The next kept flight whose tick has come.
    pub(super) fn due(&mut self, tick: Tick) -> Option<Flight> {
        loop {
            match self.starts.peek() {
                Some(Reverse((start, _))) if *start <= tick => {}
                _ => return None,
            }
            let Reverse((_, number)) = self.starts.pop()?;
            if let Some(flight) = self.kept.remove(&number) {
                return Some(flight);
            }
        }
    }

    /// A flight starts: the answer is its number.
    pub(super) fn open(&mut self, flight: Flight) -> u64 {
        self.last += 1;
        // a batch is one call, whatever it holds
        let ahead = if let [alone] = flight.errands.as_slice() { alone.calls() - 1 } else { 0 };
        self.open.insert(self.last, Open { flight, sent: None, ahead });
        self.last
    }

    /// The turns that are to be taken ahead for the calls of an open flight.
    pub(super) fn ahead(&self, number: u64) -> i64 {
        self.open.get(&number).map_or(0, |open| open.ahead)
    }

    /// A further call of an open flight begins. Tells how many turns are still to be taken for it: none where one was taken ahead.
    pub(super) fn follow(&mut self, number: u64) -> i64 {
        match self.open.get_mut(&number) {
            Some(open) if open.ahead > 0 => {
                open.ahead -= 1;
                0
            }
            _ => 1,
        }
    }

    /// The number of the flight that was opened or kept last.
    pub(super) const fn last(&self) -> u64 {
        self.last
    }

    /// When the open call really started.
    pub(super) fn note(&mut self, number: u64, sent: Sent) {
        if let Some(entry) = self.open.get_mut(&number) {
            entry.sent = Some(sent);
        }
    }

    /// When the open call really started, as far as it was noted.
    pub(super) fn noted(&self, number: u64) -> Option<Sent> {
        self.open.get(&number).and_then(|open| open.sent)
    }

    /// A call has ended.
    pub(super) fn close(&mut self, number: u64) -> Option<Open> {
        self.open.remove(&number)
    }

    /// Takes back everything that has not started.
    pub(super) fn ground_all(&mut self) -> Vec<Flight> {
        self.starts.clear();
        std::mem::take(&mut self.kept).into_values().collect()
    }

    /// Whether nothing is kept and nothing is open.
    pub(super) fn is_empty(&self) -> bool {
        self.kept.is_empty() && self.open.is_empty()
    }
}
