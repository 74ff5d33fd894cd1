//! A raw client of the State Server protocol: it sends the bytes it is given and takes answers apart, hiding nothing.

use std::net::{SocketAddr, TcpStream};

use anyhow::{Context, Result};

use crate::wire::Wire;

/// One connection.
pub struct Connection {
    wire: Wire,
}

/// One answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Response {
    /// Whether the status line began with `HTTP/1.1 `.
    pub prefixed: bool,
    /// 200, 400, 404 or 423.
    pub status: u16,
    /// The text behind the number.
    pub reason: String,
    /// The headers in the order in which they came.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Vec<u8>,
    /// All of it as it came over the wire.
    pub raw: Vec<u8>,
}

impl Response {
    /// The value of the first header with this name (exact case, because the server's case is fixed).
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(given, _)| given == name).map(|(_, value)| value.as_str())
    }

    /// A header's value as a number.
    pub fn number(&self, name: &str) -> Result<i64> {
        let value = self.header(name).with_context(|| format!("no `{name}` in {self:?}"))?;
        value.parse().with_context(|| format!("`{name}: {value}` is not a number"))
    }

    /// The header names in order.
    #[must_use]
    pub fn header_names(&self) -> Vec<&str> {
        self.headers.iter().map(|(name, _)| name.as_str()).collect()
    }
}

impl Connection {
    /// Connects.
    pub fn open(address: SocketAddr) -> Result<Self> {
        Ok(Self { wire: Wire::open(address)? })
    }

    /// Sends bytes, as one piece.
    pub fn send(&mut self, bytes: impl AsRef<[u8]>) -> Result<()> {
        self.wire.send(bytes)
    }

    /// Sends a request and waits for its answer.
    pub fn exchange(&mut self, request: impl AsRef<[u8]>) -> Result<Response> {
        self.send(request)?;
        self.receive()
    }

    /// Waits for one answer.
    pub fn receive(&mut self) -> Result<Response> {
        let head = self.wire.take_head()?;
        let mut response = parse_head(std::str::from_utf8(&head).context("the head of the answer is not text")?)?;
        response.body = self.wire.take_body(usize::try_from(response.number("Content-Length")?)?)?;
        response.raw = [head, response.body.clone()].concat();
        Ok(response)
    }

    /// Waits until the server closes the connection; an error if it sends anything before that.
    pub fn expect_close(&mut self) -> Result<()> {
        self.wire.expect_close()
    }

    /// Closes the sending direction only.
    pub fn finish_sending(&self) -> Result<()> {
        self.wire.stream.shutdown(std::net::Shutdown::Write).context("cannot close the sending direction")
    }

    /// The socket itself, for what the methods here do not offer.
    #[must_use]
    pub fn stream(&self) -> &TcpStream {
        &self.wire.stream
    }
}

/// Takes status line and headers apart. Both `200 OK` and `HTTP/1.1 200 OK` are understood.
fn parse_head(head: &str) -> Result<Response> {
    let mut lines = head.trim_end_matches("\r\n").split("\r\n");
    let status_line = lines.next().unwrap_or_default();
    let bare = status_line.strip_prefix("HTTP/1.1 ");
    let (status, reason) =
        bare.unwrap_or(status_line).split_once(' ').with_context(|| format!("`{status_line}` is not a status line"))?;
    let mut headers = Vec::new();
    for line in lines {
        let (name, value) = line.split_once(": ").with_context(|| format!("`{line}` is not a header"))?;
        headers.push((name.to_owned(), value.to_owned()));
    }
    Ok(Response {
        prefixed: bare.is_some(),
        status: status.parse().with_context(|| format!("`{status}` is not a status"))?,
        reason: reason.to_owned(),
        headers,
        body: Vec::new(),
        raw: Vec::new(),
    })
}

/// Requests as the client in System.Web writes them (order and spacing of the recorded exchanges).
pub mod request {
    /// Reads a session.
    #[must_use]
    pub fn get(target: &str) -> Vec<u8> {
        format!("GET {target} HTTP/1.1\r\nHost: stateb\r\n\r\n").into_bytes()
    }

    /// Reads a session and takes its lock.
    #[must_use]
    pub fn acquire(target: &str) -> Vec<u8> {
        format!("GET {target} HTTP/1.1\r\nHost: stateb\r\nExclusive: acquire\r\n\r\n").into_bytes()
    }

    /// Releases the lock.
    #[must_use]
    pub fn release(target: &str, cookie: i64) -> Vec<u8> {
        format!("GET {target} HTTP/1.1\r\nHost: stateb\r\nExclusive: release\r\nLockCookie: {cookie}\r\n\r\n")
            .into_bytes()
    }

    /// Stores a session with a timeout of 20 minutes, with the lock cookie given.
    #[must_use]
    pub fn put(target: &str, cookie: i64, body: &[u8]) -> Vec<u8> {
        put_with(target, &["Timeout:20", "ExtraFlags:0", &format!("LockCookie:{cookie}")], body)
    }

    /// Reserves an ID with the empty block of ASP.NET.
    #[must_use]
    pub fn create_uninitialized(target: &str) -> Vec<u8> {
        put_with(target, &["Timeout:20", "ExtraFlags:1", "LockCookie:0"], &super::EMPTY_BLOCK)
    }

    /// Stores a session with exactly these header lines (and `Host` and `Content-Length`).
    #[must_use]
    pub fn put_with(target: &str, headers: &[&str], body: &[u8]) -> Vec<u8> {
        let mut request = format!("PUT {target} HTTP/1.1\r\nHost: stateb\r\n");
        for header in headers {
            request.push_str(header);
            request.push_str("\r\n");
        }
        request.push_str(&format!("Content-Length:{}\r\n\r\n", body.len()));
        let mut request = request.into_bytes();
        request.extend_from_slice(body);
        request
    }

    /// Deletes a session.
    #[must_use]
    pub fn delete(target: &str, cookie: i64) -> Vec<u8> {
        format!("DELETE {target} HTTP/1.1\r\nHost: stateb\r\nLockCookie: {cookie}\r\n\r\n").into_bytes()
    }

    /// Keeps a session alive.
    #[must_use]
    pub fn head(target: &str) -> Vec<u8> {
        format!("HEAD {target} HTTP/1.1\r\nHost: stateb\r\n\r\n").into_bytes()
    }
}

/// What ASP.NET stores for a session without items and with a timeout of 20 minutes.
pub const EMPTY_BLOCK: [u8; 7] = [0x14, 0, 0, 0, 0, 0, 0xff];
