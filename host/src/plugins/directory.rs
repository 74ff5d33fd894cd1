//! The directory of plugins, as it was read at start.

use std::{
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
};

use thiserror::Error;

use super::{Kind, LoadError, Plugin, PluginLimits, PluginStatus, Runtime};
use crate::config::{ConfigError, Grants, Limits};

/// The plugins of a directory by name. One that cannot be used is listed with the reason and disturbs no other.
pub struct PluginDirectory {
    path: PathBuf,
    entries: BTreeMap<String, Result<Plugin, Refused>>,
}

/// A file that is not a usable plugin.
struct Refused {
    file: PathBuf,
    limits: Limits,
    why: RefusedBecause,
}

/// Why a file is not used.
#[derive(Debug, Error)]
enum RefusedBecause {
    #[error(transparent)]
    Load(#[from] LoadError),
    #[error(transparent)]
    Grants(#[from] ConfigError),
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
}

impl PluginDirectory {
    /// Reads every `NAME.wasm` of a directory with the grants in the `NAME.toml` beside it.
    pub fn read(runtime: &Runtime, path: &Path, limits: Limits) -> io::Result<Self> {
        let mut entries = BTreeMap::new();
        for entry in fs::read_dir(path)? {
            let file = entry?.path();
            if file.extension().is_some_and(|extension| extension == "wasm") {
                let name = file.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
                let plugin = load(runtime, &file, limits).map_err(|why| {
                    tracing::warn!(plugin = name, "not used: {why}");
                    Refused { file, limits, why }
                });
                entries.insert(name, plugin);
            }
        }
        Ok(Self { path: path.to_owned(), entries })
    }

    /// The plugin of this name, if it is of this kind.
    pub fn find(&self, name: &str, kind: Kind) -> Result<&Plugin, FindError> {
        match self.entries.get(name) {
            Some(Ok(plugin)) if plugin.description().kinds.contains(&kind) => Ok(plugin),
            Some(Ok(plugin)) => Err(FindError::OtherKind {
                plugin: name.to_owned(),
                is: plugin.description().kinds_text(),
                wanted: kind.interface(),
            }),
            Some(Err(refused)) => Err(FindError::Refused { plugin: name.to_owned(), why: refused.why.to_string() }),
            None => Err(FindError::Missing {
                plugin: name.to_owned(),
                file: self.path.join(format!("{name}.wasm")).display().to_string(),
                available: self.names(),
            }),
        }
    }

    /// The plugins that can be used.
    pub fn plugins(&self) -> impl Iterator<Item = &Plugin> {
        self.entries.values().filter_map(|entry| entry.as_ref().ok())
    }

    /// What an operator is told of each, the refused ones included.
    #[must_use]
    pub fn status(&self) -> Vec<PluginStatus> {
        self.entries
            .iter()
            .map(|(name, entry)| match entry {
                Ok(plugin) => plugin.status(),
                Err(refused) => refused.status(name),
            })
            .collect()
    }

    fn names(&self) -> String {
        if self.entries.is_empty() {
            return "none".to_owned();
        }
        self.entries.keys().map(String::as_str).collect::<Vec<_>>().join(", ")
    }
}

fn load(runtime: &Runtime, file: &Path, limits: Limits) -> Result<Plugin, RefusedBecause> {
    let grants = Grants::beside(file, limits)?;
    Ok(runtime.load(file, grants, limits)?)
}

impl Refused {
    fn status(&self, name: &str) -> PluginStatus {
        PluginStatus {
            name: name.to_owned(),
            file: self.file.display().to_string(),
            digest: String::new(),
            kind: String::new(),
            state: format!("refused: {}", self.why),
            imports: Vec::new(),
            size: fs::metadata(&self.file).map_or(0, |metadata| metadata.len()),
            limits: PluginLimits::from(self.limits),
            calls: 0,
            failures: 0,
            replaced: 0,
            instances: 0,
        }
    }
}
