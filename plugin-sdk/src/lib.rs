//! Write a Cloakroom plugin in Rust by implementing one trait.
//!
//! | you make | implement | then say |
//! |---|---|---|
//! | a session store | [`Provider`] | [`export_provider!`] |
//! | a store around another store | [`Middleware`] | [`export_middleware!`] |
//! | a generator of session IDs | [`IdManager`] | [`export_id_manager!`] |
//! | a handler of `Session_Start` and `Session_End` | [`SessionEvents`] | [`export_session_events!`] |
//! | a resolver of partitions | [`PartitionResolver`] | [`export_partition_resolver!`] |
//!
//! ```
//! use cloakroom_plugin_sdk::{
//!     Error, IdContext, IdForm, IdManager, IdManagerInfo, Settings, export_id_manager, random,
//! };
//!
//! /// Session IDs of 40 hexadecimal digits.
//! struct HexId;
//!
//! impl IdManager for HexId {
//!     fn initialize(_store: &str, settings: &Settings) -> Result<Self, Error> {
//!         settings.allow_only(&[])?;
//!         Ok(HexId)
//!     }
//!
//!     fn info(&self) -> IdManagerInfo {
//!         IdManagerInfo { name: "hex-id 1.0".into(), entropy_bits: 160, form: IdForm::Custom, verifiable: false }
//!     }
//!
//!     fn create(&self, _context: IdContext) -> Result<String, Error> {
//!         let mut bytes = [0; 20];
//!         random::fill(&mut bytes);
//!         Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
//!     }
//!
//!     fn validate(&self, id: &str) -> bool {
//!         id.len() == 40 && id.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
//!     }
//! }
//!
//! export_id_manager!(HexId);
//! ```
//!
//! A plugin is a `cdylib` built for `wasm32-unknown-unknown` (`scripts/build-plugins FOLDER` knows how). It imports what
//! it uses of this crate and nothing else, and the host links only what the operator granted. Always granted:
//! [`kv`] with the plugin's own bucket, [`Payload`] handles, [`expiry_callback`], [`log`], [`settings`], [`clock`],
//! [`random`]. With a grant: the content of payloads ([`Payload::read`]), [`redis`], [`sql`].
//!
//! What calls into the host works only inside a component: test the logic of a plugin in functions that do not, with
//! plain `cargo test`, and the component with `cloakroom check`.

#[doc(hidden)]
pub mod bindings;
pub mod clock;
mod error;
pub mod expiry;
mod export;
mod id_manager;
#[doc(hidden)]
pub mod instance;
mod key;
pub mod kv;
pub mod lock;
pub mod log;
pub mod middleware;
mod partition_resolver;
mod payload;
mod provider;
pub mod random;
mod session_events;
pub mod settings;

pub use bindings::host::cloakroom::session::{
    expiry_callback,
    payloads::Payload,
    redis, sql,
    types::{
        Condition, Error, GetExclusiveOutcome, GetOutcome, Item, Lock, LockId, LockedItem, ReleaseOutcome,
        RemoveOutcome, RenameOutcome, ResetOutcome, SessionData, SessionKey, SessionPage, SessionSummary, SetOutcome,
    },
};
pub use id_manager::{IdContext, IdForm, IdManager, IdManagerInfo};
pub use middleware::Middleware;
pub use partition_resolver::PartitionResolver;
pub use provider::{ExpiryFilter, Instancing, Provider, SessionIndex, SessionRename, SessionScan, StateTransfer};
pub use session_events::{EndReason, SessionEvents};
pub use settings::Settings;
