//! What a check did, call by call, so that a failure explains itself.

use std::sync::Arc;

use parking_lot::Mutex;

use crate::plugins::CallError;

/// The most lines that are kept: a check that calls more often than this summarises.
const MAX_LINES: usize = 400;

/// The calls of one check with their outcomes, in order. Clones share the lines.
#[derive(Debug, Clone, Default)]
pub(super) struct Transcript {
    lines: Arc<Mutex<Vec<String>>>,
}

impl Transcript {
    /// Adds a line.
    pub(super) fn note(&self, line: impl Into<String>) {
        let mut lines = self.lines.lock();
        if lines.len() < MAX_LINES {
            lines.push(line.into());
        } else if lines.len() == MAX_LINES {
            lines.push("(further calls are not shown)".to_owned());
        }
    }

    /// Adds a call as it ended, error or not.
    pub(super) fn note_call<T>(
        &self,
        result: &Result<T, CallError>,
        call: impl FnOnce() -> String,
        describe: impl FnOnce(&T) -> String,
    ) {
        let outcome = match result {
            Ok(outcome) => describe(outcome),
            Err(error) => format!("error: {error}"),
        };
        self.note(format!("{} -> {outcome}", call()));
    }

    /// The lines so far.
    pub(super) fn lines(&self) -> Vec<String> {
        self.lines.lock().clone()
    }
}
