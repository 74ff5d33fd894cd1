//! Metrics for operators. (Logs are set up by the command; traces are `tracing` spans.)

mod metrics;

pub use metrics::{install, publish};
