//! The scripts of Microsoft.Web.RedisSessionStateProvider 5, one for each operation, on the three keys of a session.

use anyhow::{Result, ensure};
use harness::aspnet_redis::microsoft::{READ, SET, TAKE, UPDATE};

use super::{
    Dialogue, Step, Task,
    resp::{command, end_of_reply},
};

/// `executionTimeout` and `timeout`, seconds.
const LOCK_LASTS: &[u8] = b"110";
const TIMEOUT: &[u8] = b"1200";

pub(crate) struct RedisScripts {
    payload: Vec<u8>,
    /// The digests of what takes, reads, sets and updates.
    scripts: [String; 4],
    keys: [String; 3],
    token: u64,
    task: Task,
    /// What is answered next is the session with its lock.
    is_locking: bool,
}

impl RedisScripts {
    /// One of the clients; their numbers differ.
    pub(crate) fn new(size: usize, client: usize) -> Self {
        Self {
            payload: vec![b'x'; size],
            scripts: [&TAKE, &READ, &SET, &UPDATE].map(|script| script.get_hash().to_owned()),
            keys: Default::default(),
            // Ticks of .NET's clock, in which a few thousand clients never meet.
            token: 639_000_000_000_000_000 + 1_000_000_000_000 * client as u64,
            task: Task::Read,
            is_locking: false,
        }
    }

    fn call(&self, script: usize, arguments: &[&[u8]], request: &mut Vec<u8>) {
        let [lock, items, timeout] = &self.keys;
        let script = self.scripts[script].as_bytes();
        let head = [b"EVALSHA", script, b"3", lock.as_bytes(), items.as_bytes(), timeout.as_bytes()];
        command(&[&head[..], arguments].concat(), request);
    }
}

impl Dialogue for RedisScripts {
    fn begin(&mut self, task: Task, session: usize, request: &mut Vec<u8>) {
        (self.task, self.is_locking) = (task, task == Task::Pair);
        self.keys = ["WriteLock", "SessionStateItemCollection", "SessionTimeout"]
            .map(|key| format!("{{/bench_{session:024}}}_{key}"));
        match task {
            Task::Pair => {
                self.token += 1;
                self.call(0, &[self.token.to_string().as_bytes(), LOCK_LASTS], request);
            }
            Task::Read => self.call(1, &[], request),
            Task::Write => self.call(2, &[&self.payload, TIMEOUT], request),
        }
    }

    fn proceed(&mut self, answer: &[u8], request: &mut Vec<u8>) -> Result<Step> {
        let Some(end) = end_of_reply(answer, 0)? else { return Ok(Step::Wait) };
        ensure!(end == answer.len(), "more than an answer");
        let has_session = end > self.payload.len() && answer.ends_with(b":0\r\n");
        ensure!(has_session || (self.task != Task::Read && !self.is_locking), "no session, or no lock");
        if !self.is_locking {
            return Ok(Step::Done);
        }
        self.is_locking = false;
        self.call(3, &[self.token.to_string().as_bytes(), TIMEOUT, &self.payload], request);
        Ok(Step::Send)
    }
}
