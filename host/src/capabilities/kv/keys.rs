//! The keys of a bucket in the order in which their entries were inserted, for paging.
//!
//! A serial never changes while its entry exists, so a page that continues after a serial can neither skip an entry nor
//! meet it twice, whatever is overwritten, extended or deleted in between.

use std::{collections::BTreeMap, ops::Bound, sync::Arc};

use super::serial::Serial;

/// The keys by serial.
#[derive(Default)]
pub(super) struct Keys {
    by_serial: BTreeMap<Serial, Arc<str>>,
}

impl Keys {
    /// Adds a key, or replaces the one that the serial had.
    pub(super) fn insert(&mut self, serial: Serial, key: Arc<str>) {
        self.by_serial.insert(serial, key);
    }

    pub(super) fn remove(&mut self, serial: Serial) {
        self.by_serial.remove(&serial);
    }

    pub(super) fn get(&self, serial: Serial) -> Option<&Arc<str>> {
        self.by_serial.get(&serial)
    }

    /// What comes after `after`, up to `until` inclusive.
    pub(super) fn range(&self, after: Serial, until: Serial) -> impl Iterator<Item = (Serial, &Arc<str>)> {
        // A range that ends before it begins would panic.
        let until = until.max(after);
        let range = (Bound::Excluded(after), Bound::Included(until));
        self.by_serial.range(range).map(|(serial, key)| (*serial, key))
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.by_serial.len()
    }
}
