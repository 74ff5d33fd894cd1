//! The lock on a session.

use std::{fmt, num::NonZeroU32, time::Duration};

/// What the holder of a lock shows to write: 1 to 2147483647, the range of the State Server's `LockCookie`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct LockId(NonZeroU32);

impl LockId {
    /// The largest lock id.
    pub const MAX: u32 = i32::MAX.unsigned_abs();

    /// A lock id, if the number is in range.
    #[must_use]
    pub fn new(number: u32) -> Option<Self> {
        NonZeroU32::new(number).filter(|number| number.get() <= Self::MAX).map(Self)
    }

    /// The number.
    #[must_use]
    pub fn get(self) -> u32 {
        self.0.get()
    }
}

impl fmt::Display for LockId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A lock that somebody holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lock {
    /// Its lock id.
    pub id: LockId,
    /// How long it has been held.
    pub age: Duration,
}
