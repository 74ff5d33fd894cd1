//! Whether calls of a plugin are known to be short.
//!
//! A call that does not wait runs on the thread that serves the connection, and the other connections of that thread wait
//! until it returns. That is the fastest way for calls of microseconds, and a bad one for a plugin that computes. So
//! trust is earned by short calls, and lost by a long one; without it a call is kept apart, which costs it some
//! microseconds.

use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

/// Short calls in a row that earn it.
const EARNED: u32 = 1000;

/// The trust in one plugin.
#[derive(Default)]
pub(super) struct Trust {
    /// Short calls since the last long one.
    short_calls: AtomicU32,
}

impl Trust {
    /// Whether a call may run where others wait for its end.
    pub(super) fn is_earned(&self) -> bool {
        self.short_calls.load(Relaxed) >= EARNED
    }

    /// A call was short.
    pub(super) fn grows(&self) {
        let short_calls = self.short_calls.load(Relaxed);
        if short_calls < EARNED {
            // Of threads that count at the same moment one does, and none that has not seen a loss.
            let _ = self.short_calls.compare_exchange(short_calls, short_calls + 1, Relaxed, Relaxed);
        }
    }

    /// A call takes long.
    pub(super) fn is_lost(&self) {
        self.short_calls.store(0, Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_earned_by_short_calls_and_lost_by_one_that_is_long() {
        let trust = Trust::default();
        for _ in 0..2 {
            for _ in 0..EARNED {
                assert!(!trust.is_earned());
                trust.grows();
            }
            trust.grows();
            assert!(trust.is_earned());
            trust.is_lost();
        }
    }
}
