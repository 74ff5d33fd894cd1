//! What callers see of entries: the types of `wit/kv.wit`, and the form in which a bucket keeps them.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::{deadlines::Deadline, serial::Serial};
use crate::{clock::UnixMillis, contract::Payload};

/// The most bytes that a key may have.
pub const MAX_KEY_BYTES: usize = 2048;

/// Six words of metadata, in whatever meaning the component gives them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the words mean what the component wants")]
pub struct Words {
    pub a: u64,
    pub b: u64,
    pub c: u64,
    pub d: u64,
    pub e: u64,
    pub f: u64,
}

/// What is known of an entry besides its payload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EntryInfo {
    /// The component's words.
    pub words: Words,
    /// Changed by each put and rename, never reused within a bucket.
    pub version: u64,
    /// When the entry expires; `None` if it never does. An expiry at `u64::MAX` is reported as never.
    pub expires: Option<UnixMillis>,
    /// The clock when this was read: what the bucket held to be expired, it held to be so at this moment.
    pub now: UnixMillis,
}

/// An entry with its payload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// All but the payload.
    pub info: EntryInfo,
    /// The stored bytes, shared with the bucket.
    pub payload: Payload,
    /// The entry's tag.
    pub tag: Option<Arc<str>>,
}

/// What must be true for a put to happen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PutCondition {
    /// Nothing.
    Always,
    /// No entry with this key.
    IfAbsent,
    /// The entry has exactly this version.
    IfVersion(u64),
}

/// What a put does with the tag.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TagChange<'a> {
    /// Keeps what the entry has.
    Keep,
    /// Removes it.
    Clear,
    /// Sets it.
    Set(&'a str),
}

/// Why a put or rename did not happen.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum PutError {
    /// The condition did not hold.
    #[error("the entry changed or its key is taken; read it again and decide anew")]
    Conflict,
    /// The key is too long, or a put without payload met no entry whose payload it could keep.
    #[error("{0}")]
    Invalid(String),
    /// The bucket's quota would be exceeded.
    #[error("{0}")]
    Full(String),
}

/// An entry that expired, claimed for reporting.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExpiredEntry {
    /// Settles the claim.
    pub ticket: u64,
    /// The key that it had.
    pub key: Arc<str>,
    /// What it held.
    pub entry: Entry,
}

/// A page of keys.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct KeyPage {
    /// The keys of this page, in no particular order. May be fewer than asked for although more pages follow.
    pub keys: Vec<Arc<str>>,
    /// Names the next page; `None` on the last one. Holds no part of a key, so it may stand in a URL.
    pub next: Option<String>,
}

/// An entry as the bucket keeps it, without its key.
pub(super) struct Stored {
    pub(super) payload: Payload,
    pub(super) words: Words,
    pub(super) tag: Option<Arc<str>>,
    pub(super) version: u64,
    /// Its place in the bucket's index: the version of the put that inserted it. Stays through overwrites and renames.
    pub(super) serial: Serial,
    /// When it expires.
    pub(super) deadline: Deadline,
    /// Where the index has it; never later than `deadline`.
    pub(super) mark: Deadline,
}

impl Stored {
    /// Whether it is there for anybody but a sweep.
    pub(super) fn is_live(&self, now: UnixMillis) -> bool {
        !self.deadline.has_passed(now)
    }

    pub(super) fn info(&self, now: UnixMillis) -> EntryInfo {
        EntryInfo { words: self.words, version: self.version, expires: self.deadline.expires(), now }
    }

    pub(super) fn entry(&self, now: UnixMillis) -> Entry {
        Entry { info: self.info(now), payload: self.payload.clone(), tag: self.tag.clone() }
    }

    /// What it counts for in the bucket's bytes under this key.
    pub(super) fn size(&self, key: &str) -> u64 {
        size(key, &self.payload, self.tag.as_deref())
    }
}

/// What an entry counts for in a bucket's bytes: payload, key and tag.
pub(super) fn size(key: &str, payload: &Payload, tag: Option<&str>) -> u64 {
    let bytes = key.len().saturating_add(payload.len()).saturating_add(tag.map_or(0, str::len));
    u64::try_from(bytes).unwrap_or(u64::MAX)
}

/// What stands under a key.
pub(super) enum Slot {
    /// An entry, expired or not.
    Entry(Stored),
    /// A rename is about to put an entry here, or to give up. Readers wait; see `rename.rs`.
    Reserved,
}
