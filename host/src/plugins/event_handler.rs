//! A handler of the beginnings and ends of sessions behind a component.

use std::{collections::BTreeMap, sync::Arc};

use wasmtime::{
    Store,
    component::{ComponentType, Instance, Lower, TypedFunc},
};

use super::{
    CallError, Plugin,
    build::{Judged, Shard},
    code::Code,
    exports::{Answer, Exports, InitializeParams},
    instance::InstanceState,
    provider_exports::Key,
    serving::Serving,
    succession::Use,
};
use crate::{
    capabilities::{bindings::types, convert},
    contract::{EndReason, Item, SessionKey},
};

/// Why a session ended, as it goes over the boundary.
#[derive(ComponentType, Lower, Debug, Clone, Copy)]
#[component(enum)]
#[repr(u8)]
enum Reason {
    #[component(name = "expired")]
    Expired,
    #[component(name = "removed")]
    Removed,
}

impl From<EndReason> for Reason {
    fn from(reason: EndReason) -> Self {
        match reason {
            EndReason::Expired => Self::Expired,
            EndReason::Removed => Self::Removed,
        }
    }
}

/// The functions of one instance.
#[derive(Clone, Copy)]
struct Functions {
    initialize: TypedFunc<InitializeParams, Answer<()>>,
    on_start: TypedFunc<(Key,), Answer<()>>,
    on_end: TypedFunc<(Key, types::Item, Reason), Answer<()>>,
}

impl Exports for Functions {
    type Info = ();

    fn find(code: &Code, store: &mut Store<InstanceState>, instance: &Instance) -> wasmtime::Result<Self> {
        const SESSION_EVENTS: &str = "session-events";
        Ok(Self {
            initialize: code.function(store, instance, SESSION_EVENTS, "initialize")?,
            on_start: code.function(store, instance, SESSION_EVENTS, "on-start")?,
            on_end: code.function(store, instance, SESSION_EVENTS, "on-end")?,
        })
    }

    fn initialize(&self) -> TypedFunc<InitializeParams, Answer<()>> {
        self.initialize
    }
}

impl Judged for Functions {}

/// A handler for one store, over a pool of instances of its component. Cheap to clone.
#[derive(Clone)]
pub struct EventHandler {
    serving: Arc<Serving<Functions>>,
    /// The plugin's name, which no change of its build changes.
    plugin: Arc<str>,
}

impl EventHandler {
    pub(super) async fn open(
        plugin: &Plugin,
        store: &str,
        settings: &BTreeMap<String, String>,
    ) -> Result<Self, CallError> {
        let serving = Serving::open(plugin, store, settings).await?;
        Ok(Self { serving: Arc::new(serving), plugin: plugin.name().into() })
    }

    /// Its use of the plugin.
    pub(super) fn usage(&self) -> Arc<dyn Use> {
        self.serving.clone()
    }

    /// The plugin's name: its file name without the extension.
    #[must_use]
    pub fn plugin(&self) -> &str {
        &self.plugin
    }

    /// Tells of a session that began.
    pub async fn on_start(&self, key: &SessionKey) -> Result<(), CallError> {
        self.serving
            .call(
                Shard::Number(0),
                "on-start",
                |functions| Some(functions.on_start),
                |_| Ok((Key::from(key),)),
                |_, ()| Ok(()),
            )
            .await
    }

    /// Tells of a session that ended, and what it held last.
    pub async fn on_end(&self, key: &SessionKey, item: Item, reason: EndReason) -> Result<(), CallError> {
        self.serving
            .call(
                Shard::Number(0),
                "on-end",
                |functions| Some(functions.on_end),
                |guest| Ok((Key::from(key), convert::guest_item(guest.payloads(), item)?, reason.into())),
                |_, ()| Ok(()),
            )
            .await
    }
}
