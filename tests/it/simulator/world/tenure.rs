//! Processes begin, die, are held up, and hand lanes over.

use super::*;

/// A process whose beat stands still so long counts as dead.
const DEAD_US: i64 = 4 * SECOND;

/// So long after its last beat a process still starts calls.
const FENCE_MS: i64 = 2_500;

impl World {
    /// A process begins. Whoever was there before is dead; its lanes are free when that is known.
    pub(super) fn revive(&mut self, slot: usize) {
        if self.slots[slot].process.is_some() {
            return;
        }
        self.counter += 1;
        let (owner, seed) = (format!("owner {}", self.counter), self.random.random());
        self.database.owners.insert(owner.clone());
        let boot = self.boot.clone();
        let at = &mut self.slots[slot];
        at.number += 1;
        at.process = Some(Process::new(owner, boot, seed));
        (at.stalled_until_us, at.next_turn_us) = (0, i64::MAX);
        let life = Life { slot, number: at.number };
        self.after(MS, 500 * MS, Event::Take);
        if self.slots.len() > 1 {
            self.after(SECOND, 30 * SECOND, Event::Rescan(life));
        }
    }

    pub(super) fn crash(&mut self) {
        let lives = self.lives();
        if let Some(life) = lives.get(self.random.random_range(0..lives.len().max(1))) {
            self.kill(life.slot);
            self.after(10 * MS, 15 * SECOND, Event::Revive(life.slot));
        }
    }

    /// The process is gone with everything that it knew. What it had asked of the database may happen still.
    fn kill(&mut self, slot: usize) {
        let Some(process) = self.slots[slot].process.take() else { return };
        for errand in process.in_the_air() {
            self.witness.answer(errand, None);
        }
        // alone, a process knows at its start that whoever is entered is dead
        let dead_us = if self.slots.len() == 1 { SECOND } else { DEAD_US };
        self.after(dead_us, dead_us + SECOND, Event::Inherit(process.owner));
    }

    /// The machine starts again: ticks count from zero.
    pub(super) fn reboot(&mut self) {
        for slot in 0..self.slots.len() {
            if self.slots[slot].process.is_some() {
                self.kill(slot);
                self.after(2 * SECOND, 6 * SECOND, Event::Revive(slot));
            }
        }
        self.counter += 1;
        self.boot = format!("boot {}", self.counter);
        self.boot_us = self.us;
    }

    /// A process is held up: it does nothing for a while, and others may take it for dead.
    pub(super) fn stall(&mut self) {
        let lives = self.lives();
        let Some(life) = lives.get(self.random.random_range(0..lives.len().max(1))).copied() else { return };
        if self.slots[life.slot].stalled_until_us > self.us {
            return;
        }
        let until_us = self.us + self.random.random_range(100 * MS..10 * SECOND);
        let beat_ago_ms = self.random.random_range(0..500);
        let alone = self.slots.len() == 1;
        let tick = self.tick();
        self.slots[life.slot].stalled_until_us = until_us;
        self.slots[life.slot].next_turn_us = i64::MAX;
        let Some(process) = self.process(life) else { return };
        let owner = process.owner.clone();
        if !alone {
            process.good_until = tick.plus_ms(FENCE_MS - beat_ago_ms);
            if until_us - self.us > DEAD_US {
                self.after(DEAD_US, DEAD_US + SECOND / 2, Event::Inherit(owner));
            }
        }
        let wake_us = until_us + self.random.random_range(0..100 * MS);
        self.at(wake_us, Event::Wake(life));
    }

    /// The first turn of the lease after a process was held up.
    pub(super) fn wake(&mut self, life: Life) {
        let tick = self.tick();
        self.counter += 1;
        let fresh = format!("owner {}", self.counter);
        let Some(process) = self.process(life) else { return };
        let owner = process.owner.clone();
        let late = tick > process.good_until;
        if !late && self.database.owners.contains(&owner) {
            self.process(life).unwrap().good_until = Tick(i64::MAX);
            return;
        }
        // under a new name nothing of the old one can be mixed up; what it left is looked after when it counts as dead
        self.process(life).unwrap().fence(fresh.clone());
        self.database.owners.insert(fresh);
        if self.database.owners.contains(&owner) {
            self.after(DEAD_US, DEAD_US + SECOND, Event::Inherit(owner));
        }
        self.after(MS, 500 * MS, Event::Take);
    }

    /// Whoever lives takes over from a dead process: in one transaction.
    pub(super) fn inherit(&mut self, dead: &str) {
        if !self.database.owners.contains(dead) {
            return;
        }
        let beats = |slot: &Slot| {
            slot.stalled_until_us <= self.us && slot.process.as_ref().is_some_and(|process| process.owner == dead)
        };
        if self.slots.iter().any(beats) {
            return;
        }
        if self.lives().is_empty() {
            return self.after(SECOND, 2 * SECOND, Event::Inherit(dead.to_owned()));
        }
        let tick = self.tick();
        let errands = self.database.inherit(dead);
        for errand in &errands {
            let pace = self.database.lanes[&errand.lane].pace().unwrap();
            if let Pace::Gap { to_ms, .. } = pace {
                let paced = (to_ms > 0).then_some((tick, to_ms));
                self.database.set_sent(&self.boot, &Sent { lane: errand.lane, paced, live: Some(tick) });
            }
        }
        for errand in errands {
            if is_repeatable(&errand) {
                let row = self.database.errands.get_mut(&errand.id).unwrap();
                (row.flying, row.not_before, row.known_us) = (false, Moment(0), None);
            } else {
                self.database.end(errand.id);
                let answer = Answer::Unsure { seen: String::new(), resendable: false };
                self.witness.end(&errand, &Fate::Final(answer));
            }
        }
        self.database.owner_of.retain(|_, owner| owner != dead);
        self.after(MS, 500 * MS, Event::Take);
    }

    /// Free lanes are taken, each by any process that lives.
    pub(super) fn take(&mut self) {
        let lives = self.lives();
        if lives.is_empty() {
            return;
        }
        let (now, tick, us, boot) = (self.now(), self.tick(), self.us, self.boot.clone());
        let mut again = false;
        for lane in self.database.lanes.keys().copied().collect::<Vec<_>>() {
            let life = lives[self.random.random_range(0..lives.len())];
            // one that is held up takes nothing, and one that was struck out may not
            let slot = &self.slots[life.slot];
            let owner = slot.process.as_ref().unwrap().owner.clone();
            if self.database.owner_of.contains_key(&lane) {
                continue;
            }
            if slot.stalled_until_us > us || !self.database.owners.contains(&owner) {
                again = true;
                continue;
            }
            self.database.owner_of.insert(lane, owner);
            let row = self.database.lanes[&lane].clone();
            self.witness.adopted(lane, us);
            let process = self.slots[life.slot].process.as_mut().unwrap();
            process.held.insert(lane);
            process.tenure += 1;
            process.lanes.adopt(&row, &boot, tick).unwrap();
            for row in self.database.errands.values_mut().filter(|row| row.errand.lane == lane && !row.flying) {
                let (rank, id) = (row.errand.rank.to_db(), row.errand.id);
                let wait_ms = row.not_before.since_ms(now).max(0);
                row.known_us = Some(us + wait_ms * MS + 30 * MS);
                if row.not_before.0 > 0 {
                    let (peer, until) = (row.errand.peer.clone(), tick.plus_ms(wait_ms));
                    process.lanes.block(lane, Blocked { until, id, of_calendar: true, peer, rank }, now, tick);
                }
                process.lanes.wake(lane, rank, id, now, tick);
            }
        }
        if again {
            self.after(500 * MS, 2 * SECOND, Event::Take);
        }
    }

    pub(super) fn hand_over(&mut self) {
        let lane = self.any_lane();
        for life in self.lives() {
            if self.slots[life.slot].stalled_until_us > self.us {
                continue;
            }
            if let Some(process) = self.process(life).filter(|process| process.held.contains(&lane)) {
                process.leave(&[lane]);
            }
        }
    }

    /// Where several processes share a database, each one searches its lanes now and then.
    pub(super) fn rescan(&mut self, life: Life) {
        let (now, tick) = (self.now(), self.tick());
        let rows = self.database.errands.values();
        let heads: Vec<_> = rows.map(|row| (row.errand.lane, row.errand.rank.to_db(), row.errand.id)).collect();
        if let Some(process) = self.process(life) {
            process.lanes.rewind(&heads, now, tick);
            self.after(30 * SECOND, 30 * SECOND, Event::Rescan(life));
        }
    }
}
