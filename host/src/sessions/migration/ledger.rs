//! Which version of a session is which version of its copy.
//!
//! A file for each pair of stores in the data directory: an eight-byte mark of the format, and records of 48 bytes in the
//! order in which they were made, of which the last counts for a session. A record is written after the session is at
//! the target. What a crash cuts off costs a comparison of contents in the next run and nothing else. Sessions are named
//! by a part of a hash of their keys, so the file tells no IDs.

use std::{
    collections::HashMap,
    fs::{self, File, OpenOptions},
    io::{self, Read as _, Write as _},
    path::{Path, PathBuf},
};

use sha2::{Digest as _, Sha256};

use crate::{
    clock::UnixMillis,
    contract::{Item, SessionKey},
};

/// What the file begins with.
const FORMAT: [u8; 8] = *b"CLKMIG1\n";

const RECORD: usize = 48;

/// A session without its name.
type Mark = [u8; 16];

/// A session that was copied.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Made {
    /// When the session was inserted at the source.
    pub(super) created: UnixMillis,
    /// Its version there; 0 if nobody had read it yet, which is no version: it is looked at again.
    pub(super) version: u64,
    /// The version of the copy.
    pub(super) copy: u64,
    /// When the copy expires if nobody touches it; the end of time if never.
    pub(super) expires: UnixMillis,
}

impl Made {
    /// Never.
    pub(super) const NEVER: UnixMillis = UnixMillis(u64::MAX);

    /// Whether it is of this version of a session.
    pub(super) fn is_of(&self, created: UnixMillis, version: u64) -> bool {
        self.created == created && self.version == version
    }

    /// The record of an item that was copied.
    pub(super) fn of(item: &Item, copy: u64, expires: Option<UnixMillis>) -> Self {
        let version = if item.uninitialized { 0 } else { item.version };
        Self { created: item.created, version, copy, expires: expires.unwrap_or(Self::NEVER) }
    }

    fn bytes(&self, mark: &Mark) -> [u8; RECORD] {
        let mut bytes = [0; RECORD];
        let words = [self.created.0, self.version, self.copy, self.expires.0].map(u64::to_le_bytes);
        let all = mark.iter().chain(words.iter().flatten());
        bytes.iter_mut().zip(all).for_each(|(byte, value)| *byte = *value);
        bytes
    }

    fn read(record: &[u8]) -> Option<(Mark, Self)> {
        let (mark, words) = record.split_first_chunk::<16>()?;
        let (words, _) = words.as_chunks::<8>();
        let [created, version, copy, expires] = words else { return None };
        let number = |word: &[u8; 8]| u64::from_le_bytes(*word);
        let [created, expires] = [created, expires].map(|word| UnixMillis(number(word)));
        Some((*mark, Self { created, version: number(version), copy: number(copy), expires }))
    }
}

/// The copies of one pair of stores.
pub(super) struct Ledger {
    path: PathBuf,
    /// Where records go; nothing where none are made.
    file: Option<File>,
    copies: HashMap<Mark, (Made, Seen)>,
}

/// Whether this run has come across the session.
type Seen = bool;

impl Ledger {
    /// Where the file of two stores is. Their names have no dot in them.
    pub(super) fn path(directory: &Path, from: &str, to: &str) -> PathBuf {
        directory.join(format!("{from}.{to}.ledger"))
    }

    /// Reads what is known.
    pub(super) fn open(path: &Path, writes: bool, from_scratch: bool) -> io::Result<Self> {
        let mut ledger = Self { path: path.to_owned(), file: None, copies: HashMap::new() };
        if !from_scratch {
            ledger.read()?;
        }
        if writes {
            if let Some(directory) = path.parent() {
                fs::create_dir_all(directory)?;
            }
            ledger.write_anew(|_| true)?;
        }
        Ok(ledger)
    }

    fn read(&mut self) -> io::Result<()> {
        let mut bytes = Vec::new();
        match File::open(&self.path) {
            Ok(mut file) => file.read_to_end(&mut bytes)?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(error),
        };
        let Some(records) = bytes.strip_prefix(&FORMAT) else {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "it is no ledger of this version"));
        };
        // What a crash cut off at the end is no record.
        let copies = records.chunks_exact(RECORD).filter_map(Made::read);
        self.copies = copies.map(|(mark, copy)| (mark, (copy, false))).collect();
        Ok(())
    }

    /// Puts a file with these copies in the place of the one that is there, and writes to it from now on.
    fn write_anew(&mut self, keep: impl Fn(Seen) -> bool) -> io::Result<()> {
        self.copies.retain(|_, (_, seen)| keep(*seen));
        let new = self.path.with_extension("new");
        let mut content = Vec::with_capacity(FORMAT.len() + RECORD * self.copies.len());
        content.extend_from_slice(&FORMAT);
        for (mark, (copy, _)) in &self.copies {
            content.extend_from_slice(&copy.bytes(mark));
        }
        fs::write(&new, content)?;
        fs::rename(&new, &self.path)?;
        self.file = Some(OpenOptions::new().append(true).open(&self.path)?);
        Ok(())
    }

    /// What is known of a session's copy.
    pub(super) fn find(&mut self, key: &SessionKey) -> Option<Made> {
        self.copies.get_mut(&mark(key)).map(|(copy, seen)| {
            *seen = true;
            *copy
        })
    }

    /// Takes down a copy that was made.
    pub(super) fn record(&mut self, key: &SessionKey, copy: Made) -> io::Result<()> {
        let mark = mark(key);
        self.copies.insert(mark, (copy, true));
        match &mut self.file {
            Some(file) => file.write_all(&copy.bytes(&mark)),
            None => Ok(()),
        }
    }

    /// Forgets the sessions that a whole run has not come across: they have ended at the source.
    pub(super) fn forget_unseen(&mut self) -> io::Result<()> {
        if self.file.is_some() { self.write_anew(|seen| seen) } else { Ok(()) }
    }
}

fn mark(key: &SessionKey) -> Mark {
    let digest = Sha256::new().chain_update(key.application()).chain_update([0]).chain_update(key.id()).finalize();
    let mut mark = Mark::default();
    mark.iter_mut().zip(digest).for_each(|(byte, value)| *byte = value);
    mark
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(id: &str) -> SessionKey {
        SessionKey::new("shop", id).unwrap()
    }

    fn copy(version: u64) -> Made {
        Made { created: UnixMillis(1), version, copy: 2, expires: Made::NEVER }
    }

    fn open(path: &Path) -> Ledger {
        Ledger::open(path, true, false).unwrap()
    }

    #[test]
    fn what_was_recorded_last_is_known_after_a_crash() {
        let directory = tempfile::tempdir().unwrap();
        let path = Ledger::path(directory.path(), "a", "b");
        let mut ledger = open(&path);
        for version in [3, 4] {
            ledger.record(&key("1"), copy(version)).unwrap();
        }
        assert_eq!(open(&path).find(&key("1")), Some(copy(4)));
        assert_eq!(open(&path).find(&key("2")), None);
    }

    #[test]
    fn a_record_that_was_cut_off_is_none() {
        let directory = tempfile::tempdir().unwrap();
        let path = Ledger::path(directory.path(), "a", "b");
        let mut ledger = open(&path);
        ledger.record(&key("1"), copy(3)).unwrap();
        ledger.record(&key("2"), copy(3)).unwrap();
        let file = OpenOptions::new().write(true).open(&path).unwrap();
        file.set_len(file.metadata().unwrap().len() - 1).unwrap();
        let mut ledger = open(&path);
        assert_eq!((ledger.find(&key("1")), ledger.find(&key("2"))), (Some(copy(3)), None));
    }

    #[test]
    fn sessions_that_a_run_has_not_come_across_are_forgotten() {
        let directory = tempfile::tempdir().unwrap();
        let path = Ledger::path(directory.path(), "a", "b");
        let mut ledger = open(&path);
        ledger.record(&key("1"), copy(3)).unwrap();
        ledger.record(&key("2"), copy(3)).unwrap();
        let mut ledger = open(&path);
        ledger.find(&key("2"));
        ledger.forget_unseen().unwrap();
        ledger.record(&key("3"), copy(5)).unwrap();
        let mut ledger = open(&path);
        assert_eq!(["1", "2", "3"].map(|id| ledger.find(&key(id)).is_some()), [false, true, true]);
    }

    #[test]
    fn a_dry_run_leaves_no_file_and_a_run_from_scratch_knows_nothing() {
        let directory = tempfile::tempdir().unwrap();
        let path = Ledger::path(directory.path(), "a", "b");
        let mut dry = Ledger::open(&path, false, false).unwrap();
        dry.record(&key("1"), copy(3)).unwrap();
        assert!(!path.exists());
        open(&path).record(&key("1"), copy(3)).unwrap();
        assert_eq!(Ledger::open(&path, true, true).unwrap().find(&key("1")), None);
        assert_eq!(open(&path).find(&key("1")), None);
    }

    #[test]
    fn another_file_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("other");
        fs::write(&path, "something else").unwrap();
        assert!(Ledger::open(&path, true, false).is_err());
        assert_eq!(fs::read(&path).unwrap(), b"something else");
    }
}
