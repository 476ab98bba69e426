//! Leaky buckets, as the vendors count requests.

/// A bucket that fills by calls and drains evenly.
#[derive(Debug, Clone)]
pub(crate) struct Bucket {
    per_second: f64,
    depth: f64,
    level: f64,
    at_us: i64,
}

impl Bucket {
    /// An empty bucket.
    pub(crate) fn new(per_second: f64, depth: f64) -> Self {
        Self { per_second, depth, level: 0.0, at_us: 0 }
    }

    /// Takes one call in, or says that it is full. `now_us` is a tick of the machine.
    pub(crate) fn take(&mut self, now_us: i64) -> bool {
        #[expect(clippy::cast_precision_loss, reason = "the gap between two calls is short")]
        let passed_s = now_us.saturating_sub(self.at_us) as f64 / 1e6;
        self.level = (self.level - passed_s * self.per_second).max(0.0);
        self.at_us = now_us;
        if self.level + 1.0 > self.depth {
            return false;
        }
        self.level += 1.0;
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fifty_calls_fit_and_then_two_a_second() {
        let mut bucket = Bucket::new(2.0, 50.0);
        assert_eq!((0..60).filter(|_| bucket.take(1)).count(), 50);
        assert!(!bucket.take(400_000));
        assert!(bucket.take(600_000));
    }
}
