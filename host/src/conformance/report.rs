//! What a run of the kit found, and how it is written: as a table for people and as JSON for programs.

use std::fmt;

use serde_json::{Value, json};

use super::rule::Rule;
use crate::plugins::Plugin;

/// The version of the JSON form. Fields may be added within a version.
pub const SCHEMA: u32 = 1;

/// How a rule came out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// The component keeps it.
    Passed,
    /// The component breaks it.
    Broken {
        /// What the rule demands.
        expected: String,
        /// What came instead.
        seen: String,
    },
    /// The component failed in a call, so that the rule cannot be judged. Counts as failed.
    Unjudged {
        /// How it failed.
        reason: String,
    },
    /// The rule does not apply to this component.
    Skipped {
        /// Why not.
        reason: String,
    },
}

impl Verdict {
    /// `passed`, `failed` or `skipped`.
    #[must_use]
    pub fn word(&self) -> &'static str {
        match self {
            Self::Passed => "passed",
            Self::Broken { .. } | Self::Unjudged { .. } => "failed",
            Self::Skipped { .. } => "skipped",
        }
    }
}

/// A rule, how it came out, and the calls that were made.
#[derive(Debug, Clone)]
pub struct Judgement {
    /// The rule.
    pub rule: &'static Rule,
    /// How it came out.
    pub verdict: Verdict,
    /// Each call with its outcome, in order.
    pub calls: Vec<String>,
}

/// What a run of the kit found.
#[derive(Debug, Clone)]
pub struct Report {
    file: String,
    name: String,
    kind: String,
    digest: String,
    /// A judgement for each rule that was run.
    pub judgements: Vec<Judgement>,
}

impl Report {
    pub(super) fn new(plugin: &Plugin, judgements: Vec<Judgement>) -> Self {
        let description = plugin.description();
        Self {
            file: description.file.display().to_string(),
            name: description.name.clone(),
            kind: description.kinds_text(),
            digest: description.digest.clone(),
            judgements,
        }
    }

    /// How many rules came out with this word.
    #[must_use]
    pub fn count(&self, word: &str) -> usize {
        self.judgements.iter().filter(|judgement| judgement.verdict.word() == word).count()
    }

    /// Whether no rule failed.
    #[must_use]
    pub fn conforms(&self) -> bool {
        self.count("failed") == 0
    }

    /// The report for programs. `docs/conformance.md` documents the fields.
    #[must_use]
    pub fn to_json(&self) -> Value {
        json!({
            "schema": SCHEMA,
            "plugin": {"name": self.name, "file": self.file, "kind": self.kind, "digest": self.digest},
            "passed": self.count("passed"),
            "failed": self.count("failed"),
            "skipped": self.count("skipped"),
            "rules": self.judgements.iter().map(Judgement::to_json).collect::<Vec<_>>(),
        })
    }
}

impl Judgement {
    fn to_json(&self) -> Value {
        let mut value = json!({
            "id": self.rule.id,
            "title": self.rule.title,
            "reference": self.rule.reference,
            "verdict": self.verdict.word(),
        });
        let details = match &self.verdict {
            Verdict::Passed => json!({}),
            Verdict::Broken { expected, seen } => json!({"expected": expected, "seen": seen, "calls": self.calls}),
            Verdict::Unjudged { reason } => json!({"reason": reason, "calls": self.calls}),
            Verdict::Skipped { reason } => json!({"reason": reason}),
        };
        if let (Value::Object(value), Value::Object(details)) = (&mut value, details) {
            value.extend(details);
        }
        value
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{} ({}, {})\n", self.file, self.kind, self.digest)?;
        let width = self.judgements.iter().map(|judgement| judgement.rule.id.len()).max().unwrap_or(0);
        for Judgement { rule, verdict, .. } in &self.judgements {
            // Failures stand out in a long table.
            let word = if verdict.word() == "failed" { "FAILED" } else { verdict.word() };
            let text = match verdict {
                Verdict::Skipped { reason } => reason,
                _ => rule.title,
            };
            writeln!(f, "{word:7}  {:width$}  {text}", rule.id)?;
        }
        for judgement in self.judgements.iter().filter(|judgement| judgement.verdict.word() == "failed") {
            judgement.explain(f)?;
        }
        let [passed, failed, skipped] = ["passed", "failed", "skipped"].map(|word| self.count(word));
        write!(f, "\n{} rules: {passed} passed, {failed} failed, {skipped} skipped", self.judgements.len())
    }
}

impl Judgement {
    /// Why a rule failed.
    fn explain(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        /// The last calls matter; all of them are in the JSON form.
        const MOST_CALLS: usize = 30;
        writeln!(f, "\nFAILED {} ({})\n  {}", self.rule.id, self.rule.reference, self.rule.title)?;
        match &self.verdict {
            Verdict::Broken { expected, seen } => writeln!(f, "  expected: {expected}\n  seen:     {seen}")?,
            Verdict::Unjudged { reason } => writeln!(f, "  could not be judged: {reason}")?,
            Verdict::Passed | Verdict::Skipped { .. } => {}
        }
        let left_out = self.calls.len().saturating_sub(MOST_CALLS);
        writeln!(f, "  calls:{}", if left_out > 0 { format!(" ({left_out} before these)") } else { String::new() })?;
        for call in self.calls.iter().skip(left_out) {
            writeln!(f, "    {call}")?;
        }
        Ok(())
    }
}
