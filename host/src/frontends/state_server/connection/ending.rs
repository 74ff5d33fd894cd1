//! How a connection ends: who is told, and how the last answer gets through.

use std::{io, time::Duration};

use thiserror::Error;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    time::timeout,
};
use tracing::{debug, warn};

use crate::sessions::SessionError;

use super::{
    super::{parser::Violation, response::Answer},
    Connection, READ_SIZE,
};

/// How long, and for how many bytes, a refused client is listened to, so that it gets to read the answer instead of a
/// reset.
const LINGER: Duration = Duration::from_secs(2);
const LINGER_BYTES: usize = 64 * 1024 * 1024;

/// Why a connection ends.
#[derive(Debug, Error)]
pub(super) enum Ending {
    #[error("the client closed it")]
    Closed,
    #[error("the client closed it in the middle of a request")]
    ClosedWithin,
    #[error("the client closed it before it got the lock it asked for")]
    Abandoned,
    #[error("it was silent for longer than `idle_timeout`")]
    Idle,
    #[error("a request took longer than `transfer_timeout` to arrive")]
    SlowRequest,
    #[error("the client took longer than `transfer_timeout` to take an answer")]
    SlowAnswer,
    #[error("the host stops")]
    Stopping,
    #[error("{0}")]
    Violation(#[from] Violation),
    #[error("{0}")]
    LastAnswer(SessionError),
    #[error("{0}")]
    Store(SessionError),
    #[error("{0}")]
    Io(#[from] io::Error),
}

impl Connection {
    /// Says why the connection ends, to whom it concerns.
    pub(super) async fn end(mut self, ending: Ending) {
        let peer = self.peer;
        match &ending {
            Ending::Violation(violation) => {
                if let Some(suppressed) = self.front_end.refused.now() {
                    warn!(%peer, error = %violation, suppressed, "answering 400 to what is not a request");
                }
                self.front_end.meters.count(self.parser.verb(), Some(&Answer::BadRequest));
                if self.send(&Answer::BadRequest).await.is_ok() {
                    self.linger().await;
                }
            }
            Ending::LastAnswer(error) => {
                if let Some(suppressed) = self.front_end.refused.now() {
                    warn!(%peer, %error, suppressed, "answered 400");
                }
                self.linger().await;
            }
            Ending::Store(error) => {
                if let Some(suppressed) = self.front_end.store_failed.now() {
                    warn!(%peer, %error, suppressed, "a request cannot be answered and its connection is closed, which \
                        the application reports as an exception");
                }
            }
            _ => debug!(%peer, reason = %ending, "connection ends"),
        }
    }

    /// Reads on for a while, since closing with unread input would destroy the answer that is on its way.
    async fn linger(&mut self) {
        let discarding = async {
            self.stream.shutdown().await?;
            let mut discarded = 0;
            while discarded < LINGER_BYTES {
                self.buffer.clear();
                self.buffer.reserve(READ_SIZE);
                match self.stream.read_buf(&mut self.buffer).await? {
                    0 => break,
                    count => discarded += count,
                }
            }
            io::Result::Ok(())
        };
        tokio::select! {
            // However it ends, the connection is closed after it.
            _ = timeout(LINGER, discarding) => {}
            () = self.stop.drain.cancelled() => {}
        }
    }
}
