//! A bucket: its parts, and the operations on one entry that are short.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
};

use ahash::RandomState;
use dashmap::DashMap;
use parking_lot::Mutex;

use super::{
    deadlines::Deadline,
    entry::{Entry, EntryInfo, MAX_KEY_BYTES, PutError, Slot, Stored},
    expired::Expired,
    index::Index,
    quota::{Quota, Totals, Usage},
};
use crate::clock::{Clock, UnixMillis};

/// A bucket of entries. Cheap to clone; clones share everything.
///
/// Every operation on a key is atomic. Locks are taken in this order and none is held across another operation: the
/// entry's (a shard of the map), then the index or the expired entries.
#[derive(Clone)]
pub struct Bucket {
    pub(super) parts: Arc<Parts>,
}

/// What the clones of a bucket share.
pub(super) struct Parts {
    pub(super) clock: Clock,
    pub(super) entries: DashMap<Arc<str>, Slot, RandomState>,
    pub(super) index: Mutex<Index>,
    pub(super) expired: Mutex<Expired>,
    pub(super) usage: Usage,
    /// The last number given out: versions, serials and tickets all come from here, so none is ever reused.
    pub(super) sequence: AtomicU64,
}

impl Parts {
    /// A number that this bucket has not given out before. The first is 1.
    pub(super) fn next_number(&self) -> u64 {
        self.sequence.fetch_add(1, Relaxed).wrapping_add(1)
    }

    /// Reads a live entry under its lock.
    pub(super) fn read<R>(&self, key: &str, now: UnixMillis, read: impl FnOnce(&Stored) -> R) -> Option<R> {
        loop {
            match self.entries.get(key)?.value() {
                Slot::Entry(stored) => return stored.is_live(now).then(|| read(stored)),
                Slot::Reserved => {}
            }
            wait_for_rename();
        }
    }

    /// Changes when an entry expires. Takes the index only if that is earlier than the entry is marked.
    pub(super) fn set_deadline(&self, stored: &mut Stored, deadline: Deadline) {
        stored.deadline = deadline;
        if deadline < stored.mark {
            self.index.lock().remark(stored, deadline);
        }
    }
}

/// Lets a rename go on that has reserved a key. It keeps it for two operations on the map and waits for nothing
/// meanwhile but the locks that these take.
pub(super) fn wait_for_rename() {
    std::thread::yield_now();
}

/// Refuses keys that are too long.
pub(super) fn check_key(key: &str) -> Result<(), PutError> {
    if key.len() > MAX_KEY_BYTES {
        return Err(PutError::Invalid(format!("the key has {} bytes; at most {MAX_KEY_BYTES} are allowed", key.len())));
    }
    Ok(())
}

impl Bucket {
    pub(super) fn new(clock: Clock) -> Self {
        let parts = Parts {
            clock,
            entries: DashMap::default(),
            index: Mutex::default(),
            expired: Mutex::default(),
            usage: Usage::new(),
            sequence: AtomicU64::new(0),
        };
        Self { parts: Arc::new(parts) }
    }

    /// Limits what the bucket may hold from now on. What it holds beyond that stays.
    pub fn set_quota(&self, quota: Quota) {
        self.parts.usage.set_quota(quota);
    }

    /// What the bucket holds.
    #[must_use]
    pub fn totals(&self) -> Totals {
        self.parts.usage.totals()
    }

    /// Reads an entry. The payload is shared, not copied.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<Entry> {
        let now = self.parts.clock.now();
        self.parts.read(key, now, |stored| stored.entry(now))
    }

    /// Reads an entry without its payload and tag.
    #[must_use]
    pub fn stat(&self, key: &str) -> Option<EntryInfo> {
        let now = self.parts.clock.now();
        self.parts.read(key, now, |stored| stored.info(now))
    }

    /// Moves the expiry of an entry, if it has this version; changes nothing else, the version included. False if there
    /// is no such entry or its version differs.
    #[must_use]
    pub fn touch(&self, key: &str, expires: Option<UnixMillis>, version: u64) -> bool {
        let now = self.parts.clock.now();
        // Nobody can know the version of an entry that a rename has yet to put here: a reserved key is no match.
        let Some(mut slot) = self.parts.entries.get_mut(key) else { return false };
        let Slot::Entry(stored) = slot.value_mut() else { return false };
        if !stored.is_live(now) || stored.version != version {
            return false;
        }
        self.parts.set_deadline(stored, Deadline::new(expires));
        true
    }

    /// Deletes an entry, if it has this version. False if there is no such entry or its version differs.
    #[must_use]
    pub fn delete(&self, key: &str, version: u64) -> bool {
        let now = self.parts.clock.now();
        let removed = self.parts.entries.remove_if(key, |key, slot| match slot {
            Slot::Entry(stored) if stored.is_live(now) && stored.version == version => {
                self.parts.index.lock().remove(stored);
                self.parts.usage.remove_entry(stored.size(key));
                true
            }
            Slot::Entry(_) | Slot::Reserved => false,
        });
        // The payload is freed here, after the lock.
        removed.is_some()
    }
}

impl fmt::Debug for Bucket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.totals().fmt(f)
    }
}
