//! `cloakroom doctor`: the real command, and real back ends with something wrong.

mod mariadb;
mod plugins;
mod postgres;
mod redis;
mod redis_cluster;
mod sqlite;

use std::{fs, path::Path, process::Command};

use anyhow::{Context, Result, ensure};
use harness::host::{binary, plugins_directory};
use serde_json::Value;
use tempfile::TempDir;

/// Stands in URLs, and nowhere in what is printed.
const SECRET: &str = "s3cr%2Fet-word";

/// The same as the server has it.
const PLAIN_SECRET: &str = "s3cr/et-word";

/// A directory with plugins and a configuration.
struct Patient {
    directory: TempDir,
}

/// What the command found.
struct Report {
    code: Option<i32>,
    all: Value,
    text: String,
}

/// One thing that it found.
#[derive(Debug)]
struct Finding<'r> {
    level: &'r str,
    about: &'r str,
    /// The message and the remedy.
    words: String,
}

impl Patient {
    fn new() -> Result<Self> {
        let patient = Self { directory: tempfile::tempdir()? };
        for name in ["memory", "redis", "sql", "aspnet-id", "session-log", "encrypt"] {
            let file = format!("{name}.wasm");
            let shipped = plugins_directory()?.join(&file);
            fs::copy(&shipped, patient.path().join(file))
                .with_context(|| format!("{} is missing", shipped.display()))?;
        }
        patient.write("redis.toml", "redis = [\"main\"]\n")?;
        patient.write("sql.toml", "sql = [\"main\"]\n")?;
        Ok(patient)
    }

    fn path(&self) -> &Path {
        self.directory.path()
    }

    fn write(&self, file: &str, content: &str) -> Result<()> {
        Ok(fs::write(self.path().join(file), content)?)
    }

    /// Runs the command on this configuration, for people and for programs.
    fn examine(&self, config: &str) -> Result<Report> {
        self.write("cloakroom.toml", &format!("data_dir = \"data\"\n{config}"))?;
        let run = |format: &str| -> Result<(Option<i32>, String)> {
            let output = Command::new(binary()?)
                .args(["doctor", "--format", format, "--plugins"])
                .arg(self.path())
                .arg("--config")
                .arg(self.path().join("cloakroom.toml"))
                .output()?;
            let printed = String::from_utf8_lossy(&output.stdout).into_owned();
            let complaints = String::from_utf8_lossy(&output.stderr).into_owned();
            for secret in [SECRET, PLAIN_SECRET, "s3cr"] {
                ensure!(!printed.contains(secret) && !complaints.contains(secret), "{printed}{complaints}");
            }
            ensure!(complaints.is_empty(), "{complaints}");
            Ok((output.status.code(), printed))
        };
        let (code, text) = run("text")?;
        let (code_of_json, json) = run("json")?;
        ensure!(code == code_of_json, "{code:?} and {code_of_json:?}");
        ensure!(!self.path().join("data").exists(), "it made the data directory");
        let all: Value = serde_json::from_str(&json).with_context(|| format!("no JSON: {json}"))?;
        let lines = text.lines().count() - 1;
        ensure!(all["findings"].as_array().is_some_and(|found| found.len() == lines), "{text}{json}");
        Ok(Report { code, all, text })
    }

    /// The same for one store of a plugin on a connection.
    fn examine_store(&self, provider: &str, url: &str, more: &str) -> Result<Report> {
        self.examine(&format!(
            "[stores.default]\nprovider = {provider:?}\n{more}\n[connections.main]\nurl = {url:?}\ntimeout = \"2s\"\n"
        ))
    }
}

impl Report {
    fn findings(&self, check: &str) -> Vec<Finding<'_>> {
        let text = |finding: &'_ Value, name: &str| finding[name].as_str().unwrap_or_default().to_owned();
        let all = self.all["findings"].as_array().into_iter().flatten();
        all.filter(|finding| finding["check"] == check)
            .map(|finding| Finding {
                level: finding["level"].as_str().unwrap_or_default(),
                about: finding["about"].as_str().unwrap_or_default(),
                words: format!("{}; {}", text(finding, "message"), text(finding, "remedy")),
            })
            .collect()
    }

    /// Checks that this was found, with these words.
    fn found(&self, level: &str, check: &str, words: &[&str]) -> Result<()> {
        let findings = self.findings(check);
        let fits = |found: &Finding<'_>| {
            found.level == level && words.iter().all(|word| found.words.contains(word) || found.about.contains(word))
        };
        ensure!(findings.iter().any(fits), "no {level} `{check}` with {words:?} in\n{}", self.text);
        Ok(())
    }

    /// Checks that nothing is wrong.
    fn is_well(&self) -> Result<()> {
        self.has(0, 0)
    }

    /// Checks how many errors and warnings there are, and the exit code.
    fn has(&self, errors: usize, warnings: usize) -> Result<()> {
        ensure!(self.all["errors"] == errors && self.all["warnings"] == warnings, "{}", self.text);
        ensure!(self.code == Some(i32::from(errors > 0)), "{:?}\n{}", self.code, self.text);
        let last = format!("{errors} errors, {warnings} warnings");
        ensure!(self.text.lines().last().is_some_and(|line| line.ends_with(&last)), "{}", self.text);
        Ok(())
    }
}
