//! Keys, a page at a time.

use std::sync::{Arc, atomic::Ordering::Relaxed};

use super::{
    bucket::{Bucket, Parts},
    entry::{KeyPage, Stored},
    index::Index,
    serial::Serial,
};
use crate::clock::UnixMillis;

/// How many entries one call looks at before it returns what it has found, so that a rare prefix in a large bucket
/// does not keep a call busy for long.
const MAX_EXAMINED: usize = 10_000;

/// How many entries are read from the index at a time, while it is locked.
const BATCH: usize = 256;

/// How far a listing has come.
#[derive(Clone, Copy)]
struct Cursor {
    /// The last entry that was looked at.
    after: Serial,
    /// The last entry that there was when the listing began: it ends there, however many are inserted meanwhile.
    until: Serial,
}

impl Cursor {
    fn parse(text: &str) -> Option<Self> {
        let (after, until) = text.split_once('-')?;
        let number = |text| u64::from_str_radix(text, 16).ok().map(Serial);
        Some(Self { after: number(after)?, until: number(until)? })
    }

    fn text(self) -> String {
        format!("{:x}-{:x}", self.after.0, self.until.0)
    }
}

impl Bucket {
    /// The keys that begin with `prefix`, a page of at most `limit` (at least one, at most 10,000) at a time.
    ///
    /// A key that exists from the first page to the last is seen exactly once; an entry that is renamed meanwhile, under
    /// one of its keys at least. A cursor that no listing made names an empty last page.
    #[must_use]
    pub fn keys(&self, prefix: &str, cursor: Option<&str>, limit: u32) -> KeyPage {
        self.parts.page(cursor, limit, Index::range, |key, _| key.starts_with(prefix))
    }

    /// The keys of the entries with a tag, under the same terms as [`Bucket::keys`].
    #[must_use]
    pub fn tagged(&self, tag: &str, cursor: Option<&str>, limit: u32) -> KeyPage {
        let candidates = |index: &Index, after, until, count| index.tagged(tag, after, until, count);
        self.parts.page(cursor, limit, candidates, |_, stored| stored.tag.as_deref() == Some(tag))
    }
}

impl Parts {
    /// Goes through the candidates of the index, batch by batch, and collects those that are live and belong.
    fn page(
        &self,
        cursor: Option<&str>,
        limit: u32,
        candidates: impl Fn(&Index, Serial, Serial, usize) -> Vec<(Serial, Arc<str>)>,
        belongs: impl Fn(&str, &Stored) -> bool,
    ) -> KeyPage {
        let now = self.clock.now();
        let start = || Cursor { after: Serial(0), until: Serial(self.sequence.load(Relaxed)) };
        let Some(mut cursor) = cursor.map_or_else(|| Some(start()), Cursor::parse) else {
            return KeyPage::default();
        };
        let limit = usize::try_from(limit.max(1)).unwrap_or(usize::MAX);
        let mut keys = Vec::new();
        for _ in 0..MAX_EXAMINED.div_ceil(BATCH) {
            // One more than a batch tells whether anything follows it.
            let mut batch = candidates(&self.index.lock(), cursor.after, cursor.until, BATCH + 1);
            let last = batch.len() <= BATCH;
            batch.truncate(BATCH);
            let mut batch = batch.into_iter();
            for (serial, key) in batch.by_ref() {
                cursor.after = serial;
                keys.extend(self.present(serial, key, now, &belongs));
                if keys.len() >= limit {
                    break;
                }
            }
            if last && batch.len() == 0 {
                return KeyPage { keys, next: None };
            }
            if keys.len() >= limit {
                break;
            }
        }
        KeyPage { keys, next: Some(cursor.text()) }
    }

    /// The key under which an entry is now, if it is live and belongs. It may have been renamed since it was read from
    /// the index, and must not escape a listing that way: logging a user out everywhere relies on it.
    fn present(
        &self,
        serial: Serial,
        mut key: Arc<str>,
        now: UnixMillis,
        belongs: impl Fn(&str, &Stored) -> bool,
    ) -> Option<Arc<str>> {
        loop {
            let found = self.read(&key, now, |stored| (stored.serial == serial).then(|| belongs(&key, stored)));
            if let Some(belongs) = found.flatten() {
                return belongs.then_some(key);
            }
            let renamed = self.index.lock().key(serial).filter(|present| *present != key)?;
            key = renamed;
        }
    }
}
