//! What one instance of a component can reach.

use std::{collections::BTreeMap, sync::Arc};

use wasmtime::component::ResourceTable;
use wasmtime_wasi::{WasiCtx, WasiCtxView, WasiView, sockets::WasiSocketsCtxView};

use super::{
    Connections, LogBudget,
    expiry_callback::ExpirySink,
    inner::InnerProvider,
    kv::{Bucket, Kv},
    network::{NameLookup, Reach},
    payload_table::PayloadTable,
    sql::OpenTransaction,
    wasi,
};
use crate::{
    clock::Clock,
    config::{Grants, Limits},
};

/// What all instances of a component in a store have in common.
#[derive(Clone)]
pub struct GuestSetup {
    /// The plugin's name, for its log lines.
    pub plugin: Arc<str>,
    /// The bucket that belongs to the plugin in this store.
    pub own_bucket: Arc<str>,
    /// The settings that it was given.
    pub settings: Arc<BTreeMap<String, String>>,
    /// What it was granted.
    pub grants: Arc<Grants>,
    /// What it may use.
    pub limits: Limits,
    /// How much it may still log.
    pub log_budget: Arc<LogBudget>,
    /// The host's clock.
    pub clock: Clock,
    /// The built-in store.
    pub kv: Kv,
    /// The configured back ends.
    pub connections: Connections,
    /// The provider behind this one, for a component that wraps another.
    pub inner: Option<Arc<dyn InnerProvider>>,
}

/// The state behind the imports of one instance.
pub struct GuestContext {
    pub(super) setup: GuestSetup,
    pub(super) payloads: PayloadTable,
    /// The buckets that it has opened, with the full name of each. Their places are the numbers that it knows them by.
    pub(super) buckets: Vec<(String, Bucket)>,
    /// Its other handles.
    pub(super) table: ResourceTable,
    pub(super) expiry: Option<Arc<dyn ExpirySink>>,
    pub(super) inner_expiry: Option<Arc<dyn ExpirySink>>,
    /// Those of the present call.
    pub(super) transactions: Vec<OpenTransaction>,
    wasi: WasiCtx,
    reach: Reach,
}

impl GuestContext {
    /// The context of a new instance.
    #[must_use]
    pub fn new(setup: GuestSetup) -> Self {
        let mut table = ResourceTable::new();
        // A component that leaks handles fails instead of filling the host.
        table.set_max_capacity(setup.limits.handles);
        let payloads = PayloadTable::new(setup.limits.handles);
        let reach = Reach::new(setup.grants.clone());
        let wasi = wasi::context(&setup, &reach);
        Self {
            setup,
            payloads,
            buckets: Vec::new(),
            table,
            expiry: None,
            inner_expiry: None,
            transactions: Vec::new(),
            wasi,
            reach,
        }
    }

    /// The payloads that the instance has handles of.
    pub fn payloads(&mut self) -> &mut PayloadTable {
        &mut self.payloads
    }

    /// The look-up of names, within what was granted.
    pub(super) fn name_lookup(&mut self) -> NameLookup<'_> {
        let sockets = WasiSocketsCtxView { ctx: self.wasi.sockets(), table: &mut self.table };
        NameLookup { reach: &mut self.reach, sockets }
    }

    /// Says who hears of expired sessions during the next call: of those that the component reports, and of those that
    /// a provider behind it does.
    pub fn report_expired_to(&mut self, sink: Arc<dyn ExpirySink>, behind: Arc<dyn ExpirySink>) {
        self.expiry = Some(sink);
        self.inner_expiry = Some(behind);
    }

    /// Takes back what was meant for one call only, however that call ended.
    pub fn end_call(&mut self) {
        self.expiry = None;
        self.inner_expiry = None;
        // One that outlived its call would keep a connection from everybody else.
        self.transactions.drain(..).for_each(OpenTransaction::end);
    }
}

/// A store's data that has a [`GuestContext`].
pub trait GuestView: WasiView {
    /// The context.
    fn guest(&mut self) -> &mut GuestContext;

    /// The context, to look at.
    fn guest_ref(&self) -> &GuestContext;
}

// The interface `types` has no functions of its own.
impl super::bindings::types::Host for GuestContext {}

impl GuestView for GuestContext {
    fn guest(&mut self) -> &mut GuestContext {
        self
    }

    fn guest_ref(&self) -> &GuestContext {
        self
    }
}

impl WasiView for GuestContext {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView { ctx: &mut self.wasi, table: &mut self.table }
    }
}
