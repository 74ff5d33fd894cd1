//! A connection, and what is sent over it.

use std::{
    future::ready,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use futures_util::{Stream, StreamExt as _};
use redis::{
    Client, Cmd, ErrorKind, RedisError, RedisResult, ServerErrorKind, TlsCertificates, Value,
    aio::{ConnectionLike, ConnectionManager, ConnectionManagerConfig},
    cluster::{ClusterClient, ClusterClientBuilder},
    cluster_async::ClusterConnection,
    cluster_routing::{Route, RoutingInfo, SingleNodeRoutingInfo, SlotAddr},
};
use tokio::sync::OnceCell;

use super::{replicas::Replicas, tls};
use crate::config::ConnectionConfig;

/// How often a lost connection is made again before a command fails.
const RECONNECTS: usize = 2;

/// The pause before the first of them; it doubles.
const PAUSE: Duration = Duration::from_millis(50);

/// How often a cluster is asked again that is just moving a slot or electing a master.
const REDIRECTIONS: u32 = 8;

/// A connection by its configured name. Cheap to clone; clones share it.
#[derive(Clone)]
#[expect(unreachable_pub, reason = "the bindings re-export it")]
pub struct RedisConnection {
    name: Arc<str>,
    health: Arc<Health>,
    /// For connections that are not shared.
    client: Client,
    link: Link,
    replicas: Replicas,
}

#[derive(Clone)]
enum Link {
    Server(ConnectionManager),
    Cluster { client: Box<ClusterClient>, connected: Arc<OnceCell<ClusterConnection>> },
}

/// Whether the connection was of use the last time, so that the log has a line when that changes.
#[derive(Default)]
struct Health {
    is_lost: AtomicBool,
}

impl Health {
    fn observe(&self, connection: &str, error: Option<&RedisError>) {
        let is_lost = error.is_some_and(|error| error.is_io_error() || error.is_timeout() || error.is_cluster_error());
        if self.is_lost.load(Ordering::Relaxed) == is_lost || self.is_lost.swap(is_lost, Ordering::Relaxed) == is_lost {
            return;
        }
        match error {
            Some(error) => {
                tracing::warn!(connection, %error, "the back end cannot be reached; its sessions are answered with errors");
            }
            None => tracing::info!(connection, "the back end is reached again"),
        }
    }
}

/// A script, and what the server calls it.
#[expect(unreachable_pub, reason = "the bindings re-export it")]
pub struct Script {
    source: String,
    digest: String,
}

impl Script {
    pub(super) fn new(source: String) -> Self {
        let digest = redis::Script::new(&source).get_hash().to_owned();
        Self { source, digest }
    }
}

impl RedisConnection {
    /// Connects when it is first used.
    pub(crate) fn new(name: &str, config: &ConnectionConfig) -> Result<Self, String> {
        let certificates = tls::certificates(config)?;
        Self::with_certificates(name, config, certificates).map_err(|error| error.to_string())
    }

    fn with_certificates(
        name: &str,
        config: &ConnectionConfig,
        certificates: Option<TlsCertificates>,
    ) -> RedisResult<Self> {
        let url = config.url.as_str();
        let client = match certificates.clone() {
            Some(certificates) => Client::build_with_tls(url, certificates)?,
            None => Client::open(url)?,
        };
        let link = if config.cluster {
            let mut builder = ClusterClientBuilder::new([url])
                .connection_timeout(config.connect_timeout)
                .response_timeout(config.timeout)
                .retries(REDIRECTIONS);
            if let Some(certificates) = certificates {
                builder = builder.certs(certificates);
            }
            Link::Cluster { client: Box::new(builder.build()?), connected: Arc::default() }
        } else {
            let settings = ConnectionManagerConfig::new()
                .set_number_of_retries(RECONNECTS)
                .set_min_delay(PAUSE)
                .set_connection_timeout(Some(config.connect_timeout))
                .set_response_timeout(Some(config.timeout));
            Link::Server(ConnectionManager::new_lazy_with_config(client.clone(), settings)?)
        };
        Ok(Self { name: name.into(), health: Arc::default(), client, link, replicas: Replicas::new(config) })
    }

    /// For connections of one's own to the server.
    pub(crate) fn client(&self) -> &Client {
        &self.client
    }

    /// The name that the operator gave it.
    pub(in crate::capabilities) fn name(&self) -> &str {
        &self.name
    }

    /// Sends a command. It is sent once: what was lost on the way may have been done, and is an error.
    pub(crate) async fn send(&self, command: &Cmd) -> RedisResult<Value> {
        let answer = match &self.link {
            Link::Server(manager) => manager.clone().req_packed_command(command).await,
            Link::Cluster { .. } => self.cluster().await?.req_packed_command(command).await,
        };
        self.health.observe(&self.name, answer.as_ref().err());
        answer?.extract_error()
    }

    /// Sends a command to the master that has a key, over the connection on which commands with that key go.
    async fn send_to_master_of(&self, key: &str, command: Cmd) -> RedisResult<Value> {
        match &self.link {
            Link::Server(_) => self.send(&command).await,
            Link::Cluster { .. } => {
                let master = SingleNodeRoutingInfo::SpecificNode(Route::with_key(key, SlotAddr::Master));
                self.cluster().await?.route_command(command, RoutingInfo::SingleNode(master)).await
            }
        }
    }

    /// The connections to all nodes.
    async fn cluster(&self) -> RedisResult<ClusterConnection> {
        match &self.link {
            Link::Cluster { client, connected } => {
                connected.get_or_try_init(|| client.get_async_connection()).await.cloned()
            }
            Link::Server(_) => Err((ErrorKind::InvalidClientConfig, "it is no cluster").into()),
        }
    }

    /// Says something to all who have subscribed to the channel.
    pub(in crate::capabilities) async fn publish(&self, channel: &str, message: &str) -> RedisResult<()> {
        self.send(redis::cmd("PUBLISH").arg(channel).arg(message)).await.map(drop)
    }

    /// What is published from now on, over a connection of its own, until that is lost. In a cluster every node hears
    /// what is said to any.
    pub(in crate::capabilities) async fn subscribe(
        &self,
        channel: &str,
    ) -> RedisResult<impl Stream<Item = String> + use<>> {
        let mut subscribed = self.client.get_async_pubsub().await?;
        subscribed.subscribe(channel).await?;
        let texts = subscribed.into_on_message().filter_map(|message| ready(message.get_payload().ok()));
        Ok(texts)
    }

    /// Runs a script by its digest. A server that does not know it is given the whole of it, and knows it from then on.
    /// Where that is configured, it is done when replicas have what it wrote.
    pub(super) async fn run(
        &self,
        script: &Script,
        keys: &[String],
        arguments: impl Fn(&mut Cmd),
    ) -> RedisResult<Value> {
        let command = |name: &str, what: &str| {
            let mut command = redis::cmd(name);
            command.arg(what).arg(keys.len()).arg(keys);
            arguments(&mut command);
            command
        };
        let answer = match self.send(&command("EVALSHA", &script.digest)).await {
            Err(error) if is_unknown_script(&error) => self.send(&command("EVAL", &script.source)).await,
            answer => answer,
        }?;
        if let (Some(wait), Some(key)) = (self.replicas.wait(), keys.first()) {
            self.replicas.judge(&self.send_to_master_of(key, wait).await?)?;
        }
        Ok(answer)
    }
}

fn is_unknown_script(error: &RedisError) -> bool {
    error.kind() == ErrorKind::Server(ServerErrorKind::NoScript)
}
