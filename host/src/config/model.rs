//! The validated configuration: values that cannot be wrong any more.

use std::{
    collections::BTreeMap,
    fmt,
    net::{Ipv4Addr, SocketAddr},
    path::PathBuf,
    time::Duration,
};

use super::{
    connection::ConnectionConfig,
    granted::{GrantedAddress, GrantedDirectory},
    secret::Hidden,
    webhook::WebhookConfig,
};
use crate::signature::PublicKey;

/// The store for applications that are not mapped to another; it always exists.
pub const DEFAULT_STORE: &str = "default";

/// Everything that a host is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// Where the snapshot and the cache of compiled plugins are kept.
    pub data_dir: PathBuf,
    /// Whether front ends may listen on addresses that are not loopback.
    pub allow_remote: bool,
    /// How many threads serve connections; `None`: one less than there are cores.
    pub threads: Option<usize>,
    /// What is logged, and how.
    pub log: LogConfig,
    /// Where plugins are found and what they may use.
    pub plugins: PluginsConfig,
    /// The State Server front end; `None` where it is switched off.
    pub state_server: Option<StateServerConfig>,
    /// The HTTP front end; `None` where it is switched off.
    pub http: Option<HttpConfig>,
    /// The back ends that plugins can be granted, by name.
    pub connections: BTreeMap<String, ConnectionConfig>,
    /// The addresses that events can be posted to, by name.
    pub webhooks: BTreeMap<String, WebhookConfig>,
    /// The stores by name. There is always one called `default`.
    pub stores: BTreeMap<String, StoreConfig>,
    /// Which application uses which store, by name; the others use `default`.
    pub applications: BTreeMap<String, String>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            data_dir: "cloakroom-data".into(),
            allow_remote: false,
            threads: None,
            log: LogConfig::default(),
            plugins: PluginsConfig::default(),
            state_server: Some(StateServerConfig::default()),
            http: Some(HttpConfig::default()),
            connections: BTreeMap::new(),
            webhooks: BTreeMap::new(),
            stores: BTreeMap::from([(DEFAULT_STORE.to_owned(), StoreConfig::default())]),
            applications: BTreeMap::new(),
        }
    }
}

/// `[log]`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogConfig {
    /// The form of a line.
    pub format: LogFormat,
    /// What is logged, in the language of `RUST_LOG`, which overrides it.
    pub filter: String,
    /// Whether the beginning and the end of each session is logged.
    pub events: bool,
}

impl Default for LogConfig {
    fn default() -> Self {
        Self { format: LogFormat::Text, filter: "info".into(), events: false }
    }
}

/// The form of a line in the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

/// `[plugins]`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PluginsConfig {
    /// The directory that is read at start and watched from then on.
    pub directory: PathBuf,
    /// Time between two looks at the directory where the system does not report changes.
    pub poll_interval: Duration,
    /// Whether a plugin is refused whose grant file does not say which build it is for.
    pub require_digest: bool,
    /// Where there are any, a plugin is refused that none of them has signed.
    pub trusted_keys: Vec<PublicKey>,
    /// The limits of plugins whose own file names none.
    pub limits: Limits,
}

impl Default for PluginsConfig {
    fn default() -> Self {
        Self {
            directory: "plugins".into(),
            poll_interval: Duration::from_secs(2),
            require_digest: false,
            trusted_keys: Vec::new(),
            limits: Limits::default(),
        }
    }
}

/// What one plugin may use of the machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Memory of one instance, bytes.
    pub memory: usize,
    /// CPU time of one call.
    pub cpu: Duration,
    /// Time of one call with all its waiting.
    pub deadline: Duration,
    /// Time that one call of the plugin into the host may wait.
    pub host_call: Duration,
    /// Instances at a time.
    pub instances: usize,
    /// Calls that may wait in line for an instance.
    pub queue: usize,
    /// The largest payload that it may make, bytes.
    pub payload: usize,
    /// Handles that one instance may hold.
    pub handles: usize,
    /// Lines that it may log in a second.
    pub log_lines: usize,
    /// The longest line that is logged as it is, bytes.
    pub log_length: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            memory: 64 << 20,
            cpu: Duration::from_secs(1),
            deadline: Duration::from_secs(30),
            host_call: Duration::from_secs(10),
            instances: 64,
            queue: 1000,
            payload: 32 << 20,
            handles: 10_000,
            log_lines: 100,
            log_length: 4 << 10,
        }
    }
}

/// `NAME.toml` beside `NAME.wasm`: what the operator grants the plugin. What is not written is not granted.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Grants {
    /// The build that they are for, as `sha256:` and its digest in hex; any, if none is named.
    pub digest: Option<String>,
    /// Whether it may read and make payload content.
    pub payload: bool,
    /// Buckets of the built-in store, besides its own.
    pub kv: Vec<String>,
    /// Connections to Redis, by their configured names.
    pub redis: Vec<String>,
    /// Connections to SQL databases, by their configured names.
    pub sql: Vec<String>,
    /// TCP addresses that it may connect to.
    pub sockets: Vec<GrantedAddress>,
    /// Directories that it sees, by the name under which it does.
    pub directories: BTreeMap<String, GrantedDirectory>,
    /// Its environment variables.
    pub env: BTreeMap<String, String>,
    /// Settings for the plugin wherever it is used; a store's own settings come on top.
    pub settings: BTreeMap<String, String>,
    /// Limits that differ from the host's.
    pub limits: Option<Limits>,
}

impl fmt::Debug for Grants {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Taken apart by name, so that a new field cannot be forgotten here.
        let Self { digest, payload, kv, redis, sql, sockets, directories, env, settings, limits } = self;
        formatter
            .debug_struct("Grants")
            .field("digest", digest)
            .field("payload", payload)
            .field("kv", kv)
            .field("redis", redis)
            .field("sql", sql)
            .field("sockets", sockets)
            .field("directories", directories)
            .field("env", &Hidden(env))
            .field("settings", &Hidden(settings))
            .field("limits", limits)
            .finish()
    }
}

/// `[stores.NAME]`
#[derive(Clone, PartialEq, Eq)]
pub struct StoreConfig {
    /// The plugin that keeps the sessions.
    pub provider: String,
    /// The plugins that wrap it, outermost first.
    pub wrapped_by: Vec<String>,
    /// The plugin that makes the IDs.
    pub id_generator: String,
    /// Whether IDs that the generator does not recognise are rejected; `None`: where the generator can tell.
    pub validate_ids: Option<bool>,
    /// Idle timeout of sessions that are stored without one, seconds; 0 is never.
    pub idle_timeout: u32,
    /// The longest that a session lives, however busy it is.
    pub absolute_timeout: Option<Duration>,
    /// The largest payload, bytes.
    pub max_payload: usize,
    /// Time between two looks for expired sessions.
    pub sweep_interval: Duration,
    /// The connection over which hosts that share the store tell each other of released locks.
    pub lock_notices: Option<String>,
    /// The plugins that hear of sessions that begin and end.
    pub events: Vec<String>,
    /// How often the delivery of an event to one of them is tried.
    pub event_attempts: usize,
    /// The pause before the second attempt; it doubles from one attempt to the next.
    pub event_retry: Duration,
    /// The most that may wait for one of them, bytes.
    pub event_queue: usize,
    /// The webhooks that its events are posted to.
    pub webhooks: Vec<String>,
    /// Settings for the provider.
    pub settings: BTreeMap<String, String>,
    /// Settings for the ID generator.
    pub id_settings: BTreeMap<String, String>,
    /// Settings for the other plugins of the store, by plugin.
    pub plugin_settings: BTreeMap<String, BTreeMap<String, String>>,
}

impl Default for StoreConfig {
    fn default() -> Self {
        Self {
            provider: "memory".into(),
            wrapped_by: Vec::new(),
            id_generator: "aspnet-id".into(),
            validate_ids: None,
            idle_timeout: 20 * 60,
            absolute_timeout: None,
            max_payload: 20 << 20,
            sweep_interval: Duration::from_secs(10),
            lock_notices: None,
            events: Vec::new(),
            event_attempts: 10,
            event_retry: Duration::from_secs(1),
            event_queue: 64 << 20,
            webhooks: Vec::new(),
            settings: BTreeMap::new(),
            id_settings: BTreeMap::new(),
            plugin_settings: BTreeMap::new(),
        }
    }
}

impl fmt::Debug for StoreConfig {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Taken apart by name, so that a new field cannot be forgotten here.
        let Self {
            provider,
            wrapped_by,
            id_generator,
            validate_ids,
            idle_timeout,
            absolute_timeout,
            max_payload,
            sweep_interval,
            lock_notices,
            events,
            event_attempts,
            event_retry,
            event_queue,
            webhooks,
            settings,
            id_settings,
            plugin_settings,
        } = self;
        formatter
            .debug_struct("StoreConfig")
            .field("provider", provider)
            .field("wrapped_by", wrapped_by)
            .field("id_generator", id_generator)
            .field("validate_ids", validate_ids)
            .field("idle_timeout", idle_timeout)
            .field("absolute_timeout", absolute_timeout)
            .field("max_payload", max_payload)
            .field("sweep_interval", sweep_interval)
            .field("lock_notices", lock_notices)
            .field("events", events)
            .field("event_attempts", event_attempts)
            .field("event_retry", event_retry)
            .field("event_queue", event_queue)
            .field("webhooks", webhooks)
            .field("settings", &Hidden(settings))
            .field("id_settings", &Hidden(id_settings))
            .field(
                "plugin_settings",
                &plugin_settings.iter().map(|(plugin, settings)| (plugin, Hidden(settings))).collect::<Vec<_>>(),
            )
            .finish()
    }
}

/// `[state_server]`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StateServerConfig {
    /// Where it listens.
    pub address: SocketAddr,
    /// How long a request that meets a lock is held before it is answered 423.
    pub hold_locked: Duration,
    /// Whether status lines begin with `HTTP/1.1 `, for ordinary HTTP clients and proxies.
    pub http_prefix: bool,
    /// The longest request line or header line, bytes.
    pub max_line: usize,
    /// The most header lines.
    pub max_headers: usize,
    /// The largest body, bytes.
    pub max_body: usize,
    /// How long a connection may be silent between requests.
    pub idle_timeout: Duration,
    /// How long a client may take to send one request or to take one answer.
    pub transfer_timeout: Duration,
    /// The most connections at a time.
    pub max_connections: usize,
    /// What `X-AspNet-Version` says.
    pub aspnet_version: String,
    /// Application names on the wire (with or without the hash in parentheses) and what they are called instead.
    pub applications: BTreeMap<String, String>,
}

impl Default for StateServerConfig {
    fn default() -> Self {
        Self {
            address: SocketAddr::from((Ipv4Addr::LOCALHOST, 42424)),
            hold_locked: Duration::from_millis(400),
            http_prefix: false,
            max_line: 8 << 10,
            max_headers: 40,
            max_body: 20 << 20,
            idle_timeout: Duration::from_secs(5 * 60),
            transfer_timeout: Duration::from_secs(30),
            max_connections: 10_000,
            aspnet_version: "4.0.30319".into(),
            applications: BTreeMap::new(),
        }
    }
}

/// `[http]`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HttpConfig {
    /// Where it listens.
    pub address: SocketAddr,
    /// The longest that `Prefer: wait` may ask for.
    pub max_wait: Duration,
    /// The stream of events; `None` where it is switched off, as it is unless it is written.
    pub events: Option<EventStreamConfig>,
}

impl Default for HttpConfig {
    fn default() -> Self {
        Self { address: SocketAddr::from((Ipv4Addr::LOCALHOST, 8642)), max_wait: Duration::from_secs(30), events: None }
    }
}

/// `[http.events]`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventStreamConfig {
    /// The most events that are kept.
    pub count: usize,
    /// The most that they take, bytes.
    pub size: usize,
    /// Whether what sessions held is kept with them, and shown to whoever asks for it.
    pub payload: bool,
    /// The most readers at a time.
    pub readers: usize,
    /// The longest silence on a connection.
    pub heartbeat: Duration,
}

impl Default for EventStreamConfig {
    fn default() -> Self {
        Self { count: 10_000, size: 16 << 20, payload: false, readers: 16, heartbeat: Duration::from_secs(15) }
    }
}
