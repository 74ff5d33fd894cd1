//! A plugin that hears of the sessions of one store: what waits for it, and how it is delivered.
//!
//! Whoever has something to tell puts it into the backlog and goes on; one task per handler delivers. A handler that
//! hangs holds up nobody but the events behind it in its own backlog.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use tokio::{sync::Notify, time::sleep_until};
use tokio_util::sync::CancellationToken;
use utoipa::ToSchema;

use super::{
    EventSink,
    backlog::{Backlog, Event, Next},
    fingerprint, saved,
};
use crate::{
    capabilities::kv::Kv,
    config::StoreConfig,
    contract::{EndReason, Item, SessionKey, StoreError},
    plugins::{CallError, EventHandler, PluginError, PluginFailure},
};

/// The longest pause between two attempts, unless the operator asks for a longer one.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// See the module.
pub(in crate::sessions) struct Handler {
    store: String,
    plugin: EventHandler,
    attempts: usize,
    retry: Duration,
    backlog: Mutex<Backlog>,
    /// Something was put into the backlog.
    news: Notify,
    delivered: AtomicU64,
    retried: AtomicU64,
    dead: AtomicU64,
}

/// What is known of an event handler of a store.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct HandlerStatus {
    /// The plugin.
    pub plugin: String,
    /// Events that wait for it now.
    pub queued: usize,
    /// What they take, bytes.
    pub queued_bytes: usize,
    /// Events delivered since the start.
    pub delivered: u64,
    /// Attempts that failed and were made again since the start.
    pub retried: u64,
    /// Events given up since the start; the log has a line for each.
    pub dead: u64,
}

impl Handler {
    /// With what waited for it when the host stopped.
    pub(in crate::sessions) fn open(store: &str, config: &StoreConfig, plugin: EventHandler, kv: &Kv) -> Self {
        let mut backlog = Backlog::new(config.event_queue);
        for event in saved::take_back(kv, store, plugin.plugin()) {
            match event {
                Ok(event) => backlog.push(event),
                Err(error) => {
                    tracing::error!(store, handler = plugin.plugin(), %error, "an event of the last run is lost")
                }
            }
        }
        if backlog.len() > 0 {
            let (handler, events) = (plugin.plugin(), backlog.len());
            tracing::info!(store, handler, events, "events of the last run are yet to be delivered");
        }
        Self {
            store: store.to_owned(),
            plugin,
            attempts: config.event_attempts,
            retry: config.event_retry,
            backlog: Mutex::new(backlog),
            news: Notify::new(),
            delivered: AtomicU64::new(0),
            retried: AtomicU64::new(0),
            dead: AtomicU64::new(0),
        }
    }

    /// Whether what was saved under this name is for this handler.
    pub(in crate::sessions) fn is(&self, whose: &str) -> bool {
        whose.split_once('/') == Some((&self.store, self.plugin.plugin()))
    }

    pub(in crate::sessions) fn status(&self) -> HandlerStatus {
        let (queued, queued_bytes) = {
            let backlog = self.backlog.lock();
            (backlog.len(), backlog.bytes())
        };
        HandlerStatus {
            plugin: self.plugin.plugin().to_owned(),
            queued,
            queued_bytes,
            delivered: self.delivered.load(Ordering::Relaxed),
            retried: self.retried.load(Ordering::Relaxed),
            dead: self.dead.load(Ordering::Relaxed),
        }
    }

    /// Delivers until told to stop. What is on its way then is delivered again after the next start.
    pub(in crate::sessions) async fn deliver(&self, stop: &CancellationToken) {
        while !stop.is_cancelled() {
            let next = self.backlog.lock().next(Instant::now());
            match next {
                Next::Deliver(line, event) => tokio::select! {
                    biased;
                    () = stop.cancelled() => return,
                    outcome = self.call(&event) => self.settle(line, &event, outcome),
                },
                Next::Later(at) => tokio::select! {
                    () = stop.cancelled() => return,
                    () = self.news.notified() => {}
                    () = sleep_until(at.into()) => {}
                },
                Next::Nothing => tokio::select! {
                    () = stop.cancelled() => return,
                    () = self.news.notified() => {}
                },
            }
        }
    }

    /// Saves what waits, when nobody adds to it any more.
    pub(in crate::sessions) fn save(&self, kv: &Kv) {
        let events = self.backlog.lock().drain();
        if events.is_empty() {
            return;
        }
        let (store, handler, count) = (&self.store, self.plugin.plugin(), events.len());
        match saved::save(kv, store, handler, &events) {
            Ok(()) => tracing::info!(store, handler, events = count, "events are kept for the next start"),
            Err(error) => tracing::error!(store, handler, events = count, %error, "events are lost in the stop"),
        }
    }

    async fn call(&self, event: &Event) -> Result<(), CallError> {
        match &event.end {
            None => self.plugin.on_start(&event.key).await,
            Some((item, reason)) => self.plugin.on_end(&event.key, item.clone(), *reason).await,
        }
    }

    fn settle(&self, line: u64, event: &Event, outcome: Result<(), CallError>) {
        let mut backlog = self.backlog.lock();
        let Err(error) = outcome else {
            backlog.done(line);
            self.delivered.fetch_add(1, Ordering::Relaxed);
            return;
        };
        if let Some(pause) = not_called(&error, self.retry) {
            backlog.again(line, Instant::now() + pause);
            return;
        }
        let attempts = backlog.failed(line);
        if attempts < self.attempts {
            self.retried.fetch_add(1, Ordering::Relaxed);
            backlog.again(line, Instant::now() + pause(self.retry, attempts));
            drop(backlog);
            let why = without_id(&error.to_string(), &event.key);
            tracing::debug!(store = self.store, handler = self.plugin.plugin(), attempts, why, "to be tried again");
        } else {
            backlog.done(line);
            drop(backlog);
            self.give_up(event, attempts, &error.to_string());
        }
    }

    /// Writes the dead letter.
    fn give_up(&self, event: &Event, attempts: usize, why: &str) {
        self.dead.fetch_add(1, Ordering::Relaxed);
        tracing::error!(
            store = self.store,
            handler = self.plugin.plugin(),
            event = event.name(),
            application = event.key.application(),
            session = %fingerprint(&event.key),
            reason = event.end.as_ref().map(|(_, reason)| reason.to_string()),
            bytes = event.end.as_ref().map(|(item, _)| item.data.payload.len()),
            attempts,
            why = without_id(why, &event.key),
            "dead letter: the event is not delivered"
        );
    }

    fn take_on(&self, event: Event, however_full: bool) {
        let mut backlog = self.backlog.lock();
        if however_full || backlog.has_room_for(&event) {
            backlog.push(event);
            drop(backlog);
            self.news.notify_one();
        } else {
            drop(backlog);
            self.give_up(&event, 0, &self.full());
        }
    }

    fn full(&self) -> String {
        format!(
            "as much waits for the event handler `{}` as may (`stores.{}.event_queue`); see why it is slow, or raise \
             the limit",
            self.plugin.plugin(),
            self.store
        )
    }
}

impl EventSink for Handler {
    fn session_started(&self, _store: &str, key: &SessionKey) {
        self.take_on(Event { key: key.clone(), end: None }, false);
    }

    fn has_room(&self, item: &Item) -> Result<(), StoreError> {
        let has_room = self.backlog.lock().has_room_for_end_of(item);
        if has_room { Ok(()) } else { Err(StoreError::LimitExceeded(self.full())) }
    }

    fn session_ended(&self, _store: &str, key: &SessionKey, item: &Item, reason: EndReason) {
        let event = Event { key: key.clone(), end: Some((item.clone(), reason)) };
        // Of an expired session it was asked whether there is room; the provider may forget it now.
        self.take_on(event, reason == EndReason::Expired);
    }

    fn session_renamed(&self, old: &SessionKey, new: &SessionKey) {
        self.backlog.lock().renamed(old, new);
    }
}

/// How long to wait where the plugin was not called at all, because it is busy, backed off or quarantined: that is no
/// attempt at the event.
fn not_called(error: &CallError, retry: Duration) -> Option<Duration> {
    let CallError::Plugin(PluginError { failure, .. }) = error else { return None };
    match failure {
        PluginFailure::Unavailable { retry_after, .. } => Some((*retry_after).max(retry)),
        failure if !failure.was_called() => Some(retry),
        _ => None,
    }
}

/// The pause after so many attempts.
fn pause(first: Duration, attempts: usize) -> Duration {
    let doublings = u32::try_from(attempts.saturating_sub(1)).unwrap_or(u32::MAX);
    let factor = 2_u32.checked_pow(doublings).unwrap_or(u32::MAX);
    first.saturating_mul(factor).min(first.max(LONGEST_PAUSE))
}

/// What a plugin says, which may name the session, without its ID.
fn without_id(text: &str, key: &SessionKey) -> String {
    text.replace(key.id(), &fingerprint(key))
}

/// Says which handlers that are not configured any more have events that wait.
pub(in crate::sessions) fn report_orphans(kv: &Kv, handlers: &[Arc<Handler>]) {
    for (whose, events) in saved::orphans(kv, |whose| handlers.iter().any(|handler| handler.is(whose))) {
        tracing::warn!(
            handler = whose,
            events,
            "events wait for a handler that its store does not have any more; they are kept until it is named in \
             `events` again"
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_a_minute() {
        let second = Duration::from_secs(1);
        let seconds: Vec<_> = (1..=8).map(|attempts| pause(second, attempts).as_secs()).collect();
        assert_eq!(seconds, [1, 2, 4, 8, 16, 32, 60, 60]);
        assert_eq!(pause(second, 1000), LONGEST_PAUSE);
        assert_eq!(pause(Duration::from_secs(300), 5), Duration::from_secs(300), "the operator wants it slower");
    }

    #[test]
    fn what_a_plugin_says_is_shown_without_the_id() {
        let key = SessionKey::new("shop", "secret").unwrap();
        let shown = without_id("no row for secret in shop", &key);
        assert!(
            shown.starts_with("no row for ") && shown.ends_with(" in shop") && !shown.contains("secret"),
            "{shown}"
        );
    }
}
