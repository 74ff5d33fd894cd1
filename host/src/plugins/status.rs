//! What an operator is told of a plugin.

use serde::Serialize;
use utoipa::ToSchema;

use crate::config::Limits;

/// What is known of a plugin in the directory.
#[derive(Debug, Clone, Default, Serialize, ToSchema)]
pub struct PluginStatus {
    /// Its name: the file name without `.wasm`.
    pub name: String,
    /// The file it was read from.
    pub file: String,
    /// `sha256:` and the digest of the file in hex.
    pub digest: String,
    /// What it is: `provider`, `id-manager`, `session-events` or `partition-resolver`; several joined by a comma.
    pub kind: String,
    /// `serving` (a store uses it), `loaded` (none does), `removed` (the file is gone; stores use it from memory), or
    /// `refused` (there is no build of it that can be used).
    pub state: String,
    /// Why what is in its files now is not used, if it is not. A build before it may serve all the same.
    pub refused: Option<String>,
    /// The stores that use it.
    pub stores: Vec<String>,
    /// How often a build was replaced by another since the start.
    pub swaps: u64,
    /// What it imports.
    pub imports: Vec<String>,
    /// Size of the file, bytes.
    pub size: u64,
    /// The limits it runs under.
    pub limits: PluginLimits,
    /// Calls since the start.
    pub calls: u64,
    /// Calls that failed since the start.
    pub failures: u64,
    /// Instances that were replaced after a failure since the start.
    pub replaced: u64,
    /// Instances alive now.
    pub instances: usize,
}

/// The limits a plugin runs under.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, ToSchema)]
pub struct PluginLimits {
    /// Memory of one instance, bytes.
    pub memory: usize,
    /// CPU time of one call, milliseconds.
    pub cpu_ms: u64,
    /// Time of one call with all its waiting, milliseconds.
    pub deadline_ms: u64,
    /// Instances at a time.
    pub instances: usize,
}

impl From<Limits> for PluginLimits {
    fn from(limits: Limits) -> Self {
        let millis = |duration: std::time::Duration| u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
        Self {
            memory: limits.memory,
            cpu_ms: millis(limits.cpu),
            deadline_ms: millis(limits.deadline),
            instances: limits.instances,
        }
    }
}
