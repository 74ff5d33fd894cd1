//! Reading a snapshot: all of it is verified before any of it is loaded.

use std::{
    fs::File,
    io::{self, BufReader, Read, Seek, SeekFrom},
    sync::{Arc, atomic::Ordering::Relaxed},
};

use sha2::{Digest, Sha256};
use thiserror::Error;

use super::{
    Damage, SnapshotSummary,
    format::{DIGEST_BYTES, EntryRecord, FORMAT_VERSION, HEADER_BYTES, MAGIC, Record},
};
use crate::{
    capabilities::kv::{
        Kv,
        bucket::{Bucket, Parts},
        deadlines::Deadline,
        entry::{Slot, Stored},
        expired,
        serial::Serial,
    },
    clock::{Clock, UnixMillis},
    contract::Payload,
};

const BUFFER_BYTES: usize = 256 * 1024;

/// Why a file could not be loaded.
#[derive(Debug, Error)]
pub(super) enum Unreadable {
    #[error(transparent)]
    Io(#[from] io::Error),
    #[error(transparent)]
    Damaged(#[from] Damage),
}

/// Verifies the file, then loads it into a store of its own.
pub(super) fn read(file: &mut File, clock: Clock) -> Result<(Kv, SnapshotSummary), Unreadable> {
    let body = verify(file)?;
    file.seek(SeekFrom::Start(HEADER_BYTES))?;
    let input = BufReader::with_capacity(BUFFER_BYTES, file.take(body));
    let mut reader = Reader { input, left: body, record: Vec::new(), summary: SnapshotSummary::default() };
    let kv = Kv::new(clock);
    reader.load(&kv)?;
    Ok((kv, reader.summary))
}

/// Checks header and checksum. Returns how many bytes of records there are.
fn verify(file: &mut File) -> Result<u64, Unreadable> {
    let bytes = file.metadata()?.len();
    let mut magic = Vec::new();
    file.take(HEADER_BYTES).read_to_end(&mut magic)?;
    let (magic, format) = magic.split_at_checked(MAGIC.len()).unwrap_or((&magic, &[]));
    if !MAGIC.starts_with(magic) {
        return Err(Damage::Foreign.into());
    }
    let Some(body) = bytes.checked_sub(HEADER_BYTES + DIGEST_BYTES) else {
        return Err(Damage::TooShort { bytes }.into());
    };
    let found = format.try_into().map(u32::from_le_bytes).map_err(|_| Damage::TooShort { bytes })?;
    if found != FORMAT_VERSION {
        return Err(Damage::OtherFormat { found, known: FORMAT_VERSION }.into());
    }

    file.seek(SeekFrom::Start(0))?;
    let mut digest = Sha256::new();
    let mut hashed = file.take(HEADER_BYTES + body);
    let mut buffer = vec![0; BUFFER_BYTES];
    loop {
        match hashed.read(&mut buffer) {
            Ok(0) => break,
            Ok(read) => digest.update(buffer.get(..read).unwrap_or_default()),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error.into()),
        }
    }
    let mut expected = Vec::new();
    file.take(DIGEST_BYTES).read_to_end(&mut expected)?;
    if digest.finalize().as_slice() != expected {
        return Err(Damage::Checksum.into());
    }
    Ok(body)
}

struct Reader<R> {
    input: R,
    /// Bytes that have not been read: a length beyond them is not believed.
    left: u64,
    /// The record being read.
    record: Vec<u8>,
    summary: SnapshotSummary,
}

impl<R: Read> Reader<R> {
    fn load(&mut self, kv: &Kv) -> Result<(), Unreadable> {
        let mut bucket: Option<Bucket> = None;
        loop {
            let mut length = [0; 4];
            self.fill(&mut length)?;
            let mut bytes = std::mem::take(&mut self.record);
            bytes.resize(self.believe(u32::from_le_bytes(length).into())?, 0);
            self.fill(&mut bytes)?;
            let record = postcard::from_bytes(&bytes).map_err(|error| Damage::Content(error.to_string()))?;
            match record {
                Record::Bucket { name, sequence } => {
                    let opened = kv.bucket(&name);
                    opened.parts.sequence.store(sequence, Relaxed);
                    bucket = Some(opened);
                    self.summary.buckets += 1;
                }
                Record::Entry(entry) => {
                    let stored = self.stored(&entry)?;
                    bucket_of(bucket.as_ref())?.restore(&entry, stored);
                }
                Record::Expired(entry) => {
                    let stored = self.stored(&entry)?;
                    bucket_of(bucket.as_ref())?.restore_expired(&entry, stored);
                }
                Record::End { entries } if entries == self.summary.entries && self.left == 0 => return Ok(()),
                Record::End { entries } => {
                    let found = self.summary.entries;
                    let left = self.left;
                    let what = format!("{found} entries where it says {entries}, then {left} bytes");
                    return Err(Damage::Content(what).into());
                }
            }
            self.record = bytes;
        }
    }

    /// Makes the entry of a record and reads its payload.
    fn stored(&mut self, entry: &EntryRecord<'_>) -> Result<Stored, Unreadable> {
        let mut bytes = vec![0; self.believe(entry.payload)?];
        self.fill(&mut bytes)?;
        self.summary.entries += 1;
        let deadline = Deadline::new(entry.expires.map(UnixMillis));
        Ok(Stored {
            payload: Payload::with_content_type(bytes.into(), entry.content_type.map(Arc::from)),
            words: entry.words,
            tag: None,
            version: entry.version,
            serial: Serial(entry.serial),
            deadline,
            mark: deadline,
        })
    }

    /// A length, if that much can follow.
    fn believe(&self, length: u64) -> Result<usize, Unreadable> {
        let left = self.left;
        let believed = usize::try_from(length).ok().filter(|_| length <= left);
        Ok(believed.ok_or_else(|| Damage::Content(format!("a length of {length} with {left} bytes left")))?)
    }

    fn fill(&mut self, bytes: &mut [u8]) -> Result<(), Unreadable> {
        let length = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        self.left = self
            .left
            .checked_sub(length)
            .ok_or_else(|| Damage::Content(format!("{length} bytes wanted and {} left", self.left)))?;
        Ok(self.input.read_exact(bytes)?)
    }
}

fn bucket_of(bucket: Option<&Bucket>) -> Result<&Parts, Damage> {
    bucket.map(|bucket| &*bucket.parts).ok_or_else(|| Damage::Content("an entry before the first bucket".to_owned()))
}

impl Parts {
    /// Puts an entry back under its key.
    fn restore(&self, entry: &EntryRecord<'_>, mut stored: Stored) {
        self.admit(entry, &mut stored);
        let key: Arc<str> = Arc::from(entry.key);
        self.index.lock().insert(key.clone(), &mut stored, entry.tag);
        if let Some(Slot::Entry(doubled)) = self.entries.insert(key.clone(), Slot::Entry(stored)) {
            self.index.lock().remove(&doubled);
            self.usage.remove_entry(doubled.size(&key));
        }
    }

    /// Puts an entry back that waits to be reported.
    fn restore_expired(&self, entry: &EntryRecord<'_>, mut stored: Stored) {
        self.admit(entry, &mut stored);
        stored.tag = entry.tag.map(Arc::from);
        self.expired.lock().add(expired::Record { key: Arc::from(entry.key), stored });
    }

    /// Counts an entry and sees that its numbers are not given out again.
    ///
    /// A snapshot that was written while the store was in use may hold an entry twice, under its old and its new key:
    /// then the second gets a serial of its own, since the index has one place for each.
    fn admit(&self, entry: &EntryRecord<'_>, stored: &mut Stored) {
        self.sequence.fetch_max(stored.version.max(stored.serial.0), Relaxed);
        if self.index.lock().contains(stored.serial) {
            stored.serial = Serial(self.next_number());
        }
        let tag = entry.tag.map_or(0, str::len);
        let tag = u64::try_from(tag).unwrap_or(u64::MAX);
        self.usage.force_entry(stored.size(entry.key).saturating_add(tag));
    }
}
