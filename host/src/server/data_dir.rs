//! The directory of a host: its snapshot, its compiled plugins, and the lock that keeps a second host out.

use std::{
    fs::{self, File, TryLockError},
    path::{Path, PathBuf},
};

use super::ServerError;

/// The data directory, in use by this host until dropped.
pub(super) struct DataDir {
    path: PathBuf,
    /// Locked for as long as it is open. The system unlocks it however the process ends.
    _lock: File,
}

impl DataDir {
    /// Makes the directory if need be, and locks it.
    pub(super) fn open(path: &Path) -> Result<Self, ServerError> {
        let failed = |source| ServerError::DataDir { directory: path.to_owned(), source };
        fs::create_dir_all(path).map_err(failed)?;
        let lock = File::create(path.join("lock")).map_err(failed)?;
        match lock.try_lock() {
            Ok(()) => Ok(Self { path: path.to_owned(), _lock: lock }),
            Err(TryLockError::WouldBlock) => Err(ServerError::DataDirInUse { directory: path.to_owned() }),
            Err(TryLockError::Error(source)) => Err(failed(source)),
        }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Where compiled plugins are kept.
    pub(super) fn code_cache(&self) -> PathBuf {
        self.path.join("compiled")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_host_is_kept_out_until_the_first_is_gone() {
        let directory = tempfile::tempdir().unwrap();
        let first = DataDir::open(directory.path()).unwrap();
        assert!(matches!(DataDir::open(directory.path()), Err(ServerError::DataDirInUse { .. })));
        drop(first);
        assert!(DataDir::open(directory.path()).is_ok());
    }
}
