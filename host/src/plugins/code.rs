//! The code of a plugin: compiled, and linked to what it was granted.

use std::sync::Arc;

use wasmtime::{
    Engine, Store,
    component::{
        Component, ComponentExportIndex, ComponentNamedList, Instance, InstancePre, Lift, Linker, Lower, TypedFunc,
    },
};

use super::{
    Description, LoadError, LoadFailure, component::Recognised, counters::Counters, instance::InstanceState,
    trust::Trust,
};
use crate::{
    capabilities::{Linked, LogBudget, link},
    config::{Grants, Limits},
    contract::{CONTRACT_PACKAGE, CONTRACT_VERSION},
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
    /// How many of its failed calls may be told of.
    pub(super) failure_lines: LogBudget,
    /// Whether its calls may run on the threads that serve everybody.
    pub(super) trust: Arc<Trust>,
}

impl Code {
    /// Links a component to what it imports. `limits` are those of a plugin whose grants have none.
    pub(super) fn link(
        engine: &Engine,
        recognised: Recognised,
        grants: &Grants,
        limits: Limits,
        counters: Arc<Counters>,
    ) -> Result<Self, LoadError> {
        let Recognised { component, description } = recognised;
        let load_error = |why: LoadFailure| LoadError { file: description.file.clone(), why };
        let wrong_type = |error: wasmtime::Error| load_error(LoadFailure::WrongType(format!("{error:#}")));
        let prepare = |inner_waits| {
            let mut linker = Linker::new(engine);
            let imports = description.imports.iter().map(String::as_str);
            let linked = link(&mut linker, imports, grants, inner_waits)
                .map_err(wrong_type)?
                .map_err(|error| load_error(error.into()))?;
            Ok((linked, linker.instantiate_pre(&component).map_err(wrong_type)?))
        };
        let (Linked { waits, wraps }, pre) = prepare(false)?;
        let pre_around_waiting = if wraps && !waits { Some(prepare(true)?.1) } else { None };
        let limits = grants.limits.unwrap_or(limits);
        // A budget of their own, or one that logs too much would hide them.
        let failure_lines = LogBudget::new(&limits, counters.limit_hits.clone());
        Ok(Self {
            component,
            pre,
            pre_around_waiting,
            waits,
            wraps,
            limits,
            counters,
            description,
            failure_lines,
            trust: Arc::default(),
        })
    }

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
