//! Writing a snapshot.

use std::{
    fs::{self, DirBuilder, File, OpenOptions},
    io::{self, BufWriter, Write},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::Path,
    sync::atomic::Ordering::Relaxed,
};

use sha2::{Digest, Sha256};

use super::{
    SnapshotSummary,
    format::{EntryRecord, FORMAT_VERSION, MAGIC, Record},
    sync_directory,
};
use crate::capabilities::kv::{
    Kv,
    bucket::Bucket,
    entry::{Slot, Stored},
};

/// Large enough that the checksum and the disk are fed in bulk.
const BUFFER_BYTES: usize = 256 * 1024;

/// Writes beside the file and puts the result in its place.
pub(super) fn write(kv: &Kv, directory: &Path, temporary: &Path, path: &Path) -> io::Result<SnapshotSummary> {
    DirBuilder::new().recursive(true).mode(0o700).create(directory)?;
    remove_if_there(temporary)?;
    // Sessions are secrets; and a new file, so that nobody can have put a link there.
    let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(temporary)?;
    let written = write_to(kv, file).and_then(|summary| fs::rename(temporary, path).map(|()| summary));
    if written.is_err() {
        // Half a snapshot would only take room. The error to report is the one that stopped the writing.
        let _ = fs::remove_file(temporary);
    }
    let summary = written?;
    sync_directory(directory)?;
    Ok(summary)
}

/// Removes what an interrupted write left.
pub(super) fn remove_if_there(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

fn write_to(kv: &Kv, file: File) -> io::Result<SnapshotSummary> {
    let mut writer = Writer {
        out: BufWriter::with_capacity(BUFFER_BYTES, Hashing { file, digest: Sha256::new() }),
        record: Vec::new(),
        summary: SnapshotSummary::default(),
    };
    writer.out.write_all(&MAGIC)?;
    writer.out.write_all(&FORMAT_VERSION.to_le_bytes())?;
    for (name, bucket) in kv.buckets() {
        writer.bucket(&name, &bucket)?;
    }
    let entries = writer.summary.entries;
    writer.record(&Record::End { entries })?;
    let Hashing { mut file, digest } = writer.out.into_inner().map_err(io::IntoInnerError::into_error)?;
    file.write_all(&digest.finalize())?;
    file.sync_all()?;
    Ok(writer.summary)
}

struct Writer {
    out: BufWriter<Hashing>,
    /// The record being written.
    record: Vec<u8>,
    summary: SnapshotSummary,
}

impl Writer {
    fn bucket(&mut self, name: &str, bucket: &Bucket) -> io::Result<()> {
        let parts = &bucket.parts;
        let sequence = parts.sequence.load(Relaxed);
        self.record(&Record::Bucket { name: name.into(), sequence })?;
        self.summary.buckets += 1;
        for slot in &parts.entries {
            if let Slot::Entry(stored) = slot.value() {
                self.entry(Record::Entry(EntryRecord::new(slot.key(), stored)), stored)?;
            }
        }
        for expired in parts.expired.lock().records() {
            let record = Record::Expired(EntryRecord::new(&expired.key, &expired.stored));
            self.entry(record, &expired.stored)?;
        }
        Ok(())
    }

    fn entry(&mut self, record: Record<'_>, stored: &Stored) -> io::Result<()> {
        self.record(&record)?;
        self.summary.entries += 1;
        self.out.write_all(stored.payload.bytes())
    }

    fn record(&mut self, record: &Record<'_>) -> io::Result<()> {
        self.record.clear();
        postcard::to_io(record, &mut self.record).map_err(io::Error::other)?;
        let length = u32::try_from(self.record.len()).map_err(io::Error::other)?;
        self.out.write_all(&length.to_le_bytes())?;
        self.out.write_all(&self.record)
    }
}

/// A file whose every byte goes into a checksum.
struct Hashing {
    file: File,
    digest: Sha256,
}

impl Write for Hashing {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.file.write(bytes)?;
        self.digest.update(bytes.get(..written).unwrap_or_default());
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}
