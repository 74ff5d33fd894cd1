//! `payloads`: the bytes of a session by handle.

use std::sync::Arc;

use wasmtime::{Result, component::Resource};

use super::{GuestContext, bindings::payloads};
use crate::contract::Payload;

impl payloads::Host for GuestContext {}

impl payloads::HostPayload for GuestContext {
    fn empty(&mut self) -> Result<Resource<Payload>> {
        Ok(self.payloads.push(Payload::default())?)
    }

    fn len(&mut self, payload: Resource<Payload>) -> Result<u64> {
        Ok(self.payloads.get(&payload)?.len() as u64)
    }

    fn content_type(&mut self, payload: Resource<Payload>) -> Result<Option<String>> {
        Ok(self.payloads.get(&payload)?.content_type().map(str::to_owned))
    }

    fn share(&mut self, payload: Resource<Payload>) -> Result<Resource<Payload>> {
        let shared = self.payloads.get(&payload)?.clone();
        Ok(self.payloads.push(shared)?)
    }

    fn with_content_type(
        &mut self,
        payload: Resource<Payload>,
        content_type: Option<String>,
    ) -> Result<Resource<Payload>> {
        let bytes = self.payloads.get(&payload)?.bytes().clone();
        Ok(self.payloads.push(Payload::with_content_type(bytes, content_type.map(Arc::from)))?)
    }

    fn drop(&mut self, payload: Resource<Payload>) -> Result<()> {
        self.payloads.delete(payload)?;
        Ok(())
    }
}
