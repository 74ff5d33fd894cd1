//! Cloakroom: a session-state server whose storage is a plugin.
//!
//! The layers, each calling only those below it: [`frontends`] speak protocols, [`sessions`] knows stores and locks,
//! [`plugins`] runs components, [`capabilities`] is what a component may use. [`contract`] holds the words they share.
//! [`signature`] is for telling who built a component.
//! [`conformance`] judges a component by the contract, and [`benchmark`] tells what it costs. [`doctor`] looks at what a
//! configuration leads to.

pub mod benchmark;
pub mod capabilities;
pub mod clock;
pub mod config;
pub mod conformance;
pub mod contract;
pub mod doctor;
pub mod frontends;
pub mod plugins;
pub mod server;
pub mod sessions;
pub mod signature;
pub mod telemetry;
