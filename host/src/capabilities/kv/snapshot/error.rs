//! What can go wrong with a snapshot.

use std::{io, path::PathBuf};

use thiserror::Error;

/// Why a snapshot was not written, read or removed.
#[derive(Debug, Error)]
pub enum SnapshotError {
    /// It could not be written. What was there before is as it was.
    #[error(
        "the snapshot {path} could not be written ({source}), so what is in memory ends with this process; see that the \
         directory is there, writable and has room"
    )]
    NotWritten {
        /// Where it was to be.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// It is there but cannot be read. Nothing was loaded and the file stays where it is.
    #[error(
        "the snapshot {path} could not be read ({source}); nothing was loaded and the file was left alone: make it \
         readable to this user, or move it away to start without it"
    )]
    NotRead {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// It is damaged. Nothing was loaded, and the file was moved out of the way.
    #[error(
        "the snapshot {path} {damage}; nothing of it was loaded and it was moved to {kept}. Sessions start empty. {}",
        damage.remedy()
    )]
    SetAside {
        /// Where the snapshot was.
        path: PathBuf,
        /// Where it is now.
        kept: PathBuf,
        /// What is wrong with it.
        damage: Damage,
    },
    /// It is damaged and could not be moved out of the way.
    #[error(
        "the snapshot {path} {damage}, and it could not be moved away ({source}); nothing of it was loaded: move the \
         file away yourself and start again"
    )]
    NotSetAside {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        damage: Damage,
        /// Why it could not be moved.
        source: io::Error,
    },
    /// It was loaded, but could not be removed.
    #[error(
        "the snapshot {path} was loaded but could not be removed ({source}): delete it by hand, or a host that starts \
         after a crash would load it again and bring back sessions that have ended since"
    )]
    NotRetired {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
}

/// What is wrong with a snapshot.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Damage {
    /// It is something else.
    #[error("is not a snapshot of Cloakroom")]
    Foreign,
    /// It ends before its header is complete, or there is no room for its checksum.
    #[error("has only {bytes} bytes, fewer than the smallest snapshot: it was cut short")]
    TooShort {
        /// How many it has.
        bytes: u64,
    },
    /// It is of a format that this host does not know.
    #[error("is of format {found}, and this version of Cloakroom reads format {known}")]
    OtherFormat {
        /// Its format.
        found: u32,
        /// The one that this host reads.
        known: u32,
    },
    /// Its checksum does not fit its content.
    #[error("does not match its checksum: it was cut short or changed after it was written")]
    Checksum,
    /// It is what was written, but what was written makes no sense.
    #[error("is intact but holds what no host should have written ({0})")]
    Content(String),
}

impl Damage {
    /// What whoever reads the log can do.
    fn remedy(&self) -> &'static str {
        match self {
            Self::Foreign => "Move it back to where it belongs, if you know what it is, or delete it",
            Self::OtherFormat { .. } => {
                "To use it, stop this host, move the file back and start the version that wrote it; or delete it"
            }
            Self::TooShort { .. } | Self::Checksum => {
                "If you have an intact copy, stop this host, put the copy in its place and start again; or delete it \
                 and look after the disk"
            }
            Self::Content(_) => "Please report this with the version that wrote it; delete it if you do not need it",
        }
    }
}
