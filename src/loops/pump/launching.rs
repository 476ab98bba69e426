//! What the pump does with a claimed flight: the last look, the start at its tick, and the word of when it really left.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use futures_util::FutureExt as _;

use super::lane::Which;
use super::lanes::{Clearance, Flight};
use super::trade::Trade;
use super::{Event, Pump, seconds};
use crate::model::id::LaneId;
use crate::model::moment::{Moment, Tick};
use crate::net::departure::Departure;

impl<T: Trade> Pump<T> {
    /// Starts a call, keeps it until its tick, or gives its errands back where that is far: since the claim the hours of its
    /// lane may have ended.
    pub(super) fn fly(&mut self, flight: Flight, now: Moment, tick: Tick) {
        if self.stopping.is_some() {
            self.ground(&flight, now, tick);
        } else {
            self.launch(flight, now, tick);
        }
    }

    pub(super) fn start_due(&mut self, now: Moment, tick: Tick) {
        while let Some(flight) = self.flights.due(tick) {
            self.launch(flight, now, tick);
        }
    }

    /// The last look before a call: since the claim its lane may have been paused, or this process may have become too slow.
    fn launch(&mut self, flight: Flight, now: Moment, tick: Tick) {
        let clearance =
            // others may believe that this process is dead: nothing is started on their account
            if self.is_fenced(tick) { Clearance::Return } else { self.lanes.clearance(&flight, now, tick) };
        match clearance {
            Clearance::Start => self.start(flight, tick),
            Clearance::Wait(start) => self.flights.keep(Flight { start, ..flight }),
            Clearance::Return => self.ground(&flight, now, tick),
            Clearance::Gone => {}
        }
    }

    fn start(&mut self, flight: Flight, tick: Tick) {
        metrics::histogram!("switchboard_lateness_seconds").record(seconds(tick.since_ms(flight.start)));
        let (lane, which, errands) = (flight.lane, flight.which, flight.errands.clone());
        self.lanes.launched(&flight);
        let number = self.flights.open(flight);
        let (trade, clock, bell) = (Arc::clone(&self.trade), Arc::clone(&self.clock), self.bell.clone());
        let departure = trade.tells_departure().then(|| self.departure(lane, which, number));
        tokio::spawn(async move {
            let watched = departure.is_some();
            // a call that panics has an unknown fate; its lane must not wait for it for ever
            let call = AssertUnwindSafe(async move {
                match departure {
                    Some(departure) => departure.watch(trade.perform(errands)).await,
                    None => trade.perform(errands).await,
                }
            });
            let mut call = Box::pin(call.catch_unwind());
            // the tick is read after the call has begun: the next one is counted from the latest possible start
            let first = futures_util::poll!(&mut call);
            let at = clock.tick();
            let outcome = match first {
                std::task::Poll::Ready(outcome) => outcome,
                std::task::Poll::Pending => {
                    if !watched {
                        let _ = bell.events.send(Event::Started { lane, which, at, flight: number });
                    }
                    call.await
                }
            };
            let answers = outcome.unwrap_or_default();
            let _ = bell.events.send(Event::Landed { flight: number, answers, started: at });
        });
    }

    /// Tells the pump when a vendor call of a flight really begins, and forbids it where the lease has run out since.
    fn departure(&self, lane: LaneId, which: Which, flight: u64) -> Departure {
        let (clock, bell, fence) = (Arc::clone(&self.clock), self.bell.clone(), Arc::clone(&self.fence));
        Departure::new(move || {
            let at = clock.tick();
            if at.0 >= fence.load(Ordering::Relaxed) {
                return false;
            }
            tracing::debug!(lane, track = ?which, tick = at.0, "a call begins");
            let _ = bell.events.send(Event::Started { lane, which, at, flight });
            true
        })
    }
}
