//! What a store tells of itself.

use super::events::HandlerStatus;

/// What is known of a store.
#[derive(Debug, Clone, Default, serde::Serialize, serde::Deserialize, utoipa::ToSchema)]
#[serde(default)]
pub struct StoreStatus {
    /// Its name.
    pub name: String,
    /// The plugin that keeps its sessions.
    pub provider: String,
    /// The plugins that wrap that one, outermost first.
    pub wrapped_by: Vec<String>,
    /// The plugin that makes its IDs.
    pub id_generator: String,
    /// The default idle timeout, seconds.
    pub idle_timeout: u32,
    /// The absolute timeout, seconds, if it has one.
    pub absolute_timeout: Option<u64>,
    /// The largest payload, bytes.
    pub max_payload: usize,
    /// Operations served since the start.
    pub operations: u64,
    /// Operations that failed since the start.
    pub failures: u64,
    /// Sessions begun since the start.
    pub started: u64,
    /// Sessions that expired since the start.
    pub expired: u64,
    /// Sessions that were removed since the start.
    pub removed: u64,
    /// Requests waiting in line for a lock now.
    pub waiting: usize,
    /// The plugins and webhooks that hear of its sessions.
    pub events: Vec<HandlerStatus>,
}
