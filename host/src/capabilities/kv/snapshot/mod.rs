//! Carries the store over a planned restart: written at the stop, read at the start.
//!
//! `format` is the file, `write` and `read` are the two ways, `error` is what can go wrong. The server calls these; they
//! call the buckets.
//!
//! A snapshot is what the store was at one moment, so it is used once: when the server serves what it read, it retires
//! the file. Were it left there, a host that crashes a day later would start from it, and everybody who had logged out
//! since would be logged in again. An empty store after a crash is the lesser evil, and the one that people expect of a
//! store in memory. Until the server serves, the file stays: a host that fails to start loses nothing.

mod error;
mod format;
mod read;
mod write;

use std::{
    fs::{self, File},
    io,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
};

pub use error::{Damage, SnapshotError};

use super::Kv;
use crate::clock::Clock;

/// The file in the data directory.
const FILE: &str = "kv.snapshot";
/// What it is called until it is complete.
const TEMPORARY: &str = "kv.snapshot.tmp";

/// The store on disk.
pub struct Snapshot;

/// What a snapshot holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct SnapshotSummary {
    /// Buckets.
    pub buckets: u64,
    /// Entries, those that expired and were not reported included.
    pub entries: u64,
}

impl Snapshot {
    /// Writes everything to `DIR/kv.snapshot`: complete and on disk, or not at all. Makes the directory if need be.
    ///
    /// Call it when nobody uses the store any more; of what changes meanwhile, some is in the file and some is not.
    /// Takes as long as the disk does, so not from an async task.
    pub fn write(kv: &Kv, directory: &Path) -> Result<SnapshotSummary, SnapshotError> {
        let path = directory.join(FILE);
        let written = write::write(kv, directory, &directory.join(TEMPORARY), &path);
        written.map_err(|source| SnapshotError::NotWritten { path, source })
    }

    /// Reads `DIR/kv.snapshot`, if there is one. Nothing of it is loaded unless all of it is as it was written;
    /// otherwise the file is moved to `kv.snapshot.damaged-SECONDS` beside it, [`SnapshotError::SetAside`] says so, and
    /// the next read finds none.
    ///
    /// What expired meanwhile is found by the first sweep. Takes as long as the disk does, so not from an async task.
    pub fn read(directory: &Path, clock: Clock) -> Result<Option<Loaded>, SnapshotError> {
        let path = directory.join(FILE);
        let opened = write::remove_if_there(&directory.join(TEMPORARY)).and_then(|()| File::open(&path));
        let mut file = match opened {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(source) => return Err(SnapshotError::NotRead { path, source }),
        };
        let seconds = clock.now().0 / 1000;
        match read::read(&mut file, clock) {
            Ok((kv, summary)) => Ok(Some(Loaded { kv, summary, file, path })),
            Err(read::Unreadable::Io(source)) => Err(SnapshotError::NotRead { path, source }),
            Err(read::Unreadable::Damaged(damage)) => Err(set_aside(directory, path, damage, seconds)),
        }
    }
}

/// A snapshot that was read. Its file is still there: see [`Loaded::retire`].
#[derive(Debug)]
pub struct Loaded {
    kv: Kv,
    summary: SnapshotSummary,
    /// Kept open, so that the file can be told from one that has taken its place.
    file: File,
    path: PathBuf,
}

impl Loaded {
    /// The store as it was.
    #[must_use]
    pub fn kv(&self) -> Kv {
        self.kv.clone()
    }

    /// What was read.
    #[must_use]
    pub fn summary(&self) -> SnapshotSummary {
        self.summary
    }

    /// Removes the file, unless another snapshot has taken its place. To be called once the server is serving, and not
    /// before; the module says why.
    pub fn retire(self) -> Result<(), SnapshotError> {
        let retire = || {
            let ours = self.file.metadata()?;
            let there = match fs::metadata(&self.path) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
                there => there?,
            };
            if (ours.dev(), ours.ino()) == (there.dev(), there.ino()) {
                fs::remove_file(&self.path)?;
                self.path.parent().map_or(Ok(()), sync_directory)?;
            }
            Ok(())
        };
        retire().map_err(|source| SnapshotError::NotRetired { path: self.path.clone(), source })
    }
}

/// Moves a damaged snapshot to a name that is free.
fn set_aside(directory: &Path, path: PathBuf, damage: Damage, seconds: u64) -> SnapshotError {
    let name = format!("{FILE}.damaged-{seconds}");
    let names = std::iter::once(name.clone()).chain((2_u32..).map(|count| format!("{name}-{count}")));
    let mut free = names.map(|name| directory.join(name)).filter(|kept| !kept.exists());
    let Some(kept) = free.next() else {
        let source = io::Error::from(io::ErrorKind::AlreadyExists);
        return SnapshotError::NotSetAside { path, damage, source };
    };
    match fs::rename(&path, &kept).and_then(|()| sync_directory(directory)) {
        Ok(()) => SnapshotError::SetAside { path, kept, damage },
        Err(source) => SnapshotError::NotSetAside { path, damage, source },
    }
}

/// Sees that a file that was moved or removed stays so when the power fails.
fn sync_directory(directory: &Path) -> io::Result<()> {
    File::open(directory)?.sync_all()
}
