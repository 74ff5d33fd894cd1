//! What happened to a session.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::{
    clock::UnixMillis,
    contract::{EndReason, Item, Payload, SessionKey},
};

/// What an event takes besides its key and its payload, roughly.
const OVERHEAD: usize = 256;

/// Something that happened to a session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// Tells it from all others.
    pub id: EventId,
    /// The store that the session is in.
    pub store: Arc<str>,
    /// When it was noticed.
    pub at: UnixMillis,
    /// The session; of a renamed one, its new key.
    pub key: SessionKey,
    /// What it was.
    pub what: What,
}

/// The kinds of events.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum What {
    /// It was stored or read for the first time. \[Session_Start\]
    Started,
    /// It has another ID from now on.
    Renamed {
        /// The key that it had.
        old: SessionKey,
    },
    /// It is over. \[Session_End\]
    Ended(Box<End>),
}

/// The end of a session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct End {
    /// What it held last.
    pub item: Item,
    /// Why it ended.
    pub reason: EndReason,
    /// Bytes of its payload, whether they are still there or not.
    pub size: usize,
}

impl Event {
    /// The contract's name for it, as ASP.NET has it where it has one.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self.what {
            What::Started => "Session_Start",
            What::Renamed { .. } => "Session_Rename",
            What::Ended(_) => "Session_End",
        }
    }

    /// The end, if it is one.
    #[must_use]
    pub fn end(&self) -> Option<&End> {
        match &self.what {
            What::Ended(end) => Some(end),
            What::Started | What::Renamed { .. } => None,
        }
    }

    /// The same without the content of the session, for those who are not given it.
    #[must_use]
    pub fn without_payload(self: &Arc<Self>) -> Arc<Self> {
        let Some(end) = self.end().filter(|end| !end.item.data.payload.is_empty()) else { return self.clone() };
        let mut end = end.clone();
        let content_type = end.item.data.payload.content_type().map(Arc::from);
        end.item.data.payload = Payload::with_content_type(bytes::Bytes::new(), content_type);
        Arc::new(Self { what: What::Ended(Box::new(end)), ..Self::clone(self) })
    }

    /// What it takes while it is kept, bytes.
    #[must_use]
    pub fn size(&self) -> usize {
        let key = |key: &SessionKey| key.application().len() + key.id().len();
        let held = match &self.what {
            What::Started => 0,
            What::Renamed { old } => key(old),
            What::Ended(end) => held(&end.item),
        };
        OVERHEAD + key(&self.key) + held
    }
}

/// What the end of a session that holds this takes at least.
pub(super) fn size_of_end(item: &Item, with_payload: bool) -> usize {
    let payload = if with_payload { 0 } else { item.data.payload.len() };
    OVERHEAD + held(item).saturating_sub(payload)
}

fn held(item: &Item) -> usize {
    item.data.payload.len() + item.data.subject.as_ref().map_or(0, String::len)
}

/// Names an event: whoever is told of it twice can tell by this.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct EventId([u8; 16]);

impl EventId {
    /// Of the end of a session whose time ran out: the same in whichever host and however often it is noticed.
    #[must_use]
    pub fn of_expiry(key: &SessionKey, item: &Item) -> Self {
        let mut hash = Sha256::new();
        for part in [key.application(), key.id()] {
            hash.update(part);
            hash.update([0]);
        }
        hash.update(item.created.0.to_be_bytes());
        hash.update(item.version.to_be_bytes());
        let mut id = [0; 16];
        id.iter_mut().zip(hash.finalize()).for_each(|(to, from)| *to = from);
        Self(id)
    }
}

impl fmt::Display for EventId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "evt_{}", hex::encode(self.0))
    }
}

/// Makes IDs of events that happen once: half of one is random in each run, the other half counts.
pub(in crate::sessions) struct EventIds {
    run: [u8; 8],
    last: AtomicU64,
}

impl EventIds {
    pub(in crate::sessions) fn new() -> Self {
        let mut run = [0; 8];
        // Without a source of random numbers no plugin runs either; the time is the next best.
        if getrandom::fill(&mut run).is_err() {
            let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
            run = since.as_secs().wrapping_mul(1_000_000_007).wrapping_add(since.subsec_nanos().into()).to_be_bytes();
        }
        Self { run, last: AtomicU64::new(0) }
    }

    pub(in crate::sessions) fn next(&self) -> EventId {
        let count = self.last.fetch_add(1, Ordering::Relaxed).wrapping_add(1).to_be_bytes();
        let mut id = [0; 16];
        id.iter_mut().zip(self.run.into_iter().chain(count)).for_each(|(to, from)| *to = from);
        EventId(id)
    }
}

#[cfg(test)]
pub(super) mod tests {
    use std::collections::HashSet;

    use super::*;
    use crate::contract::SessionData;

    pub(in crate::sessions::events) fn key(id: &str) -> SessionKey {
        SessionKey::new("shop", id).unwrap()
    }

    fn event(id: &str, what: What) -> Event {
        static IDS: std::sync::LazyLock<EventIds> = std::sync::LazyLock::new(EventIds::new);
        Event { id: IDS.next(), store: "default".into(), at: UnixMillis(784_111_777_012), key: key(id), what }
    }

    pub(in crate::sessions::events) fn start(id: &str) -> Arc<Event> {
        Arc::new(event(id, What::Started))
    }

    pub(in crate::sessions::events) fn rename(old: &str, new: &str) -> Arc<Event> {
        Arc::new(event(new, What::Renamed { old: key(old) }))
    }

    pub(in crate::sessions::events) fn end(id: &str, bytes: &[u8]) -> Arc<Event> {
        let payload = Payload::with_content_type(bytes::Bytes::copy_from_slice(bytes), Some("text/plain".into()));
        let data = SessionData {
            payload,
            idle_timeout: 1200,
            latest_expiry: Some(UnixMillis(77)),
            subject: Some("ada".to_owned()),
        };
        let expires = Some(UnixMillis(66));
        let item = Item { data, version: 3, created: UnixMillis(5), expires, uninitialized: false };
        let end = End { item, reason: EndReason::Expired, size: bytes.len() };
        Arc::new(event(id, What::Ended(Box::new(end))))
    }

    #[test]
    fn ids_of_events_tell_them_apart_in_all_runs() {
        let (one, other) = (EventIds::new(), EventIds::new());
        let ids: HashSet<_> = (0..100).flat_map(|_| [one.next(), other.next()]).collect();
        assert_eq!(ids.len(), 200);
        let text = one.next().to_string();
        assert!(text.starts_with("evt_") && text.len() == 36, "{text}");
    }

    #[test]
    fn an_expiry_that_two_hosts_notice_has_one_id_and_another_session_another() {
        let ended = end("a", b"coat");
        let item = &ended.end().unwrap().item;
        let id = EventId::of_expiry(&key("a"), item);
        assert_eq!(id, EventId::of_expiry(&key("a"), &item.clone()));
        let younger = Item { created: UnixMillis(6), ..item.clone() };
        assert_ne!(id, EventId::of_expiry(&key("a"), &younger));
        assert_ne!(id, EventId::of_expiry(&key("b"), item));
        let joined = |application, id| EventId::of_expiry(&SessionKey::new(application, id).unwrap(), item);
        assert_ne!(joined("ab", "c"), joined("a", "bc"));
    }

    #[test]
    fn without_its_payload_an_event_is_small_and_still_says_how_large_it_was() {
        let full = end("a", &[7; 5000]);
        let bare = full.without_payload();
        assert!(full.size() > 5000 && bare.size() < 1000);
        let end = bare.end().unwrap();
        assert_eq!((end.size, end.item.data.payload.content_type()), (5000, Some("text/plain")));
        assert_eq!((bare.id, bare.at), (full.id, full.at));
        assert_eq!(size_of_end(&full.end().unwrap().item, false), size_of_end(&end.item, true));
    }
}
