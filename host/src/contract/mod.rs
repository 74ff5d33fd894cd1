//! The words of the session-store contract, as types that every layer shares.
//!
//! They mirror `wit/types.wit`; the rules behind them are in `docs/contract.md`. Nothing here does any work: a front
//! end makes these values, the session service passes them on, and the plugin runtime carries them over the boundary.

mod end_reason;
mod error;
mod item;
mod key;
mod lock;
mod outcome;
mod package;
mod payload;

pub use end_reason::EndReason;
pub use error::StoreError;
pub use item::{Item, SessionData, SessionPage, SessionSummary};
pub use key::{KeyError, MAX_KEY_BYTES, SessionKey};
pub use lock::{Lock, LockId};
pub use outcome::{
    Condition, GetExclusiveOutcome, GetOutcome, ReleaseOutcome, RemoveOutcome, RenameOutcome, ResetOutcome, SetOutcome,
};
pub use package::{CONTRACT_PACKAGE, CONTRACT_VERSION};
pub use payload::Payload;
