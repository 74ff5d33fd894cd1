//! How long single pieces of work took.

use std::time::Duration;

use serde::Serialize;

/// The time of each piece of work, nanoseconds.
#[derive(Default)]
pub(super) struct Latencies {
    nanos: Vec<u64>,
}

/// What is told of many times.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Summary {
    /// Pieces of work that were measured.
    pub count: usize,
    /// Pieces of work a second, one after the other.
    pub per_second: f64,
    /// Half of them took no longer than this, nanoseconds.
    pub p50_ns: u64,
    /// 99 of 100 took no longer than this, nanoseconds.
    pub p99_ns: u64,
    /// 999 of 1,000 took no longer than this, nanoseconds.
    pub p999_ns: u64,
}

impl Latencies {
    pub(super) fn add(&mut self, took: Duration) {
        self.nanos.push(u64::try_from(took.as_nanos()).unwrap_or(u64::MAX));
    }

    pub(super) fn summary(mut self) -> Summary {
        self.nanos.sort_unstable();
        let count = self.nanos.len();
        let total: Duration = self.nanos.iter().copied().map(Duration::from_nanos).sum();
        #[expect(clippy::cast_precision_loss, reason = "nobody counts to 2^53 here")]
        let per_second = if total.is_zero() { 0.0 } else { count as f64 / total.as_secs_f64() };
        // The nearest rank: the smallest time that so many of a thousand do not exceed.
        let rank = |per_mille: usize| {
            let rank = count.saturating_mul(per_mille).div_ceil(1000).saturating_sub(1);
            self.nanos.get(rank).copied().unwrap_or_default()
        };
        Summary { count, per_second, p50_ns: rank(500), p99_ns: rank(990), p999_ns: rank(999) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_times_that_were_measured() {
        let mut latencies = Latencies::default();
        for nanos in (1..=1000).rev() {
            latencies.add(Duration::from_nanos(nanos));
        }
        let summary = latencies.summary();
        assert_eq!((summary.p50_ns, summary.p99_ns, summary.p999_ns), (500, 990, 999));
        assert_eq!(summary.count, 1000);
        assert!((summary.per_second - 1e9 / 500.5).abs() < 1.0, "{summary:?}");
    }

    #[test]
    fn of_one_time_all_percentiles_are_that_time_and_of_none_they_are_zero() {
        let mut latencies = Latencies::default();
        latencies.add(Duration::from_nanos(7));
        let summary = latencies.summary();
        assert_eq!((summary.p50_ns, summary.p999_ns), (7, 7));
        assert_eq!(Latencies::default().summary().p99_ns, 0);
    }
}
