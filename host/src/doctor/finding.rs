//! What was found, a line each.

use std::fmt;

use percent_encoding::percent_decode_str;
use serde::Serialize;

use crate::config::ConnectionConfig;

/// A password of fewer characters would be found in every other word.
const SHORTEST: usize = 3;

/// How much something matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// As it should be.
    Ok,
    /// It works, and something can be lost that need not be.
    Warning,
    /// It does not work.
    Error,
}

impl fmt::Display for Level {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(match self {
            Self::Ok => "ok",
            Self::Warning => "warning",
            Self::Error => "error",
        })
    }
}

/// One thing that was found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// How much it matters.
    pub level: Level,
    /// What it is about: a store, a connection, a node of it.
    pub about: String,
    /// What was looked at, in a word that does not change.
    pub check: &'static str,
    /// What was found.
    pub message: String,
    /// What to do about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub remedy: Option<String>,
}

impl fmt::Display for Finding {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        // One line, whatever a server says.
        let line = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
        write!(formatter, "{:<8} {}: {}", self.level, self.about, line(&self.message))?;
        match &self.remedy {
            Some(remedy) => write!(formatter, "; {}", line(remedy)),
            None => Ok(()),
        }
    }
}

/// All that was found.
#[derive(Debug, Clone, Serialize)]
pub struct Report {
    /// In the order in which it was looked at.
    pub findings: Vec<Finding>,
}

impl Report {
    pub(super) fn new(notes: Vec<Notes>) -> Self {
        Self { findings: notes.into_iter().flat_map(|notes| notes.findings).collect() }
    }

    /// How many findings are of this level.
    #[must_use]
    pub fn count(&self, level: Level) -> usize {
        self.findings.iter().filter(|finding| finding.level == level).count()
    }
}

/// What is found about one thing, as it is found.
pub(super) struct Notes {
    about: String,
    /// What never stands in a finding, whoever wrote it there.
    secrets: Vec<String>,
    findings: Vec<Finding>,
}

impl Notes {
    pub(super) fn new(about: impl Into<String>) -> Self {
        Self { about: about.into(), secrets: Vec::new(), findings: Vec::new() }
    }

    pub(super) fn of_connection(name: &str, connection: &ConnectionConfig) -> Self {
        Self { secrets: secrets(&connection.url), ..Self::new(format!("connection `{name}`")) }
    }

    /// Has what follows be about a part of it; the name of what it was about.
    pub(super) fn turn_to(&mut self, about: String) -> String {
        std::mem::replace(&mut self.about, about)
    }

    pub(super) fn about(&self) -> &str {
        &self.about
    }

    pub(super) fn ok(&mut self, check: &'static str, message: impl ToString) {
        self.note(Level::Ok, check, message.to_string(), None);
    }

    pub(super) fn warning(&mut self, check: &'static str, message: impl ToString, remedy: impl ToString) {
        self.note(Level::Warning, check, message.to_string(), Some(remedy.to_string()));
    }

    pub(super) fn error(&mut self, check: &'static str, message: impl ToString, remedy: impl ToString) {
        self.note(Level::Error, check, message.to_string(), Some(remedy.to_string()));
    }

    fn note(&mut self, level: Level, check: &'static str, message: String, remedy: Option<String>) {
        let without_secrets =
            |text: String| self.secrets.iter().fold(text, |text, secret| text.replace(secret, "(not shown)"));
        let (message, remedy) = (without_secrets(message), remedy.map(without_secrets));
        self.findings.push(Finding { level, about: self.about.clone(), check, message, remedy });
    }
}

/// The passwords in a URL, as they are written and as they are meant.
fn secrets(url: &str) -> Vec<String> {
    let (before_query, query) = url.split_once('?').unwrap_or((url, ""));
    let rest = before_query.split_once("://").map_or("", |(_, rest)| rest);
    let credentials = rest.rsplit_once('@').map_or("", |(credentials, _)| credentials);
    let in_front = credentials.split_once(':').map(|(_, password)| password);
    let in_query = query.split('&').filter_map(|pair| pair.split_once('=')).filter(|(name, _)| name.contains("pass"));
    let written = in_front.into_iter().chain(in_query.map(|(_, password)| password));
    let both = |password: &str| [password.to_owned(), percent_decode_str(password).decode_utf8_lossy().into_owned()];
    written.flat_map(both).filter(|password| password.len() >= SHORTEST).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_password_is_in_a_finding_whoever_wrote_it_there() {
        for url in [
            "redis://:s3cr%40t@localhost:1",
            "postgres://anna:s3cr%40t@db.example/sessions?sslmode=require",
            "postgres://db.example/sessions?user=anna&password=s3cr%40t",
        ] {
            let connection = ConnectionConfig { url: url.to_owned(), ..ConnectionConfig::default() };
            let mut notes = Notes::of_connection("main", &connection);
            notes.error("reachable", format!("cannot use {url}, s3cr@t"), "see s3cr@t");
            let line = notes.findings.first().expect("a finding").to_string();
            assert!(!line.contains("s3cr") && line.contains("(not shown)"), "{line}");
        }
    }

    #[test]
    fn a_finding_is_one_line() {
        let mut notes = Notes::new("connection `main`");
        notes.warning("eviction", "it is\nbad", "do\n  this");
        let line = notes.findings.first().expect("a finding").to_string();
        assert_eq!(line, "warning  connection `main`: it is bad; do this");
    }
}
