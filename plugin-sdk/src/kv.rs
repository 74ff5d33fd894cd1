//! Buckets of the host's built-in in-memory store.
//!
//! An entry is a payload, six words that mean what the plugin wants, a version, an optional expiry and an optional tag. An
//! entry whose expiry has passed is absent to every function but [`Bucket::claim_expired`] and
//! [`Bucket::drop_expired`]. What is kept here survives a planned restart of the host.

use crate::Payload;
use crate::bindings::host::cloakroom::session::kv;
pub use crate::bindings::host::cloakroom::session::kv::{
    Entry, EntryInfo, ExpiredEntry, KeyPage, PutCondition, PutError, TagChange, Words,
};

/// A bucket of entries. Open for as long as the instance lives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bucket(kv::Bucket);

impl Bucket {
    /// Opens a bucket: `None` is the plugin's own, private to the store that it serves and always granted; a name needs the
    /// grant `kv = ["name"]`. The error says so.
    pub fn open(name: Option<&str>) -> Result<Self, String> {
        kv::open(name).map(Self)
    }

    /// Reads an entry.
    #[must_use]
    pub fn get(self, key: &str) -> Option<Entry> {
        kv::get(self.0, key)
    }

    /// Reads an entry without its payload and tag.
    #[must_use]
    pub fn stat(self, key: &str) -> Option<EntryInfo> {
        kv::stat(self.0, key)
    }

    /// Writes an entry atomically and returns its new version. Without a payload the stored one is kept.
    pub fn put(
        self,
        key: &str,
        payload: Option<&Payload>,
        words: Words,
        expires: Option<u64>,
        tag: &TagChange,
        condition: PutCondition,
    ) -> Result<u64, PutError> {
        kv::put(self.0, key, payload, words, expires, tag, condition)
    }

    /// Moves the expiry of an entry (Unix milliseconds), if it has this version; changes nothing else, the version
    /// included. False if there is no such entry or its version differs.
    pub fn touch(self, key: &str, expires: Option<u64>, version: u64) -> bool {
        kv::touch(self.0, key, expires, version)
    }

    /// Deletes an entry, if it has this version. False if there is no such entry or its version differs.
    pub fn delete(self, key: &str, version: u64) -> bool {
        kv::delete(self.0, key, version)
    }

    /// Moves an entry to another key, atomically for every reader of either. [`PutError::Conflict`] if the version differs
    /// or the new key exists.
    pub fn rename(self, old: &str, new: &str, version: u64) -> Result<u64, PutError> {
        kv::rename(self.0, old, new, version)
    }

    /// Claims up to `limit` expired entries in order of their deadline. A claim that is not settled within `lease`
    /// milliseconds is offered again, so that a plugin that dies loses none.
    #[must_use]
    pub fn claim_expired(self, limit: u32, lease: u64) -> Vec<ExpiredEntry> {
        kv::claim_expired(self.0, limit, lease)
    }

    /// Forgets a claimed entry. False if the claim had run out.
    pub fn settle(self, ticket: u64) -> bool {
        kv::settle(self.0, ticket)
    }

    /// Deletes up to `limit` expired entries without reporting them; how many it deleted.
    pub fn drop_expired(self, limit: u32) -> u32 {
        kv::drop_expired(self.0, limit)
    }

    /// The keys that begin with `prefix`, a page at a time. A key that exists from the first page to the last is seen at
    /// least once.
    #[must_use]
    pub fn keys(self, prefix: &str, cursor: Option<&str>, limit: u32) -> KeyPage {
        kv::keys(self.0, prefix, cursor, limit)
    }

    /// The keys of the entries with a tag, a page at a time.
    #[must_use]
    pub fn tagged(self, tag: &str, cursor: Option<&str>, limit: u32) -> KeyPage {
        kv::tagged(self.0, tag, cursor, limit)
    }
}
