//! What the plugin `memory` does, in plain Rust on the same kind of bucket: what the sandbox costs is measured against it.

use std::time::Duration;

use anyhow::Result;
use cloakroom::{
    capabilities::kv::{Bucket, Entry, EntryInfo, PutCondition, PutError, TagChange, Words},
    clock::{Clock, UnixMillis},
    contract::{
        GetExclusiveOutcome, GetOutcome, Item, Lock, LockId, Payload, SessionData, SessionKey, SetOutcome, StoreError,
    },
    plugins::PlainOperations,
};

/// Bits above the lock counter in the word `a`, as the plugin packs them.
const LOCKED: u64 = 1 << 32;
const UNINITIALIZED: u64 = 1 << 33;
const HAS_LATEST_EXPIRY: u64 = 1 << 34;

/// Sessions in a bucket, in the form in which the plugin keeps them. It knows no subjects.
pub struct PlainMemory {
    bucket: Bucket,
}

impl PlainMemory {
    /// Over the plugin's bucket, or one of its own.
    #[must_use]
    pub fn new(bucket: Bucket) -> Self {
        Self { bucket }
    }

    /// Stores a session that was not there.
    pub fn insert(&self, key: &SessionKey, payload: &Payload) -> Result<()> {
        let data = SessionData { payload: payload.clone(), idle_timeout: 1200, latest_expiry: None, subject: None };
        self.set_and_release(key, data, None)?;
        Ok(())
    }

    fn key(key: &SessionKey) -> String {
        format!("{}\0{}", key.application(), key.id())
    }

    /// Writes metadata back; false if the session changed meanwhile.
    fn write_back(&self, key: &str, info: &EntryInfo, words: Words) -> Result<bool, StoreError> {
        let condition = PutCondition::IfVersion(info.version);
        match self.bucket.put(key, None, words, expires(words, info.now), TagChange::Keep, condition) {
            Ok(_) => Ok(true),
            Err(PutError::Conflict) => Ok(false),
            Err(error) => Err(StoreError::Unavailable(error.to_string())),
        }
    }

    fn slide(&self, key: &str, info: &EntryInfo) {
        let expires = expires(info.words, info.now);
        let moves = |old: UnixMillis, new: UnixMillis| new.0.abs_diff(old.0) >= 1000;
        if info.expires.zip(expires).map_or(info.expires != expires, |(old, new)| moves(old, new)) {
            // One that changed meanwhile has moved its expiry too.
            let _ = self.bucket.touch(key, expires, info.version);
        }
    }
}

impl PlainOperations for PlainMemory {
    fn get(&self, key: &SessionKey) -> Result<GetOutcome, StoreError> {
        let key = Self::key(key);
        loop {
            let Some(entry) = self.bucket.get(&key) else { return Ok(GetOutcome::Missing) };
            let words = entry.info.words;
            if words.a & UNINITIALIZED != 0 {
                let seen = Words { a: words.a & !UNINITIALIZED, ..words };
                if !self.write_back(&key, &entry.info, seen)? {
                    continue;
                }
                return Ok(GetOutcome::Found(item(entry)));
            }
            self.slide(&key, &entry.info);
            return match lock(&entry.info)? {
                Some(lock) => Ok(GetOutcome::Locked(lock)),
                None => Ok(GetOutcome::Found(item(entry))),
            };
        }
    }

    fn get_exclusive(&self, key: &SessionKey) -> Result<GetExclusiveOutcome, StoreError> {
        let key = Self::key(key);
        loop {
            let Some(entry) = self.bucket.get(&key) else { return Ok(GetExclusiveOutcome::Missing) };
            if let Some(lock) = lock(&entry.info)? {
                self.slide(&key, &entry.info);
                return Ok(GetExclusiveOutcome::Locked(lock));
            }
            let (words, now) = (entry.info.words, entry.info.now);
            let counter = (words.a & u64::from(u32::MAX)) + 1;
            let locked = Words { a: counter | LOCKED | (words.a & HAS_LATEST_EXPIRY), b: now.0, ..words };
            if self.write_back(&key, &entry.info, locked)? {
                return Ok(GetExclusiveOutcome::Found(item(entry), lock_id(counter)?));
            }
        }
    }

    fn set_and_release(
        &self,
        key: &SessionKey,
        data: SessionData,
        lock_id: Option<u32>,
    ) -> Result<SetOutcome, StoreError> {
        let key = Self::key(key);
        loop {
            let (words, now, condition) = match self.bucket.stat(&key) {
                None => {
                    let now = Clock::system().now();
                    (Words { a: 1, d: now.0, ..Words::default() }, now, PutCondition::IfAbsent)
                }
                Some(info) => {
                    if let Some(lock) = lock(&info)?.filter(|lock| Some(lock.id.get()) != lock_id) {
                        self.slide(&key, &info);
                        return Ok(SetOutcome::Locked(lock));
                    }
                    (info.words, info.now, PutCondition::IfVersion(info.version))
                }
            };
            let old = (words.a & HAS_LATEST_EXPIRY != 0).then_some(words.f);
            let latest = [old, data.latest_expiry.map(|latest| latest.0)].into_iter().flatten().min();
            let words = Words {
                a: (words.a & u64::from(u32::MAX)) | latest.map_or(0, |_| HAS_LATEST_EXPIRY),
                c: words.c + 1,
                e: u64::from(data.idle_timeout),
                f: latest.unwrap_or(0),
                ..words
            };
            let payload = Some(data.payload.clone());
            match self.bucket.put(&key, payload, words, expires(words, now), TagChange::Keep, condition) {
                Ok(_) => return Ok(SetOutcome::Done(words.c)),
                Err(PutError::Conflict) => {}
                Err(error) => return Err(StoreError::Unavailable(error.to_string())),
            }
        }
    }
}

fn expires(words: Words, now: UnixMillis) -> Option<UnixMillis> {
    let idle = (words.e > 0).then(|| now.0.saturating_add(words.e * 1000));
    let latest = (words.a & HAS_LATEST_EXPIRY != 0).then_some(words.f);
    [idle, latest].into_iter().flatten().min().map(UnixMillis)
}

fn lock_id(counter: u64) -> Result<LockId, StoreError> {
    let id = u32::try_from(counter).ok().and_then(LockId::new);
    id.ok_or_else(|| StoreError::Unavailable("no more lock ids".to_owned()))
}

fn lock(info: &EntryInfo) -> Result<Option<Lock>, StoreError> {
    if info.words.a & LOCKED == 0 {
        return Ok(None);
    }
    let age = Duration::from_millis(info.now.0.saturating_sub(info.words.b));
    Ok(Some(Lock { id: lock_id(info.words.a & u64::from(u32::MAX))?, age }))
}

fn item(entry: Entry) -> Item {
    let words = entry.info.words;
    Item {
        data: SessionData {
            payload: entry.payload,
            idle_timeout: u32::try_from(words.e).unwrap_or(u32::MAX),
            latest_expiry: (words.a & HAS_LATEST_EXPIRY != 0).then_some(UnixMillis(words.f)),
            subject: None,
        },
        version: words.c,
        created: UnixMillis(words.d),
        expires: entry.info.expires,
        uninitialized: words.a & UNINITIALIZED != 0,
    }
}
