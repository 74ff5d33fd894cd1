//! The beginnings and ends of sessions, and who hears of them: the log, and the plugins that a store names.
//!
//! `handler` is a plugin with what waits for it (`backlog`), which `saved` carries over a planned stop.

mod backlog;
mod handler;
mod saved;

use sha2::{Digest as _, Sha256};

pub use self::handler::HandlerStatus;
pub(super) use self::handler::{Handler, report_orphans};
use crate::contract::{EndReason, Item, SessionKey, StoreError};

/// Somebody who wants to hear of sessions.
pub trait EventSink: Send + Sync {
    /// A session was stored for the first time. \[Session_Start\]
    fn session_started(&self, store: &str, key: &SessionKey);

    /// Whether the end of a session that holds this can be taken on now. It is asked of an expired session before
    /// anybody is told of its end; on an error it is offered again later.
    fn has_room(&self, _item: &Item) -> Result<(), StoreError> {
        Ok(())
    }

    /// A session ended; what it held last. \[Session_End\]
    fn session_ended(&self, store: &str, key: &SessionKey, item: &Item, reason: EndReason);

    /// A session has another ID from now on.
    fn session_renamed(&self, _old: &SessionKey, _new: &SessionKey) {}
}

/// Writes each event into the log.
#[derive(Debug, Default)]
pub struct LogSink;

impl EventSink for LogSink {
    fn session_started(&self, store: &str, key: &SessionKey) {
        tracing::info!(store, application = key.application(), session = %fingerprint(key), "Session_Start");
    }

    fn session_ended(&self, store: &str, key: &SessionKey, item: &Item, reason: EndReason) {
        tracing::info!(
            store,
            application = key.application(),
            session = %fingerprint(key),
            %reason,
            version = item.version,
            bytes = item.data.payload.len(),
            "Session_End"
        );
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
