//! Accepting connections, and ending them when the host stops.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use tokio::{
    net::{TcpListener, TcpStream},
    task::{JoinError, JoinSet},
    time::{sleep, timeout},
};
use tokio_util::sync::CancellationToken;
use tracing::{debug, error, info, warn};

use crate::{clock::Clock, config::StateServerConfig, frontends::Workers, sessions::SessionService};

use super::{
    FrontEnd,
    connection::{Connection, Stop},
    seldom::Seldom,
};

/// How long requests in flight may take when the host stops, before their connections are cut.
const DRAIN: Duration = Duration::from_secs(5);
/// How long connections that are cut may take to give back locks that nobody will hear of.
const CUT: Duration = Duration::from_secs(1);
/// How long to wait when the system has no more sockets to give.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Has `workers` serve connections until `shutdown`, then lets requests in flight finish and returns. `clock` is the
/// host's, which the stores go by.
pub async fn serve(
    listener: TcpListener,
    workers: Arc<Workers>,
    service: SessionService,
    config: StateServerConfig,
    clock: Clock,
    shutdown: CancellationToken,
) {
    let front_end = Arc::new(FrontEnd::new(service, &config, clock));
    let mut connections = Connections {
        front_end,
        workers,
        limit: config.max_connections,
        open: JoinSet::new(),
        shutdown: shutdown.clone(),
        cut: CancellationToken::new(),
        refused: Seldom::default(),
        accept_failed: Seldom::default(),
    };
    loop {
        tokio::select! {
            biased;
            () = shutdown.cancelled() => break,
            Some(ended) = connections.open.join_next() => connections.closed(ended),
            accepted = listener.accept() => match accepted {
                Ok((stream, peer)) => connections.begin(stream, peer),
                Err(error) => connections.pause(&error).await,
            },
        }
    }
    drop(listener);
    connections.drain().await;
}

/// The connections that are open.
struct Connections {
    front_end: Arc<FrontEnd>,
    workers: Arc<Workers>,
    limit: usize,
    open: JoinSet<()>,
    shutdown: CancellationToken,
    /// Ends connections wherever they are.
    cut: CancellationToken,
    refused: Seldom,
    accept_failed: Seldom,
}

impl Connections {
    fn begin(&mut self, stream: TcpStream, peer: SocketAddr) {
        if self.open.len() >= self.limit {
            self.front_end.meters.refused.increment(1);
            if let Some(suppressed) = self.refused.now() {
                warn!(
                    %peer,
                    limit = self.limit,
                    suppressed,
                    "too many connections: a new one was closed at once; raise `max_connections` in [state_server], \
                     or look for the clients that hold so many"
                );
            }
            return;
        }
        // A token of its own for each connection, because watching one takes a lock on it at every request.
        let stop = Stop { drain: self.shutdown.child_token(), cut: self.cut.clone() };
        let front_end = Arc::clone(&self.front_end);
        let serve = move |stream| Connection::new(stream, peer, front_end, stop).run();
        match self.workers.assign(stream, serve) {
            Ok((worker, task)) => {
                self.front_end.meters.accepted.increment(1);
                self.front_end.meters.connections.increment(1.0);
                self.open.spawn_on(task, worker);
            }
            Err(error) => debug!(%peer, %error, "a connection ended as it was accepted"),
        }
    }

    fn closed(&mut self, ended: Result<(), JoinError>) {
        self.front_end.meters.connections.decrement(1.0);
        if let Err(error) = ended
            && error.is_panic()
        {
            error!(%error, "a State Server connection ended by a bug of the host; please report it");
        }
    }

    /// Out of file descriptors, most likely: that passes when connections end.
    async fn pause(&self, error: &std::io::Error) {
        if let Some(suppressed) = self.accept_failed.now() {
            warn!(%error, suppressed, "cannot accept State Server connections at the moment; is the limit on open \
                files (`ulimit -n`) below `max_connections`?");
        }
        tokio::select! {
            () = sleep(ACCEPT_PAUSE) => {}
            () = self.shutdown.cancelled() => {}
        }
    }

    async fn drain(mut self) {
        if timeout(DRAIN, self.wait()).await.is_err() {
            info!(connections = self.open.len(), "State Server requests still run after {DRAIN:?}: cutting them off");
            self.cut.cancel();
            if timeout(CUT, self.wait()).await.is_err() {
                warn!(connections = self.open.len(), "State Server connections did not end; leaving them");
                self.open.shutdown().await;
            }
        }
        debug!("State Server front end has stopped");
    }

    async fn wait(&mut self) {
        while let Some(ended) = self.open.join_next().await {
            self.closed(ended);
        }
    }
}
