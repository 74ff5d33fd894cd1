//! Random numbers fit for secrets.

use crate::bindings::host::wasi::random::random;

/// Fills a buffer with cryptographically secure random bytes.
pub fn fill(buffer: &mut [u8]) {
    buffer.copy_from_slice(&random::get_random_bytes(buffer.len() as u64));
}
