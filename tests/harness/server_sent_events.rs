//! A reader of server-sent events: fields as they came, block by block (HTML Living Standard, 9.2).

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{SocketAddr, TcpStream},
    time::Duration,
};

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;

/// How long a reader waits for the next line.
const PATIENCE: Duration = Duration::from_secs(30);

/// A connection that reads a stream.
pub struct EventReader {
    stream: BufReader<TcpStream>,
    /// The last `id` that was read: where a new connection goes on.
    pub last_id: String,
}

/// What one block of a stream says.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Block {
    /// `id`
    pub id: String,
    /// `event`; empty for one that has only comments.
    pub event: String,
    /// `data`
    pub data: Value,
    /// Whether there was a comment.
    pub has_comment: bool,
}

impl EventReader {
    /// Connects, and reads the first block, which says where the stream begins. `headers` are lines with their ends.
    pub fn open(address: SocketAddr, target: &str, headers: &str) -> Result<Self> {
        let mut stream = TcpStream::connect(address)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        // An answer to HTTP/1.0 is not chunked.
        write!(stream, "GET {target} HTTP/1.0\r\nHost: test\r\n{headers}\r\n")?;
        let mut reader = Self { stream: BufReader::new(stream), last_id: String::new() };
        let status = reader.line()?.context("no answer")?;
        let mut is_stream = false;
        while let Some(line) = reader.line()?.filter(|line| !line.is_empty()) {
            is_stream |= line.eq_ignore_ascii_case("content-type: text/event-stream");
        }
        if !status.contains(" 200 ") || !is_stream {
            let mut body = String::new();
            reader.stream.read_to_string(&mut body)?;
            bail!("{status}: {body}");
        }
        let first = reader.block()?.context("the stream ends at once")?;
        ensure!(first.has_comment && !first.id.is_empty(), "it does not begin with a place: {first:?}");
        Ok(reader)
    }

    /// The next block; `None` at the end of the stream.
    pub fn block(&mut self) -> Result<Option<Block>> {
        let mut block = Block::default();
        let mut is_empty = true;
        loop {
            let Some(line) = self.line()? else { return Ok(None) };
            if line.is_empty() {
                if is_empty {
                    continue;
                }
                return Ok(Some(block));
            }
            is_empty = false;
            let (field, value) = line.split_once(": ").unwrap_or((&line, ""));
            match field {
                "" => block.has_comment = true,
                "id" => {
                    block.id = value.to_owned();
                    self.last_id = value.to_owned();
                }
                "event" => block.event = value.to_owned(),
                "data" => block.data = serde_json::from_str(value)?,
                "retry" => {}
                other => bail!("an unknown field: {other}"),
            }
        }
    }

    /// The next event, past heartbeats; `None` at the end of the stream.
    pub fn event(&mut self) -> Result<Option<Block>> {
        loop {
            match self.block()? {
                Some(block) if block.event.is_empty() => {}
                other => return Ok(other),
            }
        }
    }

    fn line(&mut self) -> Result<Option<String>> {
        let mut line = String::new();
        let read = self.stream.read_line(&mut line).context("while waiting for the next line of the stream")?;
        Ok((read > 0).then(|| line.trim_end_matches(['\r', '\n']).to_owned()))
    }
}

impl Block {
    /// What happened to which session: `ended a`.
    #[must_use]
    pub fn what(&self) -> String {
        let id = self.data["data"]["session_id"].as_str().unwrap_or_default();
        format!("{} {id}", self.event.trim_start_matches("session."))
    }
}
