//! How a call into a plugin fails.

use std::{sync::Arc, time::Duration};

use thiserror::Error;

use super::GuestBacktrace;
use crate::{capabilities::Limit, contract::StoreError};

/// Why a call did not end in an outcome.
#[derive(Debug, Clone, Error)]
pub enum CallError {
    /// The component failed.
    #[error(transparent)]
    Plugin(#[from] PluginError),
    /// The component worked and answered with an error of the contract.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// A failed call, with the plugin that failed.
#[derive(Debug, Clone, Error)]
#[error("plugin `{plugin}` {failure}")]
pub struct PluginError {
    /// The plugin's name: its file name without `.wasm`.
    pub plugin: Box<str>,
    /// What happened.
    pub failure: PluginFailure,
    /// Where in the component, for its author.
    pub backtrace: GuestBacktrace,
}

impl PluginError {
    /// A failure that has no place in the component.
    #[must_use]
    pub fn new(plugin: &str, failure: PluginFailure) -> Self {
        Self { plugin: plugin.into(), failure, backtrace: GuestBacktrace::default() }
    }
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
        /// The trap.
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
    /// One call that it made into the host took too long.
    #[error(
        "waited for longer than {limit:?} in one call into the host during `{operation}` (limit `host_call`); see \
         whether what it waits for answers, or raise the limit in its grant file"
    )]
    HostCall {
        /// The operation of the contract.
        operation: &'static str,
        /// The limit.
        limit: Duration,
    },
    /// It wanted to make a payload that is too large.
    #[error(
        "made a payload of {size} bytes in `{operation}`, and may make {limit} (limit `payload`); raise the limit in \
         its grant file if it needs that much"
    )]
    Payload {
        /// The operation of the contract.
        operation: &'static str,
        /// The bytes that it was to have.
        size: usize,
        /// The limit in bytes.
        limit: usize,
    },
    /// It held on to too many handles.
    #[error(
        "held {limit} handles and wanted more in `{operation}` (limit `handles`); its author has to see whether it \
         drops them, or raise the limit in its grant file"
    )]
    Handles {
        /// The operation of the contract.
        operation: &'static str,
        /// The limit.
        limit: usize,
    },
    /// Its instances are all busy, and as many calls wait for one as may.
    #[error(
        "is saturated: all of its instances are busy and {limit} calls wait for one (limit `queue`); try again, or \
         raise `instances` or `queue` in its grant file"
    )]
    Saturated {
        /// How many calls may wait.
        limit: usize,
    },
    /// Its instances were all busy for as long as a call may take.
    #[error(
        "has all of its {limit} instances busy (limit `instances`); try again, or raise the limit in its grant file"
    )]
    Busy {
        /// How many instances it may have.
        limit: usize,
    },
    /// It failed too often and is not called for now.
    #[error(
        "is not called for now, because it keeps failing: {failures} times, the last time thus: {last}. It is tried \
         again by itself in {retry_after:?}; `cloakroom plugins release` has it called at once"
    )]
    Unavailable {
        /// Failures since it was sound.
        failures: u32,
        /// The last of them.
        last: Arc<str>,
        /// When it is tried again.
        retry_after: Duration,
    },
    /// No instance of it could be made.
    #[error("could not be instantiated: {reason}")]
    Instantiate {
        /// Why not.
        reason: String,
    },
}

impl PluginFailure {
    /// The limit that was hit, if it was one, and what it is set to: bytes, milliseconds or a number.
    #[must_use]
    pub fn limit(&self) -> Option<(Limit, u64)> {
        let count = |number: usize| u64::try_from(number).unwrap_or(u64::MAX);
        let millis = |duration: Duration| u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
        match *self {
            Self::Cpu { limit, .. } => Some((Limit::Cpu, millis(limit))),
            Self::Deadline { limit, .. } => Some((Limit::Deadline, millis(limit))),
            Self::HostCall { limit, .. } => Some((Limit::HostCall, millis(limit))),
            Self::Memory { limit, .. } => Some((Limit::Memory, count(limit))),
            Self::Payload { limit, .. } => Some((Limit::Payload, count(limit))),
            Self::Handles { limit, .. } => Some((Limit::Handles, count(limit))),
            Self::Saturated { limit } => Some((Limit::Queue, count(limit))),
            Self::Busy { limit } => Some((Limit::Instances, count(limit))),
            Self::Trap { .. } | Self::Nonsense { .. } | Self::Instantiate { .. } | Self::Unavailable { .. } => None,
        }
    }

    /// Whether code of the plugin was running when it failed. Of such a failure the log has told, with its place.
    #[must_use]
    pub fn has_place(&self) -> bool {
        matches!(
            self,
            Self::Trap { .. } | Self::Cpu { .. } | Self::Memory { .. } | Self::Payload { .. } | Self::Handles { .. }
        )
    }

    /// Whether the plugin was called and failed, as opposed to not being called at all.
    #[must_use]
    pub fn was_called(&self) -> bool {
        !matches!(self, Self::Saturated { .. } | Self::Busy { .. } | Self::Unavailable { .. })
    }
}
