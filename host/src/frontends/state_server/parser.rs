//! Bytes to requests, as they come.
//!
//! The parser eats complete lines from the front of the connection's buffer and remembers what they said, so no byte
//! is looked at twice however a request is cut into segments. A header costs no allocation: known ones become numbers,
//! unknown ones are passed over.
//!
//! What it tolerates, because a client of this protocol might send it: any order and case of headers, white space or
//! none around values, `LF` without `CR` as the end of a line, empty lines before a request, `Content-Length` on verbs
//! that have no body (ignored). What it refuses is a [`Violation`], after which nobody can know where the next request
//! begins, so the connection has to end.

use bytes::{Buf, BufMut, Bytes, BytesMut, buf::Limit};
use memchr::{memchr, memrchr};
use thiserror::Error;

use super::request::{Exclusive, Number, Request, Verb};

/// How much of a request is accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// The longest request line or header line, bytes without the line end.
    pub line: usize,
    /// The most header lines.
    pub headers: usize,
    /// The largest body, bytes.
    pub body: usize,
}

/// Why bytes are not a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum Violation {
    /// A line goes on for too long.
    #[error("a line is longer than {limit} bytes; raise `max_line` in [state_server] if clients need longer ones")]
    LineTooLong {
        /// The limit.
        limit: usize,
    },
    /// Too many headers.
    #[error("there are more than {limit} headers; raise `max_headers` in [state_server] if clients send more")]
    TooManyHeaders {
        /// The limit.
        limit: usize,
    },
    /// A body is too large.
    #[error(
        "a body of {length} bytes is announced and at most {limit} are taken; raise `max_body` in [state_server] \
             or store less in the session"
    )]
    BodyTooLarge {
        /// What `Content-Length` says.
        length: u64,
        /// The limit.
        limit: usize,
    },
    /// The first line is not VERB SP TARGET SP HTTP/x.
    #[error("the request line is not `VERB TARGET HTTP/1.1`")]
    RequestLine,
    /// A header line has no colon, or begins with white space.
    #[error("a header line is not `NAME: VALUE`")]
    Header,
    /// `Content-Length` is not a number, or there are two that differ.
    #[error("`Content-Length` is not one decimal number")]
    ContentLength,
    /// The body is not sent plainly.
    #[error("`Transfer-Encoding` is not part of the protocol; send the body with `Content-Length`")]
    TransferEncoding,
}

/// Turns the bytes of one connection into requests.
#[derive(Debug)]
pub struct Parser {
    limits: Limits,
    stage: Stage,
    /// What is known of the request that is arriving.
    request: Request,
    /// The raw target of that request. Kept between requests for its memory.
    target: Vec<u8>,
    content_length: Option<u64>,
    /// Header lines of that request so far.
    headers: usize,
    /// How many bytes of the unfinished line are known to contain no line end.
    searched: usize,
}

/// What is expected next.
#[derive(Debug)]
enum Stage {
    RequestLine,
    Headers,
    Body {
        /// What has come of it. Allocated for the whole body, so that what is stored pins no more memory than it has.
        /// Memory of a large one becomes real as bytes arrive, so an announcement alone costs nothing.
        received: BytesMut,
        length: usize,
    },
}

impl Parser {
    /// A parser at the start of a connection.
    #[must_use]
    pub fn new(limits: Limits) -> Self {
        Self {
            limits,
            stage: Stage::RequestLine,
            request: Request::default(),
            target: Vec::new(),
            content_length: None,
            headers: 0,
            searched: 0,
        }
    }

    /// Takes what it can from the front of `buffer`; a request as soon as one is complete, `None` when more bytes are
    /// needed. After an error the connection is of no use any more.
    pub fn advance(&mut self, buffer: &mut BytesMut) -> Result<Option<Request>, Violation> {
        if !matches!(self.stage, Stage::Body { .. }) {
            let mut consumed = 0;
            let head_complete = self.read_lines(buffer, &mut consumed);
            buffer.advance(consumed);
            if !head_complete? {
                return Ok(None);
            }
            let length = self.body_length()?;
            if let Some(body) = buffer.get(..length) {
                // One small copy instead of keeping the connection's buffer alive for as long as the session lives.
                let body = Bytes::copy_from_slice(body);
                buffer.advance(length);
                return Ok(Some(self.finish(body)));
            }
            self.stage = Stage::Body { received: BytesMut::with_capacity(length), length };
        }
        if let Stage::Body { received, length } = &mut self.stage {
            let take = buffer.len().min(*length - received.len());
            received.extend_from_slice(buffer.get(..take).unwrap_or_default());
            buffer.advance(take);
            if received.len() == *length {
                let body = std::mem::take(received).freeze();
                return Ok(Some(self.finish(body)));
            }
        }
        Ok(None)
    }

    /// The raw target of the last request that [`Parser::advance`] returned.
    #[must_use]
    pub fn target(&self) -> &[u8] {
        &self.target
    }

    /// The verb of the request that is arriving, if its first line has.
    #[must_use]
    pub fn verb(&self) -> Verb {
        self.request.verb
    }

    /// Whether a part of a request has come. `buffer` is what the parser left.
    #[must_use]
    pub fn is_within_request(&self, buffer: &BytesMut) -> bool {
        !matches!(self.stage, Stage::RequestLine) || !buffer.is_empty()
    }

    /// Where the rest of a body that is still arriving may be read into, past the connection's buffer.
    pub fn body_space(&mut self) -> Option<Limit<&mut BytesMut>> {
        match &mut self.stage {
            Stage::Body { received, length } => {
                let missing = *length - received.len();
                Some(received.limit(missing))
            }
            Stage::RequestLine | Stage::Headers => None,
        }
    }

    /// Reads complete lines; true after the empty line that ends the head. Counts what it took in `consumed`.
    fn read_lines(&mut self, buffer: &[u8], consumed: &mut usize) -> Result<bool, Violation> {
        loop {
            let rest = buffer.get(*consumed..).unwrap_or_default();
            let unsearched = rest.get(self.searched..).unwrap_or_default();
            let Some(end) = memchr(b'\n', unsearched).map(|position| self.searched + position) else {
                self.searched = rest.len();
                // One byte more may be the CR of the line end.
                let too_long = rest.len() > self.limits.line.saturating_add(1);
                return if too_long { Err(Violation::LineTooLong { limit: self.limits.line }) } else { Ok(false) };
            };
            self.searched = 0;
            *consumed += end + 1;
            let line = rest.get(..end).unwrap_or_default();
            let line = line.strip_suffix(b"\r").unwrap_or(line);
            if line.len() > self.limits.line {
                return Err(Violation::LineTooLong { limit: self.limits.line });
            }
            match (&self.stage, line.is_empty()) {
                (Stage::RequestLine, true) => {}
                (Stage::RequestLine, false) => {
                    self.read_request_line(line)?;
                    self.stage = Stage::Headers;
                }
                (_, true) => return Ok(true),
                (_, false) => self.read_header(line)?,
            }
        }
    }

    fn read_request_line(&mut self, line: &[u8]) -> Result<(), Violation> {
        let parts = || {
            let first = memchr(b' ', line)?;
            let last = memrchr(b' ', line)?;
            Some((line.get(..first)?, line.get(first + 1..last)?, line.get(last + 1..)?))
        };
        let (verb, target, version) = parts().ok_or(Violation::RequestLine)?;
        let is_sound = !verb.is_empty()
            && !target.is_empty()
            && !target.iter().any(|byte| *byte <= b' ' || *byte == 0x7f)
            && version.starts_with(b"HTTP/");
        if !is_sound {
            return Err(Violation::RequestLine);
        }
        self.request = Request { verb: Verb::from_bytes(verb), ..Request::default() };
        self.target.clear();
        self.target.extend_from_slice(target);
        Ok(())
    }

    fn read_header(&mut self, line: &[u8]) -> Result<(), Violation> {
        self.headers += 1;
        if self.headers > self.limits.headers {
            return Err(Violation::TooManyHeaders { limit: self.limits.headers });
        }
        let colon = memchr(b':', line).ok_or(Violation::Header)?;
        if line.first().is_some_and(u8::is_ascii_whitespace) {
            return Err(Violation::Header);
        }
        let name = line.get(..colon).unwrap_or_default().trim_ascii_end();
        let value = line.get(colon + 1..).unwrap_or_default().trim_ascii();
        let is = |known: &[u8]| name.eq_ignore_ascii_case(known);
        // The length tells most names apart, so nearly every comparison is one that succeeds.
        match name.len() {
            7 if is(b"Timeout") => self.request.timeout = Number::from_bytes(value),
            9 if is(b"Exclusive") => {
                self.request.exclusive = if value.eq_ignore_ascii_case(b"acquire") {
                    Exclusive::Acquire
                } else if value.eq_ignore_ascii_case(b"release") {
                    Exclusive::Release
                } else {
                    Exclusive::None
                };
            }
            // The second spelling is that of the specification's examples.
            10 if is(b"LockCookie") => self.request.lock_cookie = Number::from_bytes(value),
            11 if is(b"Lock-Cookie") => self.request.lock_cookie = Number::from_bytes(value),
            10 if is(b"ExtraFlags") => self.request.extra_flags = Number::from_bytes(value),
            14 if is(b"Content-Length") && self.request.verb.has_body() => self.read_content_length(value)?,
            17 if is(b"Transfer-Encoding") => return Err(Violation::TransferEncoding),
            _ => {}
        }
        Ok(())
    }

    fn read_content_length(&mut self, value: &[u8]) -> Result<(), Violation> {
        let digits = Some(value).filter(|value| value.iter().all(u8::is_ascii_digit));
        let length = digits.and_then(|digits| std::str::from_utf8(digits).ok()).and_then(|digits| digits.parse().ok());
        let length = length.ok_or(Violation::ContentLength)?;
        match self.content_length.replace(length) {
            Some(other) if other != length => Err(Violation::ContentLength),
            _ => Ok(()),
        }
    }

    fn body_length(&self) -> Result<usize, Violation> {
        let length = self.content_length.unwrap_or_default();
        usize::try_from(length)
            .ok()
            .filter(|length| *length <= self.limits.body)
            .ok_or(Violation::BodyTooLarge { length, limit: self.limits.body })
    }

    /// Hands the request over and expects the next one.
    fn finish(&mut self, body: Bytes) -> Request {
        self.stage = Stage::RequestLine;
        self.content_length = None;
        self.headers = 0;
        Request { body, ..std::mem::take(&mut self.request) }
    }
}

#[cfg(test)]
mod tests;
