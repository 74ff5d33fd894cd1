//! Moving an entry to another key.
//!
//! Two keys lie under two locks, and holding both invites deadlock. Instead the new key is *reserved*: from then on its
//! readers and writers wait, and once the entry has been taken from the old key it is put there. So nobody can find the
//! entry under neither key, or under both, nor get in between; and a rename that fails has changed nothing that anybody
//! saw. A reserved new key never waits for anything but the lock on the old one, hence no circle of waiting.

use std::sync::Arc;

use dashmap::Entry as MapEntry;

use super::{
    bucket::{Bucket, Parts, check_key, wait_for_rename},
    entry::{PutError, Slot, Stored, size},
};
use crate::clock::UnixMillis;

/// A key that is kept free for an entry. Dropped before it is filled, it is free for all again.
struct Reservation<'a> {
    parts: &'a Parts,
    key: Arc<str>,
    filled: bool,
}

impl Bucket {
    /// Moves an entry to another key, atomically for every reader of either, and returns its new version. `Conflict` if
    /// the version differs or the new key exists.
    pub fn rename(&self, old: &str, new: &str, version: u64) -> Result<u64, PutError> {
        check_key(new)?;
        let now = self.parts.clock.now();
        // What cannot succeed should not make the readers of the new key wait.
        if self.parts.read(old, now, |stored| stored.version) != Some(version) {
            return Err(PutError::Conflict);
        }
        let reservation = self.parts.reserve(new, now)?;
        let stored = self.parts.take(old, &reservation.key, version, now)?;
        let version = stored.version;
        reservation.fill(stored);
        Ok(version)
    }
}

impl Parts {
    fn reserve(&self, key: &str, now: UnixMillis) -> Result<Reservation<'_>, PutError> {
        let key: Arc<str> = Arc::from(key);
        loop {
            match self.entries.entry(key.clone()) {
                MapEntry::Vacant(vacant) => {
                    vacant.insert(Slot::Reserved);
                    return Ok(Reservation { parts: self, key, filled: false });
                }
                MapEntry::Occupied(mut occupied) => match occupied.get() {
                    Slot::Entry(stored) if stored.is_live(now) => return Err(PutError::Conflict),
                    Slot::Entry(_) => {
                        let slot = occupied.insert(Slot::Reserved);
                        self.set_aside(&key, slot);
                        return Ok(Reservation { parts: self, key, filled: false });
                    }
                    Slot::Reserved => {}
                },
            }
            wait_for_rename();
        }
    }

    /// Takes an entry out of the map and enters it in the index under its new key, which is reserved.
    fn take(&self, old: &str, new: &Arc<str>, version: u64, now: UnixMillis) -> Result<Stored, PutError> {
        let mut refused = PutError::Conflict;
        let taken = self.entries.remove_if_mut(old, |_, slot| match slot {
            Slot::Entry(stored) if stored.is_live(now) && stored.version == version => {
                let resized = size(new, &stored.payload, stored.tag.as_deref());
                if let Err(full) = self.usage.resize(stored.size(old), resized) {
                    refused = full;
                    return false;
                }
                stored.version = self.next_number();
                self.index.lock().rename(stored.serial, new.clone());
                true
            }
            // Not even a reserved key is waited for: nobody can know the version of an entry that is not there yet.
            Slot::Entry(_) | Slot::Reserved => false,
        });
        match taken {
            Some((_, Slot::Entry(stored))) => Ok(stored),
            Some((_, Slot::Reserved)) | None => Err(refused),
        }
    }
}

impl Reservation<'_> {
    fn fill(mut self, stored: Stored) {
        // From here on the key may be reserved by somebody else, as soon as the entry has been renamed away.
        self.filled = true;
        if let Some(mut slot) = self.parts.entries.get_mut(&self.key) {
            *slot = Slot::Entry(stored);
        }
    }
}

impl Drop for Reservation<'_> {
    fn drop(&mut self) {
        if !self.filled {
            self.parts.entries.remove_if(&self.key, |_, slot| matches!(slot, Slot::Reserved));
        }
    }
}
