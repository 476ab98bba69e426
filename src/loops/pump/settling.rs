//! What the pump does with answers: judges them, and writes them down in one transaction at a time.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use super::flights::Open;
use super::lanes::{Fate, Flight};
use super::trade::{Settled, Trade};
use super::{AGAIN_MS, Event, Former, Pump};
use crate::model::errand::Errand;
use crate::model::id::ErrandId;
use crate::model::moment::{Moment, Tick};
use crate::model::vendor::Answer;
use crate::store::outbox::{self, Accepted, PutBack};
use crate::store::row::Sent;
use crate::store::{Conn, Result};

/// What one settling transaction writes.
#[derive(Debug, Clone)]
pub(super) struct Batch {
    /// Under which name its errands were claimed; none where that process was struck out in this very transaction.
    pub(super) owner: Option<String>,
    pub(super) settled: Vec<Settled>,
    pub(super) sent: Vec<Sent>,
    pub(super) closed: Vec<String>,
    pub(super) at: Moment,
    /// How often it failed though the database took other writes.
    pub(super) refused: u32,
}

/// A single answer that the database refused so often is written down as unknown, and then put aside: it must not stop all
/// the others.
const MOST_REFUSED: u32 = 3;

impl<T: Trade> Pump<T> {
    pub(super) fn land(&mut self, number: u64, answers: Vec<Answer>, started: Tick, now: Moment) {
        let Some(Open { flight, sent: noted, ahead }) = self.flights.close(number) else { return };
        let tick = self.clock.tick();
        let is_former = self.is_former(number);
        let sent = match noted {
            Some(sent) if is_former => sent,
            Some(sent) => {
                self.lanes.charge(flight.lane, -ahead, tick, now);
                sent
            }
            // the lane may be here again, but not as it was
            None if is_former => Sent { lane: flight.lane, paced: None, live: None },
            None => self.lanes.started(flight.lane, flight.which, started, now),
        };
        if sent.paced.is_some() || sent.live.is_some() {
            self.sent.push(sent);
        }
        let missing = Answer::Unsure { seen: "no answer was given".to_owned(), resendable: false };
        let mut answers = answers.into_iter();
        for errand in flight.errands {
            let answer = answers.next().unwrap_or_else(|| missing.clone());
            metrics::counter!("switchboard_calls_total", "outcome" => outcome(&answer)).increment(1);
            let fate = self.lanes.judge(&errand, answer, now, tick);
            let settled = Settled { errand, fate, ours: true };
            match self.former.as_mut().filter(|_| is_former) {
                Some(former) => former.landed.push(settled),
                None => self.landed.push(settled),
            }
        }
    }

    /// Whether a call was begun under the name that this process had before.
    pub(super) fn is_former(&self, flight: u64) -> bool {
        self.former.as_ref().is_some_and(|former| flight <= former.last_flight)
    }

    /// Everything that is open was begun under a name that others may have struck out.
    pub(super) fn begin_anew(&mut self) {
        // what has not left yet under the old name may not leave under the new one
        let old = std::mem::replace(&mut self.fence, Arc::new(AtomicI64::new(i64::MIN)));
        old.store(i64::MIN, Ordering::Relaxed);
        let mut landed = self.former.take().map(|former| former.landed).unwrap_or_default();
        landed.append(&mut self.landed);
        self.former = Some(Former { owner: self.owner.clone(), last_flight: self.flights.last(), landed });
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
        let of_former = self.former.as_ref().is_some_and(|former| !former.landed.is_empty());
        let nothing = !of_former && self.landed.is_empty() && self.closed.is_empty() && self.apart.is_empty();
        if self.settling || nothing {
            return;
        }
        self.settling = true;
        if let Some(batch) = self.apart.pop() {
            return self.write(Arc::new(batch));
        }
        let (owner, settled) = match self.former.as_mut().filter(|_| of_former) {
            Some(former) => (former.owner.clone(), std::mem::take(&mut former.landed)),
            None => (self.owner.clone(), std::mem::take(&mut self.landed)),
        };
        for entry in &settled {
            self.account(entry.errand.id);
        }
        let (sent, closed) = (std::mem::take(&mut self.sent), std::mem::take(&mut self.closed));
        let batch = Batch { owner: Some(owner), settled, sent, closed, at: self.clock.now(), refused: 0 };
        self.write(Arc::new(batch));
    }

    /// One errand of a claim is settled; the last one closes the claim.
    pub(super) fn account(&mut self, errand: ErrandId) {
        let Some(claim) = self.claim_of.remove(&errand) else { return };
        if let Some(open) = self.open_claims.get_mut(&claim) {
            *open -= 1;
            if *open == 0 {
                self.open_claims.remove(&claim);
                self.closed.push(claim.to_string());
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
                if batch.refused < 2 * MOST_REFUSED {
                    return self.write_again(batch);
                }
                tracing::error!("an answer is put aside: it will be told as unknown at the next start");
                Vec::new()
            }
        };
        self.settling = false;
        if batch.owner.as_ref() == Some(&self.owner) {
            self.free(batch, now, tick);
        } else {
            // the lanes may be here again, but not as they were when these calls began
            for entry in batch.settled.iter().filter(|entry| matches!(entry.fate, Fate::Again { .. })) {
                self.lanes.wake(entry.errand.lane, entry.errand.rank.to_db(), entry.errand.id, now, tick);
            }
        }
        self.wake(&accepted, now, tick);
        self.leave(&[]);
    }

    fn free(&mut self, batch: &Batch, now: Moment, tick: Tick) {
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
    }

    /// Tries again after a while. Where the database takes other writes, it is this batch: its answers are written down one by
    /// one, and one that is refused again and again is told as unknown.
    fn write_again(&mut self, batch: &Batch) {
        let mut again = batch.clone();
        if batch.refused > 0 && batch.settled.len() > 1 {
            let rest = Batch { settled: Vec::new(), refused: 0, ..again };
            let nothing = Batch { sent: Vec::new(), closed: Vec::new(), ..rest.clone() };
            // the last one is written first, so they stand in their order from behind
            let alone =
                batch.settled.iter().rev().map(|entry| Batch { settled: vec![entry.clone()], ..nothing.clone() });
            self.apart.extend(alone);
            again = rest;
        } else if batch.refused >= MOST_REFUSED {
            for entry in &mut again.settled {
                let seen = "its result could not be written down".to_owned();
                entry.fate = Fate::Final(Answer::Unsure { seen, resendable: false });
            }
        }
        let (clock, store, bell, trade) =
            (Arc::clone(&self.clock), Arc::clone(&self.store), self.bell.clone(), Arc::clone(&self.trade));
        tokio::spawn(async move {
            clock.sleep_until(clock.tick().plus_ms(AGAIN_MS)).await;
            let (boot, written) = (clock.boot().to_owned(), Arc::new(again.clone()));
            let outcome = store.write(move |conn| settle(conn, &*trade, &written, &boot)).await;
            if outcome.is_err() && store.write(|_| Ok(())).await.is_ok() {
                again.refused += 1;
            }
            let _ = bell.events.send(Event::Settled { batch: Arc::new(again), outcome });
        });
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
    // a process that was struck out settles nothing: its errands were inherited, and may fly for another one by now
    let alive = match (&batch.owner, &*conn) {
        (Some(owner), Conn::Postgres(_)) => crate::store::owner::is_alive(conn, owner)?,
        _ => true,
    };
    if !alive {
        (over, back) = (Vec::new(), Vec::new());
    }
    let gone = if over.is_empty() { Vec::new() } else { outbox::remove(conn, &over)? };
    outbox::put_back(conn, &back)?;
    let accepted = if alive && gone.len() == over.len() {
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
    outbox::set_sent(conn, boot, &batch.sent)?;
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
