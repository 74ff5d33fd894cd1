//! What an operator is told of a plugin.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::config::Limits;

/// What is known of a plugin in the directory.
#[derive(Debug, Clone, Default, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct PluginStatus {
    /// Its name: the file name without `.wasm`.
    pub name: String,
    /// The file it was read from.
    pub file: String,
    /// `sha256:` and the digest of the file in hex.
    pub digest: String,
    /// What it is: `provider`, `id-manager`, `session-events` or `partition-resolver`; several joined by a comma.
    pub kind: String,
    /// `serving` (a store uses it), `loaded` (none does), `removed` (the file is gone; stores use it from memory),
    /// `refused` (there is no build of it that can be used), or, because it keeps failing for a store, `backing-off` or
    /// `quarantined` (see `suspended`).
    pub state: String,
    /// Why what is in its files now is not used, if it is not. A build before it may serve all the same.
    pub refused: Option<String>,
    /// The stores for which it is not called for now, because it kept failing.
    pub suspended: Vec<Suspension>,
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
    /// Calls that were answered without calling it, because it is backed off or quarantined, since the start.
    pub turned_away: u64,
    /// How often it hit each limit since the start; those that it did not are left out.
    pub limit_hits: BTreeMap<String, u64>,
}

/// A store for which a plugin is not called for now.
#[derive(Debug, Clone, Default, Serialize, Deserialize, ToSchema)]
pub struct Suspension {
    /// The store.
    pub store: String,
    /// `backing-off` (for a moment) or `quarantined`.
    pub state: String,
    /// Failures since it was sound.
    pub failures: u32,
    /// The last of them.
    pub last_failure: String,
    /// When it is tried again, with one call (RFC 3339).
    pub retry_at: String,
}

/// The limits a plugin runs under.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct PluginLimits {
    /// Memory of one instance, bytes.
    pub memory: usize,
    /// CPU time of one call, milliseconds.
    pub cpu_ms: u64,
    /// Time of one call with all its waiting, milliseconds.
    pub deadline_ms: u64,
    /// Time that one call of the plugin into the host may wait, milliseconds.
    pub host_call_ms: u64,
    /// Instances at a time.
    pub instances: usize,
    /// Calls that may wait in line for an instance.
    pub queue: usize,
    /// The largest payload that it may make, bytes.
    pub payload: usize,
    /// Handles that one instance may hold.
    pub handles: usize,
    /// Lines that it may log in a second.
    pub log_lines: usize,
    /// The longest line that is logged as it is, bytes.
    pub log_length: usize,
}

impl From<Limits> for PluginLimits {
    fn from(limits: Limits) -> Self {
        let millis = |duration: std::time::Duration| u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
        Self {
            memory: limits.memory,
            cpu_ms: millis(limits.cpu),
            deadline_ms: millis(limits.deadline),
            host_call_ms: millis(limits.host_call),
            instances: limits.instances,
            queue: limits.queue,
            payload: limits.payload,
            handles: limits.handles,
            log_lines: limits.log_lines,
            log_length: limits.log_length,
        }
    }
}
