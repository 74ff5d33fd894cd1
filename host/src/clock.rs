//! The host's clock: the one place that time comes from.
//!
//! Everything that stores, compares or reports a time takes it from a [`Clock`], plugins included, so that a test and
//! the conformance kit can move time instead of waiting for it.

mod rfc3339;

use std::{
    ops::Add,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use serde::{Deserialize, Serialize};

/// A moment, in milliseconds since 1970-01-01T00:00:00Z.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default, Serialize, Deserialize)]
pub struct UnixMillis(pub u64);

impl UnixMillis {
    /// How much later this is than `earlier`; zero if it is not.
    #[must_use]
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(self.0.saturating_sub(earlier.0))
    }
}

impl Add<Duration> for UnixMillis {
    type Output = Self;

    fn add(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(millis(duration)))
    }
}

/// Whole milliseconds. Without the 128-bit division of [`Duration::as_millis`], since every operation tells the time.
fn millis(duration: Duration) -> u64 {
    duration.as_secs().saturating_mul(1000).saturating_add(u64::from(duration.subsec_millis()))
}

impl From<UnixMillis> for SystemTime {
    fn from(moment: UnixMillis) -> Self {
        UNIX_EPOCH + Duration::from_millis(moment.0)
    }
}

/// The system's clock, plus however far it was moved. Clones share the movement.
#[derive(Debug, Clone, Default)]
pub struct Clock {
    /// Milliseconds that were added by [`Clock::advance`].
    ahead: Arc<AtomicU64>,
}

impl Clock {
    /// A clock that shows the system's time.
    #[must_use]
    pub fn system() -> Self {
        Self::default()
    }

    /// The time.
    #[must_use]
    pub fn now(&self) -> UnixMillis {
        let system = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        UnixMillis(self.ahead.load(Ordering::Relaxed)) + system
    }

    /// Moves the clock forward, for tests and the conformance kit.
    pub fn advance(&self, duration: Duration) {
        self.ahead.fetch_add(millis(duration), Ordering::Relaxed);
    }
}
