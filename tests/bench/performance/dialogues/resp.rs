//! The protocol of Redis, as far as clients of a benchmark need it.

use std::io::Write;

use anyhow::{Context, Result, bail};

/// Appends a command.
pub(super) fn command(parts: &[&[u8]], request: &mut Vec<u8>) {
    // Writing to memory cannot fail.
    let _ = write!(request, "*{}\r\n", parts.len());
    for part in parts {
        let _ = write!(request, "${}\r\n", part.len());
        request.extend_from_slice(part);
        request.extend_from_slice(b"\r\n");
    }
}

/// Where a reply ends that begins at `from`; nothing if not all of it is there. Fails at an error.
pub(super) fn end_of_reply(answer: &[u8], from: usize) -> Result<Option<usize>> {
    let rest = answer.get(from..).unwrap_or_default();
    let Some(line) = memchr::memchr(b'\n', rest) else { return Ok(None) };
    let text = std::str::from_utf8(rest.get(1..line).unwrap_or_default())?.trim_end();
    let mut end = from + line + 1;
    match rest.first() {
        Some(b'+' | b':') => {}
        Some(b'$') => {
            if let Ok(length) = text.parse::<usize>() {
                end += length + 2;
            }
        }
        Some(b'*') => {
            for _ in 0..text.parse::<usize>().context("a length")? {
                match end_of_reply(answer, end)? {
                    Some(next) => end = next,
                    None => return Ok(None),
                }
            }
        }
        _ => bail!("answered {}", String::from_utf8_lossy(rest)),
    }
    Ok((end <= answer.len()).then_some(end))
}
