//! What happened in a store: counters, and whoever wants to hear of it.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use super::events::EventSink;
use crate::{
    contract::{EndReason, Item, SessionKey, StoreError},
    plugins::ExpirySink,
};

/// Counts the beginnings and ends of a store's sessions and passes them on.
pub(super) struct Journal {
    store: String,
    sinks: Vec<Arc<dyn EventSink>>,
    started: AtomicU64,
    expired: AtomicU64,
    removed: AtomicU64,
}

/// How many sessions began and ended since the host started.
pub(super) struct Counts {
    pub(super) started: u64,
    pub(super) expired: u64,
    pub(super) removed: u64,
}

impl Journal {
    pub(super) fn new(store: &str, sinks: Vec<Arc<dyn EventSink>>) -> Self {
        Self {
            store: store.to_owned(),
            sinks,
            started: AtomicU64::new(0),
            expired: AtomicU64::new(0),
            removed: AtomicU64::new(0),
        }
    }

    pub(super) fn counts(&self) -> Counts {
        Counts {
            started: self.started.load(Ordering::Relaxed),
            expired: self.expired.load(Ordering::Relaxed),
            removed: self.removed.load(Ordering::Relaxed),
        }
    }

    /// Whether anybody wants the data of sessions that end.
    pub(super) fn has_listeners(&self) -> bool {
        !self.sinks.is_empty()
    }

    /// A session was stored or read for the first time.
    pub(super) fn started(&self, key: &SessionKey) {
        self.started.fetch_add(1, Ordering::Relaxed);
        for sink in &self.sinks {
            sink.session_started(&self.store, key);
        }
    }

    /// A session was removed by a client. One that nobody ever read never started, and so does not end.
    pub(super) fn removed(&self, key: &SessionKey, item: Option<&Item>) {
        self.removed.fetch_add(1, Ordering::Relaxed);
        if let Some(item) = item.filter(|item| !item.uninitialized) {
            self.ended(key, item, EndReason::Removed);
        }
    }

    /// A session was given another ID.
    pub(super) fn renamed(&self, old: &SessionKey, new: &SessionKey) {
        self.sinks.iter().for_each(|sink| sink.session_renamed(old, new));
    }

    fn ended(&self, key: &SessionKey, item: &Item, reason: EndReason) {
        self.sinks.iter().for_each(|sink| sink.session_ended(&self.store, key, item, reason));
    }
}

impl ExpirySink for Journal {
    /// Always: the host counts the sessions that expire.
    fn listening(&self) -> bool {
        true
    }

    fn item_expired(&self, key: SessionKey, item: Item) -> Result<(), StoreError> {
        // All or none: otherwise those who took it on would hear of it again each time that it is offered.
        self.sinks.iter().try_for_each(|sink| sink.has_room(&item))?;
        self.ended(&key, &item, EndReason::Expired);
        self.expired.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }
}
