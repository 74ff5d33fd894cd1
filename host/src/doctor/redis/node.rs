//! One server, and what it says of itself.

use std::collections::BTreeMap;

use redis::{
    AsyncConnectionConfig, Client, Cmd, ConnectionAddr, FromRedisValue, RedisResult, aio::MultiplexedConnection,
};

use crate::config::ConnectionConfig;

/// A connection to one server.
pub(super) struct Node {
    connection: MultiplexedConnection,
    address: String,
    /// What INFO says.
    info: BTreeMap<String, String>,
}

impl Node {
    /// Connects, and sees that it answers.
    pub(super) async fn connect(client: &Client, config: &ConnectionConfig) -> RedisResult<Self> {
        let limits = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(config.connect_timeout))
            .set_response_timeout(Some(config.timeout));
        let connection = client.get_multiplexed_async_connection_with_config(&limits).await?;
        let address = client.get_connection_info().addr().to_string();
        let mut node = Self { connection, address, info: BTreeMap::new() };
        // A user need not be allowed to do anything but what is done with it.
        match node.ask::<String>(&redis::cmd("PING")).await {
            Err(error) if !super::is_forbidden(&error) => Err(error),
            _ => Ok(node),
        }
    }

    /// Connects to another server with the same credentials.
    pub(super) async fn connect_to(
        client: &Client,
        config: &ConnectionConfig,
        host: &str,
        port: u16,
    ) -> RedisResult<Self> {
        let info = client.get_connection_info().clone();
        let address = match info.addr().clone() {
            ConnectionAddr::TcpTls { insecure, tls_params, .. } => {
                ConnectionAddr::TcpTls { host: host.to_owned(), port, insecure, tls_params }
            }
            _ => ConnectionAddr::Tcp(host.to_owned(), port),
        };
        Self::connect(&Client::open(info.set_addr(address))?, config).await
    }

    pub(super) async fn ask<T: FromRedisValue>(&mut self, command: &Cmd) -> RedisResult<T> {
        command.query_async(&mut self.connection).await
    }

    /// Asks the server what it is.
    pub(super) async fn introduce_itself(&mut self) -> RedisResult<()> {
        let text: String = self.ask(&redis::cmd("INFO")).await?;
        let pairs = text.lines().filter_map(|line| line.trim_end().split_once(':'));
        self.info = pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        Ok(())
    }

    /// A line of what it says.
    pub(super) fn says(&self, name: &str) -> Option<&str> {
        self.info.get(name).map(String::as_str)
    }

    pub(super) fn says_number(&self, name: &str) -> Option<u64> {
        self.says(name)?.parse().ok()
    }

    /// A setting; nothing where this user may not see it.
    pub(super) async fn setting(&mut self, name: &str) -> Option<String> {
        let pairs: BTreeMap<String, String> = self.ask(redis::cmd("CONFIG").arg("GET").arg(name)).await.ok()?;
        pairs.into_values().next()
    }

    /// Its kind and version.
    pub(super) fn version(&self) -> (&'static str, &str) {
        match self.says("valkey_version") {
            Some(version) => ("Valkey", version),
            None => ("Redis", self.says("redis_version").unwrap_or("unknown")),
        }
    }

    pub(super) fn address(&self) -> &str {
        &self.address
    }
}
