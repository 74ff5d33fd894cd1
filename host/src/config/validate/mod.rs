//! What is allowed in `cloakroom.toml`: from what is written to a [`Config`], or every problem with it.

mod connections;
mod front_ends;
mod stores;
#[cfg(test)]
mod tests;
mod webhooks;

use std::time::Duration;

use tracing_subscriber::EnvFilter;

use super::{
    file::{ConfigFile, LimitsSection, LogSection, PluginsSection},
    findings::Findings,
    model::{Config, Limits, LogConfig, LogFormat, PluginsConfig},
    overrides::Overrides,
    problem::ConfigError,
};
use crate::signature::{KeyError, PublicKey};

const MILLISECOND: Duration = Duration::from_millis(1);
const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(60 * 60);
const DAY: Duration = Duration::from_secs(24 * 60 * 60);
/// Session timeouts end here: ASP.NET allows 525600 minutes.
const YEAR: Duration = Duration::from_secs(365 * 24 * 60 * 60);
const KIB: usize = 1 << 10;
const MIB: usize = 1 << 20;
const GIB: usize = 1 << 30;

/// The whole configuration.
pub(super) fn config(
    file: &ConfigFile,
    overrides: &Overrides,
    mut findings: Findings<'_>,
) -> Result<Config, ConfigError> {
    let default = Config::default();
    let written_data_dir = file.data_dir.as_ref().map(|written| findings.path(written));
    let connections = connections::connections(&file.connections, &mut findings);
    let webhooks = webhooks::webhooks(&file.webhooks, &mut findings);
    let config = Config {
        data_dir: overrides.data_dir.clone().or(written_data_dir).unwrap_or(default.data_dir),
        allow_remote: file.allow_remote.unwrap_or(default.allow_remote),
        threads: file.threads.map(|written| findings.count(&["threads"], Some(written), 1, 1..=1024)),
        log: log(&file.log, &mut findings),
        plugins: plugins(&file.plugins, overrides, &mut findings),
        state_server: front_ends::state_server(&file.state_server, overrides, &mut findings),
        http: front_ends::http(&file.http, overrides, &mut findings),
        stores: stores::stores(&file.stores, &connections, &webhooks, &mut findings),
        connections,
        webhooks,
        applications: file.applications.clone(),
    };
    front_ends::together(&config, overrides, &mut findings);
    stores::applications(&config, &mut findings);
    findings.finish(config)
}

fn log(file: &LogSection, findings: &mut Findings<'_>) -> LogConfig {
    let default = LogConfig::default();
    let format = match file.format.as_deref() {
        None => default.format,
        Some("text") => LogFormat::Text,
        Some("json") => LogFormat::Json,
        Some(_) => {
            findings.report(&["log", "format"], "allowed is \"text\" or \"json\"");
            default.format
        }
    };
    let filter = file.filter.clone().unwrap_or(default.filter);
    if let Err(error) = EnvFilter::try_new(&filter) {
        let expected = "write levels as in RUST_LOG, such as \"info\" or \"info,cloakroom=debug\"";
        findings.report(&["log", "filter"], format!("{error}; {expected}"));
    }
    LogConfig { format, filter, events: file.events.unwrap_or(default.events) }
}

fn plugins(file: &PluginsSection, overrides: &Overrides, findings: &mut Findings<'_>) -> PluginsConfig {
    let default = PluginsConfig::default();
    let written = file.directory.as_ref().map(|written| findings.path(written));
    PluginsConfig {
        directory: overrides.plugins.clone().or(written).unwrap_or(default.directory),
        poll_interval: findings.duration(
            &["plugins", "poll_interval"],
            file.poll_interval,
            default.poll_interval,
            100 * MILLISECOND..=HOUR,
        ),
        require_digest: file.require_digest.unwrap_or(default.require_digest),
        trusted_keys: trusted_keys(file.trusted_keys.as_deref().unwrap_or_default(), findings),
        limits: limits(&["plugins", "limits"], &file.limits, default.limits, findings),
    }
}

fn trusted_keys(written: &[String], findings: &mut Findings<'_>) -> Vec<PublicKey> {
    let mut keys = Vec::new();
    for text in written {
        match text.parse() {
            Ok(key) => keys.push(key),
            // It may be the secret half of a key.
            Err(error) => findings.report_unseen(&["plugins", "trusted_keys"], KeyError::to_string(&error)),
        }
    }
    keys
}

/// Limits; those that are not written are `default`'s.
pub(super) fn limits(path: &[&str], file: &LimitsSection, default: Limits, findings: &mut Findings<'_>) -> Limits {
    let at = |key| [path, &[key]].concat();
    let limits = Limits {
        // One page of wasm memory to all that 32 bits can address.
        memory: findings.size(&at("memory"), file.memory, default.memory, 64 * KIB..=4 * GIB),
        cpu: findings.duration(&at("cpu"), file.cpu, default.cpu, MILLISECOND..=HOUR),
        deadline: findings.duration(&at("deadline"), file.deadline, default.deadline, MILLISECOND..=HOUR),
        host_call: findings.duration(&at("host_call"), file.host_call, default.host_call, MILLISECOND..=HOUR),
        instances: findings.count(&at("instances"), file.instances, default.instances, 1..=10_000),
        queue: findings.count(&at("queue"), file.queue, default.queue, 0..=1_000_000),
        payload: findings.size(&at("payload"), file.payload, default.payload, 0..=GIB),
        // A call needs a few for what it is given.
        handles: findings.count(&at("handles"), file.handles, default.handles, 16..=1_000_000),
        log_lines: findings.count(&at("log_lines"), file.log_lines, default.log_lines, 1..=100_000),
        log_length: findings.size(&at("log_length"), file.log_length, default.log_length, 64..=MIB),
    };
    if limits.deadline < limits.cpu {
        // The key that is written is the one to change.
        let key = if file.deadline.is_some() { "deadline" } else { "cpu" };
        findings.report(&at(key), "the `deadline` of a call cannot be shorter than its `cpu` time");
    }
    limits
}
