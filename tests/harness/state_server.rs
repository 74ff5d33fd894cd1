//! A raw client of the State Server protocol: it sends the bytes it is given and takes answers apart, hiding nothing.

use std::{
    io::{ErrorKind, Read, Write},
    net::{SocketAddr, TcpStream},
    time::Duration,
};

use anyhow::{Context, Result, bail, ensure};

/// How long an answer may take. Generous, because the machine may be busy; no test measures it.
const ANSWER_DEADLINE: Duration = Duration::from_secs(20);

/// One connection.
pub struct Connection {
    stream: TcpStream,
    /// Bytes that arrived after the end of the last answer.
    ahead: Vec<u8>,
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
        let stream = TcpStream::connect(address).with_context(|| format!("cannot connect to {address}"))?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(ANSWER_DEADLINE))?;
        stream.set_write_timeout(Some(ANSWER_DEADLINE))?;
        Ok(Self { stream, ahead: Vec::new() })
    }

    /// Sends bytes, as one piece.
    pub fn send(&mut self, bytes: impl AsRef<[u8]>) -> Result<()> {
        self.stream.write_all(bytes.as_ref()).context("cannot send")
    }

    /// Sends a request and waits for its answer.
    pub fn exchange(&mut self, request: impl AsRef<[u8]>) -> Result<Response> {
        self.send(request)?;
        self.receive()
    }

    /// Waits for one answer.
    pub fn receive(&mut self) -> Result<Response> {
        let end_of_head = loop {
            if let Some(position) = find(&self.ahead, b"\r\n\r\n") {
                break position + 4;
            }
            ensure!(self.read_more()?, "the server closed the connection; before that it sent {:?}", self.ahead_text());
        };
        let head = self.ahead.get(..end_of_head).unwrap_or_default();
        let mut response = parse_head(std::str::from_utf8(head).context("the head of the answer is not text")?)?;
        let length = usize::try_from(response.number("Content-Length")?)?;
        while self.ahead.len() < end_of_head + length {
            ensure!(self.read_more()?, "the server closed the connection within a body of {length} bytes");
        }
        response.raw = self.ahead.drain(..end_of_head + length).collect();
        response.body = response.raw.split_off(end_of_head);
        response.raw.extend_from_slice(&response.body);
        Ok(response)
    }

    /// Waits until the server closes the connection; an error if it sends anything before that.
    pub fn expect_close(&mut self) -> Result<()> {
        let open = match self.read_more() {
            Ok(open) => open,
            // A close with unread input arrives as a reset.
            Err(error) if is_reset(&error) => false,
            Err(error) => return Err(error),
        };
        ensure!(!open && self.ahead.is_empty(), "expected the end of the connection, got {:?}", self.ahead_text());
        Ok(())
    }

    /// Closes the sending direction only.
    pub fn finish_sending(&self) -> Result<()> {
        self.stream.shutdown(std::net::Shutdown::Write).context("cannot close the sending direction")
    }

    /// The socket itself, for what the methods here do not offer.
    #[must_use]
    pub fn stream(&self) -> &TcpStream {
        &self.stream
    }

    /// Reads what has arrived; false at the end of the connection.
    fn read_more(&mut self) -> Result<bool> {
        let mut buffer = vec![0; 64 * 1024];
        let count = loop {
            match self.stream.read(&mut buffer) {
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                    bail!("no answer within {ANSWER_DEADLINE:?}; so far {:?}", self.ahead_text())
                }
                result => break result.context("cannot read the answer")?,
            }
        };
        self.ahead.extend_from_slice(buffer.get(..count).unwrap_or_default());
        Ok(count > 0)
    }

    fn ahead_text(&self) -> String {
        String::from_utf8_lossy(&self.ahead).into_owned()
    }
}

fn is_reset(error: &anyhow::Error) -> bool {
    error.downcast_ref::<std::io::Error>().is_some_and(|error| error.kind() == ErrorKind::ConnectionReset)
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

fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    haystack.windows(needle.len()).position(|window| window == needle)
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
