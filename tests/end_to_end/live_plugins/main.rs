//! The directory of plugins while the host serves: builds that are replaced, refused, removed and added.

mod files;
mod load;
mod own_memory;
mod refusals;
mod swaps;

use std::{fs, path::PathBuf};

use anyhow::{Context as _, Result, ensure};
use harness::{Host, host::plugins_directory, http};
use serde_json::Value;
use tempfile::TempDir;

/// A host with a directory of plugins of its own.
struct Live {
    host: Host,
    directory: TempDir,
}

impl Live {
    /// Starts it with the plugins that every host needs and what is written besides.
    fn start(config: &str, prepare: impl FnOnce(&TempDir) -> Result<()>) -> Result<Self> {
        let directory = tempfile::tempdir()?;
        for name in ["memory", "aspnet-id"] {
            fs::copy(shipped(name)?, directory.path().join(format!("{name}.wasm")))?;
        }
        prepare(&directory)?;
        let plugins = format!("[plugins]\ndirectory = {:?}\n", directory.path().display().to_string());
        Ok(Self { host: Host::start(&format!("{config}\n{plugins}"))?, directory })
    }

    fn file(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// Puts a file into place whole, as a careful deployment does.
    fn replace(&self, name: &str, content: impl AsRef<[u8]>) -> Result<()> {
        let hidden = self.file(&format!(".{name}.new"));
        fs::write(&hidden, content)?;
        Ok(fs::rename(hidden, self.file(name))?)
    }

    /// What the host says of a plugin.
    fn status(&self, plugin: &str) -> Result<Value> {
        let plugins = http::Request::new("GET", "/v1/plugins").send(self.host.http())?.json()?;
        let plugins = plugins["plugins"].as_array().or(plugins.as_array()).context("a list of plugins")?;
        let found = plugins.iter().find(|status| status["name"] == plugin);
        found.cloned().with_context(|| format!("no plugin `{plugin}` in {plugins:?}"))
    }

    /// Stores a session.
    fn put(&self, id: &str, body: &str) -> Result<()> {
        let answer = http::Request::new("PUT", session(id)).body(body).send(self.host.http())?;
        ensure!(matches!(answer.status, 201 | 204), "PUT was answered {}: {}", answer.status, answer.text());
        Ok(())
    }

    /// Reads a session.
    fn get(&self, id: &str) -> Result<String> {
        let answer = http::Request::new("GET", session(id)).send(self.host.http())?;
        ensure!(answer.status == 200, "GET was answered {}: {}", answer.status, answer.text());
        Ok(answer.text())
    }
}

fn session(id: &str) -> String {
    format!("/v1/live/sessions/{id}")
}

fn shipped(name: &str) -> Result<PathBuf> {
    Ok(plugins_directory()?.join(format!("{name}.wasm")))
}

fn fixture(name: &str) -> Result<PathBuf> {
    let file = plugins_directory()?.join(format!("../fixtures/{name}.wasm"));
    ensure!(file.exists(), "{} is missing; run `scripts/build-plugins tests/fixtures/{name}`", file.display());
    Ok(file)
}

/// Another build of a component: the same code, and bytes of which no other build has all. They stand in a custom
/// section, which means nothing to anybody.
fn build(component: &[u8], number: usize) -> Vec<u8> {
    let content = format!("\x05build{number:06}");
    let mut bytes = component.to_vec();
    bytes.push(0);
    bytes.push(u8::try_from(content.len()).expect("a short section"));
    bytes.extend_from_slice(content.as_bytes());
    bytes
}
