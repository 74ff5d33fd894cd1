//! The host's clock.

use crate::bindings::host::wasi::clocks::wall_clock;

/// The time, in Unix milliseconds. An entry of the [`kv`](crate::kv) brings its own `now`, which saves this call.
#[must_use]
pub fn now() -> u64 {
    let now = wall_clock::now();
    now.seconds * 1000 + u64::from(now.nanoseconds / 1_000_000)
}
