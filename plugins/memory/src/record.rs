//! What is kept of a session beside its payload, and how it is packed into the six words of an entry.

use cloakroom_plugin_sdk::{LockId, expiry, kv::Words, lock};

/// Bits above the lock counter, which has the lower 32, in the word `a`.
const LOCKED: u64 = 1 << 32;
const UNINITIALIZED: u64 = 1 << 33;
/// Whether `f` is a latest expiry. A flag and not a number that is none: languages whose numbers are exact up to 2^53
/// only can then read the words too.
const HAS_LATEST_EXPIRY: u64 = 1 << 34;

/// A session without its payload and subject.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Record {
    /// The lock id that was issued last; the holder's while the session is locked.
    pub(crate) lock_counter: LockId,
    /// Whether somebody holds the lock.
    pub(crate) locked: bool,
    /// Whether nobody has read the session since it was created uninitialized.
    pub(crate) uninitialized: bool,
    /// When the lock was taken last, Unix milliseconds.
    pub(crate) locked_at: u64,
    /// The contract's version: 1 at first, plus one at each store. Not the entry's, which each lock changes too.
    pub(crate) version: u64,
    /// When the session was inserted, Unix milliseconds.
    pub(crate) created: u64,
    /// Idle timeout in seconds; 0 is never.
    pub(crate) idle_timeout: u32,
    /// When the session ends however busy it is, Unix milliseconds.
    pub(crate) latest_expiry: Option<u64>,
}

impl Record {
    /// A session that is inserted now.
    pub(crate) fn new(now: u64, idle_timeout: u32, latest_expiry: Option<u64>) -> Self {
        Self {
            lock_counter: lock::INITIAL,
            locked: false,
            uninitialized: false,
            locked_at: 0,
            version: 1,
            created: now,
            idle_timeout,
            latest_expiry,
        }
    }

    /// The session as somebody locks it now. The first to read it, so it is uninitialized no longer.
    pub(crate) fn lock(self, now: u64) -> Self {
        Self { lock_counter: lock::next(self.lock_counter), locked: true, locked_at: now, uninitialized: false, ..self }
    }

    /// The session after a store.
    pub(crate) fn store(self, idle_timeout: u32, latest_expiry: Option<u64>, keep_lock: bool) -> Self {
        Self {
            locked: self.locked && keep_lock,
            uninitialized: false,
            version: self.version + 1,
            idle_timeout,
            latest_expiry: expiry::earlier(self.latest_expiry, latest_expiry),
            ..self
        }
    }

    /// Whether a caller who shows this lock id, or none, may write.
    pub(crate) fn admits(&self, lock_id: Option<LockId>) -> bool {
        !self.locked || lock_id == Some(self.lock_counter)
    }

    /// When the session expires if it is touched now.
    pub(crate) fn expires(&self, now: u64) -> Option<u64> {
        expiry::slide(now, self.idle_timeout, self.latest_expiry)
    }
}

impl From<Words> for Record {
    fn from(words: Words) -> Self {
        Self {
            lock_counter: low_half(words.a),
            locked: words.a & LOCKED != 0,
            uninitialized: words.a & UNINITIALIZED != 0,
            locked_at: words.b,
            version: words.c,
            created: words.d,
            idle_timeout: low_half(words.e),
            latest_expiry: (words.a & HAS_LATEST_EXPIRY != 0).then_some(words.f),
        }
    }
}

impl From<Record> for Words {
    fn from(record: Record) -> Self {
        let flag = |set: bool, bit: u64| if set { bit } else { 0 };
        Self {
            a: u64::from(record.lock_counter)
                | flag(record.locked, LOCKED)
                | flag(record.uninitialized, UNINITIALIZED)
                | flag(record.latest_expiry.is_some(), HAS_LATEST_EXPIRY),
            b: record.locked_at,
            c: record.version,
            d: record.created,
            e: u64::from(record.idle_timeout),
            f: record.latest_expiry.unwrap_or(0),
        }
    }
}

/// The lower 32 bits of a word.
#[allow(clippy::cast_possible_truncation, reason = "the upper half is masked away")]
fn low_half(word: u64) -> u32 {
    (word & u64::from(u32::MAX)) as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record() -> Record {
        Record::new(1_000, 20, None)
    }

    #[test]
    fn a_record_survives_the_way_into_words_and_back() {
        let full = Record {
            lock_counter: lock::MAX,
            locked: true,
            uninitialized: true,
            locked_at: 1,
            version: u64::MAX,
            created: 2,
            idle_timeout: u32::MAX,
            latest_expiry: Some(3),
        };
        for record in [full, record()] {
            assert_eq!(Record::from(Words::from(record)), record);
        }
    }

    #[test]
    fn lock_ids_begin_at_two_and_increase() {
        let first = record().lock(2_000);
        let second = first.store(20, None, false).lock(3_000);
        assert_eq!((first.lock_counter, second.lock_counter), (2, 3));
        assert_eq!(second.locked_at, 3_000);
    }

    #[test]
    fn only_the_holder_may_write_to_a_locked_session() {
        let locked = record().lock(2_000);
        assert!(locked.admits(Some(2)));
        assert!(!locked.admits(Some(1)) && !locked.admits(None));
    }

    #[test]
    fn anybody_may_write_to_an_unlocked_session() {
        let released = record().lock(2_000).store(20, None, false);
        assert!(released.admits(Some(7)) && released.admits(None));
    }

    #[test]
    fn a_store_keeps_a_lock_only_where_there_is_one() {
        assert!(record().lock(2_000).store(20, None, true).locked);
        assert!(!record().store(20, None, true).locked);
    }

    #[test]
    fn a_store_counts_the_version_and_clears_the_uninitialized_flag() {
        let stored = Record { uninitialized: true, ..record() }.store(30, None, false);
        assert_eq!((stored.version, stored.uninitialized, stored.idle_timeout), (2, false, 30));
        assert_eq!(stored.created, record().created);
    }

    #[test]
    fn a_store_never_puts_off_the_latest_expiry() {
        let limited = record().store(20, Some(9_000), false);
        assert_eq!(limited.store(20, Some(10_000), false).latest_expiry, Some(9_000));
        assert_eq!(limited.store(20, Some(8_000), false).latest_expiry, Some(8_000));
        assert_eq!(limited.store(20, None, false).latest_expiry, Some(9_000));
        assert_eq!(limited.expires(2_000), Some(9_000));
    }
}
