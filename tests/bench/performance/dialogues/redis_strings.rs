//! A session as a string, with a time to live: what most session middleware on Redis does. It knows no locks: a pair is a
//! read and a write, and of two at once one is lost.

use anyhow::{Result, ensure};

use super::{
    Dialogue, Step, Task,
    resp::{command, end_of_reply},
};

pub(crate) struct RedisStrings {
    payload: Vec<u8>,
    key: String,
    is_reading: bool,
    /// What was read is stored again.
    is_pair: bool,
}

impl RedisStrings {
    pub(crate) fn new(size: usize) -> Self {
        Self { payload: vec![b'x'; size], key: String::new(), is_reading: false, is_pair: false }
    }

    fn set(&self, request: &mut Vec<u8>) {
        command(&[b"SET", self.key.as_bytes(), &self.payload, b"EX", b"1200"], request);
    }
}

impl Dialogue for RedisStrings {
    fn begin(&mut self, task: Task, session: usize, request: &mut Vec<u8>) {
        (self.is_reading, self.is_pair) = (task != Task::Write, task == Task::Pair);
        self.key = format!("session:{session:024}");
        if self.is_reading {
            command(&[b"GET", self.key.as_bytes()], request);
        } else {
            self.set(request);
        }
    }

    fn proceed(&mut self, answer: &[u8], request: &mut Vec<u8>) -> Result<Step> {
        let Some(end) = end_of_reply(answer, 0)? else { return Ok(Step::Wait) };
        ensure!(end == answer.len(), "more than an answer");
        ensure!(!self.is_reading || end > self.payload.len(), "no session");
        if !(self.is_reading && self.is_pair) {
            return Ok(Step::Done);
        }
        self.is_reading = false;
        self.set(request);
        Ok(Step::Send)
    }
}
