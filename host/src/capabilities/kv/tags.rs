//! Which entries have which tag.

use std::{
    collections::{BTreeSet, HashMap},
    ops::Bound,
    sync::Arc,
};

use super::serial::Serial;

/// The serials of the entries of each tag. A tag without entries is not kept.
#[derive(Default)]
pub(super) struct Tags {
    sets: HashMap<Arc<str>, BTreeSet<Serial>>,
}

impl Tags {
    /// Adds an entry to a tag. Returns the tag as it is kept, so that all its entries share the text.
    pub(super) fn add(&mut self, tag: &str, serial: Serial) -> Arc<str> {
        let kept = self.sets.get_key_value(tag).map_or_else(|| Arc::from(tag), |(kept, _)| kept.clone());
        self.sets.entry(kept.clone()).or_default().insert(serial);
        kept
    }

    pub(super) fn remove(&mut self, tag: &str, serial: Serial) {
        if let Some(set) = self.sets.get_mut(tag) {
            set.remove(&serial);
            if set.is_empty() {
                self.sets.remove(tag);
            }
        }
    }

    /// The serials of a tag after `after`, up to `until` inclusive.
    pub(super) fn range(&self, tag: &str, after: Serial, until: Serial) -> impl Iterator<Item = Serial> {
        let range = (Bound::Excluded(after), Bound::Included(until.max(after)));
        self.sets.get(tag).into_iter().flat_map(move |set| set.range(range).copied())
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.sets.len()
    }
}
