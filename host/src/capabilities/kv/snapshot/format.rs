//! The snapshot file, byte for byte.
//!
//! ```text
//! 16 bytes   MAGIC
//!  4 bytes   FORMAT_VERSION, little-endian
//! records    4 bytes length, little-endian; a `Record` in postcard; of an entry, its payload as it is
//! 32 bytes   SHA-256 of everything before
//! ```
//!
//! Payloads stand beside the records, not in them, so that they are written from and read into the memory where they
//! live, without a copy.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use crate::capabilities::kv::{Words, entry::Stored};

/// What the file begins with. The line ends and the control character show a file that was sent as text.
pub(super) const MAGIC: [u8; 16] = *b"cloakroom kv\r\n\x1a\n";

/// Changes when older hosts could not read the file any more.
pub(super) const FORMAT_VERSION: u32 = 1;

/// Bytes before the first record.
pub(super) const HEADER_BYTES: u64 = 20;

/// Bytes of the SHA-256 at the end.
pub(super) const DIGEST_BYTES: u64 = 32;

/// One record.
#[derive(Serialize, Deserialize)]
pub(super) enum Record<'a> {
    /// A bucket; the entries up to the next one are in it.
    Bucket {
        /// Its name.
        #[serde(borrow)]
        name: Cow<'a, str>,
        /// The last number that it gave out.
        sequence: u64,
    },
    /// An entry under its key.
    #[serde(borrow)]
    Entry(EntryRecord<'a>),
    /// An entry that expired, left its key and was not reported. A claim on it does not survive: whoever had it is gone.
    #[serde(borrow)]
    Expired(EntryRecord<'a>),
    /// Nothing follows.
    End {
        /// How many entries there were, of both kinds.
        entries: u64,
    },
}

/// An entry. Its payload follows the record.
#[derive(Serialize, Deserialize)]
pub(super) struct EntryRecord<'a> {
    pub(super) key: &'a str,
    pub(super) words: Words,
    pub(super) version: u64,
    pub(super) serial: u64,
    /// Unix milliseconds.
    pub(super) expires: Option<u64>,
    pub(super) tag: Option<&'a str>,
    pub(super) content_type: Option<&'a str>,
    /// Bytes of the payload.
    pub(super) payload: u64,
}

impl<'a> EntryRecord<'a> {
    pub(super) fn new(key: &'a str, stored: &'a Stored) -> Self {
        Self {
            key,
            words: stored.words,
            version: stored.version,
            serial: stored.serial.0,
            expires: stored.deadline.expires().map(|moment| moment.0),
            tag: stored.tag.as_deref(),
            content_type: stored.payload.content_type(),
            payload: u64::try_from(stored.payload.len()).unwrap_or(u64::MAX),
        }
    }
}
