//! What happened in a store: counters, and whoever wants to hear of it.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use super::events::{End, Event, EventId, EventIds, EventSink, What};
use crate::{
    clock::Clock,
    contract::{EndReason, Item, SessionKey, StoreError},
    plugins::ExpirySink,
};

/// Counts the beginnings and ends of a store's sessions and passes them on.
pub(super) struct Journal {
    store: Arc<str>,
    clock: Clock,
    ids: EventIds,
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
    pub(super) fn new(store: &str, clock: Clock, sinks: Vec<Arc<dyn EventSink>>) -> Self {
        Self {
            store: store.into(),
            clock,
            ids: EventIds::new(),
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
        if self.has_listeners() {
            self.tell(self.ids.next(), key, What::Started);
        }
    }

    /// A session was removed by a client. One that nobody ever read never started, and so does not end.
    pub(super) fn removed(&self, key: &SessionKey, item: Option<&Item>) {
        self.removed.fetch_add(1, Ordering::Relaxed);
        if let Some(item) = item.filter(|item| !item.uninitialized && self.has_listeners()) {
            self.ended(self.ids.next(), key, item.clone(), EndReason::Removed);
        }
    }

    /// A session was given another ID.
    pub(super) fn renamed(&self, old: &SessionKey, new: &SessionKey) {
        if self.has_listeners() {
            self.tell(self.ids.next(), new, What::Renamed { old: old.clone() });
        }
    }

    fn ended(&self, id: EventId, key: &SessionKey, item: Item, reason: EndReason) {
        let size = item.data.payload.len();
        self.tell(id, key, What::Ended(Box::new(End { item, reason, size })));
    }

    fn tell(&self, id: EventId, key: &SessionKey, what: What) {
        let event = Event { id, store: self.store.clone(), at: self.clock.now(), key: key.clone(), what };
        let event = Arc::new(event);
        self.sinks.iter().for_each(|sink| sink.happened(&event));
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
        if self.has_listeners() {
            self.ended(EventId::of_expiry(&key, &item), &key, item, EndReason::Expired);
        }
        self.expired.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }
}
