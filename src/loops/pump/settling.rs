//! What the pump does with answers: judges them, and writes them down in one transaction at a time.

use std::collections::HashSet;
use std::sync::Arc;

use super::lanes::{Fate, Flight};
use super::trade::{Settled, Trade};
use super::{Event, Pump};
use crate::model::errand::Errand;
use crate::model::id::ErrandId;
use crate::model::moment::{Moment, Tick};
use crate::model::vendor::Answer;
use crate::store::outbox::{self, Accepted, PutBack};
use crate::store::row::Sent;
use crate::store::{Conn, Result};

/// What one settling transaction writes.
#[derive(Debug)]
pub(super) struct Batch {
    pub(super) settled: Vec<Settled>,
    pub(super) sent: Vec<Sent>,
    pub(super) closed: Vec<String>,
    pub(super) at: Moment,
}

impl<T: Trade> Pump<T> {
    pub(super) fn land(&mut self, number: u64, answers: Vec<Answer>, started: Tick, now: Moment) {
        let Some((flight, noted)) = self.flights.close(number) else { return };
        let tick = self.clock.tick();
        let sent = noted.unwrap_or_else(|| self.lanes.started(flight.lane, flight.which, started, now));
        if sent.paced.is_some() || sent.live.is_some() {
            self.sent.push(sent);
        }
        let missing = Answer::Unsure { seen: "no answer was given".to_owned(), resendable: false };
        let mut answers = answers.into_iter();
        for errand in flight.errands {
            let answer = answers.next().unwrap_or_else(|| missing.clone());
            metrics::counter!("switchboard_calls_total", "outcome" => outcome(&answer)).increment(1);
            let fate = self.lanes.judge(&errand, answer, now, tick);
            self.landed.push(Settled { errand, fate, ours: true });
        }
    }

    pub(super) fn ground(&mut self, flight: &Flight, now: Moment, tick: Tick) {
        for errand in self.lanes.grounded(flight, now, tick) {
            self.go_back(errand, Moment(0));
        }
    }

    pub(super) fn go_back(&mut self, errand: Errand, not_before: Moment) {
        let attempts = errand.attempts;
        self.landed.push(Settled { errand, fate: Fate::Again { not_before, attempts }, ours: true });
    }

    /// Writes down what has landed since the last time, in one transaction.
    pub(super) fn settle(&mut self) {
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
    pub(super) fn account(&mut self, errand: ErrandId) {
        let Some(claim) = self.claim_of.remove(&errand) else { return };
        if let Some(open) = self.open_claims.get_mut(&claim) {
            *open -= 1;
            if *open == 0 {
                self.open_claims.remove(&claim);
                self.closed.push(claim);
            }
        }
    }

    pub(super) fn write(&self, batch: Arc<Batch>) {
        let (store, bell, trade) = (Arc::clone(&self.store), self.bell.clone(), Arc::clone(&self.trade));
        let boot = self.clock.boot().to_owned();
        tokio::spawn(async move {
            let written = Arc::clone(&batch);
            let outcome = store.write(move |conn| settle(conn, &*trade, &written, &boot)).await;
            let _ = bell.events.send(Event::Settled { batch, outcome });
        });
    }

    pub(super) fn written(&mut self, batch: &Arc<Batch>, outcome: Result<Vec<Accepted>>, now: Moment, tick: Tick) {
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
}

/// The settling transaction.
pub(super) fn settle<T: Trade>(conn: &mut Conn, trade: &T, batch: &Batch, boot: &str) -> Result<Vec<Accepted>> {
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
