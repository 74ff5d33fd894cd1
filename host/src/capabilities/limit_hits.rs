//! Which limits a plugin has, by name, and how often it hit each.

use std::sync::atomic::{AtomicU64, Ordering};

use thiserror::Error;

/// Declares the limits: name, what the configuration calls it.
macro_rules! limits {
    ($($(#[$doc:meta])* $name:ident = $text:literal,)*) => {
        /// A limit of a plugin; the values are in [`crate::config::Limits`].
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum Limit {
            $($(#[$doc])* $name,)*
        }

        impl Limit {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$name,)*];

            /// What the configuration, metrics, logs and answers call it.
            #[must_use]
            pub fn name(self) -> &'static str {
                match self { $(Self::$name => $text,)* }
            }
        }

        /// How often each limit was hit. What counts is shared by all that a plugin does.
        #[derive(Debug, Default)]
        pub struct LimitHits([AtomicU64; [$($text,)*].len()]);
    };
}

limits! {
    /// Memory of an instance.
    Memory = "memory",
    /// CPU time of a call.
    Cpu = "cpu",
    /// Time of a call.
    Deadline = "deadline",
    /// Time of one call into the host.
    HostCall = "host_call",
    /// Instances.
    Instances = "instances",
    /// Calls that wait for an instance.
    Queue = "queue",
    /// Size of a payload that it makes.
    Payload = "payload",
    /// Handles of an instance.
    Handles = "handles",
    /// Lines in the log in a second.
    LogLines = "log_lines",
    /// Length of a line in the log.
    LogLength = "log_length",
}

impl LimitHits {
    /// Counts one more.
    pub fn count(&self, limit: Limit) {
        if let Some(hits) = self.0.get(limit as usize) {
            hits.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Those that were hit, with how often.
    pub fn hit(&self) -> impl Iterator<Item = (Limit, u64)> {
        let counts = Limit::ALL.iter().zip(&self.0);
        counts.map(|(limit, hits)| (*limit, hits.load(Ordering::Relaxed))).filter(|(_, hits)| *hits > 0)
    }
}

/// What a call into the host ends with that wants to make a payload larger than the limit. It ends the instance.
#[derive(Debug, Clone, Copy, Error)]
#[error("a payload of {size} bytes is larger than the limit `payload` allows")]
pub struct PayloadOverLimit {
    /// The bytes that it was to have.
    pub size: usize,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_limit_is_counted_for_itself() {
        let hits = LimitHits::default();
        hits.count(Limit::Memory);
        hits.count(Limit::LogLength);
        hits.count(Limit::LogLength);
        assert_eq!(hits.hit().collect::<Vec<_>>(), [(Limit::Memory, 1), (Limit::LogLength, 2)]);
    }
}
