//! Lines for the host's log, marked with the component's name. Never log session IDs or payloads.

pub use crate::bindings::host::cloakroom::session::log::{Level, log};

/// Logs what only somebody who follows every call wants to know.
pub fn trace(message: impl AsRef<str>) {
    log(Level::Trace, message.as_ref());
}

/// Logs what helps to find a fault.
pub fn debug(message: impl AsRef<str>) {
    log(Level::Debug, message.as_ref());
}

/// Logs what an operator likes to know.
pub fn info(message: impl AsRef<str>) {
    log(Level::Info, message.as_ref());
}

/// Logs what an operator should look at some time.
pub fn warn(message: impl AsRef<str>) {
    log(Level::Warn, message.as_ref());
}

/// Logs what an operator should look at now.
pub fn error(message: impl AsRef<str>) {
    log(Level::Error, message.as_ref());
}
