//! The plugin runtime: finds components, checks them, and calls them in pooled instances under limits.
//!
//! The session service calls it; it calls the capabilities. It knows nothing of protocols, and of sessions only the
//! words of the contract that it carries over the boundary.

mod admission;
mod backtrace;
mod build;
mod cache;
mod code;
mod component;
mod counters;
mod directory;
mod engine;
mod error;
mod event_handler;
mod exports;
mod health;
mod host_call;
mod id_manager;
mod inner;
mod instance;
mod places;
mod plain;
mod plugin;
mod pool;
mod provider;
mod provider_exports;
mod runtime;
mod serving;
mod shard_cursor;
mod slot;
mod source;
mod status;
mod succession;
mod trust;
mod watch;

pub use admission::NotAdmitted;
pub use backtrace::GuestBacktrace;
pub use component::{Description, Kind, LoadError, LoadFailure};
pub use directory::{FindError, PluginDirectory};
pub use error::{CallError, PluginError, PluginFailure};
pub use event_handler::EventHandler;
pub use id_manager::{IdManager, IdManagerInfo, MAX_ID_CHARACTERS, MIN_ENTROPY_BITS};
pub use plain::PlainOperations;
pub use plugin::Plugin;
pub use provider::Provider;
pub use provider_exports::{INDEX, RENAME, SCAN};
pub use runtime::Runtime;
pub use status::{PluginLimits, PluginStatus, Suspension};

pub use crate::capabilities::ExpirySink;
