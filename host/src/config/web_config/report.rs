//! What was not carried over.

use std::fmt::Write as _;

/// Something of the `web.config` that is not in the `cloakroom.toml`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Remark {
    /// Where it stands.
    pub line: u32,
    /// What it is; with its value only where that cannot be a secret.
    pub what: String,
    /// Why it was left out.
    pub reason: String,
    /// What to do about it.
    pub advice: String,
}

/// Remarks as they are collected.
#[derive(Debug, Default)]
pub(super) struct Remarks(Vec<Remark>);

impl Remarks {
    pub(super) fn add(
        &mut self,
        line: u32,
        what: impl Into<String>,
        reason: impl Into<String>,
        advice: impl Into<String>,
    ) {
        self.0.push(Remark { line, what: what.into(), reason: reason.into(), advice: advice.into() });
    }

    pub(super) fn in_order(mut self) -> Vec<Remark> {
        self.0.sort_by_key(|remark| remark.line);
        self.0
    }
}

/// The list for people.
pub(super) fn text(source: &str, remarks: &[Remark]) -> String {
    if remarks.is_empty() {
        return String::new();
    }
    let mut text = String::from("not carried over:\n");
    for Remark { line, what, reason, advice } in remarks {
        // Writing to a string does not fail.
        let _ = writeln!(text, "  {source}:{line}: {what}\n      {reason}\n      -> {advice}");
    }
    text
}
