//! Operations in plain Rust in the place of a component's, to measure what calls into components cost. No configuration
//! leads here.

use crate::contract::{GetExclusiveOutcome, GetOutcome, SessionData, SessionKey, SetOutcome, StoreError};

/// The operations that a web application's pages are made of, as the component does them that they stand for, on the same
/// bucket.
pub trait PlainOperations: Send + Sync {
    /// `get`
    fn get(&self, key: &SessionKey) -> Result<GetOutcome, StoreError>;

    /// `get-exclusive`
    fn get_exclusive(&self, key: &SessionKey) -> Result<GetExclusiveOutcome, StoreError>;

    /// `set-and-release` without a condition, which does not keep the lock
    fn set_and_release(
        &self,
        key: &SessionKey,
        data: SessionData,
        lock_id: Option<u32>,
    ) -> Result<SetOutcome, StoreError>;
}
