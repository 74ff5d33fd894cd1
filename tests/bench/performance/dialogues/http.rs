//! The HTTP interface, over connections that are kept.

use std::io::Write;

use anyhow::{Context, Result, ensure};

use super::{Dialogue, Step, Task, header, whole};

/// A web application in any language.
pub(crate) struct Http {
    payload: Vec<u8>,
    task: Task,
    session: usize,
    /// What is answered next is the session with its lock.
    is_locking: bool,
}

impl Http {
    pub(crate) fn new(size: usize) -> Self {
        Self { payload: vec![b'x'; size], task: Task::Read, session: 0, is_locking: false }
    }

    fn put(&self, request: &mut Vec<u8>, lock: &str) {
        let (session, length) = (self.session, self.payload.len());
        // Writing to memory cannot fail.
        let _ = write!(
            request,
            "PUT /v1/bench/sessions/{session:024} HTTP/1.1\r\nHost: a\r\n{lock}Content-Length: {length}\r\n\r\n"
        );
        request.extend_from_slice(&self.payload);
    }
}

impl Dialogue for Http {
    fn begin(&mut self, task: Task, session: usize, request: &mut Vec<u8>) {
        (self.task, self.session, self.is_locking) = (task, session, task == Task::Pair);
        let _ = match task {
            Task::Pair => write!(
                request,
                "POST /v1/bench/sessions/{session:024}/lock HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n"
            ),
            Task::Read => write!(request, "GET /v1/bench/sessions/{session:024} HTTP/1.1\r\nHost: a\r\n\r\n"),
            Task::Write => return self.put(request, ""),
        };
    }

    fn proceed(&mut self, answer: &[u8], request: &mut Vec<u8>) -> Result<Step> {
        let Some((head, length)) = whole(answer)? else { return Ok(Step::Wait) };
        ensure!(answer.starts_with(b"HTTP/1.1 2"), "answered {}", String::from_utf8_lossy(answer));
        ensure!(length == self.payload.len() || (self.task != Task::Read && !self.is_locking), "another session");
        if !self.is_locking {
            return Ok(Step::Done);
        }
        self.is_locking = false;
        let lock = header(head, "Session-Lock").context("no lock")?;
        self.put(request, &format!("Session-Lock: {lock}\r\n"));
        Ok(Step::Send)
    }
}
