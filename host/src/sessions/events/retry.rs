//! When a delivery that failed is tried again.

use std::time::Duration;

/// How often, and after which pauses.
#[derive(Debug, Clone, Copy)]
pub(super) struct Retry {
    /// The most attempts at one event.
    pub(super) attempts: usize,
    /// The pause before the second one. It doubles from one to the next.
    pub(super) first: Duration,
    /// The longest pause, unless the first is longer.
    pub(super) longest: Duration,
    /// Whether pauses differ at random, by up to half, so that those who failed together do not come back together.
    pub(super) jitter: bool,
}

impl Retry {
    /// The pause after so many attempts.
    pub(super) fn pause(&self, attempts: usize) -> Duration {
        let full = self.full_pause(attempts);
        if !self.jitter {
            return full;
        }
        // Where there are no random numbers all pauses are full.
        let random = getrandom::u32().unwrap_or(u32::MAX);
        let half = full / 2;
        half + half.mul_f64(f64::from(random) / f64::from(u32::MAX))
    }

    fn full_pause(&self, attempts: usize) -> Duration {
        let doublings = u32::try_from(attempts.saturating_sub(1)).unwrap_or(u32::MAX);
        let factor = 2_u32.checked_pow(doublings).unwrap_or(u32::MAX);
        self.first.saturating_mul(factor).min(self.first.max(self.longest))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);
    const RETRY: Retry = Retry { attempts: 10, first: SECOND, longest: Duration::from_secs(60), jitter: false };

    #[test]
    fn pauses_double_up_to_the_longest() {
        let seconds: Vec<_> = (1..=8).map(|attempts| RETRY.pause(attempts).as_secs()).collect();
        assert_eq!(seconds, [1, 2, 4, 8, 16, 32, 60, 60]);
        assert_eq!(RETRY.pause(1000), RETRY.longest);
        let slower = Retry { first: Duration::from_secs(300), ..RETRY };
        assert_eq!(slower.pause(5), Duration::from_secs(300), "the operator wants it slower");
    }

    #[test]
    fn with_jitter_they_differ_and_are_never_shorter_than_half() {
        let retry = Retry { jitter: true, ..RETRY };
        let pauses: Vec<_> = (0..100).map(|_| retry.pause(3)).collect();
        assert!(pauses.iter().all(|pause| (2 * SECOND..=4 * SECOND).contains(pause)), "{pauses:?}");
        assert!(pauses.iter().any(|pause| pause != &pauses[0]));
    }
}
