//! What the clients of a server say: the same tasks on sessions, in the protocol of each server.

mod http;
mod memcached;
mod redis_scripts;
mod redis_strings;
mod resp;
mod state_server;

use anyhow::{Result, ensure};

pub(crate) use http::Http;
pub(crate) use memcached::Memcached;
pub(crate) use redis_scripts::RedisScripts;
pub(crate) use redis_strings::RedisStrings;
pub(crate) use state_server::StateServer;

/// What a client wants done with one session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Task {
    /// It is read and locked, then stored and released: a page of a web application. Where the server knows no locks, it
    /// is read and stored.
    Pair,
    /// It is read, without a lock.
    Read,
    /// It is stored, without a lock.
    Write,
}

/// What to do next.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// More of the answer has yet to arrive.
    Wait,
    /// The next request of the task was appended.
    Send,
    /// The task is done.
    Done,
}

/// One client of a server over one connection, which has one request under way at a time.
pub(crate) trait Dialogue: Send {
    /// Begins a task on the session of this number: appends its first request.
    fn begin(&mut self, task: Task, session: usize, request: &mut Vec<u8>);

    /// Takes all that has arrived since the last request was sent. Fails if it is no answer that the task should get.
    fn proceed(&mut self, answer: &[u8], request: &mut Vec<u8>) -> Result<Step>;
}

/// The head of an answer and the length of its body, once all of both is there.
fn whole(answer: &[u8]) -> Result<Option<(&[u8], usize)>> {
    let Some(end) = memchr::memmem::find(answer, b"\r\n\r\n") else { return Ok(None) };
    let (head, body) = answer.split_at(end + 4);
    let length = header(head, "Content-Length").map_or(Ok(0), str::parse)?;
    ensure!(body.len() <= length, "more than an answer");
    Ok((body.len() == length).then_some((head, length)))
}

/// The value of a header in a head of lines, whatever the case of its name.
fn header<'a>(head: &'a [u8], name: &str) -> Option<&'a str> {
    head.split(|byte| *byte == b'\n').find_map(|line| {
        let (given, value) = line.split_at_checked(name.len())?;
        let value = value.strip_prefix(b":").filter(|_| given.eq_ignore_ascii_case(name.as_bytes()))?;
        std::str::from_utf8(value).ok().map(str::trim)
    })
}
