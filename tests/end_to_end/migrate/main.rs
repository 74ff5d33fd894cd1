//! `cloakroom migrate`: the real command, a host that serves, and real stores.

mod copies;
mod later_runs;
mod load;
mod locks;
mod refusals;
mod stopped;

use std::{
    fs,
    path::Path,
    process::{Child, Command, Stdio},
};

use anyhow::{Context, Result, ensure};
use harness::{
    Host,
    host::{binary, fixtures_directory, plugins_directory},
    http::{Answer, Request},
};
use serde_json::Value;
use tempfile::TempDir;

/// A file of SQLite, and hosts that have stores on it: `default` in their own memory, and `first` and `second` there.
struct Place {
    directory: TempDir,
    url: String,
}

impl Place {
    fn new() -> Result<Self> {
        let directory = tempfile::tempdir()?;
        let url = format!("sqlite://{}", directory.path().join("sessions.db").display());
        Self { directory, url }.with_plugins()
    }

    /// The same on a server.
    fn on(url: String) -> Result<Self> {
        Self { directory: tempfile::tempdir()?, url }.with_plugins()
    }

    fn with_plugins(self) -> Result<Self> {
        let at = self.directory.path();
        for name in ["memory", "sql", "aspnet-id"] {
            copy(&plugins_directory()?, at, name)?;
        }
        fs::write(at.join("sql.toml"), "sql = [\"main\"]\n")?;
        Ok(self)
    }

    /// A host whose application `shop` is in this store.
    fn host(&self, store: &str, more: &str) -> Result<Host> {
        Host::start(&format!(
            "[log]\nevents = true\n[plugins]\ndirectory = {:?}\n[connections.main]\nurl = {:?}\n\
             [applications]\nshop = {store:?}\n[stores.first]\nprovider = \"sql\"\nsweep_interval = \"50ms\"\n\
             [stores.second]\nprovider = \"sql\"\nsweep_interval = \"50ms\"\n\
             [stores.default]\nsweep_interval = \"50ms\"\n{more}",
            self.directory.path(),
            self.url
        ))
    }
}

fn copy(from: &Path, to: &Path, plugin: &str) -> Result<()> {
    let file = format!("{plugin}.wasm");
    let from = from.join(&file);
    fs::copy(&from, to.join(file)).with_context(|| format!("{} is missing", from.display()))?;
    Ok(())
}

/// A plugin that exists for tests.
fn copy_fixture(to: &Path, plugin: &str) -> Result<()> {
    copy(&fixtures_directory()?, to, plugin)
}

/// How a migration ended.
struct Ended {
    code: Option<i32>,
    status: Value,
}

impl Ended {
    /// A number of the summary.
    fn count(&self, name: &str) -> u64 {
        self.status[name].as_u64().unwrap_or_else(|| panic!("no number `{name}` in {}", self.status))
    }

    /// Checks that the numbers are these and all others 0, and that nothing was left.
    fn is(&self, counts: &[(&str, u64)]) -> Result<()> {
        self.has(counts)?;
        ensure!(self.code == Some(0), "{:?}: {}", self.code, self.status);
        Ok(())
    }

    /// Checks that the numbers are these and all others 0.
    fn has(&self, counts: &[(&str, u64)]) -> Result<()> {
        const ALL: [&str; 10] = [
            "copied",
            "unchanged",
            "newer_at_target",
            "ended_at_target",
            "other_at_target",
            "gone",
            "locked",
            "failed",
            "waiting",
            "removed",
        ];
        ensure!(self.status["state"] == "done", "{}", self.status);
        ensure!(counts.iter().all(|(name, _)| ALL.contains(name)));
        for name in ALL {
            let expected = counts.iter().find(|(given, _)| *given == name).map_or(0, |(_, count)| *count);
            ensure!(self.count(name) == expected, "{name} is not {expected}: {}", self.status);
        }
        Ok(())
    }
}

/// The command, at a host.
fn command(host: &Host, arguments: &[&str]) -> Result<Command> {
    let mut command = Command::new(binary()?);
    command.args(["migrate", "--http", &host.http().to_string(), "--json"]).args(arguments);
    Ok(command)
}

/// Runs the command to its end.
fn migrate(host: &Host, arguments: &[&str]) -> Result<Ended> {
    ended(command(host, arguments)?.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?)
}

/// Waits for the command.
fn ended(command: Child) -> Result<Ended> {
    let output = command.wait_with_output()?;
    let status = serde_json::from_slice(&output.stdout)
        .with_context(|| format!("no JSON; it says: {}", String::from_utf8_lossy(&output.stderr)))?;
    Ok(Ended { code: output.status.code(), status })
}

/// What the host says of the migration.
fn status(host: &Host) -> Result<Value> {
    Request::new("GET", "/v1/migration").send(host.http())?.json()
}

/// The path of a session.
fn session(path: impl std::fmt::Display) -> String {
    format!("/v1/shop/sessions/{path}")
}

fn put(host: &Host, id: impl std::fmt::Display, body: &str) -> Result<()> {
    let stored = Request::new("PUT", session(id)).body(body).send(host.http())?;
    ensure!(matches!(stored.status, 201 | 204), "{} {}", stored.status, stored.text());
    Ok(())
}

fn get(host: &Host, id: impl std::fmt::Display) -> Result<Answer> {
    Request::new("GET", session(id)).send(host.http())
}

/// Checks what a session holds.
fn holds(host: &Host, id: impl std::fmt::Display, body: &str) -> Result<()> {
    let found = get(host, &id)?;
    ensure!(found.status == 200 && found.text() == body, "{id}: {} {}, not {body}", found.status, found.text());
    Ok(())
}
