//! The host's clock.

pub use crate::bindings::host::cloakroom::session::clock::now;
