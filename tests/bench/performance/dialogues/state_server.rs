//! The State Server protocol, as the client in System.Web writes it.

use std::io::Write;

use anyhow::{Context, Result, ensure};

use super::{Dialogue, Step, Task, header, whole};

/// A web server of a farm.
pub(crate) struct StateServer {
    payload: Vec<u8>,
    task: Task,
    session: usize,
    /// What is answered next is the session with its lock.
    is_locking: bool,
    /// Part of the path of its sessions.
    folder: String,
    /// Minutes.
    timeout: u32,
}

impl StateServer {
    pub(crate) fn new(size: usize) -> Self {
        Self {
            payload: vec![b'x'; size],
            task: Task::Read,
            session: 0,
            is_locking: false,
            folder: "/bench(1)".to_owned(),
            timeout: 20,
        }
    }

    /// One whose sessions end after a minute, and have other keys than those of the others.
    pub(crate) fn expiring(size: usize) -> Self {
        Self { folder: "/bench(2)".to_owned(), timeout: 1, ..Self::new(size) }
    }

    fn get(&self, request: &mut Vec<u8>, exclusive: &str) {
        let (folder, session) = (&self.folder, self.session);
        // Writing to memory cannot fail.
        let _ = write!(request, "GET {folder}/{session:024} HTTP/1.1\r\nHost: stateb\r\n{exclusive}\r\n");
    }

    fn put(&self, request: &mut Vec<u8>, lock: &str) {
        let Self { folder, session, timeout, .. } = self;
        let length = self.payload.len();
        let _ = write!(
            request,
            "PUT {folder}/{session:024} HTTP/1.1\r\nHost: stateb\r\nTimeout:{timeout}\r\n{lock}Content-Length:{length}\r\n\r\n"
        );
        request.extend_from_slice(&self.payload);
    }
}

impl Dialogue for StateServer {
    fn begin(&mut self, task: Task, session: usize, request: &mut Vec<u8>) {
        (self.task, self.session, self.is_locking) = (task, session, task == Task::Pair);
        match task {
            Task::Pair => self.get(request, "Exclusive: acquire\r\n"),
            Task::Read => self.get(request, ""),
            Task::Write => self.put(request, ""),
        }
    }

    fn proceed(&mut self, answer: &[u8], request: &mut Vec<u8>) -> Result<Step> {
        let Some((head, length)) = whole(answer)? else { return Ok(Step::Wait) };
        ensure!(answer.starts_with(b"200"), "answered {}", String::from_utf8_lossy(head));
        ensure!(length == self.payload.len() || (self.task != Task::Read && !self.is_locking), "another session");
        if !self.is_locking {
            return Ok(Step::Done);
        }
        self.is_locking = false;
        let lock = header(head, "LockCookie").context("no lock")?;
        self.put(request, &format!("ExtraFlags:0\r\nLockCookie:{lock}\r\n"));
        Ok(Step::Send)
    }
}
