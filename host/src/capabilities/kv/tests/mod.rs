//! How the store behaves, seen from outside. `model` compares it with a simpler one.

mod concurrency;
mod expiry;
mod growth;
mod listing;
mod model;
mod operations;
mod snapshot;

use std::time::Duration;

use bytes::Bytes;

use super::{Bucket, Kv, PutCondition, PutError, TagChange, Words};
use crate::{
    clock::{Clock, UnixMillis},
    contract::Payload,
};

const MINUTE: Duration = Duration::from_secs(60);

/// A store with its clock and one bucket of it.
struct Fixture {
    clock: Clock,
    kv: Kv,
    bucket: Bucket,
}

impl Fixture {
    fn new() -> Self {
        let clock = Clock::system();
        let kv = Kv::new(clock.clone());
        let bucket = kv.bucket("sessions");
        Self { clock, kv, bucket }
    }

    /// A moment that many minutes from now.
    fn minutes(&self, count: u32) -> Option<UnixMillis> {
        Some(self.clock.now() + MINUTE * count)
    }

    fn pass_minutes(&self, count: u32) {
        self.clock.advance(MINUTE * count);
    }

    /// Puts text under a key, whatever was there.
    fn put(&self, key: &str, text: &str, expires: Option<UnixMillis>) -> u64 {
        self.put_if(key, text, expires, PutCondition::Always).unwrap()
    }

    fn put_if(
        &self,
        key: &str,
        text: &str,
        expires: Option<UnixMillis>,
        condition: PutCondition,
    ) -> Result<u64, PutError> {
        self.bucket.put(key, Some(payload(text)), Words::default(), expires, TagChange::Keep, condition)
    }

    fn put_tagged(&self, key: &str, tag: TagChange<'_>, expires: Option<UnixMillis>) -> u64 {
        let always = PutCondition::Always;
        self.bucket.put(key, Some(payload("x")), Words::default(), expires, tag, always).unwrap()
    }

    fn text(&self, key: &str) -> Option<String> {
        self.bucket.get(key).map(|entry| text(&entry.payload))
    }

    /// Claims everything that expired, for a minute, and tells the keys in order.
    fn claimed_keys(&self) -> Vec<String> {
        self.bucket.claim_expired(u32::MAX, 60_000).iter().map(|expired| expired.key.to_string()).collect()
    }

    fn keys(&self, prefix: &str) -> Vec<String> {
        all_pages(|cursor| self.bucket.keys(prefix, cursor, 2))
    }

    fn tagged(&self, tag: &str) -> Vec<String> {
        all_pages(|cursor| self.bucket.tagged(tag, cursor, 2))
    }

    /// Marks, keys and tags in the index.
    fn index_sizes(&self) -> (usize, usize, usize) {
        self.bucket.parts.index.lock().sizes()
    }
}

fn payload(text: &str) -> Payload {
    Bytes::copy_from_slice(text.as_bytes()).into()
}

fn text(payload: &Payload) -> String {
    String::from_utf8(payload.bytes().to_vec()).unwrap()
}

/// The keys of all pages, sorted.
fn all_pages(page: impl Fn(Option<&str>) -> super::KeyPage) -> Vec<String> {
    let mut keys = Vec::new();
    let mut cursor: Option<String> = None;
    loop {
        let page = page(cursor.as_deref());
        keys.extend(page.keys.iter().map(ToString::to_string));
        cursor = page.next;
        if cursor.is_none() {
            keys.sort();
            return keys;
        }
    }
}
