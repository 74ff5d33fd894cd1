//! The operations on sessions, a file each: read the request, call the session service, write the outcome.

mod conditional;
pub(super) mod create;
pub(super) mod get;
pub(super) mod lock;
pub(super) mod put;
pub(super) mod remove;
pub(super) mod rotate;
pub(super) mod subject;
pub(super) mod touch;
pub(super) mod unlock;

use super::problem::Problem;
use crate::contract::{Lock, LockId};

/// The session is locked, and not under the lock id that the client showed, if it showed one.
fn refused(lock: Lock, shown: Option<LockId>) -> Problem {
    match shown {
        Some(_) => Problem::lock_lost(lock),
        None => Problem::locked(lock),
    }
}
