//! What a bad plugin costs: each limit, back-off and quarantine, and what an operator sees of them and can do.

mod address_space;
mod commands;
mod computing;
mod each_limit;
mod quarantine;

use std::{fs, path::PathBuf, process::Command};

use anyhow::{Context as _, Result, ensure};
use harness::{
    Host,
    host::{binary, fixtures_directory, plugins_directory},
    http::{Answer, Request},
};
use serde_json::Value;
use tempfile::TempDir;

/// A host with a good store, `default`, and what a test adds.
struct Troubled {
    host: Host,
    plugins: TempDir,
}

impl Troubled {
    /// Starts it. `plugins`: what is in the directory besides `memory` and `aspnet-id`, and the content of the grant
    /// file beside it.
    fn start(config: &str, plugins: &[(&str, &str)]) -> Result<Self> {
        let directory = tempfile::tempdir()?;
        let shipped = plugins_directory()?;
        for name in ["memory", "aspnet-id"] {
            fs::copy(shipped.join(format!("{name}.wasm")), directory.path().join(format!("{name}.wasm")))?;
        }
        for (name, grants) in plugins {
            let file = fixtures_directory()?.join(format!("{name}.wasm"));
            fs::copy(&file, directory.path().join(format!("{name}.wasm")))
                .with_context(|| format!("{} is missing; `make test` builds it", file.display()))?;
            fs::write(directory.path().join(format!("{name}.toml")), grants)?;
        }
        let mut config: toml::Table = config.parse()?;
        let section = config.entry("plugins").or_insert_with(|| toml::Table::new().into());
        let path = directory.path().to_str().context("a path that is not UTF-8")?;
        section.as_table_mut().context("a table")?.insert("directory".to_owned(), path.into());
        Ok(Self { host: Host::start(&toml::to_string(&config)?)?, plugins: directory })
    }

    fn file(&self, name: &str) -> PathBuf {
        self.plugins.path().join(name)
    }

    /// Reads a session of an application.
    fn get(&self, application: &str, id: &str) -> Result<Answer> {
        Request::new("GET", format!("/v1/{application}/sessions/{id}")).send(self.host.http())
    }

    /// Sees that the good store stores and reads.
    fn good_store_serves(&self) -> Result<()> {
        let stored = Request::new("PUT", "/v1/good/sessions/visitor").body("a coat").send(self.host.http())?;
        ensure!(matches!(stored.status, 201 | 204), "{stored:?} {}", stored.text());
        let read = self.get("good", "visitor")?;
        ensure!(read.status == 200 && read.text() == "a coat", "{read:?}");
        Ok(())
    }

    /// What the host says of a plugin.
    fn plugin(&self, name: &str) -> Result<Value> {
        let plugins = Request::new("GET", "/v1/plugins").send(self.host.http())?.json()?;
        let plugins = plugins["plugins"].as_array().context("no list of plugins")?;
        plugins.iter().find(|plugin| plugin["name"] == name).cloned().with_context(|| format!("no plugin {name}"))
    }

    /// Waits until the metrics have this line; they are carried over every few seconds.
    fn wait_for_metric(&self, line: &str) -> Result<()> {
        let metrics = || anyhow::Ok(Request::new("GET", "/metrics").send(self.host.http())?.text());
        let waited = self
            .host
            .wait_until(&format!("the metrics have `{line}`"), || Ok(metrics()?.lines().any(|found| found == line)));
        waited.with_context(|| metrics().unwrap_or_default())
    }
}

/// Runs `cloakroom` with these arguments; whether it succeeded, and what it printed on each stream.
fn cloakroom(arguments: &[&str]) -> Result<(bool, String, String)> {
    let output = Command::new(binary()?).args(arguments).output()?;
    Ok((output.status.success(), String::from_utf8(output.stdout)?, String::from_utf8(output.stderr)?))
}

/// Checks a problem's status, kind, and the words that its detail must have; its body.
fn problem(answer: &Answer, status: u16, kind: &str, words: &[&str]) -> Result<Value> {
    ensure!(answer.status == status, "{} {}", answer.status, answer.text());
    let body = answer.json()?;
    ensure!(body["type"] == format!("urn:cloakroom:problem:{kind}"), "{body}");
    let detail = body["detail"].as_str().context("no detail")?;
    for word in words {
        ensure!(detail.contains(word), "`{word}` is not in: {detail}");
    }
    Ok(body)
}
