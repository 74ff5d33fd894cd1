//! Short messages between hosts, over a connection that they have in common. They may get lost.

use std::pin::Pin;

use futures_util::Stream;
use thiserror::Error;

use super::redis::RedisConnection;

/// Where hosts put up messages that others hear as they come. Cheap to clone.
#[derive(Clone)]
pub struct NoticeBoard(RedisConnection);

/// Why a message could not be put up or heard.
#[derive(Debug, Error)]
#[error("connection `{connection}`: {reason}")]
pub struct BoardError {
    connection: String,
    reason: String,
}

/// Messages as they come, until the connection is lost.
type Heard = Pin<Box<dyn Stream<Item = String> + Send>>;

impl NoticeBoard {
    pub(super) fn on(connection: &RedisConnection) -> Self {
        Self(connection.clone())
    }

    /// Says something to everybody who watches the channel.
    pub async fn put_up(&self, channel: &str, message: &str) -> Result<(), BoardError> {
        self.0.publish(channel, message).await.map_err(|error| self.error(&error))
    }

    /// Hears what is said from now on, by this host, too.
    pub async fn watch(&self, channel: &str) -> Result<Heard, BoardError> {
        let heard = self.0.subscribe(channel).await.map_err(|error| self.error(&error))?;
        Ok(Box::pin(heard))
    }

    fn error(&self, error: &redis::RedisError) -> BoardError {
        BoardError { connection: self.0.name().to_owned(), reason: error.to_string() }
    }
}
