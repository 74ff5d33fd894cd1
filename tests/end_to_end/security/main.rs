//! What a plugin can do and what it cannot: each row of the table in `docs/security.md` is tried by a component in a real
//! host, and so is each grant, and each way to say which builds are let in.

mod builds;
mod grants;
mod table;

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result, ensure};
use harness::{
    Host,
    host::{fixtures_directory, plugins_directory},
    http::{Answer, Request},
};
use serde_json::Value;
use tempfile::TempDir;

/// A host with a directory of plugins of its own, in which are those that every host needs.
struct House {
    host: Host,
    plugins: TempDir,
}

/// A directory of plugins before a host reads it.
struct Plugins(TempDir);

impl Plugins {
    fn new() -> Result<Self> {
        let plugins = Self(tempfile::tempdir()?);
        for name in ["memory", "aspnet-id"] {
            fs::copy(shipped(name)?, plugins.file(&format!("{name}.wasm")))?;
        }
        Ok(plugins)
    }

    fn file(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// Puts a fixture there under a name of its own, with this grant file.
    fn add(&self, fixture: &str, name: &str, grants: &str) -> Result<()> {
        let component = fixtures_directory()?.join(format!("{fixture}.wasm"));
        fs::copy(&component, self.file(&format!("{name}.wasm"))).with_context(|| {
            format!("{} is missing; run `scripts/build-plugins tests/fixtures/{fixture}`", component.display())
        })?;
        Ok(fs::write(self.file(&format!("{name}.toml")), grants)?)
    }

    /// Starts a host in which each plugin of `stores` has a store and an application of its own name.
    fn serve(self, stores: &[&str], config: &str, environment: &[(&str, &str)]) -> Result<House> {
        let mut config: toml::Table = config.parse()?;
        let table = |config: &mut toml::Table, name: &str, key: &str, value: toml::Value| -> Result<()> {
            let section = config.entry(name).or_insert_with(|| toml::Table::new().into());
            section.as_table_mut().context("a table")?.insert(key.to_owned(), value);
            Ok(())
        };
        let directory = self.0.path().display().to_string();
        table(&mut config, "plugins", "directory", directory.into())?;
        for name in stores {
            table(
                &mut config,
                "stores",
                name,
                toml::Table::from_iter([("provider".to_owned(), (*name).into())]).into(),
            )?;
            table(&mut config, "applications", name, (*name).into())?;
        }
        let host = Host::start_with_environment(&toml::to_string(&config)?, environment)?;
        Ok(House { host, plugins: self.0 })
    }
}

impl House {
    /// Has the plugin of an application try something.
    fn attempt(&self, application: &str, attempt: &str) -> Result<Answer> {
        Request::new("GET", format!("/v1/{application}/sessions/{attempt}")).send(self.host.http())
    }

    /// What it tells of how that went.
    fn told(&self, application: &str, attempt: &str) -> Result<String> {
        let answer = self.attempt(application, attempt)?;
        let detail = answer.json()?["detail"].as_str().map(str::to_owned);
        detail.with_context(|| format!("{attempt} was answered {}: {}", answer.status, answer.text()))
    }

    /// Checks that it tells this.
    fn tells(&self, application: &str, attempt: &str, words: &str) -> Result<()> {
        let told = self.told(application, attempt)?;
        ensure!(told.contains(words), "{application} tried {attempt}; `{words}` is not in: {told}");
        Ok(())
    }

    fn put(&self, application: &str, id: &str, content: &str) -> Result<()> {
        let request = Request::new("PUT", format!("/v1/{application}/sessions/{id}"));
        let answer = request.header("content-type", "text/plain").body(content).send(self.host.http())?;
        ensure!(matches!(answer.status, 201 | 204), "{}: {}", answer.status, answer.text());
        Ok(())
    }

    /// What the host says of a plugin.
    fn status(&self, plugin: &str) -> Result<Value> {
        let answer = Request::new("GET", "/v1/plugins").send(self.host.http())?.json()?;
        let plugins = answer["plugins"].as_array().context("a list of plugins")?;
        let found = plugins.iter().find(|status| status["name"] == plugin);
        found.cloned().with_context(|| format!("no plugin `{plugin}` in {answer}"))
    }

    /// Why the host does not use what is in the files of a plugin.
    fn refused(&self, plugin: &str) -> Result<String> {
        let status = self.status(plugin)?;
        status["refused"].as_str().map(str::to_owned).with_context(|| format!("{plugin} is not refused: {status}"))
    }

    /// Puts a file into the directory of plugins whole, as a careful deployment does.
    fn replace(&self, name: &str, content: impl AsRef<[u8]>) -> Result<()> {
        let hidden = self.plugins.path().join(format!(".{name}.new"));
        fs::write(&hidden, content)?;
        Ok(fs::rename(hidden, self.plugins.path().join(name))?)
    }
}

fn shipped(name: &str) -> Result<PathBuf> {
    Ok(plugins_directory()?.join(format!("{name}.wasm")))
}

/// Another build of a component: a custom section more, which means nothing to anybody.
fn build(component: &Path) -> Result<Vec<u8>> {
    let mut bytes = fs::read(component)?;
    bytes.extend_from_slice(b"\x00\x06\x05build");
    Ok(bytes)
}
