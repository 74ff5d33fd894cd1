//! `random`: bytes from the operating system's source, for session IDs and keys.

use wasmtime::{Error, Result};

use super::{GuestContext, bindings::random};

/// The most bytes at a time: the host makes them before the component's own limits can see them.
const MOST: u32 = 65_536;

impl random::Host for GuestContext {
    fn bytes(&mut self, len: u32) -> Result<Vec<u8>> {
        if len > MOST {
            return Err(Error::msg(format!("it asked for {len} random bytes; at most {MOST} are given at a time")));
        }
        let mut bytes = vec![0; usize::try_from(len)?];
        getrandom::fill(&mut bytes).map_err(|error| Error::msg(format!("no random bytes to be had: {error}")))?;
        Ok(bytes)
    }
}
