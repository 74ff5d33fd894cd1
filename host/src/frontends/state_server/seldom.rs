//! Warnings that could come with every request, said at most once in a while.

use std::time::{Duration, Instant};

use parking_lot::Mutex;

/// Time between two warnings of one kind.
const INTERVAL: Duration = Duration::from_secs(10);

/// Decides when one kind of warning may be said again.
#[derive(Debug, Default)]
pub(super) struct Seldom {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    last: Option<Instant>,
    suppressed: u64,
}

impl Seldom {
    /// Whether to say it now, and how often it was left unsaid since the last time.
    pub(super) fn now(&self) -> Option<u64> {
        self.at(Instant::now())
    }

    fn at(&self, now: Instant) -> Option<u64> {
        let mut state = self.state.lock();
        if state.last.is_some_and(|last| now.saturating_duration_since(last) < INTERVAL) {
            state.suppressed += 1;
            return None;
        }
        state.last = Some(now);
        Some(std::mem::take(&mut state.suppressed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_warning_is_said_and_the_following_are_counted() {
        let seldom = Seldom::default();
        let start = Instant::now();
        assert_eq!(seldom.at(start), Some(0));
        assert_eq!(seldom.at(start + INTERVAL / 2), None);
        assert_eq!(seldom.at(start + INTERVAL / 2), None);
        assert_eq!(seldom.at(start + INTERVAL), Some(2));
        assert_eq!(seldom.at(start + INTERVAL * 2), Some(0));
    }
}
