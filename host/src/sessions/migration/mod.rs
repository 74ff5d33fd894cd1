//! Copying or moving the live sessions of one store to another, while both serve.
//!
//! It runs in the host, where the stores are: sessions of `memory` are in no other process, and locks are waited for in
//! the same lines as clients wait in. One at a time; the HTTP front end starts it, tells of it and stops it.
//!
//! - `request`: what is asked for, and why it is refused.
//! - `status`: how far it is, and what became of the sessions.
//! - `ledger`: which version of a session is which version of its copy, on disk, so that a later run goes on where an
//!   earlier one ended and overwrites nothing that was changed at the target since.
//! - `session`: one session: what is to be done, and doing it.
//! - `run`: all of them.

mod job;
mod ledger;
mod request;
mod run;
mod session;
mod status;

pub(super) use self::job::Migrations;
pub use self::{
    request::{MigrationRefused, MigrationRequest},
    status::{MigrationState, MigrationStatus},
};
