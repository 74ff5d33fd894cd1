//! What is counted of a plugin.

use std::sync::{
    Arc,
    atomic::{AtomicU64, AtomicUsize},
};

use crate::capabilities::LimitHits;

/// Calls of one plugin, over all its pools.
#[derive(Debug, Default)]
pub(super) struct Counters {
    pub(super) calls: AtomicU64,
    pub(super) failures: AtomicU64,
    pub(super) replaced: AtomicU64,
    pub(super) instances: AtomicUsize,
    /// Linear memories and tables of all instances, bytes.
    pub(super) memory: Arc<AtomicU64>,
    /// Calls that were answered without calling the plugin, because it is backed off or quarantined.
    pub(super) turned_away: AtomicU64,
    pub(super) limit_hits: Arc<LimitHits>,
}
