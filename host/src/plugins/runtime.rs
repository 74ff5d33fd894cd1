//! The runtime itself: one engine and the plugins that are made with it.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};

use wasmtime::Engine;

use super::{
    Description, LoadError, LoadFailure, Plugin,
    admission::Admission,
    cache::CodeCache,
    component,
    counters::Counters,
    engine,
    plugin::Surroundings,
    source::{Refusal, Source},
};
use crate::{
    capabilities::{Connections, kv::Kv},
    clock::Clock,
    config::{Grants, Limits},
};

/// Reads and compiles plugins.
pub struct Runtime {
    engine: Engine,
    cache: Option<CodeCache>,
    clock: Clock,
    kv: Kv,
    connections: Connections,
}

impl Runtime {
    /// A runtime whose plugins see this clock and this built-in store. `cache`: the directory where compiled code is
    /// kept between runs, if it is to be.
    pub fn new(clock: Clock, kv: Kv, cache: Option<PathBuf>) -> anyhow::Result<Self> {
        let cache = cache.map(|directory| CodeCache::open(&directory)).transpose()?;
        Ok(Self { engine: engine::engine()?, cache, clock, kv, connections: Connections::default() })
    }

    /// The same with these back ends, which plugins can be granted by name.
    #[must_use]
    pub fn with_connections(self, connections: Connections) -> Self {
        Self { connections, ..self }
    }

    /// Reads one component and links it to what it is granted; nothing of it runs yet. Who built it is not asked.
    pub fn load(&self, file: &Path, grants: Grants, limits: Limits) -> Result<Plugin, LoadError> {
        let component = read(file)?;
        let admitted = Admission::default().admit(&component, None, &grants);
        admitted.map_err(|why| LoadError { file: file.to_owned(), why: why.into() })?;
        self.link_component(file, &component, grants, limits, Arc::default())
    }

    /// What a file says of itself, without grants and without running anything of it.
    pub fn describe(&self, file: &Path) -> Result<Description, LoadError> {
        Ok(component::recognise(&self.engine, self.cache.as_ref(), file, &read(file)?)?.description)
    }

    /// Links what was read to what it is granted, if it is admitted, to be called only while it does not keep failing;
    /// nothing of it runs yet. `counters` go on where they are.
    pub(super) fn link(
        &self,
        source: &Source,
        admission: &Admission,
        limits: Limits,
        counters: Arc<Counters>,
    ) -> Result<Plugin, Refusal> {
        let grants = source.grants(limits)?;
        let admitted = admission.admit(&source.component, source.signatures.as_deref(), &grants);
        admitted.map_err(|why| LoadError { file: source.file.clone(), why: why.into() })?;
        let plugin = self.link_component(&source.file, &source.component, grants, limits, counters)?;
        Ok(plugin.supervised())
    }

    fn link_component(
        &self,
        file: &Path,
        bytes: &[u8],
        grants: Grants,
        limits: Limits,
        counters: Arc<Counters>,
    ) -> Result<Plugin, LoadError> {
        let recognised = component::recognise(&self.engine, self.cache.as_ref(), file, bytes)?;
        let surroundings =
            Surroundings { clock: self.clock.clone(), kv: self.kv.clone(), connections: self.connections.clone() };
        Plugin::link(&self.engine, recognised, grants, limits, surroundings, counters)
    }
}

fn read(file: &Path) -> Result<Vec<u8>, LoadError> {
    fs::read(file).map_err(|error| LoadError { file: file.to_owned(), why: LoadFailure::Read(error) })
}
