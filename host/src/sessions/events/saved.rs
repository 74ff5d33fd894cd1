//! Events that wait, over a planned stop: in a bucket of the built-in store, which the snapshot carries over.

use std::sync::Arc;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::event::{End, Event, EventId, What};
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
    event: EventId,
    at: UnixMillis,
    application: &'a str,
    id: &'a str,
    /// The ID that the session has by now.
    line: &'a str,
    #[serde(borrow)]
    what: RecordedWhat<'a>,
}

#[derive(Serialize, Deserialize)]
enum RecordedWhat<'a> {
    Started,
    Renamed { old: &'a str },
    Ended(#[serde(borrow)] RecordedEnd<'a>),
}

#[derive(Serialize, Deserialize)]
struct RecordedEnd<'a> {
    expired: bool,
    version: u64,
    created: UnixMillis,
    expires: Option<UnixMillis>,
    idle_timeout: u32,
    latest_expiry: Option<UnixMillis>,
    subject: Option<&'a str>,
    content_type: Option<&'a str>,
    size: u64,
}

/// Why an event that was saved is not one any more.
#[derive(Debug, thiserror::Error)]
pub(super) enum Unreadable {
    #[error("its record is broken: {0}")]
    Record(#[from] postcard::Error),
    #[error("it names a wrong key: {0}")]
    Key(#[from] KeyError),
}

fn name(store: &str, handler: &str) -> String {
    format!("{PREFIX}{store}/{handler}")
}

/// Saves what waits for a handler, each event with the key that its session has by now.
pub(super) fn save(kv: &Kv, store: &str, handler: &str, events: &[(SessionKey, Arc<Event>)]) -> Result<(), SaveError> {
    let bucket = kv.bucket(&name(store, handler));
    for (number, (line, event)) in events.iter().enumerate() {
        let payload = Payload::new(write(line, event)?);
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
pub(super) fn take_back(kv: &Kv, store: &str, handler: &str) -> Vec<Result<(SessionKey, Event), Unreadable>> {
    let name = name(store, handler);
    let saved = kv.buckets().into_iter().find(|(bucket, _)| **bucket == *name);
    saved.map(|(_, bucket)| take_all(&bucket, store)).unwrap_or_default()
}

fn take_all(bucket: &Bucket, store: &str) -> Vec<Result<(SessionKey, Event), Unreadable>> {
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
    let store: Arc<str> = store.into();
    let mut events = Vec::new();
    for key in keys {
        let Some(entry) = bucket.get(&key) else { continue };
        if bucket.delete(&key, entry.info.version) {
            events.push(read(entry.payload.bytes(), &store));
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

fn write(line: &SessionKey, event: &Event) -> Result<Bytes, postcard::Error> {
    let what = match &event.what {
        What::Started => RecordedWhat::Started,
        What::Renamed { old } => RecordedWhat::Renamed { old: old.id() },
        What::Ended(end) => RecordedWhat::Ended(RecordedEnd {
            expired: end.reason == EndReason::Expired,
            version: end.item.version,
            created: end.item.created,
            expires: end.item.expires,
            idle_timeout: end.item.data.idle_timeout,
            latest_expiry: end.item.data.latest_expiry,
            subject: end.item.data.subject.as_deref(),
            content_type: end.item.data.payload.content_type(),
            size: u64::try_from(end.size).unwrap_or(u64::MAX),
        }),
    };
    let (application, id) = (event.key.application(), event.key.id());
    let record = Record { event: event.id, at: event.at, application, id, line: line.id(), what };
    let mut bytes = postcard::to_extend(&record, Vec::new())?;
    if let Some(end) = event.end() {
        bytes.extend_from_slice(end.item.data.payload.bytes());
    }
    Ok(bytes.into())
}

fn read(bytes: &Bytes, store: &Arc<str>) -> Result<(SessionKey, Event), Unreadable> {
    let (record, payload) = postcard::take_from_bytes::<Record<'_>>(bytes)?;
    let key = SessionKey::new(record.application, record.id)?;
    let what = match record.what {
        RecordedWhat::Started => What::Started,
        RecordedWhat::Renamed { old } => What::Renamed { old: key.with_id(old)? },
        RecordedWhat::Ended(end) => What::Ended(Box::new(read_end(&end, bytes.slice_ref(payload)))),
    };
    let line = key.with_id(record.line)?;
    Ok((line, Event { id: record.event, store: store.clone(), at: record.at, key, what }))
}

fn read_end(end: &RecordedEnd<'_>, payload: Bytes) -> End {
    let data = SessionData {
        payload: Payload::with_content_type(payload, end.content_type.map(Arc::from)),
        idle_timeout: end.idle_timeout,
        latest_expiry: end.latest_expiry,
        subject: end.subject.map(str::to_owned),
    };
    let item = Item { data, version: end.version, created: end.created, expires: end.expires, uninitialized: false };
    let reason = if end.expired { EndReason::Expired } else { EndReason::Removed };
    End { item, reason, size: usize::try_from(end.size).unwrap_or(usize::MAX) }
}

#[cfg(test)]
mod tests {
    use super::{
        super::event::tests::{end, key, rename, start},
        *,
    };
    use crate::clock::Clock;

    #[test]
    fn events_come_back_as_they_were_and_in_their_order() {
        let kv = Kv::new(Clock::system());
        let events = [start("a"), rename("a", "b"), end("b", b"two coats"), end("c", b"a hat").without_payload()];
        let events = events.map(|event| (key("b"), event));
        save(&kv, "default", "log", &events).unwrap();
        assert_eq!(orphans(&kv, |whose| whose == "default/log"), []);
        assert_eq!(orphans(&kv, |_| false), [("default/log".to_owned(), 4)]);
        assert!(take_back(&kv, "default", "other").is_empty());
        let back = take_back(&kv, "default", "log").into_iter().map(Result::unwrap);
        let back: Vec<_> = back.map(|(line, event)| (line, Arc::new(event))).collect();
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
