//! How much a bucket holds, and how much it may.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use super::entry::PutError;

/// The most that a bucket may hold. `None` is no limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Quota {
    /// Entries, those that expired and have not been swept included.
    pub max_entries: Option<u64>,
    /// Bytes of payloads, keys and tags.
    pub max_bytes: Option<u64>,
}

/// How much a bucket holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Totals {
    /// Entries, those that expired and have not been settled or dropped included: they take memory, too.
    pub entries: u64,
    /// Bytes of payloads, keys and tags.
    pub bytes: u64,
}

/// Counts what is held against the quota.
pub(super) struct Usage {
    entries: Counter,
    bytes: Counter,
}

struct Counter {
    held: AtomicU64,
    /// `u64::MAX` is no limit.
    most: AtomicU64,
}

impl Counter {
    fn new() -> Self {
        Self { held: AtomicU64::new(0), most: AtomicU64::new(u64::MAX) }
    }

    /// Adds, unless that would exceed the limit; the answer then is what was held.
    fn add(&self, amount: u64) -> Result<(), u64> {
        if amount == 0 {
            return Ok(());
        }
        let most = self.most.load(Relaxed);
        let sum = |held: u64| held.checked_add(amount).filter(|sum| *sum <= most);
        self.held.fetch_update(Relaxed, Relaxed, sum).map(|_| ())
    }

    /// Adds what is there already, whatever the limit.
    fn force(&self, amount: u64) {
        self.held.fetch_add(amount, Relaxed);
    }

    fn subtract(&self, amount: u64) {
        if amount > 0 {
            self.held.fetch_sub(amount, Relaxed);
        }
    }
}

impl Usage {
    pub(super) fn new() -> Self {
        Self { entries: Counter::new(), bytes: Counter::new() }
    }

    pub(super) fn set_quota(&self, quota: Quota) {
        self.entries.most.store(quota.max_entries.unwrap_or(u64::MAX), Relaxed);
        self.bytes.most.store(quota.max_bytes.unwrap_or(u64::MAX), Relaxed);
    }

    pub(super) fn totals(&self) -> Totals {
        Totals { entries: self.entries.held.load(Relaxed), bytes: self.bytes.held.load(Relaxed) }
    }

    /// Makes room for one more entry of this size.
    pub(super) fn add_entry(&self, size: u64) -> Result<(), PutError> {
        self.entries.add(1).map_err(|held| {
            let most = self.entries.most.load(Relaxed);
            PutError::Full(format!(
                "the bucket holds {held} entries and may hold {most}; wait for entries to expire and be swept, delete \
                 some, or raise its quota"
            ))
        })?;
        self.grow(size).inspect_err(|_| self.entries.subtract(1))
    }

    /// Counts an entry that is there already, as after a restart.
    pub(super) fn force_entry(&self, size: u64) {
        self.entries.force(1);
        self.bytes.force(size);
    }

    pub(super) fn remove_entry(&self, size: u64) {
        self.entries.subtract(1);
        self.bytes.subtract(size);
    }

    /// Makes room for an entry that changes its size. Shrinking always succeeds.
    pub(super) fn resize(&self, from: u64, to: u64) -> Result<(), PutError> {
        self.bytes.subtract(from.saturating_sub(to));
        self.grow(to.saturating_sub(from))
    }

    fn grow(&self, amount: u64) -> Result<(), PutError> {
        self.bytes.add(amount).map_err(|held| {
            let most = self.bytes.most.load(Relaxed);
            PutError::Full(format!(
                "the bucket holds {held} bytes and may hold {most}, which leaves no room for {amount} more; wait for \
                 entries to expire and be swept, delete some, or raise its quota"
            ))
        })
    }
}
