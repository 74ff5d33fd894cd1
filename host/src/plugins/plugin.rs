//! A loaded plugin: compiled, linked to what it was granted, ready to be instantiated for any store.

use std::{
    collections::BTreeMap,
    sync::{Arc, atomic::Ordering},
};

use wasmtime::Engine;

use super::{
    CallError, Description, EventHandler, IdManager, Kind, LoadError, PluginLimits, PluginStatus, Provider, code::Code,
    component::Recognised, counters::Counters,
};
use crate::{
    capabilities::{Connections, GuestSetup, InnerProvider, LogBudget, kv::Kv},
    clock::Clock,
    config::{Grants, Limits},
};

/// A component that was read, recognised, checked against its grants and compiled. Cheap to clone.
#[derive(Clone)]
pub struct Plugin {
    code: Arc<Code>,
    grants: Arc<Grants>,
    log_budget: Arc<LogBudget>,
    surroundings: Surroundings,
    is_supervised: bool,
}

/// What the components of a host have around them, whatever they are granted of it.
#[derive(Clone)]
pub(super) struct Surroundings {
    pub(super) clock: Clock,
    pub(super) kv: Kv,
    pub(super) connections: Connections,
}

impl Plugin {
    /// Links a component to what it imports.
    pub(super) fn link(
        engine: &Engine,
        recognised: Recognised,
        grants: Grants,
        limits: Limits,
        surroundings: Surroundings,
        counters: Arc<Counters>,
    ) -> Result<Self, LoadError> {
        let code = Code::link(engine, recognised, &grants, limits, counters)?;
        let log_budget = Arc::new(LogBudget::new(&code.limits, code.counters.limit_hits.clone()));
        Ok(Self { code: Arc::new(code), grants: Arc::new(grants), log_budget, surroundings, is_supervised: false })
    }

    /// The same, but not called where it keeps failing.
    pub(super) fn supervised(self) -> Self {
        Self { is_supervised: true, ..self }
    }

    /// See [`Plugin::supervised`].
    pub(super) fn is_supervised(&self) -> bool {
        self.is_supervised
    }

    pub(super) fn code(&self) -> &Arc<Code> {
        &self.code
    }

    /// The plugin's name: its file name without the extension.
    #[must_use]
    pub fn name(&self) -> &str {
        self.code.name()
    }

    /// What the file says of itself.
    #[must_use]
    pub fn description(&self) -> &Description {
        &self.code.description
    }

    /// Whether it keeps sessions.
    #[must_use]
    pub fn is_provider(&self) -> bool {
        self.description().kinds.contains(&Kind::Provider)
    }

    /// Whether it wraps another provider.
    #[must_use]
    pub fn wraps(&self) -> bool {
        self.code.wraps
    }

    /// Whether it makes session IDs.
    #[must_use]
    pub fn is_id_manager(&self) -> bool {
        self.description().kinds.contains(&Kind::IdManager)
    }

    /// What an operator is told of this build; the directory adds what becomes of it.
    #[must_use]
    pub fn status(&self) -> PluginStatus {
        let Code { description, limits, counters, .. } = &*self.code;
        PluginStatus {
            name: description.name.clone(),
            file: description.file.display().to_string(),
            digest: description.digest.clone(),
            kind: description.kinds_text(),
            imports: description.imports.clone(),
            size: description.size,
            limits: PluginLimits::from(*limits),
            calls: counters.calls.load(Ordering::Relaxed),
            failures: counters.failures.load(Ordering::Relaxed),
            replaced: counters.replaced.load(Ordering::Relaxed),
            instances: counters.instances.load(Ordering::Relaxed),
            turned_away: counters.turned_away.load(Ordering::Relaxed),
            limit_hits: counters.limit_hits.hit().map(|(limit, hits)| (limit.name().to_owned(), hits)).collect(),
            ..PluginStatus::default()
        }
    }

    /// The instances that there are now, and the bytes of their linear memories and tables together.
    #[must_use]
    pub fn memory(&self) -> (usize, u64) {
        let counters = &self.code.counters;
        (counters.instances.load(Ordering::Relaxed), counters.memory.load(Ordering::Relaxed))
    }

    /// A provider for a store. One instance is initialized at once, to see that it can be.
    pub async fn provider(&self, store: &str, settings: &BTreeMap<String, String>) -> Result<Provider, CallError> {
        Provider::open(self, store, settings, None).await
    }

    /// The same around another provider of the store.
    pub async fn provider_around(
        &self,
        store: &str,
        settings: &BTreeMap<String, String>,
        inner: Provider,
    ) -> Result<Provider, CallError> {
        Provider::open(self, store, settings, Some(inner)).await
    }

    /// A generator for a store. One instance is initialized at once, to see that it can be.
    pub async fn id_manager(&self, store: &str, settings: &BTreeMap<String, String>) -> Result<IdManager, CallError> {
        IdManager::open(self, store, settings).await
    }

    /// An event handler for a store. One instance is initialized at once, to see that it can be.
    pub async fn event_handler(
        &self,
        store: &str,
        settings: &BTreeMap<String, String>,
    ) -> Result<EventHandler, CallError> {
        EventHandler::open(self, store, settings).await
    }

    /// A generator that is taken as it is, and whose IDs are passed on as they come, wrong ones too: for the conformance
    /// kit, which judges both itself.
    pub async fn unchecked_id_manager(
        &self,
        store: &str,
        settings: &BTreeMap<String, String>,
    ) -> Result<IdManager, CallError> {
        IdManager::open_unchecked(self, store, settings).await
    }

    /// What the instances for a store have in common. A store's settings come on top of the plugin's.
    /// `inner` is the provider that it wraps.
    pub(super) fn setup(
        &self,
        store: &str,
        settings: &BTreeMap<String, String>,
        inner: Option<Arc<dyn InnerProvider>>,
    ) -> GuestSetup {
        let mut all = self.grants.settings.clone();
        all.extend(settings.clone());
        GuestSetup {
            plugin: self.name().into(),
            own_bucket: format!("store:{store}/{}", self.name()).into(),
            grants: self.grants.clone(),
            settings: Arc::new(all),
            limits: self.code.limits,
            log_budget: self.log_budget.clone(),
            clock: self.surroundings.clock.clone(),
            kv: self.surroundings.kv.clone(),
            connections: self.surroundings.connections.clone(),
            inner,
        }
    }
}
