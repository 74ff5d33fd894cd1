//! The beginnings and ends of sessions, and who hears of them.

use std::fmt;

use sha2::{Digest as _, Sha256};

use crate::contract::{Item, SessionKey, StoreError};

/// Why a session ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EndReason {
    /// Its time ran out.
    Expired,
    /// It was removed, as by a logout.
    Removed,
}

impl fmt::Display for EndReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Expired => "expired",
            Self::Removed => "removed",
        })
    }
}

/// Somebody who wants to hear of sessions.
pub trait EventSink: Send + Sync {
    /// A session was stored for the first time. \[Session_Start\]
    fn session_started(&self, store: &str, key: &SessionKey);

    /// A session ended; what it held last. \[Session_End\] On an error an expired session is reported again later.
    fn session_ended(&self, store: &str, key: &SessionKey, item: &Item, reason: EndReason) -> Result<(), StoreError>;
}

/// Writes each event into the log.
#[derive(Debug, Default)]
pub struct LogSink;

impl EventSink for LogSink {
    fn session_started(&self, store: &str, key: &SessionKey) {
        tracing::info!(store, application = key.application(), session = %fingerprint(key), "Session_Start");
    }

    fn session_ended(&self, store: &str, key: &SessionKey, item: &Item, reason: EndReason) -> Result<(), StoreError> {
        tracing::info!(
            store,
            application = key.application(),
            session = %fingerprint(key),
            %reason,
            version = item.version,
            bytes = item.data.payload.len(),
            "Session_End"
        );
        Ok(())
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
