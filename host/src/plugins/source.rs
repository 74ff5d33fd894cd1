//! A plugin's files, read once: what is checked, compiled and remembered is the same bytes.

use std::{
    fs, io,
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
    time::SystemTime,
};

use sha2::{Digest as _, Sha256};
use thiserror::Error;

use super::{LoadError, LoadFailure};
use crate::{
    config::{ConfigError, Grants, Limits},
    signature,
};

/// The content of `NAME.wasm`, and of `NAME.toml` and `NAME.wasm.sig` beside it.
pub(super) struct Source {
    /// The component's file.
    pub(super) file: PathBuf,
    /// The component.
    pub(super) component: Vec<u8>,
    /// What it is granted, as it is written; `None` where there is no such file.
    grants: Option<Vec<u8>>,
    /// Its signatures, as they are written; `None` where there is no such file.
    pub(super) signatures: Option<Vec<u8>>,
}

/// Why files are not used as a plugin.
#[derive(Debug, Error)]
pub(super) enum Refusal {
    /// The component cannot be used.
    #[error(transparent)]
    Load(#[from] LoadError),
    /// The grant file is wrong.
    #[error(transparent)]
    Grants(#[from] ConfigError),
}

impl Source {
    /// Reads all files.
    pub(super) fn read(file: &Path) -> Result<Self, Refusal> {
        let component =
            fs::read(file).map_err(|error| LoadError { file: file.to_owned(), why: LoadFailure::Read(error) })?;
        let grants = read_if_there(file.with_extension("toml"))?;
        let signatures = read_if_there(signature::file_beside(file))?;
        Ok(Self { file: file.to_owned(), component, grants, signatures })
    }

    /// What the operator grants, in the host's limits where the file names none.
    pub(super) fn grants(&self, limits: Limits) -> Result<Grants, Refusal> {
        let Some(text) = &self.grants else { return Ok(Grants::default()) };
        Ok(Grants::in_file(&self.file.with_extension("toml"), text, limits)?)
    }

    /// Stands for the content of all files.
    pub(super) fn digest(&self) -> [u8; 32] {
        let mut hasher = Sha256::new();
        hasher.update(Sha256::digest(&self.component));
        for beside in [&self.grants, &self.signatures] {
            hasher.update(beside.as_deref().map_or([0; 32], |text| Sha256::digest(text).into()));
        }
        hasher.finalize().into()
    }
}

fn read_if_there(file: PathBuf) -> Result<Option<Vec<u8>>, ConfigError> {
    match fs::read(&file) {
        Ok(content) => Ok(Some(content)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(reason) => Err(ConfigError::Unreadable { file, reason }),
    }
}

/// What can be seen of the files without reading them. Files that changed look different, though not the reverse.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Stamp {
    component: Look,
    grants: Option<Look>,
    signatures: Option<Look>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Look {
    size: u64,
    modified: Option<SystemTime>,
    /// A file that was moved here is another one, however much it looks like the one before.
    inode: u64,
}

impl Stamp {
    /// Looks at a plugin's files; `None` if the component is not there.
    pub(super) fn of(file: &Path) -> Option<Self> {
        let signatures = look(&signature::file_beside(file));
        Some(Self { component: look(file)?, grants: look(&file.with_extension("toml")), signatures })
    }
}

fn look(file: &Path) -> Option<Look> {
    let metadata = fs::metadata(file).ok()?;
    Some(Look { size: metadata.len(), modified: metadata.modified().ok(), inode: metadata.ino() })
}

/// The components in a directory by plugin name.
pub(super) fn components(directory: &Path) -> io::Result<Vec<(String, PathBuf)>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(directory)? {
        let file = entry?.path();
        if file.extension().is_some_and(|extension| extension == "wasm")
            && let Some(name) = file.file_stem()
        {
            found.push((name.to_string_lossy().into_owned(), file));
        }
    }
    Ok(found)
}
