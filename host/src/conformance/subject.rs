//! The component under judgement, and the fresh host around it.

use std::{
    collections::BTreeMap,
    sync::atomic::{AtomicU64, Ordering},
};

use parking_lot::Mutex;

use crate::{
    clock::Clock,
    plugins::{CallError, EventHandler, IdManager, Kind, Plugin, PluginError, Provider},
};

/// What all checks of one run share.
pub(super) struct Subject {
    pub(super) plugin: Plugin,
    pub(super) clock: Clock,
    settings: BTreeMap<String, String>,
    /// What the component wraps, outermost first.
    on: Vec<Plugin>,
    /// Begins the name of every store, so that a back end outside the host never mixes two runs.
    run: String,
    stores: AtomicU64,
    /// How the component failed in calls, whichever rule called.
    failures: Mutex<Vec<PluginError>>,
}

impl Subject {
    pub(super) fn new(plugin: Plugin, on: Vec<Plugin>, clock: Clock, settings: BTreeMap<String, String>) -> Self {
        // Two runs may begin in the same millisecond.
        let random = getrandom::u32().unwrap_or_else(|_| std::process::id());
        let run = format!("check-{:x}-{random:x}", clock.now().0);
        Self { plugin, clock, settings, on, run, stores: AtomicU64::new(0), failures: Mutex::default() }
    }

    /// A name that no store has had yet.
    pub(super) fn fresh_store(&self) -> String {
        format!("{}-{}", self.run, self.stores.fetch_add(1, Ordering::Relaxed))
    }

    /// The component as the provider of a store.
    pub(super) async fn provider(&self, store: &str) -> Result<Provider, CallError> {
        self.noticing(self.stacked(store).await)
    }

    async fn stacked(&self, store: &str) -> Result<Provider, CallError> {
        let none = BTreeMap::new();
        let mut behind = None;
        for plugin in self.on.iter().rev() {
            behind = Some(match behind {
                None => plugin.provider(store, &none).await?,
                Some(inner) => plugin.provider_around(store, &none, inner).await?,
            });
        }
        match behind {
            None => self.plugin.provider(store, &self.settings).await,
            Some(inner) => self.plugin.provider_around(store, &self.settings, inner).await,
        }
    }

    /// The component as the ID generator of a store.
    pub(super) async fn id_manager(&self, store: &str) -> Result<IdManager, CallError> {
        self.noticing(self.plugin.unchecked_id_manager(store, &self.settings).await)
    }

    /// The component as an event handler of a store.
    pub(super) async fn event_handler(&self, store: &str) -> Result<EventHandler, CallError> {
        self.noticing(self.plugin.event_handler(store, &self.settings).await)
    }

    /// Passes a result on, and remembers it if the component failed.
    pub(super) fn noticing<T>(&self, result: Result<T, CallError>) -> Result<T, CallError> {
        if let Err(CallError::Plugin(error)) = &result {
            self.failures.lock().push(error.clone());
        }
        result
    }

    /// How the component failed so far.
    pub(super) fn failures(&self) -> Vec<PluginError> {
        self.failures.lock().clone()
    }
}

/// Whether a component hears of sessions that begin and end.
pub(super) fn is_event_handler(plugin: &Plugin) -> bool {
    plugin.description().kinds.contains(&Kind::SessionEvents)
}
