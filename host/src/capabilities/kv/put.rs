//! Writing an entry.

use std::{mem, sync::Arc};

use dashmap::Entry as MapEntry;

use super::{
    bucket::{Bucket, Parts, check_key, wait_for_rename},
    deadlines::Deadline,
    entry::{PutCondition, PutError, Slot, Stored, TagChange, Words, size},
    expired::Record,
    serial::Serial,
};
use crate::{clock::UnixMillis, contract::Payload};

/// What a put is to write.
struct Write<'a> {
    payload: Option<Payload>,
    words: Words,
    deadline: Deadline,
    tag: TagChange<'a>,
    condition: PutCondition,
}

/// What a put found under its key.
enum Met {
    /// Nothing.
    Nothing,
    /// A key that a rename keeps free.
    Reserved,
    /// An entry, live or expired; the put is done.
    Entry(Result<Written, PutError>),
}

/// What a put over an entry leaves behind.
struct Written {
    version: u64,
    /// The payload that was replaced, to be freed after the entry's lock: freeing a large one is a system call.
    _replaced: Option<Payload>,
}

impl Bucket {
    /// Writes an entry atomically and returns its new version. Without a payload the stored one is kept.
    ///
    /// An entry that has expired is absent: a put over it inserts, and the old one still waits to be reported.
    pub fn put(
        &self,
        key: &str,
        payload: Option<Payload>,
        words: Words,
        expires: Option<UnixMillis>,
        tag: TagChange<'_>,
        condition: PutCondition,
    ) -> Result<u64, PutError> {
        check_key(key)?;
        let now = self.parts.clock.now();
        let mut write = Write { payload, words, deadline: Deadline::new(expires), tag, condition };
        loop {
            // The map's own entry function wants an owned key: it is asked only once the key is known to be new.
            match self.parts.put_over(key, &mut write, now) {
                Met::Entry(written) => return written.map(|written| written.version),
                Met::Reserved => wait_for_rename(),
                Met::Nothing => {
                    let payload = write.payload_of_new_entry()?;
                    match self.parts.entries.entry(Arc::from(key)) {
                        MapEntry::Vacant(vacant) => {
                            let key = vacant.key().clone();
                            let stored = self.parts.make(&key, payload, &write)?;
                            let version = stored.version;
                            vacant.insert(Slot::Entry(stored));
                            return Ok(version);
                        }
                        // Somebody else was quicker: look again.
                        MapEntry::Occupied(_) => write.payload = Some(payload),
                    }
                }
            }
        }
    }
}

impl Write<'_> {
    /// The tag that a new entry gets, or one whose tag changes.
    fn new_tag(&self) -> Option<&str> {
        if let TagChange::Set(tag) = self.tag { Some(tag) } else { None }
    }

    /// Takes the payload for an entry that does not exist yet, if the condition allows one to be inserted.
    fn payload_of_new_entry(&mut self) -> Result<Payload, PutError> {
        if let PutCondition::IfVersion(_) = self.condition {
            return Err(PutError::Conflict);
        }
        self.payload.take().ok_or_else(|| {
            PutError::Invalid("there is no entry whose payload could be kept; put one with a payload".to_owned())
        })
    }
}

impl Parts {
    /// Writes over what stands under the key, under its lock.
    fn put_over(&self, key: &str, write: &mut Write<'_>, now: UnixMillis) -> Met {
        let Some(mut slot) = self.entries.get_mut(key) else { return Met::Nothing };
        let (key, slot) = slot.pair_mut();
        match slot {
            Slot::Entry(stored) if stored.is_live(now) => Met::Entry(self.overwrite(key, stored, write)),
            Slot::Entry(_) => Met::Entry(self.supersede(key, slot, write)),
            // Nobody can know the version of an entry that is not there yet.
            Slot::Reserved if matches!(write.condition, PutCondition::IfVersion(_)) => {
                Met::Entry(Err(PutError::Conflict))
            }
            Slot::Reserved => Met::Reserved,
        }
    }

    /// Writes over an entry that is live.
    fn overwrite(&self, key: &str, stored: &mut Stored, write: &mut Write<'_>) -> Result<Written, PutError> {
        match write.condition {
            PutCondition::Always => {}
            PutCondition::IfVersion(version) if version == stored.version => {}
            PutCondition::IfVersion(_) | PutCondition::IfAbsent => return Err(PutError::Conflict),
        }
        let tag = match write.tag {
            TagChange::Keep => stored.tag.as_deref(),
            TagChange::Clear => None,
            TagChange::Set(tag) => Some(tag),
        };
        let retag = tag != stored.tag.as_deref();
        if retag || write.payload.is_some() {
            let payload = write.payload.as_ref().unwrap_or(&stored.payload);
            self.usage.resize(stored.size(key), size(key, payload, tag))?;
        }
        if retag {
            self.index.lock().retag(stored, write.new_tag());
        }
        let replaced = write.payload.take().map(|payload| mem::replace(&mut stored.payload, payload));
        stored.words = write.words;
        stored.version = self.next_number();
        self.set_deadline(stored, write.deadline);
        Ok(Written { version: stored.version, _replaced: replaced })
    }

    /// Inserts in place of an entry that has expired, and sets that one aside to be reported.
    fn supersede(&self, key: &Arc<str>, slot: &mut Slot, write: &mut Write<'_>) -> Result<Written, PutError> {
        let payload = write.payload_of_new_entry()?;
        let stored = self.make(key, payload, write)?;
        let version = stored.version;
        self.set_aside(key, mem::replace(slot, Slot::Entry(stored)));
        Ok(Written { version, _replaced: None })
    }

    /// Makes a new entry and enters it into the index. The caller has the key's lock and puts it into the map.
    fn make(&self, key: &Arc<str>, payload: Payload, write: &Write<'_>) -> Result<Stored, PutError> {
        let tag = write.new_tag();
        self.usage.add_entry(size(key, &payload, tag))?;
        let version = self.next_number();
        let mut stored = Stored {
            payload,
            words: write.words,
            tag: None,
            version,
            serial: Serial(version),
            deadline: write.deadline,
            mark: write.deadline,
        };
        self.index.lock().insert(key.clone(), &mut stored, tag);
        Ok(stored)
    }

    /// Moves an expired entry that just lost its key to those that wait to be reported. The caller has the key's lock.
    pub(super) fn set_aside(&self, key: &Arc<str>, slot: Slot) {
        if let Slot::Entry(stored) = slot {
            self.index.lock().remove(&stored);
            self.expired.lock().add(Record { key: key.clone(), stored });
        }
    }
}
