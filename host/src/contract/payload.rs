//! The bytes of a session.

use std::{fmt, sync::Arc};

use bytes::Bytes;

/// Immutable bytes with the media type that the application gave. Cloning shares them. `Debug` shows only the size.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Payload {
    bytes: Bytes,
    content_type: Option<Arc<str>>,
}

impl Payload {
    /// Bytes without a media type.
    #[must_use]
    pub fn new(bytes: Bytes) -> Self {
        Self { bytes, content_type: None }
    }

    /// Bytes with a media type.
    #[must_use]
    pub fn with_content_type(bytes: Bytes, content_type: Option<Arc<str>>) -> Self {
        Self { bytes, content_type }
    }

    /// The bytes.
    #[must_use]
    pub fn bytes(&self) -> &Bytes {
        &self.bytes
    }

    /// The media type (HTTP `Content-Type`), if one was given.
    #[must_use]
    pub fn content_type(&self) -> Option<&str> {
        self.content_type.as_deref()
    }

    /// The number of bytes.
    #[must_use]
    pub fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }
}

impl From<Bytes> for Payload {
    fn from(bytes: Bytes) -> Self {
        Self::new(bytes)
    }
}

impl fmt::Debug for Payload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Payload({} bytes)", self.bytes.len())
    }
}
