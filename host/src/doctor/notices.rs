//! What hosts tell each other of released locks: whether a message goes out and comes back.

use std::time::Duration;

use futures_util::StreamExt as _;
use tokio::time::timeout;

use super::finding::Notes;
use crate::{
    capabilities::{BoardError, Connections, NoticeBoard},
    config::Config,
    sessions::notice_channel,
};

/// How long a message may take to come back.
const PATIENCE: Duration = Duration::from_secs(5);

/// A message that no host understands.
const MESSAGE: &str = "doctor";

/// Looks at each store that has `lock_notices`.
pub(super) async fn examine(config: &Config, connections: &Connections) -> Vec<Notes> {
    let mut all = Vec::new();
    for (name, store) in &config.stores {
        let Some(connection) = &store.lock_notices else { continue };
        let mut notes = config
            .connections
            .get(connection)
            .map_or_else(|| Notes::new(""), |config| Notes::of_connection(connection, config));
        notes.turn_to(format!("store `{name}`"));
        let remedy = format!(
            "see that `{connection}` can be reached and that its user may publish and subscribe to `{}`; until then \
             clients wait up to 0.1 s longer for locks of other hosts",
            notice_channel(name)
        );
        match connections.notice_board(connection) {
            None => notes.error("notices", format!("connection `{connection}` cannot carry notices"), remedy),
            Some(board) => match timeout(PATIENCE, goes_round(&board, &notice_channel(name))).await {
                Ok(Ok(true)) => notes.ok("notices", format!("notices of locks go over connection `{connection}`")),
                Ok(Ok(false)) => notes.error("notices", "the connection for notices of locks was closed", remedy),
                Ok(Err(error)) => notes.error("notices", format!("no notices of locks: {error}"), remedy),
                Err(_) => {
                    notes.error("notices", format!("a notice of a lock did not come back within {PATIENCE:?}"), remedy);
                }
            },
        }
        all.push(notes);
    }
    all
}

async fn goes_round(board: &NoticeBoard, channel: &str) -> Result<bool, BoardError> {
    let mut heard = board.watch(channel).await?;
    board.put_up(channel, MESSAGE).await?;
    while let Some(message) = heard.next().await {
        if message == MESSAGE {
            return Ok(true);
        }
    }
    Ok(false)
}
