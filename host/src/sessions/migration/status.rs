//! How far a migration is, and what became of the sessions.

use std::collections::BTreeMap;

/// Whether it runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum MigrationState {
    /// It does.
    #[default]
    Running,
    /// All sessions that the source listed have been dealt with.
    Done,
    /// It was stopped.
    Stopped,
    /// It could not go on.
    Failed,
}

/// How a migration is. Each session that was seen is counted in one of the numbers behind `seen`.
#[derive(Debug, Clone, Default, serde::Serialize, serde::Deserialize, utoipa::ToSchema)]
#[serde(default)]
pub struct MigrationStatus {
    /// The store whose sessions are copied.
    pub from: String,
    /// The store that gets them.
    pub to: String,
    /// The application whose sessions they are; all, if there is none.
    pub application: Option<String>,
    /// Whether sessions are deleted at the source once they are at the target.
    pub moves: bool,
    /// Whether nothing is stored or deleted, only counted.
    pub dry_run: bool,
    /// Whether it runs.
    pub state: MigrationState,
    /// Why it could not go on.
    pub reason: Option<String>,
    /// Milliseconds since it began, until it ended.
    pub elapsed_ms: u64,
    /// Sessions that the source has listed.
    pub seen: u64,
    /// Sessions that were stored at the target.
    pub copied: u64,
    /// Their payloads, bytes.
    pub copied_bytes: u64,
    /// Sessions that the target had already as they are.
    pub unchanged: u64,
    /// Sessions that were changed at the source and at the target since they were copied: the target's was left.
    pub newer_at_target: u64,
    /// Sessions that were copied and have ended at the target since: not brought back.
    pub ended_at_target: u64,
    /// Sessions that the target has under the same application and ID, with other content, and not by a migration that
    /// is remembered: left as they are.
    pub other_at_target: u64,
    /// Sessions that had ended at the source by the time that they were to be copied.
    pub gone: u64,
    /// Sessions that were locked all the while.
    pub locked: u64,
    /// Sessions that could not be copied.
    pub failed: u64,
    /// Why, with how often.
    pub failures: BTreeMap<String, u64>,
    /// Sessions that are to be tried again, because they were locked or failed.
    pub waiting: u64,
    /// Sessions that were deleted at the source, of those counted above.
    pub removed: u64,
}

impl MigrationStatus {
    /// Counts a session that could not be copied.
    pub(super) fn has_failed(&mut self, why: &impl ToString) {
        self.failed += 1;
        *self.failures.entry(why.to_string()).or_default() += 1;
    }

    /// Whether every session of the source is at the target now, or has ended.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.state == MigrationState::Done && self.locked == 0 && self.failed == 0 && self.other_at_target == 0
    }
}
