//! The pace of a portal's lane (`settings/performance/limits.md`).
//!
//! The bucket belongs to the portal and our address together: other applications on this machine drink from it too. So the
//! burst stays a fifth below the vendor's.

use crate::model::pace::Pace;

/// The pace of a portal with this `LICENSE_FAMILY` of `app.info`: five calls a second for `ent`, and the usual pace for all
/// others and where it is not known. Who has set a faster pace, for a portal on an own machine, keeps it.
#[must_use]
pub fn pace(license_family: Option<&str>, usual: (i64, i64)) -> Pace {
    let (per_second, burst) = match license_family {
        Some(family) if family.eq_ignore_ascii_case("ent") => (usual.0.max(5), usual.1.max(200)),
        _ => usual,
    };
    Pace::Bucket { per_second_milli: per_second.saturating_mul(1_000), burst }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_enterprise_goes_faster() {
        assert_eq!(pace(Some("ent"), (2, 40)), Pace::Bucket { per_second_milli: 5_000, burst: 200 });
        for family in [None, Some(""), Some("pro"), Some("company")] {
            assert_eq!(pace(family, (2, 40)), Pace::Bucket { per_second_milli: 2_000, burst: 40 });
        }
        assert_eq!(pace(Some("ent"), (20, 500)), Pace::Bucket { per_second_milli: 20_000, burst: 500 });
    }
}
