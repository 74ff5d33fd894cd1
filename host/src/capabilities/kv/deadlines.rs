//! When entries expire, in order.
//!
//! An entry is *marked* at a moment no later than its deadline. Extending a deadline, which every request to a session
//! does, leaves the mark alone; only when the mark comes up is it moved to wherever the deadline is by then. So a busy
//! entry costs one move per idle timeout instead of one per request.

use std::collections::BTreeSet;

use super::serial::Serial;
use crate::clock::UnixMillis;

/// The moment from which an entry is expired. Ordered, `NEVER` last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Deadline(u64);

impl Deadline {
    /// Of an entry that does not expire.
    pub(super) const NEVER: Self = Self(u64::MAX);

    pub(super) fn new(expires: Option<UnixMillis>) -> Self {
        expires.map_or(Self::NEVER, |moment| Self(moment.0))
    }

    pub(super) fn expires(self) -> Option<UnixMillis> {
        (self != Self::NEVER).then_some(UnixMillis(self.0))
    }

    pub(super) fn has_passed(self, now: UnixMillis) -> bool {
        self != Self::NEVER && self.0 <= now.0
    }
}

/// The marks of a bucket: exactly one for each entry that is not marked `NEVER`.
#[derive(Default)]
pub(super) struct Deadlines {
    marks: BTreeSet<(Deadline, Serial)>,
}

impl Deadlines {
    pub(super) fn insert(&mut self, mark: Deadline, serial: Serial) {
        if mark != Deadline::NEVER {
            self.marks.insert((mark, serial));
        }
    }

    pub(super) fn remove(&mut self, mark: Deadline, serial: Serial) {
        self.marks.remove(&(mark, serial));
    }

    /// The earliest mark, if it has passed.
    pub(super) fn first_due(&self, now: UnixMillis) -> Option<(Deadline, Serial)> {
        self.marks.first().copied().filter(|(mark, _)| mark.has_passed(now))
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.marks.len()
    }
}
