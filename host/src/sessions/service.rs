//! The operations that front ends call.

use std::{
    collections::{BTreeMap, HashMap},
    mem,
    sync::Arc,
    time::Duration,
};

use parking_lot::Mutex;
use tokio::{runtime::Handle, task::JoinSet};
use tokio_util::sync::CancellationToken;

use super::{
    SessionError,
    abandoned::Detached,
    events::{self, EventSink, EventStream},
    lines::Lines,
    migration::{MigrationRefused, MigrationRequest, MigrationStatus, Migrations},
    notices::Exchange,
    opening::{OpenError, open_handlers, open_plugins, open_webhooks},
    status::StoreStatus,
    store::{Plugins, Store, Surroundings},
    sweeper,
};
use crate::{
    capabilities::{Connections, kv::Kv},
    clock::{Clock, UnixMillis},
    config::{Config, DEFAULT_STORE},
    contract::{
        Condition, GetExclusiveOutcome, GetOutcome, Lock, LockId, Payload, ReleaseOutcome, RemoveOutcome, ResetOutcome,
        SessionKey, SessionPage, SetOutcome,
    },
    plugins::{PluginDirectory, PluginStatus},
};

/// What a front end asks to have stored.
#[derive(Debug, Clone, Default)]
pub struct NewData {
    /// The bytes.
    pub payload: Payload,
    /// Idle timeout in seconds (0: never); `None` is the store's default.
    pub idle_timeout: Option<u32>,
    /// Latest expiry; `None` keeps what the item has. The store's absolute timeout applies besides.
    pub latest_expiry: Option<UnixMillis>,
    /// Whom the session belongs to; `None` keeps what the item has, an empty string clears it.
    pub subject: Option<String>,
}

/// How a write is done.
#[derive(Debug, Clone, Copy, Default)]
pub struct WriteOptions {
    /// The lock that the writer holds, if it does.
    pub lock_id: Option<LockId>,
    /// What must be true.
    pub condition: Condition,
    /// Keep the lock instead of releasing it.
    pub keep_lock: bool,
}

/// A session that was just created.
#[derive(Debug, Clone)]
pub struct Created {
    /// Its key, with the new ID.
    pub key: SessionKey,
    /// Its version.
    pub version: u64,
}

/// The outcome of rotate.
#[derive(Debug, Clone)]
pub enum RotateOutcome {
    /// The session's new key.
    Done(SessionKey),
    /// No such session.
    Missing,
    /// The session is locked under another lock id.
    Locked(Lock),
}

/// Stores, IDs, waiting for locks, sweeping and events behind one set of operations. Cheap to clone.
///
/// `wait` is the longest that an operation may wait in line for a lock that somebody else holds; zero answers at
/// once. Dropping the future of a waiting operation leaves the line.
#[derive(Clone)]
pub struct SessionService {
    inner: Arc<Inner>,
}

struct Inner {
    stores: BTreeMap<String, Arc<Store>>,
    default: Arc<Store>,
    /// The applications that do not use the default store.
    applications: HashMap<String, Arc<Store>>,
    plugins: PluginDirectory,
    kv: Kv,
    detached: Detached,
    event_stream: Option<Arc<EventStream>>,
    /// Taken out when they begin.
    exchanges: Mutex<Vec<(Exchange, Arc<Lines>)>>,
    migrations: Migrations,
}

impl SessionService {
    /// Opens every configured store. Fails if one cannot be opened: a host that serves half of what it was told to is
    /// worse than one that says why it does not start.
    pub async fn open(
        config: &Config,
        plugins: PluginDirectory,
        clock: &Clock,
        kv: Kv,
        connections: &Connections,
        sinks: &[Arc<dyn EventSink>],
    ) -> Result<Self, OpenError> {
        let (mut stores, mut exchanges) = (BTreeMap::new(), Vec::new());
        let mut all_handlers = Vec::new();
        let detached = Detached::default();
        let event_stream = config.http.as_ref().and_then(|http| http.events.clone());
        let event_stream = event_stream.map(|config| Arc::new(EventStream::new(config)));
        let mut sinks = sinks.to_vec();
        sinks.extend(event_stream.clone().map(|stream| stream as Arc<dyn EventSink>));
        for (name, store) in &config.stores {
            let (provider, ids) = open_plugins(name, store, &plugins).await?;
            let mut handlers = open_handlers(name, store, &plugins, clock, &kv).await?;
            handlers.extend(open_webhooks(name, store, config, clock, &kv)?);
            let is_heard = !handlers.is_empty() || !sinks.is_empty();
            if is_heard && !provider.reports_expiry() {
                tracing::warn!(
                    store = name,
                    provider = provider.name(),
                    "the back end deletes expired sessions by itself, so only sessions that are removed have an event of \
                     their end"
                );
            }
            all_handlers.extend(handlers.clone());
            let plugins = Plugins { provider, ids, handlers };
            let board = store.lock_notices.as_ref().and_then(|connection| connections.notice_board(connection));
            let (notices, exchange) = board.map(|board| Exchange::new(name, board)).unzip();
            let lines = Arc::new(notices.map_or_else(Lines::default, Lines::with_notices));
            exchanges.extend(exchange.map(|exchange| (exchange, lines.clone())));
            let surroundings = Surroundings { clock: clock.clone(), detached: detached.clone(), lines };
            let store = Store::new(name, store.clone(), plugins, surroundings, sinks.clone());
            stores.insert(name.clone(), Arc::new(store));
        }
        events::report_orphans(&kv, &all_handlers);
        let find =
            |name: &str| stores.get(name).cloned().ok_or_else(|| OpenError::NoSuchStore { store: name.to_owned() });
        let default = find(DEFAULT_STORE)?;
        let applications = config
            .applications
            .iter()
            .map(|(application, store)| Ok((application.clone(), find(store)?)))
            .collect::<Result<_, OpenError>>()?;
        Ok(Self {
            inner: Arc::new(Inner {
                stores,
                default,
                applications,
                plugins,
                kv,
                detached,
                event_stream,
                exchanges: Mutex::new(exchanges),
                migrations: Migrations::new(config.data_dir.join("migrations")),
            }),
        })
    }

    /// Whether an operation on some store may wait for something outside the host.
    #[must_use]
    pub fn waits(&self) -> bool {
        self.inner.stores.values().any(|store| store.waits())
    }

    /// Sweeps every store at its interval until shutdown.
    pub async fn sweep(&self, shutdown: CancellationToken) {
        let mut sweepers = JoinSet::new();
        for store in self.inner.stores.values() {
            sweepers.spawn(sweeper::sweep(store.clone(), shutdown.clone()));
        }
        sweepers.join_all().await;
    }

    /// Exchanges notices of locks with the other hosts of every store that has some, until shutdown.
    pub async fn exchange_notices(&self, shutdown: CancellationToken) {
        let exchanges = mem::take(&mut *self.inner.exchanges.lock());
        let running = exchanges.into_iter().map(|(exchange, lines)| exchange.run(lines, shutdown.clone()));
        running.collect::<JoinSet<_>>().join_all().await;
    }

    /// Delivers events to the plugins and webhooks of every store until shutdown.
    pub async fn deliver_events(&self, shutdown: CancellationToken) {
        let mut deliveries = JoinSet::new();
        for handler in self.inner.stores.values().flat_map(|store| store.handlers()) {
            for _ in 0..handler.concurrency() {
                let (handler, shutdown, runtime) = (handler.clone(), shutdown.clone(), Handle::current());
                if handler.computes() {
                    // A thread of its own: a plugin that computes for as long as it may takes no turn of any request.
                    deliveries.spawn_blocking(move || runtime.block_on(handler.deliver(&shutdown)));
                } else {
                    deliveries.spawn(async move { handler.deliver(&shutdown).await });
                }
            }
        }
        deliveries.join_all().await;
    }

    /// Waits for what clients have asked for and do not wait for any more. When the front ends have ended.
    pub async fn settle(&self) {
        self.inner.detached.settle().await;
    }

    /// Puts the events that wait into the built-in store, for the next start. When nobody begins or ends sessions any
    /// more.
    pub fn keep_events(&self) {
        let handlers = self.inner.stores.values().flat_map(|store| store.handlers());
        handlers.for_each(|handler| handler.save(&self.inner.kv));
    }

    /// Makes a new ID with the store's generator and stores a session under it.
    pub async fn create(&self, application: &str, data: NewData) -> Result<Created, SessionError> {
        let application = application.to_owned();
        let store = self.store(&application);
        self.to_its_end(store, |store| async move { store.create(&application, data).await }).await
    }

    /// Makes a new ID with the store's generator and inserts a session flagged uninitialized under it.
    pub async fn reserve(&self, application: &str, data: NewData) -> Result<Created, SessionError> {
        let application = application.to_owned();
        let store = self.store(&application);
        self.to_its_end(store, |store| async move { store.reserve(&application, data).await }).await
    }

    /// Reads a session; waits up to `wait` while somebody holds its lock.
    pub async fn get(&self, key: &SessionKey, wait: Duration) -> Result<GetOutcome, SessionError> {
        self.store_of(key).get(key, wait).await
    }

    /// Reads a session without changing anything.
    pub async fn peek(&self, key: &SessionKey) -> Result<GetOutcome, SessionError> {
        self.store_of(key).peek(key).await
    }

    /// Reads a session and takes its lock; waits up to `wait` in line for it.
    pub async fn get_exclusive(&self, key: &SessionKey, wait: Duration) -> Result<GetExclusiveOutcome, SessionError> {
        self.store_of(key).get_exclusive(key, wait).await
    }

    /// Stores a session, inserting it if it is missing, and releases the lock unless told to keep it.
    pub async fn set_and_release(
        &self,
        key: &SessionKey,
        data: NewData,
        options: WriteOptions,
    ) -> Result<SetOutcome, SessionError> {
        let (store, key) = (self.store_of(key), key.clone());
        self.to_its_end(store, |store| async move { store.set_and_release(&key, data, options).await }).await
    }

    /// Inserts a session flagged uninitialized; does nothing if it exists.
    pub async fn create_uninitialized(&self, key: &SessionKey, data: NewData) -> Result<(), SessionError> {
        let (store, key) = (self.store_of(key), key.clone());
        self.to_its_end(store, |store| async move { store.create_uninitialized(&key, data).await }).await
    }

    /// Releases the lock.
    pub async fn release_exclusive(&self, key: &SessionKey, lock_id: LockId) -> Result<ReleaseOutcome, SessionError> {
        let (store, key) = (self.store_of(key), key.clone());
        self.to_its_end(store, |store| async move { store.release_exclusive(&key, lock_id).await }).await
    }

    /// Releases whatever lock is held. `Locked` if somebody took another one meanwhile.
    pub async fn break_lock(&self, key: &SessionKey) -> Result<ReleaseOutcome, SessionError> {
        let (store, key) = (self.store_of(key), key.clone());
        self.to_its_end(store, |store| async move { store.break_lock(&key).await }).await
    }

    /// Deletes a session.
    pub async fn remove(&self, key: &SessionKey, lock_id: Option<LockId>) -> Result<RemoveOutcome, SessionError> {
        let (store, key) = (self.store_of(key), key.clone());
        self.to_its_end(store, |store| async move { store.remove(&key, lock_id).await }).await
    }

    /// Slides the expiry.
    pub async fn reset_timeout(&self, key: &SessionKey) -> Result<ResetOutcome, SessionError> {
        let (store, key) = (self.store_of(key), key.clone());
        self.to_its_end(store, |store| async move { store.reset_timeout(&key).await }).await
    }

    /// Gives a session a new ID; the old one is gone at once.
    pub async fn rotate(&self, key: &SessionKey, lock_id: Option<LockId>) -> Result<RotateOutcome, SessionError> {
        let (store, key) = (self.store_of(key), key.clone());
        self.to_its_end(store, |store| async move { store.rotate(&key, lock_id).await }).await
    }

    /// The sessions of a subject, a page at a time.
    pub async fn list_subject(
        &self,
        application: &str,
        subject: &str,
        cursor: Option<String>,
        limit: u32,
    ) -> Result<SessionPage, SessionError> {
        self.store(application).list_subject(application, subject, cursor.as_deref(), limit).await
    }

    /// Deletes the sessions of a subject, except one; how many it deleted.
    pub async fn remove_subject(
        &self,
        application: &str,
        subject: &str,
        except: Option<&str>,
    ) -> Result<u64, SessionError> {
        let [application, subject] = [application, subject].map(str::to_owned);
        let (store, except) = (self.store(&application), except.map(str::to_owned));
        let operation =
            |store: Arc<Store>| async move { store.remove_subject(&application, &subject, except.as_deref()).await };
        self.to_its_end(store, operation).await
    }

    /// The largest payload that the application's store takes, in bytes.
    #[must_use]
    pub fn max_payload(&self, application: &str) -> usize {
        self.store(application).max_payload()
    }

    /// The stream of events, if there is one.
    #[must_use]
    pub fn event_stream(&self) -> Option<&Arc<EventStream>> {
        self.inner.event_stream.as_ref()
    }

    /// Whether there is a store of this name.
    #[must_use]
    pub fn has_store(&self, name: &str) -> bool {
        self.inner.stores.contains_key(name)
    }

    /// What is known of each store.
    #[must_use]
    pub fn stores(&self) -> Vec<StoreStatus> {
        self.inner.stores.values().map(|store| store.status()).collect()
    }

    /// What is known of each plugin in the directory.
    #[must_use]
    pub fn plugins(&self) -> Vec<PluginStatus> {
        self.inner.plugins.status()
    }

    /// Has a plugin called again that is not because it kept failing; for which stores it was not. `None`: there is no
    /// such plugin.
    #[must_use]
    pub fn release_plugin(&self, name: &str) -> Option<Vec<String>> {
        self.inner.plugins.release(name)
    }

    /// Begins to copy or move the live sessions of one store to another. It goes on until it is done, stopped, or
    /// `shutdown` comes. To be called in a runtime.
    pub fn migrate(
        &self,
        request: MigrationRequest,
        shutdown: &CancellationToken,
    ) -> Result<MigrationStatus, MigrationRefused> {
        let Inner { stores, migrations, detached, .. } = &*self.inner;
        let find = |name: &str| {
            stores.get(name).cloned().ok_or_else(|| MigrationRefused::NoSuchStore {
                store: name.to_owned(),
                known: stores.keys().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", "),
            })
        };
        let (source, target) = (find(&request.from)?, find(&request.to)?);
        migrations.begin(source, target, request, detached, shutdown)
    }

    /// How the migration is that runs, or how the last one ended; `None`: none has been begun since the start.
    #[must_use]
    pub fn migration(&self) -> Option<MigrationStatus> {
        self.inner.migrations.status()
    }

    /// Stops the migration that runs, after the sessions that are under way.
    pub fn stop_migration(&self) -> Option<MigrationStatus> {
        self.inner.migrations.stop()
    }

    /// Whether every store answers; the reason for each that does not.
    pub async fn readiness(&self) -> Result<(), Vec<String>> {
        let mut reasons = Vec::new();
        for store in self.inner.stores.values() {
            if let Err(error) = store.probe().await {
                reasons.push(error.to_string());
            }
        }
        if reasons.is_empty() { Ok(()) } else { Err(reasons) }
    }

    /// Runs an operation so that a client that hangs up does not cut it off.
    async fn to_its_end<T, F>(
        &self,
        store: &Arc<Store>,
        operation: impl FnOnce(Arc<Store>) -> F,
    ) -> Result<T, SessionError>
    where
        T: Send + 'static,
        F: Future<Output = Result<T, SessionError>> + Send + 'static,
    {
        let operation = operation(store.clone());
        if store.waits() {
            self.inner.detached.run(operation).await.unwrap_or_else(|| Err(store.stopping()))
        } else {
            operation.await
        }
    }

    fn store(&self, application: &str) -> &Arc<Store> {
        self.inner.applications.get(application).unwrap_or(&self.inner.default)
    }

    fn store_of(&self, key: &SessionKey) -> &Arc<Store> {
        self.store(key.application())
    }
}
