//! Events that wait, over a planned stop: in a bucket of the built-in store, which the snapshot carries over.

use std::sync::Arc;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::backlog::Event;
use crate::{
    capabilities::kv::{Bucket, Kv, PutCondition, PutError, TagChange, Words},
    clock::UnixMillis,
    contract::{EndReason, Item, KeyError, Payload, SessionData, SessionKey},
};

/// What the names of these buckets begin with.
const PREFIX: &str = "events:";

/// How many keys are listed at a time.
const PAGE: u32 = 1000;

/// An event. The bytes of its payload follow the record.
#[derive(Serialize, Deserialize)]
struct Record<'a> {
    application: &'a str,
    id: &'a str,
    #[serde(borrow)]
    end: Option<End<'a>>,
}

#[derive(Serialize, Deserialize)]
struct End<'a> {
    expired: bool,
    version: u64,
    created: UnixMillis,
    expires: Option<UnixMillis>,
    idle_timeout: u32,
    latest_expiry: Option<UnixMillis>,
    subject: Option<&'a str>,
    content_type: Option<&'a str>,
}

/// Why an event that was saved is not one any more.
#[derive(Debug, thiserror::Error)]
pub(super) enum Unreadable {
    #[error("its record is broken: {0}")]
    Record(#[from] postcard::Error),
    #[error("it names a wrong key: {0}")]
    Key(#[from] KeyError),
}

fn name(store: &str, plugin: &str) -> String {
    format!("{PREFIX}{store}/{plugin}")
}

/// Saves what waits for a handler.
pub(super) fn save(kv: &Kv, store: &str, plugin: &str, events: &[Arc<Event>]) -> Result<(), SaveError> {
    let bucket = kv.bucket(&name(store, plugin));
    for (number, event) in events.iter().enumerate() {
        let payload = Payload::new(write(event)?);
        let key = format!("{number:016x}");
        bucket.put(&key, Some(payload), Words::default(), None, TagChange::Keep, PutCondition::Always)?;
    }
    Ok(())
}

/// Why events could not be saved.
#[derive(Debug, thiserror::Error)]
pub(super) enum SaveError {
    #[error(transparent)]
    Record(#[from] postcard::Error),
    #[error(transparent)]
    Put(#[from] PutError),
}

/// Takes back what waited for a handler when the host stopped, in its order.
pub(super) fn take_back(kv: &Kv, store: &str, plugin: &str) -> Vec<Result<Event, Unreadable>> {
    let name = name(store, plugin);
    let saved = kv.buckets().into_iter().find(|(bucket, _)| **bucket == *name);
    saved.map(|(_, bucket)| take_all(&bucket)).unwrap_or_default()
}

fn take_all(bucket: &Bucket) -> Vec<Result<Event, Unreadable>> {
    let mut keys = Vec::new();
    let mut cursor = None;
    loop {
        let page = bucket.keys("", cursor.as_deref(), PAGE);
        keys.extend(page.keys);
        match page.next {
            Some(next) => cursor = Some(next),
            None => break,
        }
    }
    keys.sort();
    let mut events = Vec::new();
    for key in keys {
        let Some(entry) = bucket.get(&key) else { continue };
        if bucket.delete(&key, entry.info.version) {
            events.push(read(entry.payload.bytes()));
        }
    }
    events
}

/// How many events wait for handlers that no store has any more, by store and handler.
pub(super) fn orphans(kv: &Kv, is_known: impl Fn(&str) -> bool) -> Vec<(String, u64)> {
    let waiting = kv.buckets().into_iter().filter_map(|(name, bucket)| {
        let whose = name.strip_prefix(PREFIX)?;
        let entries = bucket.totals().entries;
        (entries > 0 && !is_known(whose)).then(|| (whose.to_owned(), entries))
    });
    waiting.collect()
}

fn write(event: &Event) -> Result<Bytes, postcard::Error> {
    let end = event.end.as_ref().map(|(item, reason)| End {
        expired: *reason == EndReason::Expired,
        version: item.version,
        created: item.created,
        expires: item.expires,
        idle_timeout: item.data.idle_timeout,
        latest_expiry: item.data.latest_expiry,
        subject: item.data.subject.as_deref(),
        content_type: item.data.payload.content_type(),
    });
    let record = Record { application: event.key.application(), id: event.key.id(), end };
    let mut bytes = postcard::to_extend(&record, Vec::new())?;
    if let Some((item, _)) = &event.end {
        bytes.extend_from_slice(item.data.payload.bytes());
    }
    Ok(bytes.into())
}

fn read(bytes: &Bytes) -> Result<Event, Unreadable> {
    let (record, payload) = postcard::take_from_bytes::<Record<'_>>(bytes)?;
    let payload = bytes.slice_ref(payload);
    let end = record.end.map(|end| {
        let data = SessionData {
            payload: Payload::with_content_type(payload, end.content_type.map(Arc::from)),
            idle_timeout: end.idle_timeout,
            latest_expiry: end.latest_expiry,
            subject: end.subject.map(str::to_owned),
        };
        let End { version, created, expires, expired, .. } = end;
        let reason = if expired { EndReason::Expired } else { EndReason::Removed };
        (Item { data, version, created, expires, uninitialized: false }, reason)
    });
    Ok(Event { key: SessionKey::new(record.application, record.id)?, end })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Clock;

    #[test]
    fn events_come_back_as_they_were_and_in_their_order() {
        let kv = Kv::new(Clock::system());
        let key = SessionKey::new("shop", "a").unwrap();
        let item = Item {
            data: SessionData {
                payload: Payload::with_content_type(Bytes::from_static(b"two coats"), Some("text/plain".into())),
                idle_timeout: 1200,
                latest_expiry: Some(UnixMillis(77)),
                subject: Some("ada".to_owned()),
            },
            version: 3,
            created: UnixMillis(5),
            expires: Some(UnixMillis(66)),
            uninitialized: false,
        };
        let events: Vec<_> = [None, Some((item, EndReason::Expired))]
            .into_iter()
            .map(|end| Arc::new(Event { key: key.clone(), end }))
            .collect();
        save(&kv, "default", "log", &events).unwrap();
        assert_eq!(orphans(&kv, |whose| whose == "default/log"), []);
        assert_eq!(orphans(&kv, |_| false), [("default/log".to_owned(), 2)]);
        assert!(take_back(&kv, "default", "other").is_empty());
        let back: Vec<_> = take_back(&kv, "default", "log").into_iter().map(|event| Arc::new(event.unwrap())).collect();
        assert_eq!(back, events);
        assert!(take_back(&kv, "default", "log").is_empty(), "they are taken back once");
    }

    #[test]
    fn what_is_no_event_is_told_apart() {
        let kv = Kv::new(Clock::system());
        let broken = Payload::new(Bytes::from_static(&[0xff; 3]));
        let bucket = kv.bucket("events:default/log");
        bucket.put("0", Some(broken), Words::default(), None, TagChange::Keep, PutCondition::Always).unwrap();
        assert!(matches!(take_back(&kv, "default", "log").as_slice(), [Err(Unreadable::Record(_))]));
    }
}
