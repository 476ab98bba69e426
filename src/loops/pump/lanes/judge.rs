//! What an answer of a vendor means: for the errand, and for its lane.

use rand::Rng as _;

use super::{Fate, Lanes, Rules};
use crate::model::errand::{Errand, Work};
use crate::model::moment::{Moment, Tick};
use crate::model::result::Code;
use crate::model::vendor::{Answer, Scope};
use crate::store::row::LaneState;

/// How often a message of unknown fate is sent again where the vendor drops repetitions. It remembers our key for an hour at
/// most, and the pauses between so many attempts are well below that.
const REPEATS: i32 = 14;

/// A recipient who is to be left alone for longer than this is left alone for exactly so long, in milliseconds.
const LONG_MS: i64 = 60_000;

impl Lanes {
    /// What an answer means: for the errand, and for its lane.
    pub fn judge(&mut self, errand: &Errand, answer: Answer, now: Moment, tick: Tick) -> Fate {
        let Some(lane) = self.by_id.get_mut(&errand.lane) else { return Fate::Final(answer) };
        let down = matches!(answer, Answer::Down { .. });
        let unsure = if let Answer::Unsure { seen, .. } = &answer { Some(seen.clone()) } else { None };
        lane.downs = if down { lane.downs.saturating_add(1) } else { 0 };
        // where the whole lane rests, its errand keeps its place at the head
        let rests = matches!(answer, Answer::Busy { scope: Scope::Lane | Scope::Suspected, .. });
        // whoever writes meanwhile is no stranger any more: such a message lives as long as it may
        let strange = matches!(answer, Answer::Busy { scope: Scope::Strangers, .. });
        let (pause_ms, attempts) = match answer {
            Answer::Busy { after_ms, scope: Scope::Lane | Scope::Suspected } => {
                lane.rest_until = lane.rest_until.max(tick.plus_ms(after_ms));
                (after_ms, errand.attempts)
            }
            // so long a time is no guess: to ask earlier would only be a nuisance
            Answer::Busy { after_ms, scope: Scope::Recipient } if after_ms > LONG_MS => (after_ms, errand.attempts),
            Answer::Busy { after_ms, scope: Scope::Strangers | Scope::Unready } => (after_ms, errand.attempts),
            Answer::Busy { after_ms, scope: Scope::Recipient } => {
                (self.rules.growing(after_ms, 4, errand.attempts), errand.attempts.saturating_add(1))
            }
            Answer::Unsure { seen, resendable: true } if forgotten(errand) => {
                return Fate::Final(Answer::Unsure { seen, resendable: false });
            }
            Answer::Down { .. } | Answer::Unsure { resendable: true, .. } => {
                if lane.downs > 2 {
                    // not this recipient's fault: the whole lane rests before the next one is tried
                    let rest_ms = self.rules.growing(1000, 2, i32::try_from(lane.downs).unwrap_or(16)).min(60_000);
                    lane.rest_until = lane.rest_until.max(tick.plus_ms(rest_ms));
                }
                let pause_ms = self.rules.growing(1000, 2, errand.attempts);
                (pause_ms + self.random.random_range(0..=pause_ms / 4), errand.attempts.saturating_add(1))
            }
            Answer::Expired { .. } => {
                lane.state = LaneState::Lost;
                (0, errand.attempts)
            }
            last => return Fate::Final(last),
        };
        let not_before = now.plus_ms(pause_ms);
        let lost = lane.state == LaneState::Lost;
        if !lost && !strange && errand.expires_at.is_some_and(|at| at <= not_before) {
            return Fate::Final(match unsure {
                // it may have been taken: to call it «not sent» would be a lie
                Some(seen) => Answer::Unsure { seen, resendable: false },
                None => Answer::Refused { code: Code::TooLate, text: String::new() },
            });
        }
        // the calendar may be moved until the errand is back: its pause goes by the tick
        lane.pauses.insert(errand.id, if rests { tick } else { tick.plus_ms(pause_ms) });
        Fate::Again { not_before, attempts }
    }
}

/// Whether the vendor may have forgotten the key of a message by now. A call that may always be made again has no key.
const fn forgotten(errand: &Errand) -> bool {
    matches!(errand.work, Work::Send { .. }) && errand.attempts >= REPEATS
}

impl Rules {
    /// A pause that grows with every attempt.
    fn growing(&self, first_ms: i64, factor: i64, attempts: i32) -> i64 {
        let power = u32::try_from(attempts.clamp(0, 16)).unwrap_or(0);
        first_ms.saturating_mul(factor.saturating_pow(power)).min(self.longest_pause_ms)
    }
}
