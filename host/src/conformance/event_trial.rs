//! One check of one rule on a handler of the beginnings and ends of sessions.

use std::{future::Future, sync::Arc};

use bytes::Bytes;

use crate::{
    clock::UnixMillis,
    contract::{EndReason, Item, Payload, SessionData, SessionKey},
    plugins::{CallError, EventHandler, PluginError},
};

use super::{
    answer::describe_item,
    ear::overhear,
    finding::{Checked, Finding},
    subject::Subject,
    transcript::Transcript,
    wording::name,
};

/// How often an event is delivered before the kit gives it up. A host does so 20 times by default, with pauses.
const ATTEMPTS: usize = 5;

/// How long before its end a session began, milliseconds.
const LIFE: u64 = 20 * 60 * 1000;

/// A handler of a store that no other check uses. Clones are the same trial.
#[derive(Clone)]
pub(super) struct EventTrial {
    handler: EventHandler,
    subject: Arc<Subject>,
    store: Arc<str>,
    transcript: Transcript,
    writing: bool,
}

impl EventTrial {
    /// A trial in a fresh store.
    pub(super) async fn begin(subject: &Arc<Subject>, transcript: &Transcript) -> Checked<Self> {
        Self::in_store(subject, transcript, subject.fresh_store().into()).await
    }

    async fn in_store(subject: &Arc<Subject>, transcript: &Transcript, store: Arc<str>) -> Checked<Self> {
        match subject.event_handler(&store).await {
            Ok(handler) => {
                Ok(Self { handler, subject: subject.clone(), store, transcript: transcript.clone(), writing: true })
            }
            Err(error) => {
                transcript.note(format!("initialize(store {store}) -> {error}"));
                Err(Finding::Unjudged { reason: format!("the component could not be initialized: {error}") })
            }
        }
    }

    /// The same component as the handler of another store.
    pub(super) async fn another_store(&self) -> Checked<Self> {
        self.note("in another store:");
        Self::begin(&self.subject, &self.transcript).await
    }

    /// The same store, with a newly made instance.
    pub(super) async fn same_store_anew(&self) -> Checked<Self> {
        self.note("with a new instance for the same store:");
        Self::in_store(&self.subject, &self.transcript, self.store.clone()).await
    }

    /// The same trial, but single calls are written down only if they fail.
    pub(super) fn quietly(&self) -> Self {
        Self { writing: false, ..self.clone() }
    }

    /// Writes a line into the transcript.
    pub(super) fn note(&self, line: impl Into<String>) {
        self.transcript.note(line);
    }

    /// How the component failed in calls so far, whichever rule called.
    pub(super) fn failures(&self) -> Vec<PluginError> {
        self.subject.failures()
    }

    /// The memory that an instance may have, bytes.
    pub(super) fn memory_limit(&self) -> usize {
        self.subject.plugin.status().limits.memory
    }

    /// The time on the host's clock.
    pub(super) fn now(&self) -> UnixMillis {
        self.subject.clock.now()
    }

    /// What a session that ends now held: some bytes of text.
    pub(super) fn item(&self, text: &str) -> Item {
        let now = self.now();
        let payload = Payload::new(Bytes::copy_from_slice(text.as_bytes()));
        Item {
            data: SessionData { payload, idle_timeout: 1200, latest_expiry: None, subject: None },
            version: 1,
            created: UnixMillis(now.0.saturating_sub(LIFE)),
            expires: Some(now),
            uninitialized: false,
        }
    }

    /// Does some work and returns what the component logs meanwhile.
    pub(super) async fn overhear(&self, work: impl Future<Output = Checked>) -> Checked<Vec<String>> {
        let (done, lines) = overhear(work).await;
        for line in &lines {
            self.note(format!("  it logs: {line}"));
        }
        done.map(|()| lines)
    }

    /// A session that begins, holds something and runs out.
    pub(super) async fn session(&self, key: &SessionKey, item: Item) -> Checked {
        self.start(key).await?;
        self.end(key, item).await
    }

    /// A session begins.
    pub(super) async fn start(&self, key: &SessionKey) -> Checked {
        self.deliver(|| format!("on-start({})", name(key)), || self.handler.on_start(key)).await
    }

    /// A session runs out.
    pub(super) async fn end(&self, key: &SessionKey, item: Item) -> Checked {
        self.end_because(key, item, EndReason::Expired).await
    }

    /// A session ends.
    pub(super) async fn end_because(&self, key: &SessionKey, item: Item, reason: EndReason) -> Checked {
        let call = || format!("on-end({}, {}, {reason})", name(key), describe_item(&item));
        self.deliver(call, || self.handler.on_end(key, item.clone(), reason)).await
    }

    /// Delivers an event as the host does: an error is tried again.
    async fn deliver<F: Future<Output = Result<(), CallError>>>(
        &self,
        call: impl Fn() -> String,
        attempt: impl Fn() -> F,
    ) -> Checked {
        let mut answer = String::new();
        for _ in 0..ATTEMPTS {
            let result = attempt().await;
            if self.writing || result.is_err() {
                self.transcript.note_call(&result, &call, |()| "ok".to_owned());
            }
            match self.subject.noticing(result) {
                Ok(()) => return Ok(()),
                Err(CallError::Plugin(error)) => return Err(error.into()),
                Err(CallError::Store(error)) => answer = error.to_string(),
            }
        }
        let expected = format!("ok, at one of {ATTEMPTS} attempts");
        Err(Finding::broken(expected, format!("the error `{answer}` at each of them")))
    }
}
