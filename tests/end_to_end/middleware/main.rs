//! Providers that wrap others: `encrypt`, `compress`, and what goes wrong between them and what they wrap.

mod check;
mod clients;
mod encrypted;
mod stacks;

use std::fs;

use anyhow::{Context, Result, ensure};
use harness::{
    Host,
    host::{fixtures_directory, plugins_directory},
    http::{Answer, Request},
};
use tempfile::TempDir;

/// Two keys of `encrypt`.
const K1: &str = "k1:AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE=";
const K2: &str = "k2:AgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgI=";

/// A host with a directory of plugins of its own, in which wrapping providers are granted what they need.
struct Wrapped {
    host: Host,
    plugins: TempDir,
}

impl Wrapped {
    /// Starts it with this stack as the default store's provider. `more` is more of that store.
    fn start(stack: &[&str], more: &str) -> Result<Self> {
        let plugins = tempfile::tempdir()?;
        let names = ["aspnet-id", "compress", "encrypt", "event-probe", "failing-provider", "meddler", "memory"];
        for name in names {
            let places = [plugins_directory()?, fixtures_directory()?].map(|place| place.join(format!("{name}.wasm")));
            let file = places.iter().find(|file| file.exists());
            let file = file.with_context(|| format!("{name}.wasm is missing; `make test` builds it"))?;
            fs::copy(file, plugins.path().join(format!("{name}.wasm")))?;
            fs::write(plugins.path().join(format!("{name}.toml")), "payload = true\n")?;
        }
        fs::write(plugins.path().join("encrypt.toml"), encrypt_grants(K1))?;
        let directory = plugins.path().display().to_string();
        let config = format!(
            "[plugins]\ndirectory = {directory:?}\nlimits.deadline = \"2s\"\n[stores.default]\nprovider = {stack:?}\n\
             sweep_interval = \"100ms\"\n{more}\n"
        );
        Ok(Self { host: Host::start(&config)?, plugins })
    }

    /// Changes the keys of `encrypt` while the host serves.
    fn change_keys(&self, keys: &str, until: &str) -> Result<()> {
        let before = self.host.log().matches(until).count();
        let hidden = self.plugins.path().join(".new");
        fs::write(&hidden, encrypt_grants(keys))?;
        fs::rename(hidden, self.plugins.path().join("encrypt.toml"))?;
        self.host.wait_for_log_count(until, before + 1)
    }

    fn request(&self, method: &str, path: &str) -> Request {
        Request::new(method, format!("/v1/shop/sessions/{path}"))
    }

    fn send(&self, method: &str, path: &str) -> Result<Answer> {
        self.request(method, path).send(self.host.http())
    }

    fn put(&self, id: &str, body: &str) -> Result<()> {
        let stored = self.request("PUT", id).body(body).send(self.host.http())?;
        ensure!(matches!(stored.status, 201 | 204), "PUT {id}: {} {}", stored.status, stored.text());
        Ok(())
    }

    fn get(&self, id: &str) -> Result<String> {
        let read = self.send("GET", id)?;
        ensure!(read.status == 200, "GET {id}: {} {}", read.status, read.text());
        Ok(read.text())
    }

    /// The sessions on disk after a planned stop.
    fn snapshot(&mut self) -> Result<Vec<u8>> {
        self.host.terminate()?;
        Ok(fs::read(self.host.data_directory().join("kv.snapshot"))?)
    }
}

fn encrypt_grants(keys: &str) -> String {
    format!("payload = true\n[settings]\nkeys = \"{keys}\"\n")
}
