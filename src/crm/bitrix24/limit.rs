//! The pace of a portal's lane (`settings/performance/limits.md`).
//!
//! The bucket belongs to the portal and our address together: other applications on this machine drink from it too. So the
//! burst stays a fifth below the vendor's.

use crate::model::pace::Pace;

/// The pace of a portal with this `LICENSE_FAMILY` of `app.info`: five calls a second for `ent`, two for all others and
/// where it is not known.
#[must_use]
pub fn pace(license_family: Option<&str>) -> Pace {
    match license_family {
        Some(family) if family.eq_ignore_ascii_case("ent") => Pace::Bucket { per_second_milli: 5_000, burst: 200 },
        _ => Pace::Bucket { per_second_milli: 2_000, burst: 40 },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_enterprise_goes_faster() {
        assert_eq!(pace(Some("ent")), Pace::Bucket { per_second_milli: 5_000, burst: 200 });
        for family in [None, Some(""), Some("pro"), Some("company")] {
            assert_eq!(pace(family), Pace::Bucket { per_second_milli: 2_000, burst: 40 });
        }
    }
}
