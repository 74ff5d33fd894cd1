//! Who hears of sessions: event handlers as components, webhooks, and readers of the event stream. What they hear, what
//! becomes of what they do not take, and whom they disturb.

mod delivery;
mod restart;
mod stream;
mod trouble;
mod webhook;
mod webhook_trouble;

use std::{fs, path::Path};

use anyhow::{Context, Result, ensure};
use harness::{
    Host,
    host::{fixtures_directory, plugins_directory},
    http::Request,
};
use serde_json::Value;
use tempfile::TempDir;

/// A host whose directory of plugins has copies of the fixture `event-probe`.
struct Audited {
    host: Host,
    plugins: TempDir,
}

impl Audited {
    /// Starts it. `probes`: names of handlers, and what their grant files say of their settings.
    fn start(config: &str, probes: &[(&str, &str)]) -> Result<Self> {
        let plugins = tempfile::tempdir()?;
        for name in ["aspnet-id", "memory", "session-log"] {
            copy(&plugins_directory()?.join(format!("{name}.wasm")), &plugins.path().join(format!("{name}.wasm")))?;
        }
        let probe = fixtures_directory()?.join("event-probe.wasm");
        for (name, settings) in probes {
            copy(&probe, &plugins.path().join(format!("{name}.wasm")))?;
            fs::write(plugins.path().join(format!("{name}.toml")), grants(settings))?;
        }
        let mut config: toml::Table = config.parse()?;
        let section = config.entry("plugins").or_insert_with(|| toml::Table::new().into());
        let directory = plugins.path().to_str().context("a path that is not UTF-8")?;
        section.as_table_mut().context("a table")?.insert("directory".to_owned(), directory.into());
        Ok(Self { host: Host::start(&toml::to_string(&config)?)?, plugins })
    }

    /// Changes a handler's settings, and waits until it serves with them if the host runs.
    fn change(&self, probe: &str, settings: &str) -> Result<()> {
        let hidden = self.plugins.path().join(".new");
        fs::write(&hidden, grants(settings))?;
        fs::rename(hidden, self.plugins.path().join(format!("{probe}.toml")))?;
        if self.host.process_id().is_none() {
            return Ok(());
        }
        self.host.wait_for_log(&format!("swapped plugin=\"{probe}\""))
    }

    fn put(&self, path: &str, body: &str) -> Result<()> {
        let stored = self.request("PUT", path).body(body).send(self.host.http())?;
        ensure!(matches!(stored.status, 201 | 204), "PUT {path}: {} {}", stored.status, stored.text());
        Ok(())
    }

    fn delete(&self, path: &str) -> Result<()> {
        let removed = self.request("DELETE", path).send(self.host.http())?;
        ensure!(removed.status == 204, "DELETE {path}: {} {}", removed.status, removed.text());
        Ok(())
    }

    fn request(&self, method: &str, path: &str) -> Request {
        let (application, id) = path.split_once('/').unwrap_or(("shop", path));
        Request::new(method, format!("/v1/{application}/sessions/{id}"))
    }

    /// What a handler has said that it heard, in order.
    fn heard(&self, probe: &str) -> Vec<String> {
        let log = self.host.log();
        let lines = log.lines().filter(|line| line.contains(&format!("plugin=\"{probe}\"")));
        lines
            .filter_map(|line| Some(line.split_once("heard: ")?.1.split(" plugin=").next()?.trim().to_owned()))
            .collect()
    }

    /// Waits until a handler has heard so many events; what they are.
    fn wait_until_heard(&self, probe: &str, count: usize) -> Result<Vec<String>> {
        self.host.wait_until(&format!("{probe} hears {count} events"), || Ok(self.heard(probe).len() >= count))?;
        Ok(self.heard(probe))
    }

    /// What the host says of a handler of the default store.
    fn status(&self, probe: &str) -> Result<Value> {
        let stores = Request::new("GET", "/v1/stores").send(self.host.http())?.json()?;
        let all = stores["stores"].as_array().context("no list of stores")?;
        let mut handlers = all.iter().filter_map(|store| store["events"].as_array()).flatten();
        handlers.find(|status| status["handler"] == probe).cloned().with_context(|| format!("no {probe} in {stores}"))
    }
}

fn grants(settings: &str) -> String {
    format!("payload = true\n[settings]\n{settings}\n[limits]\ncpu = \"200ms\"\ndeadline = \"1s\"\n")
}

fn copy(from: &Path, to: &Path) -> Result<()> {
    fs::copy(from, to).with_context(|| format!("{} is missing; `make test` builds it", from.display()))?;
    Ok(())
}
