//! The configuration: `cloakroom.toml` and the plugins' grant files, read once at the edge into types that cannot hold
//! a wrong value.
//!
//! A file goes through three hands. `document` knows TOML and where in the text a key stands; `file` is what may be
//! written, as serde structs; `validate` turns that into the [`Config`] of `model` and is the one place that says what
//! is allowed. All of them add to one list of [`Problem`]s, so that an operator sees every mistake at once.
//! `web_config` makes a `cloakroom.toml` from an ASP.NET `web.config`.
//!
//! A relative path in a file is relative to that file; a default, or a path on the command line, to the working
//! directory.

mod connection;
mod document;
#[cfg(test)]
mod documented;
mod duration;
mod file;
mod findings;
mod granted;
mod grants;
mod load;
mod model;
mod overrides;
mod problem;
mod secret;
mod size;
mod summary;
mod validate;
mod values;
pub mod web_config;
mod webhook;

pub use connection::{ConnectionConfig, ConnectionKind, Synchronous};
pub use granted::{Access, GrantedAddress, GrantedDirectory};
pub use model::{
    Config, DEFAULT_STORE, EventStreamConfig, Grants, HttpConfig, Limits, LogConfig, LogFormat, PluginsConfig,
    StateServerConfig, StoreConfig,
};
pub use overrides::Overrides;
pub use problem::{ConfigError, Problem};
pub use webhook::WebhookConfig;
