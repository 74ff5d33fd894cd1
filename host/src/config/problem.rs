//! What is wrong with a configuration, told so that it can be put right.

use std::{fmt, io, path::PathBuf};

use thiserror::Error;

/// Why there is no configuration.
#[derive(Debug, Error)]
pub enum ConfigError {
    /// The file could not be read at all.
    #[error("cannot read the configuration file `{}`: {reason}", file.display())]
    Unreadable {
        /// The file.
        file: PathBuf,
        /// Why not.
        reason: io::Error,
    },
    /// It was read, and this is wrong with it. Never empty.
    #[error("{}", list(.0))]
    Invalid(Vec<Problem>),
}

impl ConfigError {
    /// Every problem that was found; none where the file could not be read.
    #[must_use]
    pub fn problems(&self) -> &[Problem] {
        match self {
            Self::Unreadable { .. } => &[],
            Self::Invalid(problems) => problems,
        }
    }
}

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The file, or the option of the command line.
    pub source: String,
    /// The line in the file, where there is one.
    pub line: Option<usize>,
    /// The key with its tables, such as `state_server.address`; empty where the file as a whole is meant.
    pub key: String,
    /// What was written, cut short; never a setting's value.
    pub value: Option<String>,
    /// What is wrong with it and what is allowed.
    pub message: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.source)?;
        if let Some(line) = self.line {
            write!(formatter, ":{line}")?;
        }
        formatter.write_str(": ")?;
        if !self.key.is_empty() {
            formatter.write_str(&self.key)?;
            if let Some(value) = &self.value {
                write!(formatter, " = {value}")?;
            }
            formatter.write_str(": ")?;
        }
        formatter.write_str(&self.message)
    }
}

/// One problem a line.
fn list(problems: &[Problem]) -> String {
    problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_problem_names_file_line_key_value_and_what_is_allowed() {
        let problem = Problem {
            source: "cloakroom.toml".into(),
            line: Some(3),
            key: "http.max_wait".into(),
            value: Some("\"1 min\"".into()),
            message: "write a duration".into(),
        };
        assert_eq!(problem.to_string(), "cloakroom.toml:3: http.max_wait = \"1 min\": write a duration");
    }
}
