//! What web applications talk to.
//!
//! A front end turns bytes of its protocol into an operation of the session service and the outcome back into bytes.
//! It knows nothing of plugins.

pub mod http;
pub mod state_server;
mod workers;

pub use workers::Workers;
