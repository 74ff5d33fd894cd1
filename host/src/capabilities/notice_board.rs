//! Short messages between hosts, over a connection that they have in common. They may get lost.

use std::pin::Pin;

use futures_util::Stream;
use thiserror::Error;

use super::{redis::RedisConnection, sql::SqlConnection};
use crate::contract::StoreError;

/// Where hosts put up messages that others hear as they come. Cheap to clone.
#[derive(Clone)]
pub struct NoticeBoard(Board);

#[derive(Clone)]
enum Board {
    /// PUBLISH and SUBSCRIBE.
    Redis(Box<RedisConnection>),
    /// NOTIFY and LISTEN.
    Postgres(SqlConnection),
}

/// Why a message could not be put up or heard.
#[derive(Debug, Error)]
#[error("{0}")]
pub struct BoardError(String);

/// Messages as they come, until the connection is lost.
type Heard = Pin<Box<dyn Stream<Item = String> + Send>>;

impl NoticeBoard {
    pub(super) fn on_redis(connection: &RedisConnection) -> Self {
        Self(Board::Redis(Box::new(connection.clone())))
    }

    /// `None` if the database passes no messages on.
    pub(super) fn on_sql(connection: &SqlConnection) -> Option<Self> {
        connection.passes_messages().then(|| Self(Board::Postgres(connection.clone())))
    }

    /// Says something to everybody who watches the channel.
    pub async fn put_up(&self, channel: &str, message: &str) -> Result<(), BoardError> {
        match &self.0 {
            Board::Redis(connection) => {
                connection.publish(channel, message).await.map_err(|error| of_redis(connection, &error))
            }
            Board::Postgres(connection) => connection.notify(channel, message).await.map_err(of_sql),
        }
    }

    /// Hears what is said from now on, by this host, too.
    pub async fn watch(&self, channel: &str) -> Result<Heard, BoardError> {
        Ok(match &self.0 {
            Board::Redis(connection) => {
                let heard = connection.subscribe(channel).await;
                Box::pin(heard.map_err(|error| of_redis(connection, &error))?)
            }
            Board::Postgres(connection) => Box::pin(connection.listen(channel).await.map_err(of_sql)?),
        })
    }
}

fn of_redis(connection: &RedisConnection, error: &redis::RedisError) -> BoardError {
    BoardError(format!("connection `{}`: {error}", connection.name()))
}

fn of_sql(error: super::bindings::types::Error) -> BoardError {
    BoardError(StoreError::from(error).to_string())
}
