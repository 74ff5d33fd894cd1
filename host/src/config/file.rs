//! What may be written in `cloakroom.toml` and in a grant file: every key, all optional. What the values mean and
//! which are allowed is said in `validate` and `grants`; what each key is for, in `docs/operating.md`.

use std::{collections::BTreeMap, path::PathBuf};

use serde::{Deserialize, de::IgnoredAny};

use super::{
    granted::{WrittenDirectory, WrittenVariables},
    secret::{WrittenSetting, WrittenSettings},
    values::{WrittenAddress, WrittenCount, WrittenDuration, WrittenSize},
};

/// `cloakroom.toml`
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct ConfigFile {
    pub(super) data_dir: Option<PathBuf>,
    pub(super) allow_remote: Option<bool>,
    pub(super) threads: Option<WrittenCount>,
    pub(super) log: LogSection,
    pub(super) plugins: PluginsSection,
    pub(super) state_server: StateServerSection,
    pub(super) http: HttpSection,
    pub(super) connections: BTreeMap<String, ConnectionSection>,
    pub(super) webhooks: BTreeMap<String, WebhookSection>,
    pub(super) stores: BTreeMap<String, StoreSection>,
    pub(super) applications: BTreeMap<String, String>,
}

/// `[log]`
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct LogSection {
    pub(super) format: Option<String>,
    pub(super) filter: Option<String>,
    pub(super) events: Option<bool>,
}

/// `[plugins]`
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct PluginsSection {
    pub(super) directory: Option<PathBuf>,
    pub(super) poll_interval: Option<WrittenDuration>,
    pub(super) require_digest: Option<bool>,
    pub(super) trusted_keys: Option<Vec<String>>,
    pub(super) limits: LimitsSection,
}

/// `[plugins.limits]`, and `[limits]` in a grant file
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct LimitsSection {
    pub(super) memory: Option<WrittenSize>,
    pub(super) cpu: Option<WrittenDuration>,
    pub(super) deadline: Option<WrittenDuration>,
    pub(super) host_call: Option<WrittenDuration>,
    pub(super) instances: Option<WrittenCount>,
    pub(super) queue: Option<WrittenCount>,
    pub(super) payload: Option<WrittenSize>,
    pub(super) handles: Option<WrittenCount>,
    pub(super) log_lines: Option<WrittenCount>,
    pub(super) log_length: Option<WrittenSize>,
}

/// `[state_server]`
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct StateServerSection {
    pub(super) enabled: Option<bool>,
    pub(super) address: Option<WrittenAddress>,
    pub(super) hold_locked: Option<WrittenDuration>,
    pub(super) http_prefix: Option<bool>,
    pub(super) max_line: Option<WrittenSize>,
    pub(super) max_headers: Option<WrittenCount>,
    pub(super) max_body: Option<WrittenSize>,
    pub(super) idle_timeout: Option<WrittenDuration>,
    pub(super) transfer_timeout: Option<WrittenDuration>,
    pub(super) max_connections: Option<WrittenCount>,
    pub(super) aspnet_version: Option<String>,
    pub(super) applications: BTreeMap<String, String>,
}

/// `[http]`
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct HttpSection {
    pub(super) enabled: Option<bool>,
    pub(super) address: Option<WrittenAddress>,
    pub(super) max_wait: Option<WrittenDuration>,
    pub(super) events: EventStreamSection,
}

/// `[http.events]`
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct EventStreamSection {
    pub(super) enabled: Option<bool>,
    pub(super) count: Option<WrittenCount>,
    pub(super) size: Option<WrittenSize>,
    pub(super) payload: Option<bool>,
    pub(super) readers: Option<WrittenCount>,
    pub(super) heartbeat: Option<WrittenDuration>,
}

/// `[connections.NAME]`
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct ConnectionSection {
    pub(super) url: Option<WrittenSetting>,
    pub(super) cluster: Option<bool>,
    pub(super) timeout: Option<WrittenDuration>,
    pub(super) connect_timeout: Option<WrittenDuration>,
    pub(super) max_connections: Option<WrittenCount>,
    pub(super) synchronous: Option<String>,
    pub(super) wait_replicas: Option<WrittenCount>,
    pub(super) wait_timeout: Option<WrittenDuration>,
    pub(super) tls_ca: Option<PathBuf>,
    pub(super) tls_certificate: Option<PathBuf>,
    pub(super) tls_key: Option<PathBuf>,
}

/// `[webhooks.NAME]`
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct WebhookSection {
    pub(super) url: Option<WrittenSetting>,
    pub(super) secret: Option<WrittenSetting>,
    pub(super) payload: Option<bool>,
    pub(super) timeout: Option<WrittenDuration>,
    pub(super) connections: Option<WrittenCount>,
    pub(super) attempts: Option<WrittenCount>,
    pub(super) retry: Option<WrittenDuration>,
    pub(super) longest_retry: Option<WrittenDuration>,
    pub(super) queue: Option<WrittenSize>,
}

/// `provider`: one, or those that wrap it and then it.
#[derive(Debug, Clone, Deserialize)]
#[serde(untagged, expecting = "the name of a plugin, or a list of names")]
pub(super) enum WrittenProvider {
    One(String),
    Stack(Vec<String>),
}

/// `[stores.NAME]`
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct StoreSection {
    pub(super) provider: Option<WrittenProvider>,
    pub(super) id_generator: Option<String>,
    pub(super) validate_ids: Option<bool>,
    pub(super) idle_timeout: Option<WrittenDuration>,
    pub(super) absolute_timeout: Option<WrittenDuration>,
    pub(super) max_payload: Option<WrittenSize>,
    pub(super) sweep_interval: Option<WrittenDuration>,
    pub(super) lock_notices: Option<String>,
    pub(super) events: Option<Vec<String>>,
    pub(super) event_attempts: Option<WrittenCount>,
    pub(super) event_retry: Option<WrittenDuration>,
    pub(super) event_queue: Option<WrittenSize>,
    pub(super) webhooks: Option<Vec<String>>,
    pub(super) settings: WrittenSettings,
    pub(super) id_settings: WrittenSettings,
    pub(super) plugin_settings: BTreeMap<String, WrittenSettings>,
}

/// `NAME.toml` beside `NAME.wasm`
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct GrantFile {
    pub(super) digest: Option<String>,
    pub(super) payload: Option<bool>,
    pub(super) kv: Option<Vec<String>>,
    pub(super) redis: Option<Vec<String>>,
    pub(super) sql: Option<Vec<String>>,
    pub(super) sockets: Option<Vec<String>>,
    pub(super) directories: Option<BTreeMap<String, WrittenDirectory>>,
    pub(super) env: Option<WrittenVariables>,
    pub(super) settings: WrittenSettings,
    pub(super) limits: Option<LimitsSection>,
    // Names that are settled for capabilities to come. They are read so that they are refused by name: a grant that
    // looks given and is not would be worse than an unknown key.
    pub(super) http: Option<IgnoredAny>,
}
