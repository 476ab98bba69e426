//! What the vendor thinks of an account, as it is shown.

use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use crate::store::row::StandingRow;

/// What the vendor thinks of an account.
#[derive(Serialize, ToSchema)]
#[schema(as = ChannelStanding)]
pub(super) struct StandingOut {
    /// The vendor's word for its quality, as `GREEN`, `YELLOW` or `RED`.
    quality: Option<String>,
    /// The vendor's word for how many people may be written to first within a day, as `TIER_1K`.
    tier: Option<String>,
    /// How many people that are; null where there is no limit, or the word does not say it.
    people_per_day: Option<i64>,
    /// Whether the vendor's word says that there is no limit.
    unlimited: bool,
    /// The vendor's word for the state of the number, as `CONNECTED`.
    status: Option<String>,
    /// The vendor's word for whether the name was approved, as `APPROVED`.
    name_status: Option<String>,
    /// When the vendor told all this last; null where that was at attaching.
    looked_at: Option<i64>,
}

impl StandingOut {
    /// None where the vendor never told anything of this kind.
    pub(super) fn of(settings: &Value, row: Option<&StandingRow>) -> Option<Self> {
        let word = |name: &str| settings.get(name).and_then(Value::as_str).map(str::to_owned);
        let (quality, tier) = (word("quality"), word("tier"));
        if quality.is_none() && tier.is_none() {
            return None;
        }
        Some(Self {
            quality,
            people_per_day: tier.as_deref().and_then(people),
            unlimited: tier.as_deref().is_some_and(|tier| tier.ends_with("UNLIMITED")),
            tier,
            status: word("number_status"),
            name_status: word("name_status"),
            looked_at: row.and_then(|row| row.looked_at),
        })
    }
}

/// `TIER_250` is 250, `TIER_10K` is 10 000. Steps come and go, so the word is read and not looked up.
fn people(tier: &str) -> Option<i64> {
    let figure = tier.rsplit('_').next()?;
    let (digits, times) = match figure.strip_suffix('K') {
        Some(digits) => (digits, 1_000),
        None => (figure, 1),
    };
    digits.parse::<i64>().ok().filter(|count| *count > 0)?.checked_mul(times)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_word_for_a_limit_is_read() {
        for (tier, count) in [
            ("TIER_50", Some(50)),
            ("TIER_250", Some(250)),
            ("TIER_2K", Some(2_000)),
            ("TIER_100K", Some(100_000)),
            ("TIER_UNLIMITED", None),
            ("TIER_NOT_SET", None),
            ("", None),
        ] {
            assert_eq!(people(tier), count, "{tier}");
        }
    }
}
