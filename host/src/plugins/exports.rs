//! The functions of a component, as the runtime sees those of any kind.

use std::sync::Arc;

use wasmtime::{
    Store,
    component::{ComponentNamedList, Instance, Lift, Lower, TypedFunc},
};

use super::{code::Code, instance::InstanceState};
use crate::capabilities::bindings::types;

/// What `initialize` of every kind of component takes: the store's name and the settings.
pub(super) type InitializeParams = (Arc<str>, Vec<(String, String)>);

/// What most functions of the contract answer.
pub(super) type Answer<T> = (Result<T, types::Error>,);

/// What goes into a component.
pub(super) trait Params: ComponentNamedList + Lower + Send + Sync + 'static {}

impl<T: ComponentNamedList + Lower + Send + Sync + 'static> Params for T {}

/// What comes out of one.
pub(super) trait Value: Lift + Send + Sync + 'static {}

impl<T: Lift + Send + Sync + 'static> Value for T {}

/// The exports of a kind of component, found once per instance.
pub(super) trait Exports: Copy + Send + Sync + 'static {
    /// What `initialize` answers.
    type Info: Value;

    /// Finds them in an instance.
    fn find(code: &Code, store: &mut Store<InstanceState>, instance: &Instance) -> wasmtime::Result<Self>;

    /// The function that every instance is given first.
    fn initialize(&self) -> TypedFunc<InitializeParams, Answer<Self::Info>>;

    /// How many instances may serve, as the first one said.
    fn instances(_info: &Self::Info) -> Instances {
        Instances::Any
    }

    /// The optional interface of components that keep sessions in their memory.
    fn state_transfer(&self) -> Option<StateTransfer> {
        None
    }
}

/// The functions of `state-transfer`.
#[derive(Clone, Copy)]
pub(super) struct StateTransfer {
    pub(super) export: TypedFunc<(), Answer<Vec<u8>>>,
    pub(super) import: TypedFunc<(Vec<u8>,), Answer<()>>,
}

/// How many instances of a component may serve a store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Instances {
    /// As many as the limits allow: it keeps nothing in its memory.
    Any,
    /// So many, and each session always in the same one: it keeps sessions in its memory.
    Shards(usize),
}
