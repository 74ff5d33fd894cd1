//! The content of payloads, for plugins that may see it.

use crate::{Payload, bindings::host::cloakroom::session::payload_content};

impl Payload {
    /// Copies all bytes into the component. Needs the grant `payload = true`.
    ///
    /// A plugin that only passes sessions on does without: the handle is enough for every capability, costs the same
    /// for a session of any size, and needs no grant.
    #[must_use]
    pub fn read(&self) -> Vec<u8> {
        payload_content::read(self, 0, self.len())
    }

    /// Copies up to `len` bytes from `offset` into the component. Shorter at the end of the payload. Needs the grant
    /// `payload = true`.
    #[must_use]
    pub fn read_range(&self, offset: u64, len: u64) -> Vec<u8> {
        payload_content::read(self, offset, len)
    }

    /// Makes a payload from bytes and a media type. Needs the grant `payload = true`.
    #[must_use]
    pub fn from_bytes(bytes: &[u8], content_type: Option<&str>) -> Self {
        payload_content::create(bytes, content_type)
    }
}
