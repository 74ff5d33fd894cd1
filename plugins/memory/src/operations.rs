//! The operations of a session store.
//!
//! They share one shape: look at the entry, decide, write `if-version`. A conflict means that somebody else got on with
//! the same session in between, so trying again always ends, and no number of attempts needs to be set.

use cloakroom_plugin_sdk::{
    Condition, Error, GetExclusiveOutcome, GetOutcome, Item, Lock, LockId, LockedItem, Provider, ReleaseOutcome,
    RemoveOutcome, ResetOutcome, SessionData, SessionKey, SetOutcome, Settings, clock, expiry,
    kv::{Entry, EntryInfo, PutCondition, PutError, TagChange},
    lock,
};

use crate::{
    Memory,
    record::Record,
    subject::{subject, tag_change},
    sweep,
};

impl Provider for Memory {
    const NAME: &'static str = concat!("memory ", env!("CARGO_PKG_VERSION"));

    fn initialize(_store: &str, settings: &Settings) -> Result<Self, Error> {
        settings.allow_only(&[])?;
        Self::open()
    }

    fn create_uninitialized(&self, key: SessionKey, data: SessionData) -> Result<(), Error> {
        let tag = tag_change(&key.application, data.subject.as_deref());
        let key = key.into_storage_key();
        loop {
            if let Some(info) = self.bucket.stat(&key) {
                self.slide(&key, &info, &info.words.into());
                return Ok(());
            }
            let now = clock::now();
            let record = Record { uninitialized: true, ..Record::new(now, data.idle_timeout, data.latest_expiry) };
            let expires = record.expires(now);
            match self.bucket.put(&key, Some(&data.payload), record.into(), expires, &tag, PutCondition::IfAbsent) {
                Err(PutError::Conflict) => continue,
                Err(error) => return Err(error.into()),
                Ok(_) => return Ok(()),
            }
        }
    }

    fn get(&self, key: SessionKey) -> Result<GetOutcome, Error> {
        let key = key.into_storage_key();
        loop {
            let Some(entry) = self.bucket.get(&key) else { return Ok(GetOutcome::Missing) };
            let record = Record::from(entry.info.words);
            if record.uninitialized {
                // Of concurrent readers one writes and sees the flag; the others meet a conflict and look again.
                let seen = Record { uninitialized: false, ..record };
                match self.write_back(&key, &entry.info, seen) {
                    Err(PutError::Conflict) => continue,
                    Err(error) => return Err(error.into()),
                    Ok(expires) => return Ok(GetOutcome::Found(item(entry, &record, expires))),
                }
            }
            let expires = self.slide(&key, &entry.info, &record);
            return Ok(if record.locked {
                GetOutcome::Locked(held(&record, &entry.info))
            } else {
                GetOutcome::Found(item(entry, &record, expires))
            });
        }
    }

    fn peek(&self, key: SessionKey) -> Result<GetOutcome, Error> {
        let Some(entry) = self.bucket.get(&key.into_storage_key()) else { return Ok(GetOutcome::Missing) };
        let record = Record::from(entry.info.words);
        Ok(if record.locked {
            GetOutcome::Locked(held(&record, &entry.info))
        } else {
            let expires = entry.info.expires;
            GetOutcome::Found(item(entry, &record, expires))
        })
    }

    fn get_exclusive(&self, key: SessionKey) -> Result<GetExclusiveOutcome, Error> {
        let key = key.into_storage_key();
        loop {
            let Some(entry) = self.bucket.get(&key) else { return Ok(GetExclusiveOutcome::Missing) };
            let record = Record::from(entry.info.words);
            if record.locked {
                self.slide(&key, &entry.info, &record);
                return Ok(GetExclusiveOutcome::Locked(held(&record, &entry.info)));
            }
            let locked = record.lock(entry.info.now);
            match self.write_back(&key, &entry.info, locked) {
                Err(PutError::Conflict) => continue,
                Err(error) => return Err(error.into()),
                Ok(expires) => {
                    let item = item(entry, &record, expires);
                    return Ok(GetExclusiveOutcome::Found(LockedItem { item, lock_id: locked.lock_counter }));
                }
            }
        }
    }

    fn set_and_release(
        &self,
        key: SessionKey,
        data: SessionData,
        lock_id: Option<LockId>,
        condition: Condition,
        keep_lock: bool,
    ) -> Result<SetOutcome, Error> {
        let lock_id = lock_id.map(lock::check).transpose()?;
        let tag = tag_change(&key.application, data.subject.as_deref());
        let key = key.into_storage_key();
        loop {
            let (now, record, put_condition) = match self.bucket.stat(&key) {
                None if matches!(condition, Condition::IfVersion(_)) => return Ok(SetOutcome::Stale(0)),
                None => {
                    let now = clock::now();
                    (now, Record::new(now, data.idle_timeout, data.latest_expiry), PutCondition::IfAbsent)
                }
                Some(info) => {
                    let record = Record::from(info.words);
                    // The lock comes before the condition, as RFC 9110 (13.2.1) has it: a write that would be refused
                    // anyway is not refused for its condition.
                    if !record.admits(lock_id) {
                        self.slide(&key, &info, &record);
                        return Ok(SetOutcome::Locked(held(&record, &info)));
                    }
                    if !holds(condition, record.version) {
                        self.slide(&key, &info, &record);
                        return Ok(SetOutcome::Stale(record.version));
                    }
                    let stored = record.store(data.idle_timeout, data.latest_expiry, keep_lock);
                    (info.now, stored, PutCondition::IfVersion(info.version))
                }
            };
            let expires = record.expires(now);
            match self.bucket.put(&key, Some(&data.payload), record.into(), expires, &tag, put_condition) {
                Err(PutError::Conflict) => continue,
                Err(error) => return Err(error.into()),
                Ok(_) => return Ok(SetOutcome::Done(record.version)),
            }
        }
    }

    fn release_exclusive(&self, key: SessionKey, lock_id: LockId) -> Result<ReleaseOutcome, Error> {
        let lock_id = lock::check(lock_id)?;
        let key = key.into_storage_key();
        loop {
            let Some(info) = self.bucket.stat(&key) else { return Ok(ReleaseOutcome::Missing) };
            let record = Record::from(info.words);
            if !record.admits(Some(lock_id)) {
                self.slide(&key, &info, &record);
                return Ok(ReleaseOutcome::Locked(held(&record, &info)));
            }
            if !record.locked && !record.uninitialized {
                self.slide(&key, &info, &record);
                return Ok(ReleaseOutcome::Done(false));
            }
            match self.write_back(&key, &info, Record { locked: false, uninitialized: false, ..record }) {
                Err(PutError::Conflict) => continue,
                Err(error) => return Err(error.into()),
                Ok(_) => return Ok(ReleaseOutcome::Done(record.uninitialized)),
            }
        }
    }

    fn remove(&self, key: SessionKey, lock_id: Option<LockId>, want_item: bool) -> Result<RemoveOutcome, Error> {
        let lock_id = lock_id.map(lock::check).transpose()?;
        let key = key.into_storage_key();
        loop {
            // Without the payload where nobody asks for it.
            let entry = if want_item { self.bucket.get(&key) } else { None };
            let found = if want_item { entry.as_ref().map(|entry| entry.info) } else { self.bucket.stat(&key) };
            let Some(info) = found else { return Ok(RemoveOutcome::Missing) };
            let record = Record::from(info.words);
            if !record.admits(lock_id) {
                self.slide(&key, &info, &record);
                return Ok(RemoveOutcome::Locked(held(&record, &info)));
            }
            if self.bucket.delete(&key, info.version) {
                return Ok(RemoveOutcome::Done(entry.map(|entry| item(entry, &record, info.expires))));
            }
        }
    }

    fn reset_timeout(&self, key: SessionKey) -> Result<ResetOutcome, Error> {
        let key = key.into_storage_key();
        let Some(info) = self.bucket.stat(&key) else { return Ok(ResetOutcome::Missing) };
        self.slide(&key, &info, &info.words.into());
        Ok(ResetOutcome::Done)
    }

    fn sweep(&self, limit: u32) -> Result<bool, Error> {
        sweep::sweep(&self.bucket, limit)
    }
}

impl Memory {
    /// Writes a session back with its payload and subject as they are. Returns when it expires now.
    fn write_back(&self, key: &str, info: &EntryInfo, record: Record) -> Result<Option<u64>, PutError> {
        let expires = record.expires(info.now);
        let condition = PutCondition::IfVersion(info.version);
        self.bucket.put(key, None, record.into(), expires, &TagChange::Keep, condition)?;
        Ok(expires)
    }

    /// Slides the expiry of a session that is otherwise left as it is. Returns when it expires now.
    ///
    /// An entry that changed meanwhile is left alone: whoever changed it has moved its expiry too.
    pub(crate) fn slide(&self, key: &str, info: &EntryInfo, record: &Record) -> Option<u64> {
        let expires = record.expires(info.now);
        if !expiry::worth_moving(info.expires, expires) {
            return info.expires;
        }
        self.bucket.touch(key, expires, info.version);
        expires
    }
}

/// A stored session as the contract hands it out.
pub(crate) fn item(entry: Entry, record: &Record, expires: Option<u64>) -> Item {
    Item {
        data: SessionData {
            payload: entry.payload,
            idle_timeout: record.idle_timeout,
            latest_expiry: record.latest_expiry,
            subject: entry.tag.as_deref().and_then(subject),
        },
        version: record.version,
        created: record.created,
        expires,
        uninitialized: record.uninitialized,
    }
}

/// The lock on a locked session.
pub(crate) fn held(record: &Record, info: &EntryInfo) -> Lock {
    Lock { id: record.lock_counter, age: info.now.saturating_sub(record.locked_at) }
}

/// Whether a condition holds for an item that exists and has this version.
fn holds(condition: Condition, version: u64) -> bool {
    match condition {
        Condition::None => true,
        Condition::MustBeNew => false,
        Condition::IfVersion(wanted) => wanted == version,
    }
}
