//! A socket whose bytes are taken apart as they come: what the clients of both protocols are made of.

use std::{
    io::{ErrorKind, Read, Write},
    net::{SocketAddr, TcpStream},
    time::Duration,
};

use anyhow::{Context, Result, bail, ensure};

/// How long an answer may take. Generous, because the machine may be busy; no test measures it.
const ANSWER_DEADLINE: Duration = Duration::from_secs(40);

/// A connection and what came over it.
pub(crate) struct Wire {
    /// The socket.
    pub(crate) stream: TcpStream,
    /// Bytes that arrived after the end of the last answer.
    ahead: Vec<u8>,
}

impl Wire {
    pub(crate) fn open(address: SocketAddr) -> Result<Self> {
        let stream = TcpStream::connect(address).with_context(|| format!("cannot connect to {address}"))?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(ANSWER_DEADLINE))?;
        stream.set_write_timeout(Some(ANSWER_DEADLINE))?;
        Ok(Self { stream, ahead: Vec::new() })
    }

    /// Sends bytes, as one piece.
    pub(crate) fn send(&mut self, bytes: impl AsRef<[u8]>) -> Result<()> {
        self.stream.write_all(bytes.as_ref()).context("cannot send")
    }

    /// Takes the head of an answer, with the empty line at its end.
    pub(crate) fn take_head(&mut self) -> Result<Vec<u8>> {
        loop {
            if let Some(position) = self.ahead.windows(4).position(|window| window == b"\r\n\r\n") {
                return Ok(self.ahead.drain(..position + 4).collect());
            }
            let so_far = self.ahead_text();
            ensure!(self.read_more()?, "the server closed the connection; before that it sent {so_far:?}");
        }
    }

    /// Takes this many bytes.
    pub(crate) fn take_body(&mut self, length: usize) -> Result<Vec<u8>> {
        while self.ahead.len() < length {
            ensure!(self.read_more()?, "the server closed the connection within a body of {length} bytes");
        }
        Ok(self.ahead.drain(..length).collect())
    }

    /// Waits until the server closes the connection; an error if it sends anything before that.
    pub(crate) fn expect_close(&mut self) -> Result<()> {
        let open = self.read_more()?;
        ensure!(!open && self.ahead.is_empty(), "expected the end of the connection, got {:?}", self.ahead_text());
        Ok(())
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
                // A close with unread input arrives as a reset.
                Err(error) if error.kind() == ErrorKind::ConnectionReset => break 0,
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
