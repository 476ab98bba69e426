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
    open: HashMap<u64, (Flight, Option<Sent>)>,
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
        self.open.insert(self.last, (flight, None));
        self.last
    }

    /// The number of the flight that was opened or kept last.
    pub(super) const fn last(&self) -> u64 {
        self.last
    }

    /// When the open call really started.
    pub(super) fn note(&mut self, number: u64, sent: Sent) {
        if let Some(entry) = self.open.get_mut(&number) {
            entry.1 = Some(sent);
        }
    }

    /// When the open call really started, as far as it was noted.
    pub(super) fn noted(&self, number: u64) -> Option<Sent> {
        self.open.get(&number).and_then(|(_, sent)| *sent)
    }

    /// A call has ended.
    pub(super) fn close(&mut self, number: u64) -> Option<(Flight, Option<Sent>)> {
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
