//! What is allowed of the stores and of the applications that use them.

use std::collections::BTreeMap;

use super::{GIB, HOUR, KIB, MILLISECOND, SECOND, YEAR};
use crate::config::{
    connection::{ConnectionConfig, ConnectionKind},
    file::{StoreSection, WrittenProvider},
    findings::Findings,
    model::{Config, DEFAULT_STORE, StoreConfig},
    secret::WrittenSettings,
    values::WrittenDuration,
    webhook::WebhookConfig,
};

/// `[stores.NAME]`, with the default store.
pub(super) fn stores(
    file: &BTreeMap<String, StoreSection>,
    connections: &BTreeMap<String, ConnectionConfig>,
    hooks: &BTreeMap<String, WebhookConfig>,
    findings: &mut Findings<'_>,
) -> BTreeMap<String, StoreConfig> {
    let mut stores = BTreeMap::from([(DEFAULT_STORE.to_owned(), StoreConfig::default())]);
    for (name, written) in file {
        let letters = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        if !(1..=64).contains(&name.len()) || !name.bytes().all(letters) {
            let message = "a store's name has 1 to 64 characters of a-z, 0-9 and `-`";
            findings.report(&["stores", name], message);
        }
        stores.insert(name.clone(), store(name, written, connections, hooks, findings));
    }
    stores
}

fn store(
    name: &str,
    file: &StoreSection,
    connections: &BTreeMap<String, ConnectionConfig>,
    hooks: &BTreeMap<String, WebhookConfig>,
    findings: &mut Findings<'_>,
) -> StoreConfig {
    let at = |key| ["stores", name, key];
    let default = StoreConfig::default();
    let events = events(&at("events"), file.events.as_ref(), findings);
    let (wrapped_by, provider) = providers(&at("provider"), file.provider.as_ref(), &default.provider, findings);
    let used: Vec<&String> = events.iter().chain(&wrapped_by).collect();
    let plugin_settings = plugin_settings(&at("plugin_settings"), &file.plugin_settings, &used, findings);
    let webhooks = webhooks(&at("webhooks"), file.webhooks.as_ref(), hooks, &events, findings);
    StoreConfig {
        provider,
        wrapped_by,
        id_generator: findings.plugin_name(&at("id_generator"), file.id_generator.as_ref(), &default.id_generator),
        validate_ids: file.validate_ids,
        idle_timeout: idle_timeout(&at("idle_timeout"), file.idle_timeout, default.idle_timeout, findings),
        absolute_timeout: file
            .absolute_timeout
            .map(|written| findings.duration(&at("absolute_timeout"), Some(written), YEAR, SECOND..=10 * YEAR)),
        max_payload: findings.size(&at("max_payload"), file.max_payload, default.max_payload, 1..=GIB),
        sweep_interval: findings.duration(
            &at("sweep_interval"),
            file.sweep_interval,
            default.sweep_interval,
            10 * MILLISECOND..=HOUR,
        ),
        lock_notices: lock_notices(&at("lock_notices"), file.lock_notices.as_ref(), connections, findings),
        events,
        event_attempts: findings.count(&at("event_attempts"), file.event_attempts, default.event_attempts, 1..=1000),
        event_retry: findings.duration(&at("event_retry"), file.event_retry, default.event_retry, MILLISECOND..=HOUR),
        event_queue: findings.size(&at("event_queue"), file.event_queue, default.event_queue, KIB..=64 * GIB),
        webhooks,
        settings: findings.settings(&at("settings"), &file.settings),
        id_settings: findings.settings(&at("id_settings"), &file.id_settings),
        plugin_settings,
    }
}

/// A connection that is configured.
fn lock_notices(
    path: &[&str],
    written: Option<&String>,
    connections: &BTreeMap<String, ConnectionConfig>,
    findings: &mut Findings<'_>,
) -> Option<String> {
    let name = written?;
    match connections.get(name).map(ConnectionConfig::kind) {
        None => {
            findings
                .report(path, format!("there is no `[connections.{name}]`; name one that all hosts of the store have"));
        }
        Some(None | Some(ConnectionKind::Redis | ConnectionKind::Postgres)) => {}
        Some(Some(ConnectionKind::MySql | ConnectionKind::Sqlite)) => findings.report(
            path,
            "this kind of database passes no notices on; name a connection to Redis or PostgreSQL, or write none: \
             locks are then looked for ten times a second",
        ),
    }
    Some(name.clone())
}

/// The provider that keeps the sessions, after those that wrap it.
fn providers(
    path: &[&str],
    written: Option<&WrittenProvider>,
    default: &str,
    findings: &mut Findings<'_>,
) -> (Vec<String>, String) {
    let mut names = match written {
        None => return (Vec::new(), default.to_owned()),
        Some(WrittenProvider::One(name)) => return (Vec::new(), findings.plugin_name(path, Some(name), default)),
        Some(WrittenProvider::Stack(names)) => names.clone(),
    };
    for name in &names {
        findings.plugin_name(path, Some(name), default);
        if names.iter().filter(|other| *other == name).count() > 1 {
            findings.report(path, format!("`{name}` is named twice; copy its file to another name if it shall be"));
            break;
        }
    }
    let innermost = names.pop().unwrap_or_else(|| {
        findings.report(path, "the list is empty; name at least the plugin that keeps the sessions");
        default.to_owned()
    });
    (names, innermost)
}

/// Event handlers: each name once.
fn events(path: &[&str], written: Option<&Vec<String>>, findings: &mut Findings<'_>) -> Vec<String> {
    let mut events = Vec::new();
    for plugin in written.into_iter().flatten() {
        let plugin = findings.plugin_name(path, Some(plugin), "");
        if events.contains(&plugin) {
            findings.report(path, format!("`{plugin}` is named twice; a handler hears of each session once"));
        }
        events.push(plugin);
    }
    events
}

/// Webhooks that are configured, each once. What waits for one is kept under its name, as with event handlers.
fn webhooks(
    path: &[&str],
    written: Option<&Vec<String>>,
    hooks: &BTreeMap<String, WebhookConfig>,
    events: &[String],
    findings: &mut Findings<'_>,
) -> Vec<String> {
    let mut webhooks = Vec::new();
    for name in written.into_iter().flatten() {
        if !hooks.contains_key(name) {
            findings.report(path, format!("there is no `[webhooks.{name}]`"));
        }
        if webhooks.contains(name) {
            findings.report(path, format!("`{name}` is named twice; a webhook hears of each session once"));
        }
        if events.contains(name) {
            findings
                .report(path, format!("`{name}` is an event handler of this store too; give the webhook another name"));
        }
        webhooks.push(name.clone());
    }
    webhooks
}

/// Settings by plugin, for plugins that the store uses.
fn plugin_settings(
    path: &[&str],
    written: &BTreeMap<String, WrittenSettings>,
    used: &[&String],
    findings: &mut Findings<'_>,
) -> BTreeMap<String, BTreeMap<String, String>> {
    let mut settings = BTreeMap::new();
    for (plugin, written) in written {
        let path = [path, &[plugin.as_str()]].concat();
        if !used.contains(&plugin) {
            findings.report(
                &path,
                format!("`{plugin}` neither hears of this store's sessions (`events`) nor wraps its `provider`"),
            );
        }
        settings.insert(plugin.clone(), findings.settings(&path, written));
    }
    settings
}

/// Idle timeouts are whole seconds in the contract.
fn idle_timeout(path: &[&str], written: Option<WrittenDuration>, default: u32, findings: &mut Findings<'_>) -> u32 {
    let Some(WrittenDuration(timeout)) = written else { return default };
    match u32::try_from(timeout.as_secs()) {
        Ok(seconds) if timeout <= YEAR && timeout.subsec_nanos() == 0 => seconds,
        _ => {
            findings.report(path, "allowed are whole seconds up to 365d, or \"0s\" for sessions that never expire");
            default
        }
    }
}

/// `[applications]`
pub(super) fn applications(config: &Config, findings: &mut Findings<'_>) {
    let names: Vec<&str> = config.stores.keys().map(String::as_str).collect();
    for (application, store) in &config.applications {
        if application.is_empty() {
            findings.report(&["applications", application], "an application's name cannot be empty");
        }
        if !config.stores.contains_key(store) {
            let known = names.join(", ");
            let message = format!("there is no store `{store}`; write `[stores.{store}]` or one of: {known}");
            findings.report(&["applications", application], message);
        }
    }
}
