//! What happens to sessions, and who hears of it: the log, the handlers that a store names, and the event stream.
//!
//! A `handler` is told of each event until it has taken it: a plugin or a `webhook`, the two kinds of `receiver`. What
//! waits for it is its `backlog`, which `saved` carries over a planned stop; `retry` and `health` say when it is tried
//! again. The `stream` keeps the last events for whoever comes to read them over HTTP. Webhook and stream show an event
//! as `json`.

mod backlog;
mod event;
mod handler;
mod health;
mod json;
mod receiver;
mod retry;
mod saved;
mod stream;
mod webhook;

use std::sync::Arc;

use sha2::{Digest as _, Sha256};

pub(super) use self::{
    event::EventIds,
    handler::{Handler, HandlerLimits, report_orphans},
    receiver::Receiver,
    webhook::Webhook,
};
pub use self::{
    event::{End, Event, EventId, What},
    handler::HandlerStatus,
    json::SessionEvent,
    stream::{Batch, Cursor, EventStream, Gone, ResumeError, StreamStatus},
    webhook::WebhookError,
};
use crate::contract::{Item, SessionKey, StoreError};

/// Somebody who wants to hear of sessions.
pub trait EventSink: Send + Sync {
    /// Whether the end of a session that holds this can be taken on now. It is asked of an expired session before
    /// anybody is told of its end; on an error it is offered again later.
    fn has_room(&self, _item: &Item) -> Result<(), StoreError> {
        Ok(())
    }

    /// Something happened to a session.
    fn happened(&self, event: &Arc<Event>);
}

/// Writes into the log when a session begins and ends.
#[derive(Debug, Default)]
pub struct LogSink;

impl EventSink for LogSink {
    fn happened(&self, event: &Arc<Event>) {
        let Event { store, key, what, .. } = &**event;
        let (store, application, session) = (&**store, key.application(), fingerprint(key));
        match what {
            What::Started => tracing::info!(store, application, session = %session, "Session_Start"),
            What::Renamed { .. } => {}
            What::Ended(end) => tracing::info!(
                store,
                application,
                session = %session,
                reason = %end.reason,
                version = end.item.version,
                bytes = end.size,
                "Session_End"
            ),
        }
    }
}

/// Names a session in a log without telling its ID: enough to match a start with its end, useless to a thief.
///
/// IDs have at least 120 random bits, so that the hash cannot be turned back by trying.
fn fingerprint(key: &SessionKey) -> String {
    let mut hash = Sha256::new();
    hash.update(key.application());
    hash.update([0]);
    hash.update(key.id());
    hash.finalize().iter().take(6).map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fingerprint_tells_sessions_apart_and_not_their_ids() {
        let key = |id: &str| SessionKey::new("shop", id).unwrap();
        assert_eq!(fingerprint(&key("secret")), fingerprint(&key("secret")));
        assert_ne!(fingerprint(&key("secret")), fingerprint(&key("secret2")));
        assert!(!fingerprint(&key("secret")).contains("secret"));
    }
}
