//! Somebody who hears of the sessions of one store, event by event: what waits for it, and how it is delivered.
//!
//! Whoever has something to tell puts it into the backlog and goes on; threads and tasks of the handler's own deliver. A
//! handler that hangs holds up nobody but the events behind it in its own backlog.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use tokio::{
    sync::Notify,
    time::{sleep, sleep_until},
};
use tokio_util::sync::CancellationToken;
use utoipa::ToSchema;

use super::{
    EventSink,
    backlog::{Backlog, Next},
    event::{Event, What},
    fingerprint,
    health::{Failure, Gate, Health},
    receiver::{Receiver, Undelivered},
    retry::Retry,
    saved,
};
use crate::{
    capabilities::kv::Kv,
    clock::Clock,
    config::{StoreConfig, WebhookConfig},
    contract::{EndReason, Item, StoreError},
};

/// The longest pause between two attempts at a plugin, and between two at a webhook that is down, unless the operator
/// asks for a longer one.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// See the module.
pub(in crate::sessions) struct Handler {
    store: String,
    receiver: Receiver,
    limits: HandlerLimits,
    clock: Clock,
    state: Mutex<State>,
    /// Something was put into the backlog, or can be delivered now.
    news: Notify,
    delivered: AtomicU64,
    retried: AtomicU64,
    dead: AtomicU64,
}

struct State {
    backlog: Backlog,
    /// Of a webhook. A plugin's is kept by the plugin runtime, for all that call it.
    health: Option<Health>,
}

/// How patient a handler is.
pub(in crate::sessions) struct HandlerLimits {
    /// The most that may wait, bytes.
    queue: usize,
    /// The key that says so, for messages.
    queue_key: String,
    /// When one event is tried again.
    retry: Retry,
}

impl HandlerLimits {
    /// Of the plugins of a store.
    pub(in crate::sessions) fn of_plugins(store: &str, config: &StoreConfig) -> Self {
        let (attempts, first) = (config.event_attempts, config.event_retry);
        let retry = Retry { attempts, first, longest: LONGEST_PAUSE, jitter: false };
        Self { queue: config.event_queue, queue_key: format!("stores.{store}.event_queue"), retry }
    }

    /// Of a webhook.
    pub(in crate::sessions) fn of_webhook(name: &str, config: &WebhookConfig) -> Self {
        let (attempts, first) = (config.attempts, config.retry);
        let retry = Retry { attempts, first, longest: config.longest_retry, jitter: true };
        Self { queue: config.queue, queue_key: format!("webhooks.{name}.queue"), retry }
    }
}

/// What is known of an event handler of a store.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct HandlerStatus {
    /// Its name.
    pub handler: String,
    /// What it is: `plugin` or `webhook`.
    pub kind: String,
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
    /// Since when a webhook has been taking no events, if it is not.
    #[schema(format = DateTime)]
    pub failing_since: Option<String>,
    /// What came of the last attempt then.
    pub last_failure: Option<String>,
}

impl Handler {
    /// With what waited for it when the host stopped.
    pub(in crate::sessions) fn open(
        store: &str,
        receiver: Receiver,
        limits: HandlerLimits,
        clock: &Clock,
        kv: &Kv,
    ) -> Self {
        let mut backlog = Backlog::new(limits.queue);
        let handler = receiver.name();
        for event in saved::take_back(kv, store, handler) {
            match event {
                Ok((line, event)) => backlog.push_into(line, Arc::new(event)),
                Err(error) => tracing::error!(store, handler, %error, "an event of the last run is lost"),
            }
        }
        if backlog.len() > 0 {
            tracing::info!(store, handler, events = backlog.len(), "events of the last run are yet to be delivered");
        }
        let health = matches!(receiver, Receiver::Webhook(_)).then(Health::default);
        Self {
            store: store.to_owned(),
            receiver,
            limits,
            clock: clock.clone(),
            state: Mutex::new(State { backlog, health }),
            news: Notify::new(),
            delivered: AtomicU64::new(0),
            retried: AtomicU64::new(0),
            dead: AtomicU64::new(0),
        }
    }

    /// Whether what was saved under this name is for this handler.
    pub(in crate::sessions) fn is(&self, whose: &str) -> bool {
        whose.split_once('/') == Some((&self.store, self.receiver.name()))
    }

    /// Whether a delivery can hold up its thread.
    pub(in crate::sessions) fn computes(&self) -> bool {
        matches!(self.receiver, Receiver::Plugin(_))
    }

    /// How many deliveries may be under way at once.
    pub(in crate::sessions) fn concurrency(&self) -> usize {
        self.receiver.concurrency()
    }

    pub(in crate::sessions) fn status(&self) -> HandlerStatus {
        let state = self.state.lock();
        let trouble = state.health.as_ref().and_then(Health::trouble);
        HandlerStatus {
            handler: self.receiver.name().to_owned(),
            kind: self.receiver.kind().to_owned(),
            queued: state.backlog.len(),
            queued_bytes: state.backlog.bytes(),
            delivered: self.delivered.load(Ordering::Relaxed),
            retried: self.retried.load(Ordering::Relaxed),
            dead: self.dead.load(Ordering::Relaxed),
            failing_since: trouble.map(|(since, _)| since.rfc3339()),
            last_failure: trouble.map(|(_, last)| last.to_owned()),
        }
    }

    /// Delivers until told to stop, one event after the other. What is on its way then is delivered again after the next
    /// start.
    pub(in crate::sessions) async fn deliver(&self, stop: &CancellationToken) {
        while !stop.is_cancelled() {
            match self.next() {
                Next::Deliver(line, event) => tokio::select! {
                    biased;
                    outcome = self.receiver.tell(&event) => self.settle(line, &event, outcome),
                    () = self.stopped(stop) => return,
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

    /// Ends when a delivery that is under way has to.
    async fn stopped(&self, stop: &CancellationToken) {
        stop.cancelled().await;
        sleep(self.receiver.grace()).await;
    }

    /// Saves what waits, when nobody adds to it any more.
    pub(in crate::sessions) fn save(&self, kv: &Kv) {
        let events = self.state.lock().backlog.drain();
        if events.is_empty() {
            return;
        }
        let (store, handler, count) = (&self.store, self.receiver.name(), events.len());
        match saved::save(kv, store, handler, &events) {
            Ok(()) => tracing::info!(store, handler, events = count, "events are kept for the next start"),
            Err(error) => tracing::error!(store, handler, events = count, %error, "events are lost in the stop"),
        }
    }

    fn next(&self) -> Next {
        let now = Instant::now();
        let mut state = self.state.lock();
        let gate = state.health.as_ref().map_or(Gate::Open, |health| health.gate(now));
        match gate {
            Gate::Open => {}
            Gate::Closed(until) if state.backlog.len() > 0 => return Next::Later(until),
            Gate::Closed(_) | Gate::Trying => return Next::Nothing,
        }
        let next = state.backlog.next(now);
        if let Next::Deliver(..) = next {
            if let Some(health) = &mut state.health {
                health.sent();
            }
            // There may be more, for another of them.
            drop(state);
            self.news.notify_one();
        }
        next
    }

    fn settle(&self, line: u64, event: &Event, outcome: Result<(), Undelivered>) {
        let mut state = self.state.lock();
        if let Some(health) = &mut state.health {
            self.note(health, line, &outcome);
        }
        match outcome {
            Ok(()) => {
                state.backlog.done(line);
                self.delivered.fetch_add(1, Ordering::Relaxed);
            }
            Err(Undelivered::TurnedAway { pause, .. }) => {
                let pause = pause.unwrap_or_default().max(self.limits.retry.first);
                state.backlog.again(line, Instant::now() + pause);
            }
            Err(Undelivered::Failed { why, retry_after }) => {
                let attempts = state.backlog.failed(line);
                if attempts < self.limits.retry.attempts {
                    self.retried.fetch_add(1, Ordering::Relaxed);
                    let pause = self.limits.retry.pause(attempts).max(retry_after.unwrap_or_default());
                    state.backlog.again(line, Instant::now() + pause);
                    let handler = self.receiver.name();
                    tracing::debug!(store = self.store, handler, attempts, why, "to be tried again");
                } else {
                    state.backlog.done(line);
                    self.give_up(event, attempts, &why);
                }
            }
            Err(Undelivered::Refused { why }) => {
                let attempts = state.backlog.failed(line);
                state.backlog.done(line);
                self.give_up(event, attempts, &why);
            }
        }
        drop(state);
        self.news.notify_one();
    }

    /// Keeps account of how a webhook is, and says so when that changes.
    fn note(&self, health: &mut Health, line: u64, outcome: &Result<(), Undelivered>) {
        let (store, handler, now) = (&self.store, self.receiver.name(), Instant::now());
        let (why, answered, pause) = match outcome {
            Ok(()) | Err(Undelivered::Refused { .. }) => {
                if health.succeeded() {
                    tracing::info!(store, handler, "the webhook takes events again");
                }
                return;
            }
            Err(Undelivered::TurnedAway { why, pause }) => (why, false, *pause),
            Err(Undelivered::Failed { why, retry_after }) => (why, true, *retry_after),
        };
        let retry = Retry { longest: LONGEST_PAUSE, ..self.limits.retry };
        if health.failed(&Failure { line, answered, why }, self.clock.now(), now, &retry) {
            tracing::warn!(
                store,
                handler,
                why,
                "the webhook takes no events; they wait, and it is tried with one of them now and then"
            );
        }
        if let Some(pause) = pause {
            health.leave_alone(now + pause);
        }
    }

    /// Writes the dead letter.
    fn give_up(&self, event: &Event, attempts: usize, why: &str) {
        self.dead.fetch_add(1, Ordering::Relaxed);
        tracing::error!(
            store = self.store,
            handler = self.receiver.name(),
            event = event.name(),
            application = event.key.application(),
            session = %fingerprint(&event.key),
            reason = event.end().map(|end| end.reason.to_string()),
            bytes = event.end().map(|end| end.size),
            attempts,
            why,
            "dead letter: the event is not delivered"
        );
    }

    fn take_on(&self, event: Arc<Event>, however_full: bool) {
        let mut state = self.state.lock();
        if however_full || state.backlog.has_room_for(&event) {
            state.backlog.push(event);
            drop(state);
            self.news.notify_one();
        } else {
            drop(state);
            self.give_up(&event, 0, &self.full());
        }
    }

    fn full(&self) -> String {
        let (kind, name, key) = (self.receiver.kind(), self.receiver.name(), &self.limits.queue_key);
        format!("as much waits for the {kind} `{name}` as may (`{key}`); see why it takes no more, or raise the limit")
    }
}

impl EventSink for Handler {
    fn has_room(&self, item: &Item) -> Result<(), StoreError> {
        let has_room = self.state.lock().backlog.has_room_for_end_of(item, self.receiver.wants_payload());
        if has_room { Ok(()) } else { Err(StoreError::LimitExceeded(self.full())) }
    }

    fn happened(&self, event: &Arc<Event>) {
        if let What::Renamed { old } = &event.what {
            self.state.lock().backlog.renamed(old, &event.key);
            if !self.receiver.hears_of_renames() {
                return;
            }
        }
        let expired = event.end().is_some_and(|end| end.reason == EndReason::Expired);
        let event = if self.receiver.wants_payload() { event.clone() } else { event.without_payload() };
        // Of an expired session it was asked whether there is room; the provider may forget it now.
        self.take_on(event, expired);
    }
}

/// Says which handlers that are not configured any more have events that wait.
pub(in crate::sessions) fn report_orphans(kv: &Kv, handlers: &[Arc<Handler>]) {
    for (whose, events) in saved::orphans(kv, |whose| handlers.iter().any(|handler| handler.is(whose))) {
        tracing::warn!(
            handler = whose,
            events,
            "events wait for a handler that its store does not have any more; they are kept until it is named in \
             `events` or `webhooks` again"
        );
    }
}
