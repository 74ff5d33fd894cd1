//! How a call into a plugin fails.

use std::time::Duration;

use thiserror::Error;

/// A failed call, with the plugin that failed.
#[derive(Debug, Clone, Error)]
#[error("plugin `{plugin}` {failure}")]
pub struct PluginError {
    /// The plugin's name: its file name without `.wasm`.
    pub plugin: String,
    /// What happened.
    pub failure: PluginFailure,
}

/// What happened in a plugin, and what to do about it. Each limit has its own kind, so that nobody has to read a text to
/// tell them apart.
#[derive(Debug, Clone, Error)]
pub enum PluginFailure {
    /// The component trapped.
    #[error("trapped in `{operation}`, which its author has to mend: {reason}")]
    Trap {
        /// The operation of the contract.
        operation: &'static str,
        /// The trap and the guest's backtrace.
        reason: String,
    },
    /// It computed for too long.
    #[error(
        "used more than {limit:?} of CPU time in `{operation}` (limit `cpu`); raise the limit in its grant file if it \
         needs that much"
    )]
    Cpu {
        /// The operation of the contract.
        operation: &'static str,
        /// The limit.
        limit: Duration,
    },
    /// The whole call took too long.
    #[error(
        "did not finish `{operation}` within {limit:?} (limit `deadline`); see whether what it waits for answers, or \
         raise the limit in its grant file"
    )]
    Deadline {
        /// The operation of the contract.
        operation: &'static str,
        /// The limit.
        limit: Duration,
    },
    /// It asked for too much memory.
    #[error(
        "asked for more than {limit} bytes of memory in `{operation}` (limit `memory`); raise the limit in its grant \
         file if it needs that much"
    )]
    Memory {
        /// The operation of the contract.
        operation: &'static str,
        /// The limit in bytes.
        limit: usize,
    },
    /// It answered something that the contract does not allow.
    #[error("broke the contract in `{operation}`, see `cloakroom check`: {what}")]
    Nonsense {
        /// The operation of the contract.
        operation: &'static str,
        /// What is wrong with the answer.
        what: String,
    },
    /// Its instances are all busy and the line is full.
    #[error(
        "has all of its {limit} instances busy (limit `instances`); try again, or raise the limit in its grant file"
    )]
    Saturated {
        /// How many instances it may have.
        limit: usize,
    },
    /// No instance of it could be made.
    #[error("could not be instantiated: {reason}")]
    Instantiate {
        /// Why not.
        reason: String,
    },
}
