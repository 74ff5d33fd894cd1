//! A loaded plugin: compiled, linked to what it was granted, ready to be instantiated for any store.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use wasmtime::{
    Engine, Store,
    component::{
        Component, ComponentExportIndex, ComponentNamedList, Instance, InstancePre, Lift, Linker, Lower, TypedFunc,
    },
};

use super::{
    CallError, Description, EventHandler, IdManager, Kind, LoadError, LoadFailure, PluginLimits, PluginStatus,
    Provider, component::Recognised, instance::InstanceState, pool::Counters,
};
use crate::{
    capabilities::{CONTRACT_PACKAGE, CONTRACT_VERSION, GuestSetup, InnerProvider, Linked, LogBudget, kv::Kv, link},
    clock::Clock,
    config::{Grants, Limits},
};

/// What all pools of a plugin share.
pub(super) struct Code {
    pub(super) description: Description,
    component: Component,
    pre: InstancePre<InstanceState>,
    /// The same around a provider that waits, for a component that wraps another.
    pre_around_waiting: Option<InstancePre<InstanceState>>,
    /// Whether a call may wait for something outside the host; decided from the imports alone.
    pub(super) waits: bool,
    /// Whether it wraps another provider.
    pub(super) wraps: bool,
    pub(super) limits: Limits,
    pub(super) counters: Arc<Counters>,
    /// Whether it has ever used up its CPU time or its memory. From then on its calls are kept apart from the threads
    /// that serve everybody.
    pub(super) is_greedy: AtomicBool,
}

impl Code {
    /// The plugin's name.
    pub(super) fn name(&self) -> &str {
        &self.description.name
    }

    /// What instances are made of. `waits`: whether its calls wait, or those of what it wraps.
    pub(super) fn pre(&self, waits: bool) -> &InstancePre<InstanceState> {
        self.pre_around_waiting.as_ref().filter(|_| waits).unwrap_or(&self.pre)
    }

    /// Whether an interface of the contract is imported.
    pub(super) fn imports(&self, interface: &str) -> bool {
        self.description.imports.contains(&format!("{CONTRACT_PACKAGE}/{interface}@{CONTRACT_VERSION}"))
    }

    /// Whether an interface of the contract is exported.
    pub(super) fn exports(&self, interface: &str) -> bool {
        self.interface(interface).is_some()
    }

    fn interface(&self, interface: &str) -> Option<ComponentExportIndex> {
        self.component.get_export_index(None, format!("{CONTRACT_PACKAGE}/{interface}@{CONTRACT_VERSION}").as_str())
    }

    /// A function of an exported interface, with its type checked.
    pub(super) fn function<P, R>(
        &self,
        store: &mut Store<InstanceState>,
        instance: &Instance,
        interface: &str,
        name: &str,
    ) -> wasmtime::Result<TypedFunc<P, R>>
    where
        P: ComponentNamedList + Lower,
        R: ComponentNamedList + Lift,
    {
        self.interface(interface)
            .and_then(|interface| self.component.get_export_index(Some(&interface), name))
            .and_then(|index| instance.get_func(&mut *store, index))
            .ok_or_else(|| wasmtime::Error::msg(format!("it does not export `{interface}.{name}`")))?
            .typed(&*store)
            .map_err(|error| error.context(format!("`{interface}.{name}` has another type than in the contract")))
    }
}

impl Code {
    /// A function of an interface that need not be exported.
    pub(super) fn optional_function<P, R>(
        &self,
        store: &mut Store<InstanceState>,
        instance: &Instance,
        interface: &str,
        name: &str,
    ) -> wasmtime::Result<Option<TypedFunc<P, R>>>
    where
        P: ComponentNamedList + Lower,
        R: ComponentNamedList + Lift,
    {
        if self.exports(interface) { self.function(store, instance, interface, name).map(Some) } else { Ok(None) }
    }
}

/// A component that was read, recognised, checked against its grants and compiled. Cheap to clone.
#[derive(Clone)]
pub struct Plugin {
    code: Arc<Code>,
    grants: Arc<Grants>,
    log_budget: Arc<LogBudget>,
    clock: Clock,
    kv: Kv,
    is_supervised: bool,
}

impl Plugin {
    /// Links a component to what it imports.
    pub(super) fn link(
        engine: &Engine,
        recognised: Recognised,
        grants: Grants,
        limits: Limits,
        clock: Clock,
        kv: Kv,
        counters: Arc<Counters>,
    ) -> Result<Self, LoadError> {
        let Recognised { component, description } = recognised;
        let load_error = |why: LoadFailure| LoadError { file: description.file.clone(), why };
        let wrong_type = |error: wasmtime::Error| load_error(LoadFailure::WrongType(format!("{error:#}")));
        let prepare = |inner_waits| {
            let mut linker = Linker::new(engine);
            let imports = description.imports.iter().map(String::as_str);
            let linked = link(&mut linker, imports, &grants, inner_waits)
                .map_err(wrong_type)?
                .map_err(|error| load_error(error.into()))?;
            Ok((linked, linker.instantiate_pre(&component).map_err(wrong_type)?))
        };
        let (Linked { waits, wraps }, pre) = prepare(false)?;
        let pre_around_waiting = if wraps && !waits { Some(prepare(true)?.1) } else { None };
        let limits = grants.limits.unwrap_or(limits);
        let log_budget = Arc::new(LogBudget::new(&limits, counters.limit_hits.clone()));
        let is_greedy = AtomicBool::new(false);
        let code = Code { component, pre, pre_around_waiting, waits, wraps, limits, counters, description, is_greedy };
        Ok(Self { code: Arc::new(code), grants: Arc::new(grants), log_budget, clock, kv, is_supervised: false })
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
            clock: self.clock.clone(),
            kv: self.kv.clone(),
            inner,
        }
    }
}
