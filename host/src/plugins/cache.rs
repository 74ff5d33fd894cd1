//! Compiled code on disk.
//!
//! An entry is named by the digest of the component and by a hash of everything in the engine that the code depends
//! on, and carries a digest of its own. So an entry that is stale, cut off or was written by another wasmtime is a
//! miss and never an error.

use std::{
    fs,
    hash::{DefaultHasher, Hash, Hasher},
    io::{self, Write},
    path::{Path, PathBuf},
};

use sha2::{Digest as _, Sha256};
use wasmtime::{Engine, component::Component};

/// The directory of compiled code.
#[derive(Debug)]
pub(super) struct CodeCache {
    directory: PathBuf,
}

/// Length of the digest that precedes the code.
const DIGEST_LEN: usize = 32;

impl CodeCache {
    /// A cache in a directory, which is made if it is missing.
    pub(super) fn open(directory: &Path) -> io::Result<Self> {
        fs::create_dir_all(directory)?;
        Ok(Self { directory: directory.to_owned() })
    }

    fn path(&self, engine: &Engine, digest: &str) -> PathBuf {
        let mut hasher = DefaultHasher::new();
        engine.precompile_compatibility_hash().hash(&mut hasher);
        self.directory.join(format!("{digest}-{:016x}.cwasm", hasher.finish()))
    }

    /// The compiled code of the component with this digest, if it is there and whole.
    pub(super) fn load(&self, engine: &Engine, digest: &str) -> Option<Component> {
        let entry = fs::read(self.path(engine, digest)).ok()?;
        let (stored, code) = entry.split_at_checked(DIGEST_LEN)?;
        if Sha256::digest(code).as_slice() != stored {
            tracing::warn!(digest, "compiled code in the cache is damaged; compiling anew");
            return None;
        }
        #[expect(unsafe_code, reason = "wasmtime cannot verify compiled code; see SAFETY")]
        // SAFETY: `code` is what `Component::serialize` returned in `store` below, unchanged (its digest was just
        // checked), and the directory belongs to this host. Other engine settings have another file name, and
        // wasmtime checks version and settings again.
        let component = unsafe { Component::deserialize(engine, code) };
        component
            .inspect_err(|error| tracing::warn!(digest, %error, "compiled code in the cache is stale; compiling anew"))
            .ok()
    }

    /// Keeps compiled code. That it cannot be kept is no reason not to serve.
    pub(super) fn store(&self, engine: &Engine, digest: &str, component: &Component) {
        if let Err(error) = self.try_store(engine, digest, component) {
            tracing::warn!(digest, %error, directory = %self.directory.display(), "compiled code could not be cached");
        }
    }

    fn try_store(&self, engine: &Engine, digest: &str, component: &Component) -> anyhow::Result<()> {
        let code = component.serialize()?;
        let mut file = tempfile::NamedTempFile::new_in(&self.directory)?;
        file.write_all(&Sha256::digest(&code))?;
        file.write_all(&code)?;
        file.persist(self.path(engine, digest))?;
        Ok(())
    }
}
