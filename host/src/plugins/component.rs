//! Recognises what a component is, before anything of it runs.

use std::path::{Path, PathBuf};

use sha2::{Digest as _, Sha256};
use thiserror::Error;
use wasmtime::{Engine, component::Component};

use super::{NotAdmitted, cache::CodeCache};
use crate::{
    capabilities::{LinkError, grant_lines},
    contract::{CONTRACT_PACKAGE, CONTRACT_VERSION},
};

/// The kinds of component that the contract knows, by the interface that they export.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Keeps sessions.
    Provider,
    /// Makes and checks session IDs.
    IdManager,
    /// Hears of sessions that begin and end.
    SessionEvents,
    /// Spreads sessions over back ends.
    PartitionResolver,
}

impl Kind {
    /// Every kind.
    pub const ALL: [Self; 4] = [Self::Provider, Self::IdManager, Self::SessionEvents, Self::PartitionResolver];

    /// The name of the interface, which is also the kind's name.
    #[must_use]
    pub fn interface(self) -> &'static str {
        match self {
            Self::Provider => "provider",
            Self::IdManager => "id-manager",
            Self::SessionEvents => "session-events",
            Self::PartitionResolver => "partition-resolver",
        }
    }
}

/// Why a file is not a plugin that this host can run.
#[derive(Debug, Error)]
#[error("{}: {why}", file.display())]
pub struct LoadError {
    /// The file.
    pub file: PathBuf,
    /// Why not.
    pub why: LoadFailure,
}

/// Why a file is not a plugin.
#[derive(Debug, Error)]
pub enum LoadFailure {
    /// It cannot be read.
    #[error("the file cannot be read: {0}")]
    Read(#[from] std::io::Error),
    /// It is something else.
    #[error(
        "this is not a WebAssembly file (it does not begin with `\\0asm`); a plugin is a component compiled to wasm"
    )]
    NotWasm,
    /// It is a core module.
    #[error(
        "this is a core WebAssembly module, not a component; build it for `wasm32-wasip2`, or wrap it with \
         `wasm-tools component new`"
    )]
    CoreModule,
    /// It ends too early.
    #[error("the file is cut off: it ends in the middle of the component ({0}); copy it again")]
    Truncated(String),
    /// It is a component, but a broken one.
    #[error("the component is not valid: {0}")]
    Invalid(String),
    /// It exports nothing that the contract knows.
    #[error(
        "the component exports none of the interfaces `provider`, `id-manager`, `session-events`, \
         `partition-resolver` of `{CONTRACT_PACKAGE}@{CONTRACT_VERSION}`{}", exports_text(.exports)
    )]
    NotAPlugin {
        /// What it does export.
        exports: Vec<String>,
    },
    /// It exports the contract in another version.
    #[error(
        "it was built for version {wanted} of the contract and this host speaks {CONTRACT_VERSION}; rebuild it with the \
         {CONTRACT_VERSION} SDK, or run it in a host that speaks {wanted}"
    )]
    OtherVersion {
        /// The version it was built for.
        wanted: String,
    },
    /// It is not the build that is wanted, or nobody who is trusted signed it.
    #[error(transparent)]
    NotAdmitted(#[from] NotAdmitted),
    /// It cannot have what it imports.
    #[error(transparent)]
    Import(#[from] LinkError),
    /// An import or export has the right name and the wrong type.
    #[error("it does not fit version {CONTRACT_VERSION} of the contract: {0}")]
    WrongType(String),
}

fn exports_text(exports: &[String]) -> String {
    if exports.is_empty() { "; it exports nothing".to_owned() } else { format!("; it exports {}", exports.join(", ")) }
}

/// A component that was read and recognised.
pub(super) struct Recognised {
    pub(super) component: Component,
    pub(super) description: Description,
}

/// What a file says of itself.
#[derive(Debug, Clone)]
pub struct Description {
    /// The plugin's name: the file name without its extension.
    pub name: String,
    /// The file.
    pub file: PathBuf,
    /// `sha256:` and the digest of the file in hex.
    pub digest: String,
    /// Size of the file, bytes.
    pub size: u64,
    /// What it is.
    pub kinds: Vec<Kind>,
    /// The optional interfaces of the contract that it exports besides.
    pub optional: Vec<String>,
    /// What it imports: what it asks for.
    pub imports: Vec<String>,
}

impl Description {
    /// Its kinds, joined by a comma.
    #[must_use]
    pub fn kinds_text(&self) -> String {
        let names: Vec<&str> = self.kinds.iter().map(|kind| kind.interface()).collect();
        names.join(", ")
    }

    /// Those of them without which it is refused.
    #[must_use]
    pub fn grants_needed(&self) -> Vec<String> {
        self.grant_file().into_iter().filter(|line| !line.starts_with('#')).collect()
    }

    /// The lines of a grant file for it: what its imports need and what they make possible, with comments.
    #[must_use]
    pub fn grant_file(&self) -> Vec<String> {
        grant_lines(&self.imports, &self.digest)
    }
}

/// Compiles a component or takes it from the cache, and finds out what it is. `file` is where it was read.
pub(super) fn recognise(
    engine: &Engine,
    cache: Option<&CodeCache>,
    file: &Path,
    bytes: &[u8],
) -> Result<Recognised, LoadError> {
    try_recognise(engine, cache, file, bytes).map_err(|why| LoadError { file: file.to_owned(), why })
}

fn try_recognise(
    engine: &Engine,
    cache: Option<&CodeCache>,
    file: &Path,
    bytes: &[u8],
) -> Result<Recognised, LoadFailure> {
    check_header(bytes)?;
    let digest = hex::encode(Sha256::digest(bytes));
    let component = match cache.and_then(|cache| cache.load(engine, &digest)) {
        Some(component) => component,
        None => {
            let component = Component::new(engine, bytes).map_err(|error| invalid(&error))?;
            if let Some(cache) = cache {
                cache.store(engine, &digest, &component);
            }
            component
        }
    };
    let ty = component.component_type();
    let exports: Vec<String> = ty.exports(engine).map(|(name, _)| name.to_owned()).collect();
    let imports: Vec<String> = ty.imports(engine).map(|(name, _)| name.to_owned()).collect();
    let (kinds, optional) = kinds(exports)?;
    let name = file.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
    let description = Description {
        name,
        file: file.to_owned(),
        digest: format!("sha256:{digest}"),
        size: bytes.len() as u64,
        kinds,
        optional,
        imports,
    };
    Ok(Recognised { component, description })
}

/// Tells a component from everything else by its first eight bytes. Component text is accepted too.
fn check_header(bytes: &[u8]) -> Result<(), LoadFailure> {
    match bytes.get(..8) {
        Some([0, b'a', b's', b'm', _, _, 1, 0]) => Ok(()),
        Some([0, b'a', b's', b'm', 1, 0, 0, 0]) => Err(LoadFailure::CoreModule),
        None if b"\0asm".starts_with(bytes.get(..4).unwrap_or(bytes)) => {
            Err(LoadFailure::Truncated(format!("it has {} bytes", bytes.len())))
        }
        _ if bytes.trim_ascii_start().starts_with(b"(component") => Ok(()),
        _ => Err(LoadFailure::NotWasm),
    }
}

fn invalid(error: &wasmtime::Error) -> LoadFailure {
    let text = format!("{error:#}");
    // What wasmparser says where the bytes end too soon.
    if ["unexpected end", "extends past end", "out of bounds"].iter().any(|sign| text.contains(sign)) {
        LoadFailure::Truncated(text)
    } else {
        LoadFailure::Invalid(text)
    }
}

/// Sorts a component's exports into kinds of plugin and optional interfaces.
fn kinds(exports: Vec<String>) -> Result<(Vec<Kind>, Vec<String>), LoadFailure> {
    let mut kinds = Vec::new();
    let mut optional = Vec::new();
    let mut other_version = None;
    for export in &exports {
        let Some((name, version)) = export.split_once('@') else { continue };
        let Some(interface) = name.strip_prefix(CONTRACT_PACKAGE).and_then(|rest| rest.strip_prefix('/')) else {
            continue;
        };
        if version != CONTRACT_VERSION {
            other_version = Some(version.to_owned());
            continue;
        }
        match Kind::ALL.into_iter().find(|kind| kind.interface() == interface) {
            Some(kind) => kinds.push(kind),
            None => optional.push(interface.to_owned()),
        }
    }
    if !kinds.is_empty() {
        return Ok((kinds, optional));
    }
    Err(match other_version {
        Some(wanted) => LoadFailure::OtherVersion { wanted },
        None => LoadFailure::NotAPlugin { exports },
    })
}
