//! Instances of one component for one store, taken out for a call and put back after it.
//!
//! A call that fails costs its instance: wasmtime allows no further call into a store after a trap, and a component
//! that broke the contract is not asked again in the same state. The next call makes a new one, which takes
//! microseconds.

use std::{
    future::Future,
    mem,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use parking_lot::Mutex;
use tokio::{
    runtime::{Handle, RuntimeFlavor},
    task::block_in_place,
    time::timeout,
};
use wasmtime::{
    Store,
    component::{ResourceTableError, TypedFunc},
};

use super::{
    CallError, GuestBacktrace, PluginError, PluginFailure,
    code::Code,
    counters::Counters,
    exports::{Exports, Params, StateTransfer, Value},
    host_call::{Overdue, Progress, limited},
    instance::{self, InstanceState},
    places::{Full, Place, Places},
};
use crate::{
    capabilities::{GuestContext, GuestSetup, Nonsense},
    config::Limits,
    contract::StoreError,
};

/// The instances of one build of a component for one store.
pub(super) struct Pool<E: Exports> {
    code: Arc<Code>,
    /// Whether a call may wait, in it or in what it wraps.
    waits: bool,
    store_name: Arc<str>,
    setup: GuestSetup,
    places: Places<Box<Live<E>>>,
    /// The only instance, while its state is carried over to a successor.
    stopped: Mutex<Option<Box<Live<E>>>>,
    /// Its state is being carried over: whoever comes waits in line, however long that gets.
    is_handing_over: AtomicBool,
    /// A successor has taken over what the instance kept.
    retired: AtomicBool,
}

/// Nothing is called here any more: a successor serves.
pub(super) struct Stopped;

/// An instance and its exports.
struct Live<E> {
    store: Store<InstanceState>,
    exports: E,
    code: Arc<Code>,
}

impl<E> Drop for Live<E> {
    fn drop(&mut self) {
        self.code.counters.instances.fetch_sub(1, Ordering::Relaxed);
    }
}

impl<E: Exports> Pool<E> {
    /// A pool with its first instance, and what that said of itself. Fails where the component cannot be used.
    pub(super) async fn open(
        code: Arc<Code>,
        store_name: &str,
        setup: GuestSetup,
    ) -> Result<(Self, E::Info), CallError> {
        let places = Places::new(code.limits.instances);
        let waits = code.waits || setup.inner.as_ref().is_some_and(|inner| inner.waits());
        let pool = Self {
            code,
            waits,
            store_name: store_name.into(),
            setup,
            places,
            stopped: Mutex::default(),
            is_handing_over: AtomicBool::new(false),
            retired: AtomicBool::new(false),
        };
        let place = pool.places.try_take().map_err(|Full| pool.saturated())?;
        let (live, info) = pool.make().await?;
        place.put_back(Box::new(live));
        Ok((pool, info))
    }

    /// The plugin's code.
    pub(super) fn code(&self) -> &Arc<Code> {
        &self.code
    }

    /// From now on serves with at most this many instances.
    pub(super) fn restrict_to(&self, instances: usize) {
        self.places.restrict_to(instances);
    }

    /// Calls a function in an instance that was taken out. `function` finds nothing where an optional interface is
    /// missing.
    ///
    /// `params` puts what the component is to own into its handle table; `outcome` takes out what it answered.
    pub(super) async fn call<P: Params, R: Value, O>(
        &self,
        mut taken: Taken<'_, E>,
        operation: &'static str,
        function: impl FnOnce(&E) -> Option<TypedFunc<P, (R,)>>,
        params: impl FnOnce(&mut GuestContext) -> Result<P, ResourceTableError>,
        outcome: impl FnOnce(&mut GuestContext, R) -> Result<O, Nonsense>,
    ) -> Result<O, CallError> {
        let Some(function) = function(&taken.live.exports) else {
            taken.put_back();
            let what = format!("`{operation}` was called, which it does not export");
            return Err(CallError::Store(StoreError::Other(what)));
        };
        self.code.counters.calls.fetch_add(1, Ordering::Relaxed);
        let nonsense = |what: String| self.failed(PluginFailure::Nonsense { operation, what });
        let store = &mut taken.live.store;
        let params = params(&mut store.data_mut().guest)
            .map_err(|error| self.failed(instance::failure(store, operation, &error.into())))?;
        let (answer,) = self.run(operation, store, function, params).await?;
        let guest = &mut store.data_mut().guest;
        let outcome = outcome(guest, answer).map_err(|error| nonsense(error.0))?;
        guest.end_call();
        taken.put_back();
        Ok(outcome)
    }

    /// Waits until the only instance is free and lets nobody have it. What it keeps in its memory, if it can tell.
    pub(super) async fn stop(&self) -> Result<Option<Vec<u8>>, CallError> {
        self.is_handing_over.store(true, Ordering::Relaxed);
        match self.take_out_and_stop().await {
            Ok(state) => Ok(state),
            Err(error) => {
                self.is_handing_over.store(false, Ordering::Relaxed);
                Err(error)
            }
        }
    }

    async fn take_out_and_stop(&self) -> Result<Option<Vec<u8>>, CallError> {
        let Ok(mut taken) = self.take_out().await? else { return Ok(None) };
        let state = match taken.live.exports.state_transfer() {
            None => None,
            Some(StateTransfer { export, .. }) => {
                let (state,) = self.run("export-state", &mut taken.live.store, export, ()).await?;
                match state {
                    Ok(state) => Some(state),
                    Err(error) => {
                        taken.put_back();
                        return Err(StoreError::from(error).into());
                    }
                }
            }
        };
        let Taken { live, place, replaced } = taken;
        mem::forget(replaced);
        *self.stopped.lock() = Some(live);
        place.keep();
        Ok(state)
    }

    /// Gives the first instance what its predecessor kept.
    pub(super) async fn import(&self, state: Vec<u8>) -> Result<(), CallError> {
        let Ok(mut taken) = self.take_out().await? else { return Ok(()) };
        let Some(StateTransfer { import, .. }) = taken.live.exports.state_transfer() else {
            let what = "the build before it exports its state, and this one has no `import-state` to take it over";
            return Err(StoreError::InvalidArgument(what.to_owned()).into());
        };
        let (imported,) = self.run("import-state", &mut taken.live.store, import, (state,)).await?;
        imported.map_err(StoreError::from)?;
        taken.put_back();
        Ok(())
    }

    /// After [`Pool::stop`]: goes on as before.
    pub(super) fn resume(&self) {
        self.is_handing_over.store(false, Ordering::Relaxed);
        if let Some(live) = self.stopped.lock().take() {
            self.places.give_back(Some(live));
        }
    }

    /// After [`Pool::stop`]: a successor serves, and whoever waits here is sent there.
    pub(super) fn retire(&self) {
        self.retired.store(true, Ordering::Release);
        if self.stopped.lock().take().is_some() {
            self.places.give_back(None);
        }
    }

    /// Runs code of the component: inline if it never waits, on a fiber if it may.
    async fn run<P: Params, R: Value>(
        &self,
        operation: &'static str,
        store: &mut Store<InstanceState>,
        function: TypedFunc<P, (R,)>,
        params: P,
    ) -> Result<(R,), CallError> {
        instance::arm(store);
        let answer = if self.waits {
            let progress = store.data().progress.clone();
            // Boxed, or every call would be as large as one that waits.
            Box::pin(self.within_limits(operation, progress, function.call_async(&mut *store, params))).await?
        } else {
            let answer = self.compute(|| function.call(&mut *store, params));
            if instance::was_short(store) {
                self.code.trust.grows();
            }
            answer
        };
        answer.map_err(|error| {
            let failure = instance::failure(store, operation, &error);
            let backtrace = GuestBacktrace::of(&error);
            let plugin = self.code.name();
            if self.code.failure_lines.allow(plugin) {
                tracing::warn!(plugin, store = %self.store_name, operation, %backtrace, "it {failure}");
            }
            self.failed_at(failure, backtrace)
        })
    }

    /// Runs code that does not wait: here if its plugin is trusted with that, and apart if it is not.
    fn compute<T>(&self, code: impl FnOnce() -> T) -> T {
        if self.code.trust.is_earned() { code() } else { apart(code) }
    }

    /// Runs a call that may wait, within the deadline and with no call into the host that takes too long.
    async fn within_limits<T>(
        &self,
        operation: &'static str,
        progress: Progress,
        call: impl Future<Output = T>,
    ) -> Result<T, CallError> {
        let Limits { deadline, host_call, .. } = self.code.limits;
        match timeout(deadline, limited(call, progress, host_call)).await {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(Overdue)) => Err(self.failed(PluginFailure::HostCall { operation, limit: host_call })),
            Err(_) => Err(self.failed(PluginFailure::Deadline { operation, limit: deadline })),
        }
    }

    /// An instance, from the idle ones or new.
    pub(super) async fn take_out(&self) -> Result<Result<Taken<'_, E>, Stopped>, CallError> {
        let mut place = match self.places.try_take() {
            Ok(place) => place,
            Err(Full) => Box::pin(self.wait_in_line()).await?,
        };
        if self.retired.load(Ordering::Acquire) {
            return Ok(Err(Stopped));
        }
        let live = match place.take_resting() {
            Some(live) => live,
            None => Box::new(Box::pin(self.make()).await?.0),
        };
        Ok(Ok(Taken { live, place, replaced: CountsAsReplaced(&self.code.counters) }))
    }

    /// A place, when it is free.
    async fn wait_in_line(&self) -> Result<Place<'_, Box<Live<E>>>, CallError> {
        let Limits { deadline, queue, instances, .. } = self.code.limits;
        let line = if self.is_handing_over.load(Ordering::Relaxed) { usize::MAX } else { queue };
        match timeout(deadline, self.places.take(line)).await {
            Ok(Ok(place)) => Ok(place),
            Ok(Err(Full)) => Err(self.saturated()),
            Err(_) => Err(self.failed(PluginFailure::Busy { limit: instances })),
        }
    }

    /// A new instance, initialized.
    async fn make(&self) -> Result<(Live<E>, E::Info), CallError> {
        let pre = self.code.pre(self.waits);
        let (memory, trust) = (self.code.counters.memory.clone(), self.code.trust.clone());
        let mut store = instance::new_store(pre, self.setup.clone(), self.waits, memory, trust);
        instance::arm(&mut store);
        let instance = if self.waits {
            let progress = store.data().progress.clone();
            self.within_limits("instantiate", progress, pre.instantiate_async(&mut store)).await?
        } else {
            self.compute(|| pre.instantiate(&mut store))
        };
        let exports = instance
            .and_then(|instance| E::find(&self.code, &mut store, &instance))
            .map_err(|error| self.failed(instance::not_made(&store, &error)))?;
        self.code.counters.instances.fetch_add(1, Ordering::Relaxed);
        let mut live = Live { store, exports, code: self.code.clone() };
        let settings = self.setup.settings.iter().map(|(name, value)| (name.clone(), value.clone())).collect();
        let params = (self.store_name.clone(), settings);
        let (info,) = self.run("initialize", &mut live.store, exports.initialize(), params).await?;
        Ok((live, info.map_err(StoreError::from)?))
    }

    fn saturated(&self) -> CallError {
        self.failed(PluginFailure::Saturated { limit: self.code.limits.queue })
    }

    fn failed(&self, failure: PluginFailure) -> CallError {
        self.failed_at(failure, GuestBacktrace::default())
    }

    fn failed_at(&self, failure: PluginFailure, backtrace: GuestBacktrace) -> CallError {
        let counters = &self.code.counters;
        counters.failures.fetch_add(1, Ordering::Relaxed);
        if let Some((limit, _)) = failure.limit() {
            counters.limit_hits.count(limit);
        }
        CallError::Plugin(PluginError { backtrace, ..PluginError::new(self.code.name(), failure) })
    }
}

/// Makes a call that may take long without waiting for anything: the runtime gives the other work of this thread to
/// another one meanwhile, if it has more than one.
fn apart<T>(call: impl FnOnce() -> T) -> T {
    match Handle::try_current().map(|runtime| runtime.runtime_flavor()) {
        Ok(RuntimeFlavor::MultiThread) => block_in_place(call),
        _ => call(),
    }
}

/// An instance that was taken out. Dropped without [`Taken::put_back`], it is gone: its call failed or was given up.
pub(super) struct Taken<'a, E: Exports> {
    live: Box<Live<E>>,
    replaced: CountsAsReplaced<'a>,
    place: Place<'a, Box<Live<E>>>,
}

impl<E: Exports> Taken<'_, E> {
    fn put_back(self) {
        let Self { live, replaced, place } = self;
        mem::forget(replaced);
        place.put_back(live);
    }
}

/// Counts an instance as replaced when it is dropped with it.
struct CountsAsReplaced<'a>(&'a Counters);

impl Drop for CountsAsReplaced<'_> {
    fn drop(&mut self) {
        self.0.replaced.fetch_add(1, Ordering::Relaxed);
    }
}
