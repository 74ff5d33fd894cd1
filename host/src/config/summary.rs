//! The effective configuration as TOML, for `cloakroom config check`. Settings are named, their values are not shown.

use std::{collections::BTreeMap, fmt, time::Duration};

use super::{
    connection::ConnectionConfig,
    document::{quoted, quoted_key},
    duration,
    model::{
        Config, EventStreamConfig, HttpConfig, LogConfig, LogFormat, PluginsConfig, StateServerConfig, StoreConfig,
    },
    size,
    webhook::WebhookConfig,
};

/// What stands in place of a setting's value.
const HIDDEN: &str = "(not shown)";

impl fmt::Display for Config {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(out, "data_dir = {}", quoted(&self.data_dir.to_string_lossy()))?;
        writeln!(out, "allow_remote = {}", self.allow_remote)?;
        if let Some(count) = self.threads {
            writeln!(out, "threads = {count}")?;
        }
        log(&self.log, out)?;
        plugins(&self.plugins, out)?;
        state_server(self.state_server.as_ref(), out)?;
        http(self.http.as_ref(), out)?;
        for (name, config) in &self.connections {
            connection(name, config, out)?;
        }
        for (name, config) in &self.webhooks {
            webhook(name, config, out)?;
        }
        for (name, config) in &self.stores {
            store(name, config, out)?;
        }
        names("applications", &self.applications, out)
    }
}

fn log(log: &LogConfig, out: &mut fmt::Formatter<'_>) -> fmt::Result {
    let format = match log.format {
        LogFormat::Text => "text",
        LogFormat::Json => "json",
    };
    write!(out, "\n[log]\nformat = \"{format}\"\nfilter = {}\nevents = {}\n", quoted(&log.filter), log.events)
}

fn plugins(plugins: &PluginsConfig, out: &mut fmt::Formatter<'_>) -> fmt::Result {
    write!(out, "\n[plugins]\ndirectory = {}\n", quoted(&plugins.directory.to_string_lossy()))?;
    writeln!(out, "poll_interval = {}", time(plugins.poll_interval))?;
    writeln!(out, "require_digest = {}", plugins.require_digest)?;
    let keys: Vec<String> = plugins.trusted_keys.iter().map(|key| quoted(&key.to_string())).collect();
    writeln!(out, "trusted_keys = [{}]", keys.join(", "))?;
    let limits = plugins.limits;
    write!(out, "\n[plugins.limits]\nmemory = \"{}\"\n", size::format(limits.memory))?;
    writeln!(out, "cpu = {}", time(limits.cpu))?;
    writeln!(out, "deadline = {}", time(limits.deadline))?;
    writeln!(out, "host_call = {}", time(limits.host_call))?;
    writeln!(out, "instances = {}", limits.instances)?;
    writeln!(out, "queue = {}", limits.queue)?;
    writeln!(out, "payload = \"{}\"", size::format(limits.payload))?;
    writeln!(out, "handles = {}", limits.handles)?;
    writeln!(out, "log_lines = {}", limits.log_lines)?;
    writeln!(out, "log_length = \"{}\"", size::format(limits.log_length))
}

fn state_server(front_end: Option<&StateServerConfig>, out: &mut fmt::Formatter<'_>) -> fmt::Result {
    write!(out, "\n[state_server]\nenabled = {}\n", front_end.is_some())?;
    let Some(front_end) = front_end else { return Ok(()) };
    writeln!(out, "address = \"{}\"", front_end.address)?;
    writeln!(out, "hold_locked = {}", time(front_end.hold_locked))?;
    writeln!(out, "http_prefix = {}", front_end.http_prefix)?;
    writeln!(out, "max_line = \"{}\"", size::format(front_end.max_line))?;
    writeln!(out, "max_headers = {}", front_end.max_headers)?;
    writeln!(out, "max_body = \"{}\"", size::format(front_end.max_body))?;
    writeln!(out, "idle_timeout = {}", time(front_end.idle_timeout))?;
    writeln!(out, "transfer_timeout = {}", time(front_end.transfer_timeout))?;
    writeln!(out, "max_connections = {}", front_end.max_connections)?;
    writeln!(out, "aspnet_version = {}", quoted(&front_end.aspnet_version))?;
    names("state_server.applications", &front_end.applications, out)
}

fn http(front_end: Option<&HttpConfig>, out: &mut fmt::Formatter<'_>) -> fmt::Result {
    write!(out, "\n[http]\nenabled = {}\n", front_end.is_some())?;
    let Some(front_end) = front_end else { return Ok(()) };
    writeln!(out, "address = \"{}\"", front_end.address)?;
    writeln!(out, "max_wait = {}", time(front_end.max_wait))?;
    write!(out, "\n[http.events]\nenabled = {}\n", front_end.events.is_some())?;
    let default = EventStreamConfig::default();
    let events = front_end.events.as_ref().unwrap_or(&default);
    writeln!(out, "count = {}", events.count)?;
    writeln!(out, "size = \"{}\"", size::format(events.size))?;
    writeln!(out, "payload = {}", events.payload)?;
    writeln!(out, "readers = {}", events.readers)?;
    writeln!(out, "heartbeat = {}", time(events.heartbeat))
}

fn connection(name: &str, connection: &ConnectionConfig, out: &mut fmt::Formatter<'_>) -> fmt::Result {
    write!(out, "\n[connections.{}]\nurl = {}\n", quoted_key(name), quoted(&connection.shown_url()))?;
    writeln!(out, "cluster = {}", connection.cluster)?;
    writeln!(out, "timeout = {}", time(connection.timeout))?;
    writeln!(out, "connect_timeout = {}", time(connection.connect_timeout))?;
    if let Some(count) = connection.max_connections {
        writeln!(out, "max_connections = {count}")?;
    }
    writeln!(out, "synchronous = \"{}\"", connection.synchronous.name())?;
    writeln!(out, "wait_replicas = {}", connection.wait_replicas)?;
    writeln!(out, "wait_timeout = {}", time(connection.wait_timeout))?;
    let files = [
        ("tls_ca", &connection.tls_ca),
        ("tls_certificate", &connection.tls_certificate),
        ("tls_key", &connection.tls_key),
    ];
    for (key, file) in files {
        if let Some(path) = file {
            writeln!(out, "{key} = {}", quoted(&path.to_string_lossy()))?;
        }
    }
    Ok(())
}

fn webhook(name: &str, webhook: &WebhookConfig, out: &mut fmt::Formatter<'_>) -> fmt::Result {
    write!(out, "\n[webhooks.{}]\nurl = {}\n", quoted_key(name), quoted(&webhook.shown_url()))?;
    writeln!(out, "secret = {}", quoted(HIDDEN))?;
    writeln!(out, "payload = {}", webhook.payload)?;
    writeln!(out, "timeout = {}", time(webhook.timeout))?;
    writeln!(out, "connections = {}", webhook.connections)?;
    writeln!(out, "attempts = {}", webhook.attempts)?;
    writeln!(out, "retry = {}", time(webhook.retry))?;
    writeln!(out, "longest_retry = {}", time(webhook.longest_retry))?;
    writeln!(out, "queue = \"{}\"", size::format(webhook.queue))
}

fn store(name: &str, store: &StoreConfig, out: &mut fmt::Formatter<'_>) -> fmt::Result {
    write!(out, "\n[stores.{}]\n", quoted_key(name))?;
    if store.wrapped_by.is_empty() {
        writeln!(out, "provider = {}", quoted(&store.provider))?;
    } else {
        let stack = store.wrapped_by.iter().chain([&store.provider]).map(|plugin| quoted(plugin));
        writeln!(out, "provider = [{}]", stack.collect::<Vec<_>>().join(", "))?;
    }
    writeln!(out, "id_generator = {}", quoted(&store.id_generator))?;
    if let Some(validate) = store.validate_ids {
        writeln!(out, "validate_ids = {validate}")?;
    }
    writeln!(out, "idle_timeout = {}", time(Duration::from_secs(store.idle_timeout.into())))?;
    if let Some(absolute) = store.absolute_timeout {
        writeln!(out, "absolute_timeout = {}", time(absolute))?;
    }
    writeln!(out, "max_payload = \"{}\"", size::format(store.max_payload))?;
    writeln!(out, "sweep_interval = {}", time(store.sweep_interval))?;
    if let Some(connection) = &store.lock_notices {
        writeln!(out, "lock_notices = {}", quoted(connection))?;
    }
    let events: Vec<String> = store.events.iter().map(|plugin| quoted(plugin)).collect();
    writeln!(out, "events = [{}]", events.join(", "))?;
    writeln!(out, "event_attempts = {}", store.event_attempts)?;
    writeln!(out, "event_retry = {}", time(store.event_retry))?;
    writeln!(out, "event_queue = \"{}\"", size::format(store.event_queue))?;
    let webhooks: Vec<String> = store.webhooks.iter().map(|name| quoted(name)).collect();
    writeln!(out, "webhooks = [{}]", webhooks.join(", "))?;
    settings(&format!("stores.{}.settings", quoted_key(name)), &store.settings, out)?;
    settings(&format!("stores.{}.id_settings", quoted_key(name)), &store.id_settings, out)?;
    store.plugin_settings.iter().try_for_each(|(plugin, written)| {
        settings(&format!("stores.{}.plugin_settings.{}", quoted_key(name), quoted_key(plugin)), written, out)
    })
}

fn settings(table: &str, settings: &BTreeMap<String, String>, out: &mut fmt::Formatter<'_>) -> fmt::Result {
    let hidden = settings.keys().map(|name| (name.clone(), HIDDEN.to_owned())).collect();
    names(table, &hidden, out)
}

/// A table of names, if there are any.
fn names(table: &str, entries: &BTreeMap<String, String>, out: &mut fmt::Formatter<'_>) -> fmt::Result {
    if entries.is_empty() {
        return Ok(());
    }
    write!(out, "\n[{table}]\n")?;
    entries.iter().try_for_each(|(name, value)| writeln!(out, "{} = {}", quoted_key(name), quoted(value)))
}

fn time(duration: Duration) -> String {
    format!("\"{}\"", duration::format(duration))
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::config::Overrides;

    fn read(text: &str) -> Config {
        Config::from_toml("test", Path::new(""), text, &Overrides::default()).expect("a configuration")
    }

    #[test]
    fn the_summary_read_again_is_the_same_configuration() {
        let config = read(
            "data_dir = \"a \\\"quoted\\\" folder\"\nallow_remote = true\nthreads = 3\n[log]\nformat = \"json\"\n\
             [state_server]\naddress = \"0.0.0.0:42424\"\nhold_locked = \"1500ms\"\nmax_body = 12345\n\
             [state_server.applications]\n\"/LM/W3SVC/2/ROOT\" = \"shop\"\n[http]\nenabled = false\n\
             [stores.carts]\nprovider = [\"encrypt\", \"memory\"]\nvalidate_ids = true\nabsolute_timeout = \"12h\"\nidle_timeout = \"0s\"\n\
             [applications]\nshop = \"carts\"\n",
        );
        assert_eq!(read(&config.to_string()), config);
        let config = read("[http.events]\nenabled = true\ncount = 7\nsize = \"3MiB\"\npayload = true\n");
        assert_eq!(read(&config.to_string()), config);
        assert_eq!(read(&Config::default().to_string()), Config::default());
    }

    #[test]
    fn the_summary_names_settings_and_hides_their_values() {
        let shown =
            read("[stores.default.settings]\nkey = \"s3cret\"\n[stores.default.id_settings]\nkeys = \"s3cret\"\n");
        let shown = shown.to_string();
        assert!(shown.contains("[stores.default.settings]\nkey = \"(not shown)\""), "{shown}");
        assert!(!shown.contains("s3cret"), "{shown}");
        let secret = format!("whsec_{}", "s3cret".repeat(8));
        let shown = read(&format!("[webhooks.a]\nurl = \"https://example.com/s3cret\"\nsecret = \"{secret}\"\n"));
        let shown = shown.to_string();
        assert!(shown.contains("url = \"https://example.com\"\nsecret = \"(not shown)\""), "{shown}");
        assert!(!shown.contains("s3cret"), "{shown}");
    }
}
