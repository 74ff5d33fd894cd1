//! `payload-content`: reading and making the bytes of payloads, for components that were granted it.

use std::sync::Arc;

use bytes::Bytes;
use wasmtime::{Result, component::Resource};

use super::{GuestContext, PayloadOverLimit, bindings::payload_content};
use crate::contract::Payload;

impl payload_content::Host for GuestContext {
    fn read(&mut self, payload: Resource<Payload>, offset: u64, len: u64) -> Result<Vec<u8>> {
        let bytes = self.payloads.get(&payload)?.bytes();
        let start = usize::try_from(offset).unwrap_or(usize::MAX).min(bytes.len());
        let end = start.saturating_add(usize::try_from(len).unwrap_or(usize::MAX)).min(bytes.len());
        Ok(bytes.get(start..end).unwrap_or_default().to_vec())
    }

    fn create(&mut self, bytes: Vec<u8>, content_type: Option<String>) -> Result<Resource<Payload>> {
        if bytes.len() > self.setup.limits.payload {
            return Err(PayloadOverLimit { size: bytes.len() }.into());
        }
        let payload = Payload::with_content_type(Bytes::from(bytes), content_type.map(Arc::from));
        Ok(self.payloads.push(payload)?)
    }
}
