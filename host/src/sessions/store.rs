//! One configured store: a provider, an ID generator, limits, lines of waiters, counters.

mod migrating;

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use super::{
    SessionError,
    abandoned::Detached,
    events::{EventSink, Handler},
    journal::{Counts, Journal},
    lines::{Lines, Try},
    service::{Created, NewData, RotateOutcome, WriteOptions},
    status::StoreStatus,
};
use crate::{
    clock::Clock,
    config::StoreConfig,
    contract::{
        Condition, GetExclusiveOutcome, GetOutcome, LockId, ReleaseOutcome, RemoveOutcome, RenameOutcome, ResetOutcome,
        SessionData, SessionKey, SessionPage, SetOutcome, StoreError,
    },
    plugins::{CallError, INDEX, IdManager, Provider, RENAME},
};

/// How often a fresh ID that turns out to be taken is made anew. At 120 random bits once is once too many.
const ID_ATTEMPTS: usize = 3;

/// How many sessions a listing asks the provider for at a time when it goes through all of them.
const PAGE: u32 = 256;

/// The plugins that a store is made of, and who hears of its sessions.
pub(super) struct Plugins {
    pub(super) provider: Provider,
    pub(super) ids: IdManager,
    pub(super) handlers: Vec<Arc<Handler>>,
}

/// What a store has around it.
pub(super) struct Surroundings {
    pub(super) clock: Clock,
    pub(super) detached: Detached,
    pub(super) lines: Arc<Lines>,
}

/// A store that is open.
pub(super) struct Store {
    name: String,
    config: StoreConfig,
    provider: Provider,
    ids: IdManager,
    clock: Clock,
    lines: Arc<Lines>,
    detached: Detached,
    journal: Arc<Journal>,
    handlers: Vec<Arc<Handler>>,
    operations: AtomicU64,
    failures: AtomicU64,
}

impl Store {
    pub(super) fn new(
        name: &str,
        config: StoreConfig,
        plugins: Plugins,
        surroundings: Surroundings,
        mut sinks: Vec<Arc<dyn EventSink>>,
    ) -> Self {
        let Surroundings { clock, detached, lines } = surroundings;
        let Plugins { provider, ids, handlers } = plugins;
        for handler in &handlers {
            sinks.push(handler.clone());
        }
        let journal = Arc::new(Journal::new(name, clock.clone(), sinks));
        Self {
            name: name.to_owned(),
            config,
            provider,
            ids,
            clock,
            lines,
            detached,
            journal,
            handlers,
            operations: AtomicU64::new(0),
            failures: AtomicU64::new(0),
        }
    }

    /// Whether an operation may wait for something outside the host.
    pub(super) fn waits(&self) -> bool {
        self.provider.waits()
    }

    pub(super) fn max_payload(&self) -> usize {
        self.config.max_payload
    }

    pub(super) fn sweep_interval(&self) -> Duration {
        self.config.sweep_interval
    }

    /// The plugins and webhooks that hear of its sessions.
    pub(super) fn handlers(&self) -> &[Arc<Handler>] {
        &self.handlers
    }

    pub(super) fn status(&self) -> StoreStatus {
        let Counts { started, expired, removed } = self.journal.counts();
        StoreStatus {
            name: self.name.clone(),
            provider: self.config.provider.clone(),
            wrapped_by: self.config.wrapped_by.clone(),
            id_generator: self.ids.plugin().to_owned(),
            idle_timeout: self.config.idle_timeout,
            absolute_timeout: self.config.absolute_timeout.map(|timeout| timeout.as_secs()),
            max_payload: self.config.max_payload,
            operations: self.operations.load(Ordering::Relaxed),
            failures: self.failures.load(Ordering::Relaxed),
            started,
            expired,
            removed,
            waiting: self.lines.waiting(),
            events: self.handlers.iter().map(|handler| handler.status()).collect(),
        }
    }

    pub(super) async fn create(&self, application: &str, data: NewData) -> Result<Created, SessionError> {
        let data = self.data(data)?;
        for _ in 0..ID_ATTEMPTS {
            let id = self.settle_id(self.ids.create(application, None).await)?;
            let key = SessionKey::new(application, id)?;
            let outcome = self.provider.set_and_release(&key, data.clone(), None, Condition::MustBeNew, false).await;
            match self.settle(outcome)? {
                SetOutcome::Done(version) => {
                    self.journal.started(&key);
                    return Ok(Created { key, version });
                }
                SetOutcome::Stale(_) | SetOutcome::Locked(_) | SetOutcome::Missing => {}
            }
        }
        Err(self.ids_taken())
    }

    pub(super) async fn reserve(&self, application: &str, data: NewData) -> Result<Created, SessionError> {
        let data = self.data(data)?;
        for _ in 0..ID_ATTEMPTS {
            let id = self.settle_id(self.ids.create(application, None).await)?;
            let key = SessionKey::new(application, id)?;
            // Creating does nothing where a session exists, and does not say so. Two hosts that make the same ID at the
            // same moment are not told apart, which 120 random bits make good.
            if let GetOutcome::Missing = self.settle(self.provider.peek(&key).await)? {
                self.settle(self.provider.create_uninitialized(&key, data).await)?;
                return Ok(Created { key, version: 1 });
            }
        }
        Err(self.ids_taken())
    }

    pub(super) async fn get(&self, key: &SessionKey, wait: Duration) -> Result<GetOutcome, SessionError> {
        if !self.recognises(key).await? {
            return Ok(GetOutcome::Missing);
        }
        let outcome = self
            .lines
            .wait_for(key, wait, || async {
                let outcome = self.settle(self.provider.get(key).await)?;
                Ok::<_, SessionError>(match outcome {
                    GetOutcome::Locked(_) => Try::Locked(outcome),
                    GetOutcome::Found(_) | GetOutcome::Missing => Try::Done(outcome),
                })
            })
            .await?;
        if let GetOutcome::Found(item) = &outcome {
            self.note_first_read(key, item.uninitialized);
        }
        Ok(outcome)
    }

    pub(super) async fn peek(&self, key: &SessionKey) -> Result<GetOutcome, SessionError> {
        if !self.recognises(key).await? {
            return Ok(GetOutcome::Missing);
        }
        self.settle(self.provider.peek(key).await)
    }

    pub(super) async fn get_exclusive(
        &self,
        key: &SessionKey,
        wait: Duration,
    ) -> Result<GetExclusiveOutcome, SessionError> {
        let outcome = self.lock(key, wait).await?;
        if let GetExclusiveOutcome::Found(item, _) = &outcome {
            self.note_first_read(key, item.uninitialized);
        }
        Ok(outcome)
    }

    /// The same, and nobody is told.
    async fn lock(&self, key: &SessionKey, wait: Duration) -> Result<GetExclusiveOutcome, SessionError> {
        if !self.recognises(key).await? {
            return Ok(GetExclusiveOutcome::Missing);
        }
        self.lines
            .wait_for(key, wait, || async {
                let outcome = self.settle(self.take_lock(key).await)?;
                Ok::<_, SessionError>(match outcome {
                    GetExclusiveOutcome::Locked(_) => Try::Locked(outcome),
                    GetExclusiveOutcome::Found(..) => Try::DoneWithLock(outcome),
                    GetExclusiveOutcome::Missing => Try::Done(outcome),
                })
            })
            .await
    }

    async fn take_lock(&self, key: &SessionKey) -> Result<GetExclusiveOutcome, CallError> {
        if self.provider.waits() {
            Box::pin(self.detached.get_exclusive(&self.provider, key, &self.lines)).await
        } else {
            self.provider.get_exclusive(key).await
        }
    }

    pub(super) async fn set_and_release(
        &self,
        key: &SessionKey,
        data: NewData,
        options: WriteOptions,
    ) -> Result<SetOutcome, SessionError> {
        let data = self.data(data)?;
        self.refuse_forged(key).await?;
        let WriteOptions { lock_id, condition, keep_lock } = options;
        let call = self.provider.set_and_release(key, data, lock_id.map(LockId::get), condition, keep_lock);
        let outcome = self.settle(call.await)?;
        if let SetOutcome::Done(version) = outcome {
            if version == 1 {
                self.journal.started(key);
            }
            self.lines.wake(key);
        }
        Ok(outcome)
    }

    pub(super) async fn create_uninitialized(&self, key: &SessionKey, data: NewData) -> Result<(), SessionError> {
        let data = self.data(data)?;
        self.refuse_forged(key).await?;
        self.settle(self.provider.create_uninitialized(key, data).await)
    }

    pub(super) async fn release_exclusive(
        &self,
        key: &SessionKey,
        lock_id: LockId,
    ) -> Result<ReleaseOutcome, SessionError> {
        if !self.recognises(key).await? {
            return Ok(ReleaseOutcome::Missing);
        }
        let outcome = self.settle(self.provider.release_exclusive(key, lock_id.get()).await)?;
        if let ReleaseOutcome::Done { uninitialized } = outcome {
            self.note_first_read(key, uninitialized);
            self.lines.wake(key);
        }
        Ok(outcome)
    }

    pub(super) async fn break_lock(&self, key: &SessionKey) -> Result<ReleaseOutcome, SessionError> {
        match self.peek(key).await? {
            GetOutcome::Missing => Ok(ReleaseOutcome::Missing),
            GetOutcome::Found(_) => Ok(ReleaseOutcome::Done { uninitialized: false }),
            GetOutcome::Locked(lock) => self.release_exclusive(key, lock.id).await,
        }
    }

    pub(super) async fn remove(
        &self,
        key: &SessionKey,
        lock_id: Option<LockId>,
    ) -> Result<RemoveOutcome, SessionError> {
        if !self.recognises(key).await? {
            return Ok(RemoveOutcome::Missing);
        }
        let want_item = self.journal.has_listeners();
        let outcome = self.settle(self.provider.remove(key, lock_id.map(LockId::get), want_item).await)?;
        if let RemoveOutcome::Done(item) = &outcome {
            self.journal.removed(key, item.as_ref());
            self.lines.wake(key);
        }
        Ok(outcome)
    }

    pub(super) async fn reset_timeout(&self, key: &SessionKey) -> Result<ResetOutcome, SessionError> {
        if !self.recognises(key).await? {
            return Ok(ResetOutcome::Missing);
        }
        self.settle(self.provider.reset_timeout(key).await)
    }

    pub(super) async fn rotate(
        &self,
        key: &SessionKey,
        lock_id: Option<LockId>,
    ) -> Result<RotateOutcome, SessionError> {
        if !self.provider.can_rename() {
            return Err(self.unsupported("give a session a new ID", RENAME));
        }
        if !self.recognises(key).await? {
            return Ok(RotateOutcome::Missing);
        }
        for _ in 0..ID_ATTEMPTS {
            let new_id = self.settle_id(self.ids.create(key.application(), Some(key.id())).await)?;
            match self.settle(self.provider.rename(key, &new_id, lock_id.map(LockId::get)).await)? {
                RenameOutcome::Done => {
                    self.lines.wake(key);
                    let new = key.with_id(&new_id)?;
                    self.journal.renamed(key, &new);
                    return Ok(RotateOutcome::Done(new));
                }
                RenameOutcome::Missing => return Ok(RotateOutcome::Missing),
                RenameOutcome::Locked(lock) => return Ok(RotateOutcome::Locked(lock)),
                RenameOutcome::Taken => {}
            }
        }
        Err(self.ids_taken())
    }

    pub(super) async fn list_subject(
        &self,
        application: &str,
        subject: &str,
        cursor: Option<&str>,
        limit: u32,
    ) -> Result<SessionPage, SessionError> {
        if !self.provider.can_list() {
            return Err(self.unsupported("list the sessions of a subject", INDEX));
        }
        self.settle(self.provider.list(application, subject, cursor, limit).await)
    }

    /// Deletes the sessions of a subject, whether locked or not: a logout everywhere does not wait for a slow request.
    pub(super) async fn remove_subject(
        &self,
        application: &str,
        subject: &str,
        except: Option<&str>,
    ) -> Result<u64, SessionError> {
        let mut removed = 0;
        let mut cursor = None;
        loop {
            let page = self.list_subject(application, subject, cursor.as_deref(), PAGE).await?;
            for session in page.sessions {
                if except != Some(session.key.id()) && self.remove_however_locked(&session.key).await? {
                    removed += 1;
                }
            }
            match page.next {
                Some(next) => cursor = Some(next),
                None => return Ok(removed),
            }
        }
    }

    async fn remove_however_locked(&self, key: &SessionKey) -> Result<bool, SessionError> {
        let mut lock_id = None;
        loop {
            match self.remove(key, lock_id).await? {
                RemoveOutcome::Done(_) => return Ok(true),
                RemoveOutcome::Missing => return Ok(false),
                RemoveOutcome::Locked(lock) => lock_id = Some(lock.id),
            }
        }
    }

    /// Asks the provider for something harmless, to see that it answers.
    pub(super) async fn probe(&self) -> Result<(), SessionError> {
        let key = SessionKey::new("cloakroom", "readiness")?;
        self.settle(self.provider.peek(&key).await).map(drop)
    }

    /// Tries the plugins that are not called because they kept failing, if it is time.
    pub(super) async fn attempt(&self) {
        if self.provider.is_due_for_attempt() {
            // What comes of it the plugin's health is told.
            let _ = self.probe().await;
        }
        if self.ids.is_due_for_attempt() {
            let _ = self.ids.create("cloakroom", None).await;
        }
    }

    /// Reports and deletes up to `limit` expired sessions; whether there may be more.
    pub(super) async fn sweep(&self, limit: u32) -> Result<bool, SessionError> {
        let journal = self.journal.clone();
        self.settle(self.provider.sweep(limit, journal).await)
    }

    /// Applies the store's defaults and limits to what is to be stored.
    fn data(&self, data: NewData) -> Result<SessionData, SessionError> {
        self.refuse_too_large(data.payload.len())?;
        // A latest expiry is never postponed, so that the one given at each write is the one of the first.
        let absolute = self.config.absolute_timeout.map(|timeout| self.clock.now() + timeout);
        Ok(SessionData {
            payload: data.payload,
            idle_timeout: data.idle_timeout.unwrap_or(self.config.idle_timeout),
            latest_expiry: [data.latest_expiry, absolute].into_iter().flatten().min(),
            subject: data.subject,
        })
    }

    fn refuse_too_large(&self, size: usize) -> Result<(), SessionError> {
        let limit = self.config.max_payload;
        if size > limit {
            return Err(SessionError::PayloadTooLarge { store: self.name.clone(), size, limit });
        }
        Ok(())
    }

    /// Whether an ID may be one of this store's. An ID that its generator disowns is missing without a look-up.
    async fn recognises(&self, key: &SessionKey) -> Result<bool, SessionError> {
        if self.config.validate_ids.unwrap_or_else(|| self.ids.is_verifiable()) {
            self.settle_id(Box::pin(self.ids.validate(key.id())).await)
        } else {
            Ok(true)
        }
    }

    async fn refuse_forged(&self, key: &SessionKey) -> Result<(), SessionError> {
        if self.recognises(key).await? { Ok(()) } else { Err(SessionError::ForgedId { store: self.name.clone() }) }
    }

    fn note_first_read(&self, key: &SessionKey, uninitialized: bool) {
        if uninitialized {
            self.journal.started(key);
        }
    }

    /// Counts a call of the provider and names store and plugin in its error.
    fn settle<T>(&self, result: Result<T, CallError>) -> Result<T, SessionError> {
        self.operations.fetch_add(1, Ordering::Relaxed);
        result.map_err(|error| self.failed(error, self.provider.plugin()))
    }

    /// The same for a call of the ID generator.
    fn settle_id<T>(&self, result: Result<T, CallError>) -> Result<T, SessionError> {
        self.operations.fetch_add(1, Ordering::Relaxed);
        result.map_err(|error| self.failed(error, self.ids.plugin()))
    }

    fn failed(&self, error: CallError, plugin: &str) -> SessionError {
        self.failures.fetch_add(1, Ordering::Relaxed);
        let store = self.name.clone();
        match error {
            CallError::Plugin(error) => SessionError::Plugin { store, error },
            CallError::Store(error) => SessionError::Store { store, plugin: plugin.to_owned(), error },
        }
    }

    fn unsupported(&self, operation: &'static str, interface: &'static str) -> SessionError {
        SessionError::Unsupported {
            store: self.name.clone(),
            plugin: self.provider.plugin().to_owned(),
            operation,
            interface,
        }
    }

    /// What is answered to what the stop of the host cut off.
    pub(super) fn stopping(&self) -> SessionError {
        let error = StoreError::Unavailable("the host is stopping".to_owned());
        SessionError::Store { store: self.name.clone(), plugin: self.provider.plugin().to_owned(), error }
    }

    fn ids_taken(&self) -> SessionError {
        let error = StoreError::Other(format!(
            "the generator made {ID_ATTEMPTS} IDs in a row that are in use; it is broken, replace it"
        ));
        SessionError::Store { store: self.name.clone(), plugin: self.ids.plugin().to_owned(), error }
    }
}
