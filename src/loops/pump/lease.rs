//! Which shards this process pumps: it beats, watches the beats of the others, and takes its fair share.

use std::collections::HashMap;

use crate::model::moment::Tick;
use crate::store::owner::SHARDS;
use crate::store::{Conn, Result};

/// Times of the lease, in milliseconds. The fence falls well before others take over.
#[derive(Debug, Clone, Copy)]
pub struct Times {
    /// Between two beats.
    pub beat_ms: i64,
    /// So long after its last good beat a process still starts calls.
    pub fence_ms: i64,
    /// So long a beat must stand still before its process counts as dead.
    pub dead_ms: i64,
}

impl Default for Times {
    fn default() -> Self {
        Self { beat_ms: 500, fence_ms: 2_500, dead_ms: 4_000 }
    }
}

/// What one turn of the lease found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Turn {
    /// This process was struck out, or could not beat in time: it holds nothing any more.
    pub fenced: bool,
    /// Shards that were taken now.
    pub taken: Vec<i16>,
    /// Shards to give up as soon as nothing of theirs flies.
    pub leave: Vec<i16>,
    /// Processes whose beat stands still, with that beat.
    pub dead: Vec<(String, i64)>,
    /// Shards that were to be given up, and could not.
    pub unleft: Vec<i16>,
}

/// The lease of one process.
#[derive(Debug)]
pub struct Lease {
    owner: String,
    times: Times,
    entered: bool,
    held: Vec<i16>,
    leaving: Vec<i16>,
    good_until: Tick,
    seen: HashMap<String, (i64, Tick)>,
    alone: bool,
}

impl Lease {
    /// A lease that has not been entered. Where the store belongs to this process `alone`, whoever else is entered is dead
    /// and the lease never ends.
    #[must_use]
    pub fn new(times: Times, alone: bool) -> Self {
        Self {
            owner: String::new(),
            times,
            entered: false,
            held: Vec::new(),
            leaving: Vec::new(),
            good_until: Tick(i64::MIN),
            seen: HashMap::new(),
            alone,
        }
    }

    /// The name of this process in the database.
    #[must_use]
    pub fn owner(&self) -> &str {
        &self.owner
    }

    /// Up to this tick calls may be started.
    #[must_use]
    pub const fn good_until(&self) -> Tick {
        if self.alone { Tick(i64::MAX) } else { self.good_until }
    }

    /// The shards that are held.
    #[must_use]
    pub fn held(&self) -> &[i16] {
        &self.held
    }

    /// A shard that was to be left is empty now: it is given up.
    ///
    /// # Errors
    /// Those of the database.
    pub fn left(&mut self, conn: &mut Conn, shards: &[i16]) -> Result<()> {
        for shard in shards {
            crate::on!(conn, owner::give_shard(*shard, &self.owner))?;
        }
        self.held.retain(|shard| !shards.contains(shard));
        self.leaving.retain(|shard| !shards.contains(shard));
        Ok(())
    }

    /// Gives everything up; for an orderly end.
    ///
    /// # Errors
    /// Those of the database.
    pub fn end(&mut self, conn: &mut Conn) -> Result<()> {
        crate::on!(conn, owner::free_shards(&self.owner))?;
        if let Some((_, beat)) = crate::on!(conn, owner::all())?.into_iter().find(|(id, _)| *id == self.owner) {
            crate::on!(conn, owner::strike(&self.owner, beat))?;
        }
        (self.entered, self.held) = (false, Vec::new());
        Ok(())
    }

    /// One turn: beat, watch, share. Called every `beat_ms`; `tick` is read before the call.
    ///
    /// # Errors
    /// Those of the database; the lease then runs out by itself.
    pub fn turn(&mut self, conn: &mut Conn, tick: Tick) -> Result<Turn> {
        let mut turn = Turn::default();
        let late = self.entered && !self.alone && tick > self.good_until;
        if late || (self.entered && !crate::on!(conn, owner::beat(&self.owner))?) {
            // whatever was held may be another's by now; under a new name nothing of the old one can be mixed up
            turn.fenced = true;
            self.entered = false;
            (self.held, self.leaving) = (Vec::new(), Vec::new());
        }
        if !self.entered {
            self.owner = uuid::Uuid::now_v7().simple().to_string();
            crate::on!(conn, owner::enter(&self.owner))?;
            self.entered = true;
        }
        self.good_until = tick.plus_ms(self.times.fence_ms);
        let living = self.watch(conn, tick, &mut turn)?;
        self.share(conn, living, &mut turn)?;
        Ok(turn)
    }

    fn watch(&mut self, conn: &mut Conn, tick: Tick, turn: &mut Turn) -> Result<usize> {
        let owners = crate::on!(conn, owner::all())?;
        let mut living = 0;
        for (id, beat) in &owners {
            let seen = self.seen.entry(id.clone()).or_insert((*beat, tick));
            if seen.0 != *beat {
                *seen = (*beat, tick);
            }
            let still = tick.since_ms(seen.1) >= self.times.dead_ms;
            if *id != self.owner && (self.alone || still) {
                turn.dead.push((id.clone(), *beat));
            } else {
                living += 1;
            }
        }
        self.seen.retain(|id, _| owners.iter().any(|(known, _)| known == id));
        Ok(living.max(1))
    }

    fn share(&mut self, conn: &mut Conn, living: usize, turn: &mut Turn) -> Result<()> {
        let fair = usize::try_from(SHARDS).unwrap_or(0).div_ceil(living);
        for (shard, owner) in crate::on!(conn, owner::shards())? {
            if self.held.len() >= fair {
                break;
            }
            if owner.is_none() && crate::on!(conn, owner::take_shard(shard, &self.owner))? {
                self.held.push(shard);
                turn.taken.push(shard);
            }
        }
        let surplus = self.held.len().saturating_sub(fair);
        if surplus > self.leaving.len() {
            let more = surplus - self.leaving.len();
            let staying = self.held.iter().filter(|shard| !self.leaving.contains(shard)).copied();
            self.leaving.extend(staying.take(more).collect::<Vec<_>>());
        }
        turn.leave.clone_from(&self.leaving);
        Ok(())
    }
}
