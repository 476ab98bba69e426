//! The witness: it sees every call as the vendor does, by real time, and says when a promise is broken.

use std::collections::{BTreeMap, BTreeSet};

use switchboard::loops::pump::lane::{Lane, Which};
use switchboard::loops::pump::lanes::Fate;
use switchboard::model::errand::Errand;
use switchboard::model::id::{ErrandId, LaneId};
use switchboard::model::moment::Moment;
use switchboard::model::pace::Pace;
use switchboard::model::vendor::Answer;
use switchboard::store::row::{LaneState, Sent};

use super::database::{Database, is_repeatable};

/// The last call of a track.
#[derive(Default, Clone, Copy)]
struct Last {
    at_us: i64,
    gap_ms: i64,
}

/// What was seen of an errand.
#[derive(Default)]
struct Seen {
    open: u32,
    /// The vendor may have taken it, and does not drop a repetition.
    taken: bool,
    ended: bool,
}

#[derive(Default)]
pub struct Witness {
    last: BTreeMap<(LaneId, bool), Last>,
    bucket_us: BTreeMap<LaneId, i64>,
    errands: BTreeMap<ErrandId, Seen>,
    /// Errands of mailings that were stopped or paused, which must not start any more.
    pub forbidden: BTreeSet<ErrandId>,
    pub starts: usize,
    pub ends: usize,
    pub answers: BTreeMap<&'static str, usize>,
}

impl Witness {
    /// A call starts. `lane` is what its process knows of the lane.
    pub fn call(&mut self, database: &Database, lane: &Lane, which: Which, errands: &[Errand], us: i64, now: Moment) {
        self.starts += 1;
        let id = lane.id;
        assert_eq!(lane.state, LaneState::Running, "lane {id} starts a call though it stands");
        match lane.pace {
            Pace::Gap { from_ms, to_ms, live_ms } => {
                let paced = which == Which::Second;
                if paced && let Some(hours) = &lane.hours {
                    assert!(hours.is_open(now), "lane {id} starts a paced call outside its hours, at {now:?}");
                }
                let last = self.last.entry((id, paced)).or_insert(Last { at_us: i64::MIN / 2, gap_ms: 0 });
                let since_us = us - last.at_us;
                assert!(
                    since_us >= last.gap_ms * 1000,
                    "lane {id}, paced {paced}: {since_us} us after a call whose gap is {} ms",
                    last.gap_ms
                );
                // until the gap is told, it is at least the shortest one
                let least_ms = if !paced {
                    live_ms
                } else if to_ms > 0 {
                    from_ms
                } else {
                    0
                };
                *last = Last { at_us: us, gap_ms: least_ms };
            }
            Pace::Bucket { per_second_milli, burst } => {
                let step_us = 1_000_000_000 / per_second_milli;
                let full_us = self.bucket_us.entry(id).or_insert(i64::MIN / 2);
                assert!(us >= *full_us, "lane {id}: the bucket is empty for {} us more", *full_us - us);
                *full_us = (*full_us).max(us - step_us * (burst - 1)) + step_us;
            }
        }
        for errand in errands {
            Self::order(database, errand);
            let seen = self.errands.entry(errand.id).or_default();
            assert!(!self.forbidden.contains(&errand.id), "errand {} starts though its mailing stands", errand.id);
            assert!(!seen.ended, "errand {} starts after its end", errand.id);
            assert!(!seen.taken, "errand {} is sent again, and the vendor may have taken it", errand.id);
            assert!(seen.open == 0 || is_repeatable(errand), "errand {} is in the air twice", errand.id);
            seen.open += 1;
        }
    }

    /// Of one rank to one recipient nothing starts before what was accepted earlier is over.
    fn order(database: &Database, errand: &Errand) {
        if errand.peer.is_empty() || database.errands.get(&errand.id).is_some_and(|row| row.planned) {
            return;
        }
        let earlier = database.errands.range(..errand.id).map(|(_, row)| row).find(|row| {
            let other = &row.errand;
            !row.planned && (other.lane, other.rank, &other.peer) == (errand.lane, errand.rank, &errand.peer)
        });
        if let Some(row) = earlier {
            panic!("errand {} overtakes errand {} to {}", errand.id, row.errand.id, errand.peer);
        }
    }

    /// The gap that was drawn after a call.
    pub fn gap(&mut self, sent: &Sent, pace: Pace) {
        let Pace::Gap { from_ms, to_ms, .. } = pace else { return };
        if let Some((_, gap_ms)) = sent.paced
            && let Some(last) = self.last.get_mut(&(sent.lane, true))
        {
            assert!((from_ms..=to_ms).contains(&gap_ms), "a gap of {gap_ms} ms is not from {from_ms} to {to_ms}");
            last.gap_ms = gap_ms;
        }
    }

    /// A bucket's new owner does not know how full it is.
    pub fn adopted(&mut self, lane: LaneId, us: i64) {
        if let Some(full_us) = self.bucket_us.get_mut(&lane) {
            *full_us = (*full_us).min(us);
        }
    }

    /// A call ends, or is cut off with its process (`None`).
    pub fn answer(&mut self, errand: &Errand, answer: Option<&Answer>) {
        let seen = self.errands.entry(errand.id).or_default();
        seen.open = seen.open.saturating_sub(1);
        let (name, taken) = match answer {
            None => ("cut off", !is_repeatable(errand)),
            Some(Answer::Done { .. }) => ("done", true),
            Some(Answer::Unsure { resendable, .. }) => ("unsure", !resendable),
            Some(Answer::Busy { .. }) => ("busy", false),
            Some(Answer::Down { .. }) => ("down", false),
            Some(Answer::Expired { .. }) => ("expired", false),
            Some(Answer::Refused { .. }) => ("refused", false),
            Some(Answer::Nobody { .. }) => ("nobody", false),
        };
        // a repeatable one may be repeated after its answer was lost with its process
        seen.taken |= taken && !is_repeatable(errand);
        *self.answers.entry(name).or_default() += 1;
    }

    /// Whoever asked for an errand is told its end.
    pub fn end(&mut self, errand: &Errand, fate: &Fate) {
        let seen = self.errands.entry(errand.id).or_default();
        assert!(!seen.ended, "errand {} ends twice", errand.id);
        seen.ended = true;
        self.ends += 1;
        if let Fate::Final(Answer::Refused { code, .. }) = fate
            && matches!(code.slug(), "too_late" | "stopped" | "discarded")
        {
            assert!(!seen.taken, "errand {} is told «not sent», and the vendor may have taken it", errand.id);
        }
    }
}
