//! What the pump does when its lease brings lanes or takes them away, and when it takes over from a dead process.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::lane::Blocked;
use super::lanes::Fate;
use super::lease::{Lease, Turn};
use super::settling::{Batch, settle};
use super::trade::{Settled, Trade};
use super::{AGAIN_MS, Event, Pump};
use crate::model::id::{ErrandId, LaneId};
use crate::model::moment::{Moment, Tick};
use crate::model::pace::Pace;
use crate::model::vendor::Answer;
use crate::store::outbox::{self, Accepted};
use crate::store::row::{LaneRow, Planned, Sent};
use crate::store::{Conn, Result, StoreError};

/// What is read of lanes that were taken over.
#[derive(Debug)]
pub(super) struct Adoption {
    rows: Vec<LaneRow>,
    heads: Vec<(LaneId, i16, ErrandId)>,
    planned: Vec<Planned>,
}

impl Adoption {
    fn read(conn: &mut Conn, shards: &[i16]) -> Result<Self> {
        Ok(Self {
            rows: crate::on!(conn, lane::of_shards(shards))?,
            heads: crate::on!(conn, lane::heads())?,
            planned: crate::on!(conn, lane::planned())?,
        })
    }
}

impl<T: Trade> Pump<T> {
    pub(super) fn turn_lease(&mut self, tick: Tick) {
        let Some(held) = self.lease.take() else { return };
        let (bell, left) = (self.bell.clone(), std::mem::take(&mut self.leaving));
        let (options, retiring) = (self.store.options().clone(), self.stopping.is_some());
        tokio::task::spawn_blocking(move || {
            let (mut lease, conn) = *held;
            if retiring {
                lease.retire();
            }
            let mut conn = conn.map_or_else(|| crate::store::connect(&options), Ok);
            let before = lease.clone();
            let outcome = match &mut conn {
                Ok(conn) => conn.transact(|conn| lease.left(conn, &left).and_then(|()| lease.turn(conn, tick))),
                Err(error) => Err(StoreError::Unreachable(error.to_string())),
            };
            let (turn, conn) = match outcome {
                Ok(turn) => (turn, conn.ok()),
                // whatever was wrong, a fresh connection is not worse
                Err(error) => {
                    tracing::warn!(%error, "the lease could not be renewed");
                    lease = before;
                    (Turn { left_again: left, ..Turn::default() }, None)
                }
            };
            let _ = bell.events.send(Event::Leased(Box::new((lease, conn, turn))));
        });
    }

    pub(super) fn leased(&mut self, leased: (Lease, Option<Conn>, Turn), tick: Tick) {
        let (lease, conn, turn) = leased;
        if turn.fenced {
            tracing::warn!("this process was too slow: others have taken its lanes");
            self.held.clear();
            self.leaving.clear();
            self.tenure += 1;
            self.lanes.clear();
            self.begin_anew();
            // whoever takes over settles them as unknown; they were never started
            self.flights.ground_all();
        }
        self.leaving.extend(turn.left_again);
        lease.owner().clone_into(&mut self.owner);
        self.good_until = lease.good_until();
        self.fence.store(self.good_until.0, Ordering::Relaxed);
        self.lease = Some(Box::new((lease, conn)));
        if !turn.taken.is_empty() {
            self.held.extend(&turn.taken);
            self.tenure += 1;
            self.read_lanes();
        }
        self.leave(&turn.leave);
        self.trade.holds(&self.owner, &self.held, self.good_until);
        for (dead, beat) in turn.dead {
            self.inherit(dead, beat, tick);
        }
    }

    /// Reads the lanes of all shards that are held; those that are here already stay as they are.
    fn read_lanes(&self) {
        let (tenure, shards) = (self.tenure, self.held.iter().copied().collect::<Vec<i16>>());
        self.ask(move |conn| Adoption::read(conn, &shards), move |outcome| Event::Adopted { tenure, outcome });
    }

    fn read_lanes_later(&self) {
        let (tenure, shards) = (self.tenure, self.held.iter().copied().collect::<Vec<i16>>());
        let (store, bell, clock) = (Arc::clone(&self.store), self.bell.clone(), Arc::clone(&self.clock));
        tokio::spawn(async move {
            clock.sleep_until(clock.tick().plus_ms(AGAIN_MS)).await;
            let outcome = store.read(move |conn| Adoption::read(conn, &shards)).await;
            let _ = bell.events.send(Event::Adopted { tenure, outcome });
        });
    }

    pub(super) fn leave(&mut self, shards: &[i16]) {
        let mut empty = self.lanes.leave(shards);
        // the lease asks again for those that are kept
        empty.retain(|shard| self.trade.lets_go(*shard));
        for shard in &empty {
            self.held.remove(shard);
        }
        self.leaving.extend(empty);
    }

    /// Strikes a dead process out, settles what it left in the air and frees its shards: all of it, or nothing.
    pub(super) fn inherit(&self, dead: String, beat: i64, tick: Tick) {
        let (store, trade, bell) = (Arc::clone(&self.store), Arc::clone(&self.trade), self.bell.clone());
        let (clock, boot) = (Arc::clone(&self.clock), self.clock.boot().to_owned());
        tokio::spawn(async move {
            let name = dead.clone();
            let outcome = store.write(move |conn| inherit(conn, &*trade, &name, beat, &boot, tick, clock.now())).await;
            match outcome {
                Ok((count, accepted)) => {
                    tracing::info!(process = dead, errands = count, "took over from a process that has died");
                    bell.accepted(accepted);
                    let _ = bell.events.send(Event::Inherited);
                }
                Err(error) => tracing::warn!(%error, process = dead, "could not take over from a dead process"),
            }
        });
    }

    pub(super) fn adopt(&mut self, tenure: u64, outcome: Result<Adoption>, now: Moment, tick: Tick) {
        if tenure != self.tenure {
            // another reading is under way: what was read before the last change may be another process's past
            return;
        }
        let adoption = match outcome {
            Ok(adoption) => adoption,
            // the shards are held and empty: without their lanes nothing of theirs would ever be sent
            Err(error) => {
                tracing::error!(%error, "the lanes could not be loaded; trying again");
                return self.read_lanes_later();
            }
        };
        let boot = self.clock.boot().to_owned();
        let mut new = HashSet::new();
        for row in adoption.rows.iter().filter(|row| self.held.contains(&row.shard)) {
            if self.lanes.has(row.id) {
                continue;
            }
            match self.lanes.adopt(row, &boot, tick) {
                Ok(()) => _ = new.insert(row.id),
                Err(error) => tracing::error!(%error, lane = row.id, "the lane cannot be read and stands still"),
            }
        }
        for planned in adoption.planned.into_iter().filter(|planned| new.contains(&planned.lane)) {
            let until = tick.plus_ms(Moment(planned.not_before).since_ms(now).max(0));
            let blocked = Blocked { until, id: planned.id, of_calendar: true, peer: planned.peer, rank: planned.rank };
            self.lanes.block(planned.lane, blocked, now, tick);
        }
        self.lanes.rewind(&adoption.heads, now, tick);
        self.wake_early(now, tick);
    }

    pub(super) fn rows(
        &mut self,
        tenure: u64,
        outcome: Result<Vec<LaneRow>>,
        asked: Vec<LaneId>,
        now: Moment,
        tick: Tick,
    ) {
        let rows = match outcome {
            Ok(rows) if tenure == self.tenure => rows,
            // what was read before this process got or lost lanes may be another one's past
            Ok(_) => return self.unknown.extend(asked),
            Err(error) => {
                tracing::warn!(%error, "lanes could not be read; trying again");
                return self.unknown.extend(asked);
            }
        };
        let boot = self.clock.boot().to_owned();
        for row in rows.iter().filter(|row| self.held.contains(&row.shard)) {
            let read = if self.lanes.has(row.id) {
                self.lanes.change(row, now, tick)
            } else {
                self.lanes.adopt(row, &boot, tick).map(|()| self.lanes.look_at(row.id, now, tick))
            };
            if let Err(error) = read {
                tracing::error!(%error, lane = row.id, "the lane cannot be read and stands still");
            }
        }
        // a lane that is gone altogether is not asked for for ever
        self.early.retain(|errand| !asked.contains(&errand.lane) || self.lanes.has(errand.lane));
        self.wake_early(now, tick);
    }
}

/// The transaction that takes over from a dead process. Its lanes wait a whole gap, since nobody knows when its last calls
/// began.
fn inherit<T: Trade>(
    conn: &mut Conn,
    trade: &T,
    dead: &str,
    beat: i64,
    boot: &str,
    tick: Tick,
    now: Moment,
) -> Result<(usize, Vec<Accepted>)> {
    if !crate::on!(conn, owner::strike(dead, beat))? {
        return Ok((0, Vec::new()));
    }
    let errands = outbox::inherit(conn, dead)?;
    let lanes: Vec<LaneId> = errands.iter().map(|errand| errand.lane).collect::<HashSet<_>>().into_iter().collect();
    let mut sent = Vec::new();
    for row in crate::on!(conn, lane::by_ids(&lanes))? {
        if let Ok(Pace::Gap { to_ms, .. }) = row.pace() {
            sent.push(Sent { lane: row.id, paced: (to_ms > 0).then_some((tick, to_ms)), live: Some(tick) });
        }
    }
    outbox::set_sent(conn, boot, &sent)?;
    let count = errands.len();
    let settled: Vec<Settled> = errands
        .into_iter()
        .map(|errand| {
            let seen = "the process that made the call has died".to_owned();
            let fate = if trade.is_repeatable(&errand) {
                Fate::Again { not_before: Moment(0), attempts: errand.attempts }
            } else {
                Fate::Final(Answer::Unsure { seen, resendable: false })
            };
            Settled { errand, fate, ours: true }
        })
        .collect();
    let batch = Batch { owner: None, settled, sent: Vec::new(), closed: Vec::new(), at: now, refused: 0 };
    let accepted = settle(conn, trade, &batch, boot)?;
    crate::on!(conn, owner::free_shards(dead))?;
    Ok((count, accepted))
}
