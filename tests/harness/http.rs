//! A raw HTTP/1.1 client: it sends the headers it is given, no others, and shows answers as they came.

use std::{
    io::ErrorKind,
    net::{Shutdown, SocketAddr},
};

use anyhow::{Context, Result};
use serde_json::Value;

use crate::wire::Wire;

/// A request that is being put together.
#[derive(Debug, Clone)]
pub struct Request {
    method: String,
    target: String,
    headers: Vec<(String, String)>,
    body: Option<Vec<u8>>,
}

/// One connection.
pub struct Connection {
    wire: Wire,
}

/// One answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// The status code.
    pub status: u16,
    /// The headers in the order in which they came, names in lower case.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Vec<u8>,
}

impl Request {
    /// A request for a path with its query.
    #[must_use]
    pub fn new(method: &str, target: impl Into<String>) -> Self {
        Self { method: method.into(), target: target.into(), headers: Vec::new(), body: None }
    }

    /// Adds a header.
    #[must_use]
    pub fn header(mut self, name: &str, value: impl ToString) -> Self {
        self.headers.push((name.to_owned(), value.to_string()));
        self
    }

    /// Sets the body; its length is announced.
    #[must_use]
    pub fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = Some(body.into());
        self
    }

    /// Sends it over a connection of its own.
    pub fn send(&self, address: SocketAddr) -> Result<Answer> {
        let mut connection = Connection::open(address)?;
        connection.exchange(self)
    }

    /// The bytes as they go over the wire.
    #[must_use]
    pub fn bytes(&self) -> Vec<u8> {
        let mut head = format!("{} {} HTTP/1.1\r\nHost: test\r\n", self.method, self.target);
        for (name, value) in &self.headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        if let Some(body) = &self.body {
            head.push_str(&format!("Content-Length: {}\r\n", body.len()));
        }
        head.push_str("\r\n");
        let mut bytes = head.into_bytes();
        bytes.extend_from_slice(self.body.as_deref().unwrap_or_default());
        bytes
    }
}

impl Answer {
    /// The value of the first header with this name (in lower case).
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(given, _)| given == name).map(|(_, value)| value.as_str())
    }

    /// The value of a header that must be there.
    pub fn must(&self, name: &str) -> Result<&str> {
        self.header(name).with_context(|| format!("no `{name}` in {self:?}"))
    }

    /// The body as JSON.
    pub fn json(&self) -> Result<Value> {
        serde_json::from_slice(&self.body).with_context(|| format!("not JSON: {}", self.text()))
    }

    /// The body as text.
    #[must_use]
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

impl Connection {
    /// Connects.
    pub fn open(address: SocketAddr) -> Result<Self> {
        Ok(Self { wire: Wire::open(address)? })
    }

    /// Sends bytes.
    pub fn send(&mut self, bytes: impl AsRef<[u8]>) -> Result<()> {
        self.wire.send(bytes)
    }

    /// Sends a request and waits for its answer.
    pub fn exchange(&mut self, request: &Request) -> Result<Answer> {
        self.send(request.bytes())?;
        self.receive(&request.method)
    }

    /// Waits for the answer to a request with this method.
    pub fn receive(&mut self, method: &str) -> Result<Answer> {
        loop {
            let answer = self.receive_any(method)?;
            // 100 Continue and its like precede the answer.
            if answer.status >= 200 {
                return Ok(answer);
            }
        }
    }

    /// Whether the server has answered, or ended the connection, by now.
    pub fn has_answer(&mut self) -> Result<bool> {
        self.wire.stream.set_nonblocking(true)?;
        let answered = match self.wire.stream.peek(&mut [0]) {
            Ok(_) => Ok(true),
            Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(false),
            Err(error) => Err(error).context("cannot look for an answer"),
        };
        self.wire.stream.set_nonblocking(false)?;
        answered
    }

    /// Closes the connection in both directions, as a client does that gives up.
    pub fn hang_up(self) -> Result<()> {
        self.wire.stream.shutdown(Shutdown::Both).context("cannot hang up")
    }

    /// Waits until the server closes the connection; an error if it sends anything before that.
    pub fn expect_close(&mut self) -> Result<()> {
        self.wire.expect_close()
    }

    fn receive_any(&mut self, method: &str) -> Result<Answer> {
        let head = self.wire.take_head()?;
        let mut answer = parse_head(std::str::from_utf8(&head).context("the head of the answer is not text")?)?;
        let length = match answer.header("content-length") {
            Some(length) if method != "HEAD" && answer.status != 304 => length.parse()?,
            _ => 0,
        };
        answer.body = self.wire.take_body(length)?;
        Ok(answer)
    }
}

fn parse_head(head: &str) -> Result<Answer> {
    let mut lines = head.trim_end().split("\r\n");
    let status_line = lines.next().unwrap_or_default();
    let status = status_line.strip_prefix("HTTP/1.1 ").and_then(|rest| rest.get(..3)).unwrap_or_default();
    let status = status.parse().with_context(|| format!("not a status line: {status_line}"))?;
    let mut headers = Vec::new();
    for line in lines {
        let (name, value) = line.split_once(':').with_context(|| format!("not a header: {line}"))?;
        headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
    }
    Ok(Answer { status, headers, body: Vec::new() })
}
