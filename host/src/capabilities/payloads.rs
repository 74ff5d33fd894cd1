//! `payloads`: the bytes of a session by handle.

use wasmtime::{Result, component::Resource};

use super::{GuestContext, bindings::payloads};
use crate::contract::Payload;

impl payloads::Host for GuestContext {}

impl payloads::HostPayload for GuestContext {
    fn empty(&mut self) -> Result<Resource<Payload>> {
        Ok(self.table.push(Payload::default())?)
    }

    fn len(&mut self, payload: Resource<Payload>) -> Result<u64> {
        Ok(self.table.get(&payload)?.len() as u64)
    }

    fn content_type(&mut self, payload: Resource<Payload>) -> Result<Option<String>> {
        Ok(self.table.get(&payload)?.content_type().map(str::to_owned))
    }

    fn share(&mut self, payload: Resource<Payload>) -> Result<Resource<Payload>> {
        let shared = self.table.get(&payload)?.clone();
        Ok(self.table.push(shared)?)
    }

    fn drop(&mut self, payload: Resource<Payload>) -> Result<()> {
        self.table.delete(payload)?;
        Ok(())
    }
}
