//! What serves a store at present.

use std::{collections::BTreeMap, sync::Arc};

use arc_swap::ArcSwap;
use wasmtime::component::{ResourceTableError, TypedFunc};

use super::{
    CallError, Plugin,
    build::{Build, Judged, Shard},
    exports::{Answer, Exports, Params, Value},
    pool::Stopped,
};
use crate::{
    capabilities::{GuestContext, InnerProvider, Nonsense},
    contract::StoreError,
};

/// A store's use of a plugin: the build that serves at present.
pub(super) struct Serving<E: Exports> {
    pub(super) now: ArcSwap<Build<E>>,
    pub(super) store: String,
    pub(super) settings: BTreeMap<String, String>,
    /// The provider that it wraps.
    pub(super) inner: Option<Arc<dyn InnerProvider>>,
}

impl<E: Judged> Serving<E> {
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

    /// Whether a call may wait for something outside the host, by the component's imports.
    pub(super) fn waits(&self) -> bool {
        self.now.load().code().waits
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
