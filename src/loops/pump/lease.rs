//! Which shards this process holds, to pump or to listen: it beats, watches the beats of the others, and takes its fair share.

use std::collections::HashMap;

use super::witness;
use crate::model::moment::Tick;
use crate::store::owner::{Post, SHARDS};
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
    /// This process was struck out: it holds nothing any more.
    pub fenced: bool,
    /// Shards that were taken now.
    pub taken: Vec<i16>,
    /// Shards to give up as soon as nothing of theirs flies.
    pub leave: Vec<i16>,
    /// Processes whose beat stands still, with that beat.
    pub dead: Vec<(String, i64)>,
    /// Shards that were to be given up and could not.
    pub left_again: Vec<i16>,
}

/// The lease of one process.
#[derive(Debug, Clone)]
pub struct Lease {
    post: Post,
    owner: String,
    times: Times,
    entered: bool,
    held: Vec<i16>,
    leaving: Vec<i16>,
    good_until: Tick,
    looked_at: Tick,
    retiring: bool,
    seen: HashMap<String, (i64, Tick)>,
    alone: bool,
}

impl Lease {
    /// A lease that has not been entered. Where the store belongs to this process `alone`, whoever else is entered is dead
    /// and the lease never ends.
    #[must_use]
    pub fn new(times: Times, alone: bool) -> Self {
        Self::of(Post::Pump, times, alone)
    }

    /// The same for any post.
    #[must_use]
    pub fn of(post: Post, times: Times, alone: bool) -> Self {
        Self {
            post,
            owner: String::new(),
            times,
            entered: false,
            held: Vec::new(),
            leaving: Vec::new(),
            good_until: Tick(i64::MIN),
            looked_at: Tick(0),
            retiring: false,
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

    /// From the next turn on nothing more is taken, and what is held is left as soon as it is empty. The beats go on: what
    /// is still in the air is this process's own.
    pub const fn retire(&mut self) {
        self.retiring = true;
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
        if let Some((_, beat)) = crate::on!(conn, owner::all(self.post))?.into_iter().find(|(id, _)| *id == self.owner)
        {
            crate::on!(conn, owner::strike(&self.owner, beat))?;
        }
        (self.entered, self.held) = (false, Vec::new());
        Ok(())
    }

    /// One turn: beat, watch, share. Called every `beat_ms`; `tick` is read before the call.
    ///
    /// # Errors
    /// Those of the database; what was changed here must then be forgotten, and the lease runs out by itself.
    pub fn turn(&mut self, conn: &mut Conn, tick: Tick) -> Result<Turn> {
        let mut turn = Turn::default();
        if tick.since_ms(self.looked_at) > self.times.fence_ms {
            // who could not look cannot tell that others were silent: the database may have been away for all of them
            self.seen.clear();
        }
        // one that beats late has lost nothing as long as nobody has struck it out
        if self.entered && !crate::on!(conn, owner::beat(&self.owner, self.retiring))? {
            // whatever was held is another's by now; under a new name nothing of the old one can be mixed up
            turn.fenced = true;
            self.entered = false;
            (self.held, self.leaving) = (Vec::new(), Vec::new());
        }
        if !self.entered {
            self.owner = format!("{}{}", self.post.prefix(), witness::name());
            crate::on!(conn, owner::enter(&self.owner))?;
            self.entered = true;
        }
        (self.good_until, self.looked_at) = (tick.plus_ms(self.times.fence_ms), tick);
        let living = self.watch(conn, tick, &mut turn)?;
        self.share(conn, living, &mut turn)?;
        Ok(turn)
    }

    fn watch(&mut self, conn: &mut Conn, tick: Tick, turn: &mut Turn) -> Result<usize> {
        let owners = crate::on!(conn, owner::all(self.post))?;
        let mut living = 0;
        for (id, beat) in &owners {
            let seen = self.seen.entry(id.clone()).or_insert((*beat, tick));
            if seen.0 != *beat {
                *seen = (*beat, tick);
            }
            let still = tick.since_ms(seen.1) >= self.times.dead_ms;
            if *id != self.owner && (self.alone || still || witness::is_gone(id)) {
                turn.dead.push((id.clone(), *beat));
            } else if *beat >= 0 {
                living += 1;
            }
        }
        self.seen.retain(|id, _| owners.iter().any(|(known, _)| known == id));
        Ok(living.max(1))
    }

    fn share(&mut self, conn: &mut Conn, living: usize, turn: &mut Turn) -> Result<()> {
        let fair = if self.retiring { 0 } else { usize::try_from(SHARDS).unwrap_or(0).div_ceil(living) };
        let mut shards = crate::on!(conn, owner::shards(self.post))?;
        shards.sort_unstable_by_key(|(shard, _)| spread(*shard));
        // a turn whose commit broke off may have taken some without a word
        let own = shards.iter().filter(|(_, owner)| owner.as_deref() == Some(self.owner.as_str()));
        turn.taken.extend(own.map(|(shard, _)| *shard).filter(|shard| !self.held.contains(shard)));
        let room = fair.saturating_sub(self.held.len() + turn.taken.len());
        let free: Vec<i16> =
            shards.iter().filter(|(_, owner)| owner.is_none()).map(|(shard, _)| *shard).take(room).collect();
        if !free.is_empty() {
            turn.taken.extend(crate::on!(conn, owner::take_shards(&free, &self.owner))?);
        }
        self.held.extend(&turn.taken);
        let surplus = self.held.len().saturating_sub(fair);
        if surplus > self.leaving.len() {
            let more = surplus - self.leaving.len();
            let mut staying: Vec<i16> =
                self.held.iter().filter(|shard| !self.leaving.contains(shard)).copied().collect();
            staying.sort_unstable_by_key(|shard| spread(*shard));
            self.leaving.extend(staying.into_iter().take(more));
        }
        turn.leave.clone_from(&self.leaving);
        Ok(())
    }
}

/// The order in which shards change hands. Lanes that were made one after the other lie in neighbouring shards: taken in
/// their order, all lanes of a small house would stay with one process.
fn spread(shard: i16) -> i16 {
    // 23 has no divisor in common with the number of shards
    shard.wrapping_mul(23).rem_euclid(SHARDS)
}
