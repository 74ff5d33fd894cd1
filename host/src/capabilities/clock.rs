//! `clock`: the host's clock, the one by which sessions expire.

use wasmtime::Result;

use super::{GuestContext, bindings::clock};

impl clock::Host for GuestContext {
    fn now(&mut self) -> Result<u64> {
        Ok(self.setup.clock.now().0)
    }
}
