//! The directory of plugins: what is in it, who uses it, and what becomes of a change while the host serves.
//!
//! A change is taken once the files have stopped changing, and by their content: touching a file changes nothing. The
//! new build has to pass everything before it serves: it is recognised, linked to what it is granted, compiled, and
//! initialized once with the settings of each store that uses it. Then all of them change over, at once and without
//! missing a call. Whatever fails on the way leaves the old build serving, and is told in the log and in the status.

use std::{
    collections::{BTreeMap, HashMap},
    io,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant},
};

use parking_lot::Mutex;
use thiserror::Error;

use super::{
    CallError, EventHandler, IdManager, Kind, PlainOperations, Plugin, PluginStatus, Provider, Runtime,
    admission::Admission,
    slot::Slot,
    source::{Refusal, Source, Stamp, components},
    succession::Use,
};
use crate::config::{Limits, PluginsConfig};

/// The plugins of a directory by name. One that cannot be used is listed with the reason and disturbs no other. Cheap
/// to clone.
#[derive(Clone)]
pub struct PluginDirectory {
    inner: Arc<Inner>,
}

struct Inner {
    path: PathBuf,
    runtime: Runtime,
    admission: Admission,
    limits: Limits,
    slots: Mutex<BTreeMap<String, Slot>>,
    /// What stores call instead of a plugin.
    plain: Mutex<BTreeMap<String, Arc<dyn PlainOperations>>>,
    /// Held while a plugin is opened or changed, so that nobody opens the build that is just being replaced.
    changing: tokio::sync::Mutex<()>,
}

/// Why a plugin that is asked for cannot be had.
#[derive(Debug, Error)]
pub enum FindError {
    /// There is no such file.
    #[error("there is no plugin `{plugin}`: `{file}` does not exist; there are: {available}")]
    Missing {
        /// The plugin.
        plugin: String,
        /// Where it would be.
        file: String,
        /// What is there.
        available: String,
    },
    /// The file is there and not usable.
    #[error("plugin `{plugin}` cannot be used: {why}")]
    Refused {
        /// The plugin.
        plugin: String,
        /// Why not.
        why: String,
    },
    /// It is something else.
    #[error("plugin `{plugin}` is a {is}, and a {wanted} is needed here")]
    OtherKind {
        /// The plugin.
        plugin: String,
        /// What it is.
        is: String,
        /// What is needed.
        wanted: &'static str,
    },
    /// The plugin said no, or failed.
    #[error("plugin `{plugin}` refused to start: {error}")]
    Refuses {
        /// The plugin.
        plugin: String,
        /// What it said.
        error: CallError,
    },
}

/// Why another build of a plugin does not serve.
#[derive(Debug, Error)]
enum SwapError {
    #[error(transparent)]
    Files(#[from] Refusal),
    #[error("it does not start for store `{store}`: {error}")]
    Start { store: String, error: CallError },
    #[error("compiling it ended by a bug of the host; please report it: {0}")]
    Compiler(#[from] tokio::task::JoinError),
}

impl PluginDirectory {
    /// Reads every `NAME.wasm` of a directory with the grants in the `NAME.toml` beside it.
    pub fn read(runtime: Runtime, config: &PluginsConfig) -> io::Result<Self> {
        let (path, limits, admission) = (config.directory.clone(), config.limits, Admission::new(config));
        let mut slots = BTreeMap::new();
        for (name, file) in components(&path)? {
            let mut slot = Slot::new(file);
            let stamp = Stamp::of(&slot.file);
            let source = Source::read(&slot.file);
            slot.read = stamp.map(|stamp| (stamp, source.as_ref().ok().map(Source::digest)));
            match source.and_then(|source| runtime.link(&source, &admission, limits, slot.counters.clone())) {
                Ok(plugin) => slot.plugin = Some(plugin),
                Err(why) => {
                    tracing::warn!(plugin = name, "not used: {why}");
                    slot.refused = Some(why.to_string());
                }
            }
            slots.insert(name, slot);
        }
        let (slots, changing) = (Mutex::new(slots), tokio::sync::Mutex::default());
        Ok(Self {
            inner: Arc::new(Inner { path, runtime, admission, limits, slots, plain: Mutex::default(), changing }),
        })
    }

    /// Has stores whose provider is this plugin call operations in plain Rust instead, from when they are opened. For
    /// benchmarks, which measure with it what calls into components cost.
    pub fn call_instead(&self, plugin: &str, operations: Arc<dyn PlainOperations>) {
        self.inner.plain.lock().insert(plugin.to_owned(), operations);
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.inner.path
    }

    /// Opens a provider for a store, which follows the plugin through all changes. `settings` are the store's own, and
    /// `inner` is the provider that it wraps.
    pub async fn provider(
        &self,
        plugin: &str,
        store: &str,
        settings: &BTreeMap<String, String>,
        inner: Option<Provider>,
    ) -> Result<Provider, FindError> {
        let _one_at_a_time = self.inner.changing.lock().await;
        let found = self.find(plugin, Kind::Provider)?;
        let opened = match inner {
            None => found.provider(store, settings).await,
            Some(inner) => found.provider_around(store, settings, inner).await,
        };
        let provider = opened.map_err(|error| FindError::Refuses { plugin: plugin.to_owned(), error })?;
        self.register(plugin, &provider.usage());
        let plain = self.inner.plain.lock().get(plugin).cloned();
        Ok(match plain {
            Some(plain) => provider.replaced_by(plain),
            None => provider,
        })
    }

    /// Opens an ID generator for a store, which follows the plugin through all changes. `settings` are the store's own.
    pub async fn id_manager(
        &self,
        plugin: &str,
        store: &str,
        settings: &BTreeMap<String, String>,
    ) -> Result<IdManager, FindError> {
        let _one_at_a_time = self.inner.changing.lock().await;
        let opened = self.find(plugin, Kind::IdManager)?.id_manager(store, settings).await;
        let ids = opened.map_err(|error| FindError::Refuses { plugin: plugin.to_owned(), error })?;
        self.register(plugin, &ids.usage());
        Ok(ids)
    }

    /// Opens an event handler for a store, which follows the plugin through all changes. `settings` are the store's own.
    pub async fn event_handler(
        &self,
        plugin: &str,
        store: &str,
        settings: &BTreeMap<String, String>,
    ) -> Result<EventHandler, FindError> {
        let _one_at_a_time = self.inner.changing.lock().await;
        let opened = self.find(plugin, Kind::SessionEvents)?.event_handler(store, settings).await;
        let handler = opened.map_err(|error| FindError::Refuses { plugin: plugin.to_owned(), error })?;
        self.register(plugin, &handler.usage());
        Ok(handler)
    }

    /// The build of this name that serves, if it is of this kind.
    fn find(&self, name: &str, kind: Kind) -> Result<Plugin, FindError> {
        let slots = self.inner.slots.lock();
        let Some(slot) = slots.get(name) else {
            let available: Vec<&str> = slots.keys().map(String::as_str).collect();
            return Err(FindError::Missing {
                plugin: name.to_owned(),
                file: self.inner.path.join(format!("{name}.wasm")).display().to_string(),
                available: if available.is_empty() { "none".to_owned() } else { available.join(", ") },
            });
        };
        match &slot.plugin {
            Some(plugin) if plugin.description().kinds.contains(&kind) => Ok(plugin.clone()),
            Some(plugin) => Err(FindError::OtherKind {
                plugin: name.to_owned(),
                is: plugin.description().kinds_text(),
                wanted: kind.interface(),
            }),
            None => {
                let why = slot.refused.clone().unwrap_or_else(|| "its file is gone".to_owned());
                Err(FindError::Refused { plugin: name.to_owned(), why })
            }
        }
    }

    fn register(&self, plugin: &str, usage: &Arc<dyn Use>) {
        if let Some(slot) = self.inner.slots.lock().get_mut(plugin) {
            slot.uses.retain(|usage| usage.strong_count() > 0);
            slot.uses.push(Arc::downgrade(usage));
        }
    }

    /// What an operator is told of each, the refused ones included.
    #[must_use]
    pub fn status(&self) -> Vec<PluginStatus> {
        let slots = self.inner.slots.lock();
        slots.iter().map(|(name, slot)| slot.status(name, self.inner.limits)).collect()
    }

    /// Has a plugin called again that is not because it kept failing; for which stores it was not. `None`: there is no
    /// such plugin.
    #[must_use]
    pub fn release(&self, name: &str) -> Option<Vec<String>> {
        let uses = self.inner.slots.lock().get(name).map(Slot::uses)?;
        Some(uses.iter().filter(|usage| usage.release()).map(|usage| usage.store().to_owned()).collect())
    }

    /// Looks at the files, and takes on what has changed and settled. Whether there is something that has not.
    pub(super) async fn look(&self) -> bool {
        let _one_at_a_time = self.inner.changing.lock().await;
        let path = self.inner.path.clone();
        let looked = tokio::task::spawn_blocking(move || {
            let found = components(&path)?;
            let stamp = |(name, file): (String, PathBuf)| Stamp::of(&file).map(|stamp| (name, (file, stamp)));
            io::Result::Ok(found.into_iter().filter_map(stamp).collect::<HashMap<_, _>>())
        });
        let present = match looked.await {
            Ok(Ok(present)) => present,
            Ok(Err(error)) => {
                tracing::warn!(
                    directory = %self.inner.path.display(), %error,
                    "the directory of plugins cannot be read; what was loaded serves on"
                );
                return false;
            }
            Err(_) => return false,
        };
        self.forget_missing(&present);
        let mut unsettled = false;
        for (name, (file, stamp)) in present {
            let is_news = {
                let mut slots = self.inner.slots.lock();
                let slot = slots.entry(name.clone()).or_insert_with(|| Slot::new(file.clone()));
                slot.is_removed = false;
                slot.has_settled(stamp, &mut unsettled)
            };
            if is_news {
                self.take_on(&name, file, stamp).await;
            }
        }
        unsettled
    }

    /// Files that are gone. What is used serves on from memory.
    fn forget_missing(&self, present: &HashMap<String, (PathBuf, Stamp)>) {
        self.inner.slots.lock().retain(|name, slot| {
            if present.contains_key(name) || slot.is_removed {
                return true;
            }
            let stores: Vec<String> = slot.uses().iter().map(|usage| usage.store().to_owned()).collect();
            if stores.is_empty() {
                tracing::info!(plugin = name, "removed");
                return false;
            }
            tracing::warn!(
                plugin = name,
                file = %slot.file.display(),
                stores = stores.join(", "),
                "the file is gone, and stores use the plugin: it serves on from memory until the file is there again; \
                 after a restart it would be missing"
            );
            slot.is_removed = true;
            slot.read = None;
            true
        });
    }

    /// Takes on what is in a plugin's files now.
    async fn take_on(&self, name: &str, file: PathBuf, stamp: Stamp) {
        let started = Instant::now();
        let source = tokio::task::spawn_blocking(move || Source::read(&file)).await;
        let source = match source {
            Ok(Ok(source)) => source,
            Ok(Err(why)) => return self.refuse(name, (stamp, None), &why.into()),
            Err(error) => return self.refuse(name, (stamp, None), &error.into()),
        };
        let digest = source.digest();
        if self.is_what_serves(name, stamp, digest) {
            return;
        }
        match self.swap(name, source).await {
            Ok(plugin) => self.succeeded(name, (stamp, digest), plugin, started.elapsed()),
            Err(why) => self.refuse(name, (stamp, Some(digest)), &why),
        }
    }

    /// Whether a plugin's files contain what was read before, although they look different now.
    fn is_what_serves(&self, name: &str, stamp: Stamp, digest: [u8; 32]) -> bool {
        let mut slots = self.inner.slots.lock();
        let Some(slot) = slots.get_mut(name) else { return false };
        let same = slot.read.is_some_and(|(_, read)| read == Some(digest));
        if same {
            slot.read = Some((stamp, Some(digest)));
            slot.changing = None;
        }
        same
    }

    /// Has every store that uses a plugin change over to another build.
    async fn swap(&self, name: &str, source: Source) -> Result<Plugin, SwapError> {
        let (counters, uses) = {
            let slots = self.inner.slots.lock();
            slots.get(name).map(|slot| (slot.counters.clone(), slot.uses())).unwrap_or_default()
        };
        let inner = self.inner.clone();
        let linking = move || inner.runtime.link(&source, &inner.admission, inner.limits, counters);
        let plugin = tokio::task::spawn_blocking(linking).await??;
        let mut successors = Vec::new();
        for usage in &uses {
            let prepared = usage.prepare(&plugin).await;
            successors.push(prepared.map_err(|error| SwapError::Start { store: usage.store().to_owned(), error })?);
        }
        successors.into_iter().for_each(|successor| successor.succeed());
        Ok(plugin)
    }

    fn succeeded(&self, name: &str, (stamp, digest): (Stamp, [u8; 32]), plugin: Plugin, took: Duration) {
        let what = plugin.description();
        let (kind, build) = (what.kinds_text(), what.digest.clone());
        let mut slots = self.inner.slots.lock();
        let Some(slot) = slots.get_mut(name) else { return };
        slot.read = Some((stamp, Some(digest)));
        slot.changing = None;
        slot.refused = None;
        match slot.plugin.replace(plugin) {
            None => tracing::info!(plugin = name, kind, digest = build, ?took, "loaded"),
            Some(before) => {
                slot.swaps += 1;
                let (before, stores) = (before.description().digest.clone(), slot.uses().len());
                tracing::info!(plugin = name, kind, before, digest = build, stores, ?took, "swapped");
            }
        }
    }

    fn refuse(&self, name: &str, (stamp, digest): (Stamp, Option<[u8; 32]>), why: &SwapError) {
        let mut slots = self.inner.slots.lock();
        let Some(slot) = slots.get_mut(name) else { return };
        slot.read = Some((stamp, digest));
        slot.changing = None;
        slot.refused = Some(why.to_string());
        if slot.plugin.is_some() {
            tracing::error!(plugin = name, "the new build is not used, the one before it serves on: {why}");
        } else {
            tracing::warn!(plugin = name, "not used: {why}");
        }
    }
}
