//! Waiting until replicas have what was written: `WAIT`.
//!
//! A server answers before its replicas have heard of a write, so a fail-over can lose what was acknowledged. With `WAIT`
//! an answer means that as many replicas as configured have it, too.

use std::{io, time::Duration};

use redis::{Cmd, RedisResult, Value};

use crate::config::ConnectionConfig;

/// What a connection asks of its replicas.
#[derive(Debug, Clone, Copy)]
pub(super) struct Replicas {
    /// How many have to have it; 0: nobody asks.
    count: usize,
    timeout: Duration,
}

impl Replicas {
    pub(super) fn new(config: &ConnectionConfig) -> Self {
        Self { count: config.wait_replicas, timeout: config.wait_timeout }
    }

    /// The command that waits for them, if somebody does. To be sent over the connection that wrote.
    pub(super) fn wait(self) -> Option<Cmd> {
        let milliseconds = u64::try_from(self.timeout.as_millis()).unwrap_or(u64::MAX);
        (self.count > 0).then(|| {
            let mut wait = redis::cmd("WAIT");
            wait.arg(self.count).arg(milliseconds);
            wait
        })
    }

    /// Whether enough of them have it, by what the server answered.
    pub(super) fn judge(self, answer: &Value) -> RedisResult<()> {
        let reached = match answer {
            Value::Int(reached) => usize::try_from(*reached).unwrap_or(0),
            _ => 0,
        };
        if reached >= self.count {
            return Ok(());
        }
        // As with any answer that did not come in time: it may be done, and may be undone.
        let why = format!(
            "it is written, but {reached} of {} replicas have it after {:?}: a fail-over may undo it",
            self.count, self.timeout
        );
        Err(io::Error::new(io::ErrorKind::TimedOut, why).into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn replicas(count: usize) -> Replicas {
        Replicas { count, timeout: Duration::from_millis(200) }
    }

    #[test]
    fn nobody_waits_unless_it_is_configured() {
        assert!(replicas(0).wait().is_none());
        let wait = replicas(2).wait().expect("a command");
        assert_eq!(wait.get_packed_command(), b"*3\r\n$4\r\nWAIT\r\n$1\r\n2\r\n$3\r\n200\r\n");
    }

    #[test]
    fn too_few_replicas_are_an_answer_that_did_not_come_in_time() {
        assert!(replicas(2).judge(&Value::Int(2)).is_ok());
        assert!(replicas(2).judge(&Value::Int(3)).is_ok());
        let error = replicas(2).judge(&Value::Int(1)).expect_err("one is missing");
        assert!(error.is_timeout() && error.to_string().contains("1 of 2 replicas"), "{error}");
    }
}
