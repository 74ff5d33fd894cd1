//! What serves a store at present, and its change to another build of the plugin while it serves.

use std::{
    collections::BTreeMap,
    future::Future,
    hash::{DefaultHasher, Hash as _, Hasher as _},
    pin::Pin,
    sync::Arc,
};

use arc_swap::ArcSwap;
use wasmtime::component::{ResourceTableError, TypedFunc};

use super::{
    CallError, Plugin, Suspension,
    health::{Health, Patient},
    plugin::Code,
    pool::{Answer, Exports, Params, Pool, Stopped, Value},
};
use crate::{
    capabilities::{GuestContext, InnerProvider, Nonsense},
    contract::{SessionKey, StoreError},
};

/// How many instances of a component may serve a store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Instances {
    /// As many as the limits allow: it keeps nothing in its memory.
    Any,
    /// So many, and each session always in the same one: it keeps sessions in its memory.
    Shards(usize),
}

/// The instance that a call is meant for, where that makes a difference.
#[derive(Clone, Copy)]
pub(super) enum Shard<'a> {
    /// The one that has this session.
    Of(&'a SessionKey),
    /// The one with this number.
    Number(usize),
}

/// One build of a plugin at work for one store.
pub(super) struct Build<E: Exports> {
    code: Arc<Code>,
    /// One pool, or one for each shard.
    pools: Vec<Pool<E>>,
    /// What the first instance said of itself.
    pub(super) info: E::Info,
    instances: Instances,
    /// Whether it is called.
    pub(super) health: Health,
}

impl<E: Exports> Build<E> {
    /// Initializes an instance, and one of each shard. Fails where the component cannot be used.
    async fn open(
        plugin: &Plugin,
        store: &str,
        settings: &BTreeMap<String, String>,
        inner: Option<Arc<dyn InnerProvider>>,
    ) -> Result<Self, CallError> {
        check_place(plugin.code(), inner.is_some())?;
        let (code, setup) = (plugin.code(), plugin.setup(store, settings, inner));
        let health = Health::sound(Patient {
            plugin: setup.plugin.clone(),
            store: store.to_owned(),
            is_supervised: plugin.is_supervised(),
            counters: code.counters.clone(),
            clock: setup.clock.clone(),
        });
        let (first, info) = Pool::open(code.clone(), store, setup.clone()).await?;
        let instances = E::instances(&info);
        let mut pools = vec![first];
        if let Instances::Shards(shards) = instances {
            let most = code.limits.instances;
            if shards == 0 || shards > most {
                return Err(CallError::Store(StoreError::InvalidArgument(format!(
                    "plugin `{}` wants {shards} shards, and may have 1 to {most} (limit `instances`)",
                    code.name()
                ))));
            }
            while pools.len() < shards {
                pools.push(Pool::open(code.clone(), store, setup.clone()).await?.0);
            }
            pools.iter().for_each(|pool| pool.restrict_to(1));
        }
        Ok(Self { code: code.clone(), pools, info, instances, health })
    }

    /// The plugin's code.
    pub(super) fn code(&self) -> &Arc<Code> {
        &self.code
    }

    /// How many pools there are.
    pub(super) fn shards(&self) -> usize {
        self.pools.len()
    }

    /// Whether sessions live in the component's memory.
    pub(super) fn keeps_sessions_in_memory(&self) -> bool {
        self.instances != Instances::Any
    }

    /// Calls a function in this build and no other, to try it out.
    pub(super) async fn call<P: Params, R: Value, O>(
        &self,
        operation: &'static str,
        function: impl FnOnce(&E) -> TypedFunc<P, Answer<R>>,
        params: P,
        outcome: impl FnOnce(R) -> Result<O, Nonsense>,
    ) -> Result<O, CallError> {
        let pool = self.pool(Shard::Number(0))?;
        let taken = pool.take_out().await?.map_err(|Stopped| StoreError::Unavailable("it was replaced".to_owned()))?;
        pool.call(
            taken,
            operation,
            |exports| Some(function(exports)),
            |_| Ok(params),
            |_, answer| match answer {
                Ok(answer) => outcome(answer).map(Ok),
                Err(error) => Ok(Err(CallError::Store(StoreError::from(error)))),
            },
        )
        .await?
    }

    fn pool(&self, shard: Shard<'_>) -> Result<&Pool<E>, StoreError> {
        let number = match shard {
            _ if self.pools.len() == 1 => 0,
            Shard::Number(number) => number,
            Shard::Of(key) => shard_of(key, self.pools.len()),
        };
        self.pools.get(number).ok_or_else(|| {
            StoreError::InvalidArgument(format!("there is no shard {number}; there are {}", self.pools.len()))
        })
    }
}

/// Refuses a component that wraps a provider where there is none behind it, and one that does not where there is.
fn check_place(code: &Code, is_around: bool) -> Result<(), StoreError> {
    let name = code.name();
    let wrong = match (code.wraps, is_around) {
        (true, false) => format!("it wraps another provider: name that one behind it, as in [\"{name}\", \"memory\"]"),
        (false, true) => "it wraps no provider, so none can stand behind it".to_owned(),
        (true, true) if code.limits.instances < 2 => {
            "it needs two instances, one to sweep and one for what expired (limit `instances`)".to_owned()
        }
        _ => return Ok(()),
    };
    Err(StoreError::InvalidArgument(wrong))
}

/// The shard of a session: the same in every build that has as many, so that a successor can take shards over.
fn shard_of(key: &SessionKey, shards: usize) -> usize {
    let mut hasher = DefaultHasher::new();
    (key.application(), key.id()).hash(&mut hasher);
    let shards = u64::try_from(shards).unwrap_or(u64::MAX).max(1);
    usize::try_from(hasher.finish() % shards).unwrap_or_default()
}

/// A store's use of a plugin: the build that serves at present.
pub(super) struct Serving<E: Exports> {
    now: ArcSwap<Build<E>>,
    store: String,
    settings: BTreeMap<String, String>,
    /// The provider that it wraps.
    inner: Option<Arc<dyn InnerProvider>>,
}

impl<E: Exports> Serving<E> {
    /// Opens a plugin for a store. `settings` are the store's own.
    pub(super) async fn open(
        plugin: &Plugin,
        store: &str,
        settings: &BTreeMap<String, String>,
    ) -> Result<Self, CallError> {
        Self::open_around(plugin, store, settings, None).await
    }

    /// The same for a provider that may wrap another one.
    pub(super) async fn open_around(
        plugin: &Plugin,
        store: &str,
        settings: &BTreeMap<String, String>,
        inner: Option<Arc<dyn InnerProvider>>,
    ) -> Result<Self, CallError> {
        let serving = Self::open_all(plugin, store, settings, inner).await?;
        E::accept(&serving.now()).await?;
        Ok(serving)
    }

    /// The same without judging what it says of itself: for the conformance kit, which judges that.
    pub(super) async fn open_unchecked(
        plugin: &Plugin,
        store: &str,
        settings: &BTreeMap<String, String>,
    ) -> Result<Self, CallError> {
        Self::open_all(plugin, store, settings, None).await
    }

    async fn open_all(
        plugin: &Plugin,
        store: &str,
        settings: &BTreeMap<String, String>,
        inner: Option<Arc<dyn InnerProvider>>,
    ) -> Result<Self, CallError> {
        let build = Build::open(plugin, store, settings, inner.clone()).await?;
        Ok(Self { now: ArcSwap::from_pointee(build), store: store.to_owned(), settings: settings.clone(), inner })
    }

    /// The build that serves now.
    pub(super) fn now(&self) -> Arc<Build<E>> {
        self.now.load_full()
    }

    /// Whether a call is wanted that tries a build which is not called otherwise.
    pub(super) fn is_due_for_attempt(&self) -> bool {
        self.now.load().health.is_due()
    }

    /// Calls a function that answers with a result. `function` finds nothing where an optional interface is missing.
    ///
    /// `params` puts what the component is to own into its handle table; `outcome` takes out what it answered.
    pub(super) async fn call<P: Params, R: Value, O>(
        &self,
        shard: Shard<'_>,
        operation: &'static str,
        function: impl FnOnce(&E) -> Option<TypedFunc<P, Answer<R>>>,
        params: impl FnOnce(&mut GuestContext) -> Result<P, ResourceTableError>,
        outcome: impl FnOnce(&mut GuestContext, R) -> Result<O, Nonsense>,
    ) -> Result<O, CallError> {
        let answer = self.call_plain(shard, operation, function, params, |guest, answer| match answer {
            Ok(answer) => outcome(guest, answer).map(Ok),
            Err(error) => Ok(Err(StoreError::from(error))),
        });
        Ok(answer.await??)
    }

    /// Calls a function that answers with a value.
    pub(super) async fn call_plain<P: Params, R: Value, O>(
        &self,
        shard: Shard<'_>,
        operation: &'static str,
        function: impl FnOnce(&E) -> Option<TypedFunc<P, (R,)>>,
        params: impl FnOnce(&mut GuestContext) -> Result<P, ResourceTableError>,
        outcome: impl FnOnce(&mut GuestContext, R) -> Result<O, Nonsense>,
    ) -> Result<O, CallError> {
        loop {
            let build = self.now.load();
            let pool = build.pool(shard)?;
            let admission = build.health.admit().map_err(CallError::Plugin)?;
            let called = match pool.take_out().await {
                Ok(Ok(taken)) => pool.call(taken, operation, function, params, outcome).await,
                // One that stopped has handed over to its successor, which serves by now.
                Ok(Err(Stopped)) => continue,
                Err(error) => Err(error),
            };
            admission.settle(called.as_ref().err());
            return called;
        }
    }
}

/// What [`Use::prepare`] comes to.
pub(super) type Prepared<'a> = Pin<Box<dyn Future<Output = Result<Box<dyn Successor + 'a>, CallError>> + Send + 'a>>;

/// A store's use of a plugin of whatever kind, as the directory sees it when the plugin changes.
pub(super) trait Use: Send + Sync {
    /// The store.
    fn store(&self) -> &str;

    /// Has another build of the plugin ready to serve: one instance is initialized with the store's settings, and one
    /// that keeps sessions has taken them over. Dropping what this returns leaves everything as it was.
    fn prepare<'a>(&'a self, plugin: &'a Plugin) -> Prepared<'a>;

    /// What an operator is told, if the build that serves is not called for now.
    fn suspension(&self) -> Option<Suspension>;

    /// Has it called again at once. Whether it was not.
    fn release(&self) -> bool;
}

/// A build that is ready to serve.
pub(super) trait Successor: Send {
    /// Serves with it from now on. What the build before it has begun it finishes.
    fn succeed(self: Box<Self>);
}

impl<E: Exports> Use for Serving<E> {
    fn store(&self) -> &str {
        &self.store
    }

    fn prepare<'a>(&'a self, plugin: &'a Plugin) -> Prepared<'a> {
        Box::pin(async move {
            let build = Build::open(plugin, &self.store, &self.settings, self.inner.clone()).await?;
            E::accept(&build).await?;
            let handover = Handover::between(self.now(), &build, &self.store).await?;
            let successor: Box<dyn Successor> = Box::new(Ready { serving: self, build, handover });
            Ok(successor)
        })
    }

    fn suspension(&self) -> Option<Suspension> {
        self.now.load().health.suspension()
    }

    fn release(&self) -> bool {
        self.now.load().health.release()
    }
}

/// See [`Successor`].
struct Ready<'a, E: Exports> {
    serving: &'a Serving<E>,
    build: Build<E>,
    handover: Handover<E>,
}

impl<E: Exports> Successor for Ready<'_, E> {
    fn succeed(self: Box<Self>) {
        let Self { serving, build, handover } = *self;
        serving.now.store(Arc::new(build));
        handover.done();
    }
}

/// Sessions on their way from the memory of one build into that of the next. Meanwhile calls wait in line. Dropped, the
/// old build goes on.
struct Handover<E: Exports> {
    from: Arc<Build<E>>,
    /// How many of its pools are stopped.
    stopped: usize,
    done: bool,
}

impl<E: Exports> Handover<E> {
    /// Stops the old build and carries its state over, if both keep sessions in memory and can.
    async fn between(from: Arc<Build<E>>, to: &Build<E>, store: &str) -> Result<Self, CallError> {
        let mut handover = Self { from, stopped: 0, done: false };
        if !handover.from.keeps_sessions_in_memory() {
            return Ok(handover);
        }
        if !to.keeps_sessions_in_memory() || to.shards() != handover.from.shards() {
            tracing::warn!(store, "the new build keeps sessions elsewhere: those in the old one's memory are lost");
            return Ok(handover);
        }
        let from = handover.from.clone();
        for (from, to) in from.pools.iter().zip(&to.pools) {
            let state = from.stop().await?;
            handover.stopped += 1;
            match state {
                Some(state) => to.import(state).await?,
                None => tracing::warn!(
                    store,
                    plugin = from.code().name(),
                    "it keeps sessions in its memory and does not export `state-transfer`: they are lost in the change"
                ),
            }
        }
        Ok(handover)
    }

    fn done(mut self) {
        self.done = true;
    }
}

impl<E: Exports> Drop for Handover<E> {
    fn drop(&mut self) {
        for pool in self.from.pools.iter().take(self.stopped) {
            if self.done { pool.retire() } else { pool.resume() }
        }
    }
}
