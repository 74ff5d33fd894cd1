//! Why a rule does not pass.

use crate::{
    contract::KeyError,
    plugins::{CallError, PluginError, PluginFailure},
};

/// What ended a check before its end.
#[derive(Debug, Clone)]
pub(super) enum Finding {
    /// The component did something else than the rule demands.
    Broken {
        /// What the rule demands.
        expected: String,
        /// What came instead.
        seen: String,
    },
    /// The component failed in a call, so that nobody can say whether it keeps the rule.
    Unjudged {
        /// How it failed.
        reason: String,
    },
    /// The rule does not apply here.
    Skipped {
        /// Why not.
        reason: String,
    },
}

impl Finding {
    /// The rule is broken: this was expected, that was seen.
    pub(super) fn broken(expected: impl Into<String>, seen: impl Into<String>) -> Self {
        Self::Broken { expected: expected.into(), seen: seen.into() }
    }
}

impl From<CallError> for Finding {
    fn from(error: CallError) -> Self {
        match error {
            CallError::Plugin(error) => error.into(),
            CallError::Store(error) => Self::broken("an outcome", format!("the error `{error}`")),
        }
    }
}

impl From<PluginError> for Finding {
    fn from(error: PluginError) -> Self {
        let text = with_place(&error);
        match &error.failure {
            PluginFailure::Nonsense { .. } => Self::broken("an answer that the contract allows", text),
            _ => Self::Unjudged { reason: text },
        }
    }
}

/// How the component failed and, if its file has names of functions, where: a line for each, innermost first.
pub(super) fn with_place(error: &PluginError) -> String {
    let mut text = error.to_string();
    for frame in error.backtrace.frames() {
        text.push_str("\n      in ");
        text.push_str(frame);
    }
    text
}

impl From<KeyError> for Finding {
    fn from(error: KeyError) -> Self {
        Self::Unjudged { reason: format!("the kit made a key that is not one: {error}") }
    }
}

/// How a check ends.
pub(super) type Checked<T = ()> = Result<T, Finding>;

/// Demands something that no outcome says by itself.
pub(super) fn demand(holds: bool, expected: impl Into<String>, seen: impl Into<String>) -> Checked {
    if holds { Ok(()) } else { Err(Finding::broken(expected, seen)) }
}

/// Demands that two values are equal, and names what they are.
pub(super) fn demand_equal<T: PartialEq + std::fmt::Debug>(what: &str, expected: &T, seen: &T) -> Checked {
    demand(expected == seen, format!("{what} is {expected:?}"), format!("{what} is {seen:?}"))
}
