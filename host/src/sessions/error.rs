//! Why the session service could not carry out an operation.

use thiserror::Error;

use crate::contract::{KeyError, StoreError};
use crate::plugins::PluginError;

/// What a front end has to tell its client when there is no outcome. A missing or locked session is an outcome, not
/// an error.
#[derive(Debug, Error)]
pub enum SessionError {
    /// Application and ID do not name a session.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// The ID was not made by the store's generator, which can tell.
    #[error("the session ID was not issued by store `{store}`; create the session first and use the ID it is given")]
    ForgedId {
        /// The store.
        store: String,
    },
    /// More bytes than the store takes.
    #[error("the payload has {size} bytes; store `{store}` takes at most {limit} (`max_payload`)")]
    PayloadTooLarge {
        /// The store.
        store: String,
        /// Bytes in the payload.
        size: usize,
        /// Bytes allowed.
        limit: usize,
    },
    /// The store's plugin does not have the optional operation.
    #[error(
        "store `{store}` cannot {operation}: its provider `{plugin}` does not export `{interface}`; use one that \
         does, such as `memory`"
    )]
    Unsupported {
        /// The store.
        store: String,
        /// The plugin behind it.
        plugin: String,
        /// What was asked for, as a verb.
        operation: &'static str,
        /// The WIT interface that would be needed.
        interface: &'static str,
    },
    /// The plugin works and answered with an error.
    #[error("store `{store}`: plugin `{plugin}` answered: {error}")]
    Store {
        /// The store.
        store: String,
        /// The plugin that answered.
        plugin: String,
        /// What it answered.
        error: StoreError,
    },
    /// The plugin failed: it trapped, ran into a limit or answered nonsense.
    #[error("store `{store}`: {error}")]
    Plugin {
        /// The store.
        store: String,
        /// How it failed.
        error: PluginError,
    },
}
