//! More about errors than the contract says.

use crate::{Error, kv::PutError};

impl Error {
    /// What the error says, without its kind.
    #[must_use]
    pub fn message(&self) -> &str {
        match self {
            Self::InvalidArgument(message)
            | Self::Unavailable(message)
            | Self::Timeout(message)
            | Self::LimitExceeded(message)
            | Self::Other(message) => message,
        }
    }
}

/// For puts whose conflict was dealt with before: a conflict means to read again and decide anew.
impl From<PutError> for Error {
    fn from(error: PutError) -> Self {
        match error {
            PutError::Conflict => Self::Other("the entry was changed by somebody else meanwhile".to_owned()),
            PutError::Invalid(message) => Self::InvalidArgument(message),
            PutError::Full(message) => Self::LimitExceeded(message),
        }
    }
}
