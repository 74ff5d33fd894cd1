//! What is asked of a migration, and why it is refused.

use std::{io, num::NonZeroU32, path::PathBuf, time::Duration};

use thiserror::Error;

use crate::sessions::SessionError;

/// What a migration is to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MigrationRequest {
    /// The store whose sessions are copied.
    pub from: String,
    /// The store that gets them.
    pub to: String,
    /// Only the sessions of this application.
    pub application: Option<String>,
    /// Whether sessions are deleted at the source once they are at the target.
    pub moves: bool,
    /// Whether it only counts what it would do.
    pub dry_run: bool,
    /// Whether it forgets what earlier runs did.
    pub from_scratch: bool,
    /// The most sessions in a second.
    pub rate: Option<NonZeroU32>,
    /// How long locked sessions are waited for, after all others are done.
    pub wait: Duration,
}

/// Why a migration is not begun.
#[derive(Debug, Error)]
pub enum MigrationRefused {
    /// A store is not configured.
    #[error("there is no store `{store}`; there are: {known}")]
    NoSuchStore {
        /// What was asked for.
        store: String,
        /// What there is.
        known: String,
    },
    /// Source and target are one.
    #[error("store `{store}` cannot be migrated to itself; name another one as the target")]
    SameStore {
        /// The store.
        store: String,
    },
    /// The source cannot list its sessions.
    #[error(transparent)]
    CannotList(#[from] SessionError),
    /// Another one runs.
    #[error(
        "a migration from `{from}` to `{to}` is running, and there is one at a time; wait until it is done, or stop it \
         with `cloakroom migrate --stop`"
    )]
    Running {
        /// Its source.
        from: String,
        /// Its target.
        to: String,
    },
    /// What earlier runs did cannot be read or written.
    #[error(
        "what earlier runs did cannot be kept in `{}`: {error}; see that the host may write there, or, if the file is \
         damaged, begin anew with `--from-scratch`", file.display()
    )]
    Ledger {
        /// The file.
        file: PathBuf,
        /// Why not.
        error: io::Error,
    },
}
