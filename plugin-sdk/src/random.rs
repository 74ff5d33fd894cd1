//! Random numbers fit for secrets.

use crate::bindings::host::cloakroom::session::random;

/// The most bytes that the host gives at a time.
const MOST: usize = 65_536;

/// Fills a buffer with cryptographically secure random bytes.
pub fn fill(buffer: &mut [u8]) {
    for part in buffer.chunks_mut(MOST) {
        // A part fits: it is not longer than the constant above.
        let length = u32::try_from(part.len()).unwrap_or(0);
        part.copy_from_slice(&random::bytes(length));
    }
}
