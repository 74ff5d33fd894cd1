//! Why a store could not carry out an operation.

use thiserror::Error;

/// What a provider answers when it cannot do what it was asked. Never stands for a session that does not exist.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum StoreError {
    /// The call itself is wrong.
    #[error("invalid argument: {0}")]
    InvalidArgument(String),
    /// The back end cannot be reached or refuses.
    #[error("the back end is unavailable: {0}")]
    Unavailable(String),
    /// The back end took too long.
    #[error("the back end timed out: {0}")]
    Timeout(String),
    /// A quota or size limit of the store was reached.
    #[error("a limit of the store was reached: {0}")]
    LimitExceeded(String),
    /// Anything else.
    #[error("{0}")]
    Other(String),
}
