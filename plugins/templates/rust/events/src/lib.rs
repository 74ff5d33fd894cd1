//! A handler of the beginnings and ends of sessions: it logs each, without the session's ID.
//!
//! An end is delivered at least once. So what must not happen twice is remembered in the plugin's own bucket: here the
//! line in the log, in a plugin of yours perhaps an invoice.

use cloakroom_plugin_sdk::{
    EndReason, Error, Item, Payload, SessionEvents, SessionKey, Settings, clock, export_session_events,
    kv::{Bucket, PutCondition, PutError, TagChange, Words},
    log,
};

/// How long an end is remembered, milliseconds: longer than the host goes on delivering it.
const REMEMBERED: u64 = 24 * 60 * 60 * 1000;

/// The handler.
struct Handler {
    /// The plugin's own bucket, private to the store whose sessions it hears of.
    bucket: Bucket,
}

impl SessionEvents for Handler {
    fn initialize(_store: &str, settings: &Settings) -> Result<Self, Error> {
        // A misspelt setting would be ignored in silence.
        settings.allow_only(&[])?;
        Ok(Self { bucket: Bucket::open(None).map_err(Error::Unavailable)? })
    }

    fn on_start(&self, key: SessionKey) -> Result<(), Error> {
        log::info(format!("a session of {} began", key.application));
        Ok(())
    }

    fn on_end(&self, key: SessionKey, item: Item, reason: EndReason) -> Result<(), Error> {
        let now = clock::now();
        let application = key.application.clone();
        // The same ID can come again; a session is one together with its beginning.
        let ended = format!("{}\0{}", key.into_storage_key(), item.created);
        if !self.first_time(&ended, now)? {
            return Ok(());
        }
        let seconds = now.saturating_sub(item.created) / 1000;
        let how = match reason {
            EndReason::Expired => "its time ran out",
            EndReason::Removed => "it was removed",
        };
        let bytes = item.data.payload.len();
        log::info(format!("a session of {application} ended after {seconds} s with {bytes} bytes: {how}"));
        Ok(())
    }
}

impl Handler {
    /// Whether this is new; remembers it.
    fn first_time(&self, what: &str, now: u64) -> Result<bool, Error> {
        let nothing = Words { a: 0, b: 0, c: 0, d: 0, e: 0, f: 0 };
        let until = Some(now + REMEMBERED);
        match self.bucket.put(what, Some(&Payload::empty()), nothing, until, &TagChange::Keep, PutCondition::IfAbsent) {
            Ok(_) => Ok(true),
            Err(PutError::Conflict) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }
}

export_session_events!(Handler);
