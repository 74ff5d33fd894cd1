//! The runtime itself: one engine and the plugins that are made with it.

use std::path::{Path, PathBuf};

use wasmtime::Engine;

use super::{Description, LoadError, Plugin, cache::CodeCache, component, engine};
use crate::{
    capabilities::kv::Kv,
    clock::Clock,
    config::{Grants, Limits},
};

/// Reads and compiles plugins.
pub struct Runtime {
    engine: Engine,
    cache: Option<CodeCache>,
    clock: Clock,
    kv: Kv,
}

impl Runtime {
    /// A runtime whose plugins see this clock and this built-in store. `cache`: the directory where compiled code is
    /// kept between runs, if it is to be.
    pub fn new(clock: Clock, kv: Kv, cache: Option<PathBuf>) -> anyhow::Result<Self> {
        let cache = cache.map(|directory| CodeCache::open(&directory)).transpose()?;
        Ok(Self { engine: engine::engine()?, cache, clock, kv })
    }

    /// Reads one component and links it to what it is granted; nothing of it runs yet.
    pub fn load(&self, file: &Path, grants: Grants, limits: Limits) -> Result<Plugin, LoadError> {
        let recognised = component::recognise(&self.engine, self.cache.as_ref(), file)?;
        Plugin::link(&self.engine, recognised, grants, limits, self.clock.clone(), self.kv.clone())
    }

    /// What a file says of itself, without grants and without running anything of it.
    pub fn describe(&self, file: &Path) -> Result<Description, LoadError> {
        Ok(component::recognise(&self.engine, self.cache.as_ref(), file)?.description)
    }
}
