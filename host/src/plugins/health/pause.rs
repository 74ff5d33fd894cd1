//! How long a build is not called.

use std::time::Duration;

use crate::clock::UnixMillis;

/// The first pause. Each that follows is twice as long, so many times; what follows then is the quarantine.
pub(super) const FIRST: Duration = Duration::from_millis(100);
pub(super) const SHORT_ONES: u32 = 6;

/// The first pause in quarantine. Each that follows is twice as long, so many times; then they stay as long.
pub(super) const QUARANTINE: Duration = Duration::from_secs(30);
const DOUBLINGS: u32 = 4;

/// A time in which a build is not called, or, when it works again, in which it is on probation.
pub(super) struct Pause {
    /// How many there have been before it since the build was sound.
    pub(super) number: u32,
    pub(super) until: UnixMillis,
    /// Whether a call is under way that tries it.
    pub(super) is_tried: bool,
}

impl Pause {
    /// The one with this number, from now on.
    pub(super) fn begin(number: u32, now: UnixMillis) -> Self {
        Self { number, until: now + Self::length_of(number), is_tried: false }
    }

    pub(super) fn length(&self) -> Duration {
        Self::length_of(self.number)
    }

    fn length_of(number: u32) -> Duration {
        match number.checked_sub(SHORT_ONES) {
            None => FIRST * 2_u32.saturating_pow(number),
            Some(number) => QUARANTINE * 2_u32.saturating_pow(number.min(DOUBLINGS)),
        }
    }

    pub(super) fn is_quarantine(&self) -> bool {
        self.number >= SHORT_ONES
    }

    pub(super) fn is_over(&self, now: UnixMillis) -> bool {
        // A clock that was set back does not make it longer than it was to be.
        now >= self.until || self.until.since(now) > self.length()
    }
}
