//! What a bucket knows of its entries in an order: by deadline, by insertion, by tag.
//!
//! One mutex guards all three. It is taken when an entry comes, goes, is renamed, changes its tag or expires earlier
//! than it is marked; never to read an entry, to overwrite one or to extend it. Always after the lock on the entry,
//! never before: whoever starts from the index lets go of it before looking at an entry.

use std::sync::Arc;

use super::{
    deadlines::{Deadline, Deadlines},
    entry::Stored,
    keys::Keys,
    serial::Serial,
    tags::Tags,
};
use crate::clock::UnixMillis;

/// An entry whose mark has passed.
pub(super) struct Due {
    pub(super) mark: Deadline,
    pub(super) serial: Serial,
    pub(super) key: Arc<str>,
}

/// The orders of a bucket's entries.
#[derive(Default)]
pub(super) struct Index {
    deadlines: Deadlines,
    keys: Keys,
    tags: Tags,
}

impl Index {
    /// Enters a new entry under its key, marked where it says, and gives it its tag.
    pub(super) fn insert(&mut self, key: Arc<str>, stored: &mut Stored, tag: Option<&str>) {
        self.keys.insert(stored.serial, key);
        self.deadlines.insert(stored.mark, stored.serial);
        stored.tag = tag.map(|tag| self.tags.add(tag, stored.serial));
    }

    /// Forgets an entry.
    pub(super) fn remove(&mut self, stored: &Stored) {
        self.keys.remove(stored.serial);
        self.deadlines.remove(stored.mark, stored.serial);
        if let Some(tag) = &stored.tag {
            self.tags.remove(tag, stored.serial);
        }
    }

    /// Moves an entry's mark.
    pub(super) fn remark(&mut self, stored: &mut Stored, mark: Deadline) {
        self.deadlines.remove(stored.mark, stored.serial);
        self.deadlines.insert(mark, stored.serial);
        stored.mark = mark;
    }

    /// Gives an entry another tag, or none.
    pub(super) fn retag(&mut self, stored: &mut Stored, tag: Option<&str>) {
        if let Some(old) = stored.tag.take() {
            self.tags.remove(&old, stored.serial);
        }
        stored.tag = tag.map(|tag| self.tags.add(tag, stored.serial));
    }

    /// Enters another key for an entry.
    pub(super) fn rename(&mut self, serial: Serial, key: Arc<str>) {
        self.keys.insert(serial, key);
    }

    /// Whether an entry has this serial.
    pub(super) fn contains(&self, serial: Serial) -> bool {
        self.keys.get(serial).is_some()
    }

    /// The key of an entry.
    pub(super) fn key(&self, serial: Serial) -> Option<Arc<str>> {
        self.keys.get(serial).cloned()
    }

    /// The entry with the earliest mark, if the mark has passed.
    pub(super) fn first_due(&self, now: UnixMillis) -> Option<Due> {
        let (mark, serial) = self.deadlines.first_due(now)?;
        let key = self.key(serial)?;
        Some(Due { mark, serial, key })
    }

    /// Up to `count` entries after `after`, up to `until` inclusive.
    pub(super) fn range(&self, after: Serial, until: Serial, count: usize) -> Vec<(Serial, Arc<str>)> {
        self.keys.range(after, until).take(count).map(|(serial, key)| (serial, key.clone())).collect()
    }

    /// The same, of the entries with a tag.
    pub(super) fn tagged(&self, tag: &str, after: Serial, until: Serial, count: usize) -> Vec<(Serial, Arc<str>)> {
        let keyed = |serial| self.keys.get(serial).map(|key| (serial, key.clone()));
        self.tags.range(tag, after, until).filter_map(keyed).take(count).collect()
    }

    /// How many marks, keys and tags there are.
    #[cfg(test)]
    pub(super) fn sizes(&self) -> (usize, usize, usize) {
        (self.deadlines.len(), self.keys.len(), self.tags.len())
    }
}
