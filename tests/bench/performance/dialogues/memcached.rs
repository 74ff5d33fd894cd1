//! Memcached's text protocol. It knows no locks: a pair is a read and a write, and of two at once one is lost.

use std::io::Write;

use anyhow::{Result, bail, ensure};

use super::{Dialogue, Step, Task};

pub(crate) struct Memcached {
    payload: Vec<u8>,
    session: usize,
    is_reading: bool,
    /// What was read is stored again.
    is_pair: bool,
}

impl Memcached {
    pub(crate) fn new(size: usize) -> Self {
        Self { payload: vec![b'x'; size], session: 0, is_reading: false, is_pair: false }
    }

    fn set(&self, request: &mut Vec<u8>) {
        // Writing to memory cannot fail.
        let _ = write!(request, "set session:{:024} 0 1200 {}\r\n", self.session, self.payload.len());
        request.extend_from_slice(&self.payload);
        request.extend_from_slice(b"\r\n");
    }
}

impl Dialogue for Memcached {
    fn begin(&mut self, task: Task, session: usize, request: &mut Vec<u8>) {
        (self.session, self.is_reading, self.is_pair) = (session, task != Task::Write, task == Task::Pair);
        if self.is_reading {
            let _ = write!(request, "get session:{session:024}\r\n");
        } else {
            self.set(request);
        }
    }

    fn proceed(&mut self, answer: &[u8], request: &mut Vec<u8>) -> Result<Step> {
        if !answer.ends_with(b"\r\n") || (self.is_reading && !answer.ends_with(b"END\r\n")) {
            return Ok(Step::Wait);
        }
        if !self.is_reading {
            ensure!(answer == b"STORED\r\n", "answered {}", String::from_utf8_lossy(answer));
            return Ok(Step::Done);
        }
        if answer.len() < self.payload.len() {
            bail!("answered {}", String::from_utf8_lossy(answer));
        }
        if !self.is_pair {
            return Ok(Step::Done);
        }
        self.is_reading = false;
        self.set(request);
        Ok(Step::Send)
    }
}
