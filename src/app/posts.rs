//! What the pump of this process holds, for whoever must go where the pump goes: a line that everything of a channel goes over
//! is kept by the process that holds the channel's lane.

use std::collections::HashSet;

use parking_lot::Mutex;

use crate::model::clock::Clock;
use crate::model::moment::Tick;

/// What is held, and what keeps it from being given up.
#[derive(Debug, Default)]
pub struct Posts(Mutex<Held>);

#[derive(Debug)]
struct Held {
    owner: String,
    shards: HashSet<i16>,
    good_until: Tick,
    leaving: HashSet<i16>,
    talking: HashSet<i16>,
}

impl Default for Held {
    fn default() -> Self {
        Self {
            owner: String::new(),
            shards: HashSet::new(),
            good_until: Tick(i64::MIN),
            leaving: HashSet::new(),
            talking: HashSet::new(),
        }
    }
}

impl Posts {
    /// The pump tells its name, what it holds, and how long that is certain.
    pub fn hold(&self, owner: &str, shards: &HashSet<i16>, good_until: Tick) {
        let mut held = self.0.lock();
        owner.clone_into(&mut held.owner);
        held.shards.clone_from(shards);
        held.good_until = good_until;
        held.leaving.retain(|shard| shards.contains(shard));
    }

    /// Whether a shard may be given up. Where somebody still talks for it, it may not, and whoever talks ends.
    pub fn lets_go(&self, shard: i16) -> bool {
        let mut held = self.0.lock();
        held.leaving.insert(shard);
        !held.talking.contains(&shard)
    }

    /// The name of the pump, and the shards for which lines may be opened now.
    #[must_use]
    pub fn open(&self, tick: Tick) -> (String, HashSet<i16>) {
        let held = self.0.lock();
        let good = tick < held.good_until;
        let open = held.shards.iter().filter(|shard| good && !held.leaving.contains(shard));
        (held.owner.clone(), open.copied().collect())
    }

    /// Lines are open for these shards. Only those that are held, and not about to be given up, are taken.
    pub fn talk(&self, shards: &HashSet<i16>) {
        self.0.lock().talking.clone_from(shards);
    }

    /// Waits until it is not certain any more that anything is held.
    pub async fn stale(&self, clock: &dyn Clock) {
        loop {
            let until = self.0.lock().good_until;
            if until == Tick(i64::MAX) {
                // nobody else is there who could take anything over
                return std::future::pending().await;
            }
            if clock.tick() >= until {
                return;
            }
            clock.sleep_until(until).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shard_is_given_up_when_nobody_talks_for_it_any_more() {
        let posts = Posts::default();
        assert!(posts.open(Tick(0)).1.is_empty());
        posts.hold("me", &HashSet::from([1, 2]), Tick(10));
        assert_eq!(posts.open(Tick(0)), ("me".to_owned(), HashSet::from([1, 2])));
        assert!(posts.open(Tick(10)).1.is_empty(), "what is not certain is not held");
        posts.talk(&HashSet::from([1]));
        assert!(!posts.lets_go(1));
        assert!(posts.lets_go(2));
        assert!(posts.open(Tick(0)).1.is_empty());
        posts.talk(&HashSet::new());
        assert!(posts.lets_go(1));
        posts.hold("me", &HashSet::from([2]), Tick(10));
        posts.hold("me", &HashSet::from([1, 2]), Tick(10));
        assert_eq!(posts.open(Tick(0)).1, HashSet::from([1]), "one that came back is held anew");
    }
}
