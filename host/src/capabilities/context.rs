//! What one instance of a component can reach.

use std::{collections::BTreeMap, sync::Arc};

use wasmtime::component::ResourceTable;
use wasmtime_wasi::{WasiCtx, WasiCtxView, WasiView};

use super::{LogBudget, expiry_callback::ExpirySink, kv::Kv, wasi};
use crate::{clock::Clock, config::Limits};

/// What all instances of a component in a store have in common.
#[derive(Clone)]
pub struct GuestSetup {
    /// The plugin's name, for its log lines.
    pub plugin: Arc<str>,
    /// The bucket that belongs to the plugin in this store.
    pub own_bucket: Arc<str>,
    /// Buckets that it was granted besides.
    pub granted_buckets: Arc<[String]>,
    /// The settings that it was given.
    pub settings: Arc<BTreeMap<String, String>>,
    /// What it may use.
    pub limits: Limits,
    /// How much it may still log.
    pub log_budget: Arc<LogBudget>,
    /// The host's clock.
    pub clock: Clock,
    /// The built-in store.
    pub kv: Kv,
}

/// The state behind the imports of one instance.
pub struct GuestContext {
    pub(super) setup: GuestSetup,
    pub(super) table: ResourceTable,
    pub(super) expiry: Option<Arc<dyn ExpirySink>>,
    wasi: WasiCtx,
}

impl GuestContext {
    /// The context of a new instance.
    #[must_use]
    pub fn new(setup: GuestSetup) -> Self {
        let mut table = ResourceTable::new();
        // A component that leaks handles fails instead of filling the host.
        table.set_max_capacity(setup.limits.handles);
        let wasi = wasi::context(&setup);
        Self { setup, table, expiry: None, wasi }
    }

    /// The handles that the instance holds.
    pub fn table(&mut self) -> &mut ResourceTable {
        &mut self.table
    }

    /// Says who hears of expired sessions during the next call.
    pub fn report_expired_to(&mut self, sink: Arc<dyn ExpirySink>) {
        self.expiry = Some(sink);
    }

    /// Takes back what was meant for one call only, however that call ended.
    pub fn end_call(&mut self) {
        self.expiry = None;
    }
}

/// A store's data that has a [`GuestContext`].
pub trait GuestView: WasiView {
    /// The context.
    fn guest(&mut self) -> &mut GuestContext;
}

// The interface `types` has no functions of its own.
impl super::bindings::types::Host for GuestContext {}

impl WasiView for GuestContext {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView { ctx: &mut self.wasi, table: &mut self.table }
    }
}
