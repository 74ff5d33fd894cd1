//! What an entry is called inside its bucket.

/// Names an entry within its bucket from its insertion to its end, through overwrites and renames. Later is larger.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Serial(pub(super) u64);
