//! The functions of a component that keeps sessions.

use std::sync::Arc;

use wasmtime::{
    Store,
    component::{ComponentType, Instance, Lift, Lower, TypedFunc},
};

use super::{
    build::Judged,
    code::Code,
    exports::{Answer, Exports, InitializeParams, Instances, StateTransfer},
    instance::InstanceState,
};
use crate::{capabilities::bindings::types, contract::SessionKey};

/// The optional interface behind [`super::Provider::restore`].
pub(super) const EXPIRY_FILTER: &str = "expiry-filter";

/// The optional interface behind [`super::Provider::rename`].
pub const RENAME: &str = "session-rename";

/// The optional interface behind [`super::Provider::list`].
pub const INDEX: &str = "session-index";

/// The optional interface behind [`super::Provider::scan`].
pub const SCAN: &str = "session-scan";

/// A key on its way into a component: the two texts are shared until wasmtime copies them into its memory.
#[derive(ComponentType, Lower, Clone)]
#[component(record)]
pub(super) struct Key {
    application: Arc<str>,
    id: Arc<str>,
}

impl From<&SessionKey> for Key {
    fn from(key: &SessionKey) -> Self {
        let (application, id) = key.parts();
        Self { application, id }
    }
}

/// How many instances may serve, as the component says in `initialize`.
#[derive(ComponentType, Lift, Debug, Clone, Copy)]
#[component(variant)]
pub(super) enum Instancing {
    #[component(name = "any")]
    Any,
    #[component(name = "single")]
    Single,
    #[component(name = "sharded")]
    Sharded(u32),
}

/// What a provider says of itself.
#[derive(ComponentType, Lift, Debug, Clone)]
#[component(record)]
pub(super) struct Info {
    pub(super) name: String,
    instancing: Instancing,
    #[component(name = "reports-expiry")]
    pub(super) reports_expiry: bool,
}

type GetParams = (Key,);
type SetParams = (Key, types::SessionData, Option<u32>, types::Condition, bool);
type RemoveParams = (Key, Option<u32>, bool);
type RenameParams = (Arc<str>, Arc<str>, String, Option<u32>);
type ListParams = (String, String, Option<String>, u32);
type ScanParams = (Option<String>, Option<String>, u32);

/// The functions of one instance.
#[derive(Clone, Copy)]
pub(super) struct Functions {
    pub(super) initialize: TypedFunc<InitializeParams, Answer<Info>>,
    pub(super) create_new_data: TypedFunc<(u32,), Answer<types::SessionData>>,
    pub(super) create_uninitialized: TypedFunc<(Key, types::SessionData), Answer<()>>,
    pub(super) get: TypedFunc<GetParams, Answer<types::GetOutcome>>,
    pub(super) peek: TypedFunc<GetParams, Answer<types::GetOutcome>>,
    pub(super) get_exclusive: TypedFunc<GetParams, Answer<types::GetExclusiveOutcome>>,
    pub(super) set_and_release: TypedFunc<SetParams, Answer<types::SetOutcome>>,
    pub(super) release_exclusive: TypedFunc<(Key, u32), Answer<types::ReleaseOutcome>>,
    pub(super) remove: TypedFunc<RemoveParams, Answer<types::RemoveOutcome>>,
    pub(super) reset_timeout: TypedFunc<GetParams, Answer<types::ResetOutcome>>,
    pub(super) sweep: TypedFunc<(u32,), Answer<bool>>,
    pub(super) rename: Option<TypedFunc<RenameParams, Answer<types::RenameOutcome>>>,
    pub(super) list: Option<TypedFunc<ListParams, Answer<types::SessionPage>>>,
    pub(super) scan: Option<TypedFunc<ScanParams, Answer<types::SessionPage>>>,
    pub(super) state_transfer: Option<StateTransfer>,
    pub(super) restore: Option<TypedFunc<(Key, types::Item), Answer<types::Item>>>,
}

impl Exports for Functions {
    type Info = Info;

    fn find(code: &Code, store: &mut Store<InstanceState>, instance: &Instance) -> wasmtime::Result<Self> {
        const PROVIDER: &str = "provider";
        Ok(Self {
            initialize: code.function(store, instance, PROVIDER, "initialize")?,
            create_new_data: code.function(store, instance, PROVIDER, "create-new-data")?,
            create_uninitialized: code.function(store, instance, PROVIDER, "create-uninitialized")?,
            get: code.function(store, instance, PROVIDER, "get")?,
            peek: code.function(store, instance, PROVIDER, "peek")?,
            get_exclusive: code.function(store, instance, PROVIDER, "get-exclusive")?,
            set_and_release: code.function(store, instance, PROVIDER, "set-and-release")?,
            release_exclusive: code.function(store, instance, PROVIDER, "release-exclusive")?,
            remove: code.function(store, instance, PROVIDER, "remove")?,
            reset_timeout: code.function(store, instance, PROVIDER, "reset-timeout")?,
            sweep: code.function(store, instance, PROVIDER, "sweep")?,
            rename: code.optional_function(store, instance, RENAME, "rename")?,
            list: code.optional_function(store, instance, INDEX, "list")?,
            scan: code.optional_function(store, instance, SCAN, "scan")?,
            state_transfer: state_transfer(code, store, instance)?,
            restore: code.optional_function(store, instance, EXPIRY_FILTER, "restore")?,
        })
    }

    fn initialize(&self) -> TypedFunc<InitializeParams, Answer<Info>> {
        self.initialize
    }

    fn instances(info: &Info) -> Instances {
        match info.instancing {
            Instancing::Any => Instances::Any,
            Instancing::Single => Instances::Shards(1),
            Instancing::Sharded(shards) => Instances::Shards(usize::try_from(shards).unwrap_or(usize::MAX)),
        }
    }

    fn state_transfer(&self) -> Option<StateTransfer> {
        self.state_transfer
    }
}

impl Judged for Functions {}

fn state_transfer(
    code: &Code,
    store: &mut Store<InstanceState>,
    instance: &Instance,
) -> wasmtime::Result<Option<StateTransfer>> {
    const STATE_TRANSFER: &str = "state-transfer";
    if !code.exports(STATE_TRANSFER) {
        return Ok(None);
    }
    Ok(Some(StateTransfer {
        export: code.function(store, instance, STATE_TRANSFER, "export-state")?,
        import: code.function(store, instance, STATE_TRANSFER, "import-state")?,
    }))
}
