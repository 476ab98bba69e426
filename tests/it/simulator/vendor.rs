//! The vendor: it gives every answer that vendors give.

use rand::Rng;
use rand::rngs::SmallRng;

use switchboard::model::errand::Errand;
use switchboard::model::result::Code;
use switchboard::model::vendor::{Answer, Scope};

use super::database::is_repeatable;

/// The answer to one errand. A recipient whose name begins with `bad` is refused every time.
pub fn answer(random: &mut SmallRng, errand: &Errand, calm: bool) -> Answer {
    let text = String::new;
    if errand.peer.starts_with("bad") {
        return Answer::Refused { code: Code::Blocked, text: text() };
    }
    match random.random_range(0..if calm { 60 } else { 100 }) {
        0..70 => Answer::done(),
        70..74 => Answer::Busy { after_ms: random.random_range(100..30_000), scope: Scope::Lane },
        74..79 => Answer::Busy { after_ms: random.random_range(100..5_000), scope: Scope::Recipient },
        79..86 => Answer::Down { seen: text() },
        86..87 => Answer::Expired { seen: text() },
        87..90 => Answer::Refused { code: Code::Refused, text: text() },
        90..93 => Answer::Nobody { text: text() },
        93..96 if is_repeatable(errand) => Answer::Unsure { seen: text(), resendable: true },
        _ => Answer::Unsure { seen: text(), resendable: false },
    }
}
