//! The built-in in-memory store: buckets of entries that expire, with versions, tags and claims.
//!
//! `wit/kv.wit` says what each function promises; this is those functions in plain Rust, and nothing here knows wasm.
//! The glue of the plugin runtime and the metrics call it. It calls nothing but the clock.
//!
//! An entry lives in a concurrent map (`bucket`); what must be known in an order (deadlines, paging, tags) is in an
//! `index` beside it that the common operations do not touch. Entries that expired and left their key wait in `expired`
//! until they are reported. The longer operations have a file each: `put`, `rename`, `sweep`, `listing`. `snapshot`
//! carries everything over a planned restart.

mod bucket;
mod deadlines;
mod entry;
mod expired;
mod index;
mod keys;
mod listing;
mod put;
mod quota;
mod rename;
mod serial;
mod snapshot;
mod sweep;
mod tags;
#[cfg(test)]
mod tests;

use std::{collections::BTreeMap, fmt, sync::Arc};

use parking_lot::RwLock;

pub use bucket::Bucket;
pub use entry::{Entry, EntryInfo, ExpiredEntry, KeyPage, MAX_KEY_BYTES, PutCondition, PutError, TagChange, Words};
pub use quota::{Quota, Totals};
pub use snapshot::{Damage, Loaded, Snapshot, SnapshotError, SnapshotSummary};

use crate::clock::Clock;

/// The buckets. Cheap to clone; clones share everything.
///
/// ```
/// use bytes::Bytes;
/// use cloakroom::{capabilities::kv::{Kv, PutCondition, TagChange, Words}, clock::Clock};
///
/// let bucket = Kv::new(Clock::system()).bucket("shop");
/// let coat = Some(Bytes::from_static(b"a coat").into());
/// let version = bucket.put("ticket 7", coat, Words::default(), None, TagChange::Keep, PutCondition::IfAbsent)?;
/// let entry = bucket.get("ticket 7").ok_or("gone")?;
/// assert_eq!((entry.payload.bytes().as_ref(), entry.info.version), (b"a coat".as_slice(), version));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct Kv {
    clock: Clock,
    buckets: Arc<RwLock<BTreeMap<Arc<str>, Bucket>>>,
}

impl Kv {
    /// No buckets yet.
    #[must_use]
    pub fn new(clock: Clock) -> Self {
        Self { clock, buckets: Arc::default() }
    }

    /// The bucket of this name, made on first use. Keep it where it is used often.
    #[must_use]
    pub fn bucket(&self, name: &str) -> Bucket {
        if let Some(bucket) = self.buckets.read().get(name) {
            return bucket.clone();
        }
        let make = || Bucket::new(self.clock.clone());
        self.buckets.write().entry(Arc::from(name)).or_insert_with(make).clone()
    }

    /// The buckets with their names, ordered by name.
    #[must_use]
    pub fn buckets(&self) -> Vec<(Arc<str>, Bucket)> {
        self.buckets.read().iter().map(|(name, bucket)| (name.clone(), bucket.clone())).collect()
    }

    /// What all buckets hold together.
    #[must_use]
    pub fn totals(&self) -> Totals {
        let add = |sum: Totals, next: Totals| Totals {
            entries: sum.entries.saturating_add(next.entries),
            bytes: sum.bytes.saturating_add(next.bytes),
        };
        self.buckets.read().values().map(Bucket::totals).fold(Totals::default(), add)
    }
}

impl fmt::Debug for Kv {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.buckets()).finish()
    }
}
