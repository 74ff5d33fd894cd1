//! What clients and operators see when a plugin or its back end fails: each failure has an answer of its own that names
//! plugin, cause and what to do; the next request is served; and other stores do not notice.

mod abandoned;
mod events;
mod http;
mod log;
mod state_server;
mod traps;

use std::fs;

use anyhow::{Context, Result, ensure};
use harness::{
    Host,
    host::{fixtures_directory, plugins_directory},
    http::{Answer, Request},
};
use serde_json::Value;
use tempfile::TempDir;

/// Where everything goes wrong. `failing-provider` fails as the ID of a session says, `wrong-provider` breaks the
/// contract as its settings say, and one application's store is as it should be.
const STORES: &str = r#"
[plugins.limits]
cpu = "500ms"
memory = "16MiB"
deadline = "1s"

[stores.default]
provider = "failing-provider"

[stores.traps]
provider = "wrong-provider"
settings = { fault = "traps" }

[stores.loops]
provider = "wrong-provider"
settings = { fault = "loops" }

[stores.eats]
provider = "wrong-provider"
settings = { fault = "eats-memory" }

[stores.lies]
provider = "wrong-provider"
settings = { fault = "answers-version-zero" }

[stores.sound]
provider = "memory"

[applications]
traps = "traps"
loops = "loops"
eats = "eats"
lies = "lies"
sound = "sound"
"#;

/// A host with plugins that fail.
struct Troubled {
    host: Host,
    /// What the host reads as its plugin directory.
    _plugins: TempDir,
}

impl Troubled {
    /// A host with the stores above.
    fn start() -> Result<Self> {
        Self::with(STORES)
    }

    /// A host with this configuration, in which the fixtures are among the plugins.
    fn with(config: &str) -> Result<Self> {
        let plugins = tempfile::tempdir()?;
        let (shipped, fixtures) = (plugins_directory()?, fixtures_directory()?);
        for (directory, name) in [
            (&shipped, "aspnet-id.wasm"),
            (&shipped, "memory.wasm"),
            (&fixtures, "failing-provider.wasm"),
            (&fixtures, "wrong-provider.wasm"),
        ] {
            let file = directory.join(name);
            fs::copy(&file, plugins.path().join(name))
                .with_context(|| format!("{} is missing; `make test` builds it", file.display()))?;
        }
        // For the faults of wrong-provider that need it.
        fs::write(plugins.path().join("wrong-provider.toml"), "payload = true\n")?;
        let mut config: toml::Table = config.parse()?;
        let section = config.entry("plugins").or_insert_with(|| toml::Table::new().into());
        let directory = plugins.path().to_str().context("a path that is not UTF-8")?;
        section.as_table_mut().context("a table")?.insert("directory".to_owned(), directory.into());
        Ok(Self { host: Host::start(&toml::to_string(&config)?)?, _plugins: plugins })
    }

    /// Sends a request for a path of an application, such as `sessions/abc/lock`.
    fn send(&self, method: &str, application: &str, path: &str, body: &str) -> Result<Answer> {
        Request::new(method, format!("/v1/{application}/{path}")).body(body).send(self.host.http())
    }

    /// Stores a session, as if nothing had happened.
    fn serves(&self, application: &str, id: &str) -> Result<()> {
        let path = format!("sessions/{id}");
        let stored = self.send("PUT", application, &path, "two tickets")?;
        ensure!(matches!(stored.status, 201 | 204), "{application} does not store: {stored:?} {}", stored.text());
        Ok(())
    }

    /// What the host says of a plugin.
    fn plugin(&self, name: &str) -> Result<Value> {
        let plugins = Request::new("GET", "/v1/plugins").send(self.host.http())?.json()?;
        let plugins = plugins["plugins"].as_array().context("no list of plugins")?;
        plugins.iter().find(|plugin| plugin["name"] == name).cloned().with_context(|| format!("no plugin {name}"))
    }

    /// How many instances of a plugin were replaced.
    fn replaced(&self, name: &str) -> Result<u64> {
        self.plugin(name)?["replaced"].as_u64().context("no number of replaced instances")
    }
}
