//! What went wrong with a server, in the words of the contract.

use redis::{ErrorKind, RedisError, ServerErrorKind};

use super::{super::bindings::types::Error, connection::RedisConnection};

/// An error of a connection as a component sees it.
pub(super) fn told(connection: &RedisConnection, error: &RedisError) -> Error {
    let text = format!("connection `{}`: {error}", connection.name());
    if error.is_timeout() {
        return Error::Timeout(text);
    }
    match error.kind() {
        ErrorKind::Io
        | ErrorKind::AuthenticationFailed
        | ErrorKind::ClusterConnectionNotFound
        | ErrorKind::Server(
            ServerErrorKind::BusyLoading
            | ServerErrorKind::ClusterDown
            | ServerErrorKind::MasterDown
            | ServerErrorKind::ReadOnly
            | ServerErrorKind::TryAgain
            | ServerErrorKind::Moved
            | ServerErrorKind::Ask
            | ServerErrorKind::NoPerm,
        ) => Error::Unavailable(text),
        _ => match error.code() {
            Some("OOM") => Error::LimitExceeded(text),
            Some("NOAUTH" | "WRONGPASS" | "NOREPLICAS" | "MISCONF" | "BUSY") => Error::Unavailable(text),
            _ => Error::Other(text),
        },
    }
}
