//! Compresses sessions on their way to the provider behind it, with LZ4.
//!
//! Setting, optional:
//! - `above`: payloads of more bytes than this are compressed, 1024 if nothing is said. Smaller ones, and those that would
//!   not get smaller, pass as the handles that they are: their bytes never enter this component.
//!
//! What is compressed is told by its media type in the store. Reading and making payloads needs the grant
//! `payload = true`.

use cloakroom_plugin_sdk::{Error, Middleware, Payload, SessionKey, Settings, export_middleware};

/// The media type of what is compressed; the application's own follows after a semicolon.
const COMPRESSED: &str = "application/vnd.cloakroom.lz4";

/// Below this the bytes cost less than the calls.
const ABOVE: u64 = 1024;

/// The most that LZ4 makes of one byte. What claims more is damaged, and must not claim memory.
const MOST_PER_BYTE: usize = 255;

struct Compress {
    above: u64,
}

impl Middleware for Compress {
    const NAME: &'static str = concat!("compress ", env!("CARGO_PKG_VERSION"));

    fn initialize(_store: &str, settings: &Settings) -> Result<Self, Error> {
        settings.allow_only(&["above"])?;
        Ok(Self { above: settings.parse("above")?.unwrap_or(ABOVE) })
    }

    fn store(&self, _key: &SessionKey, payload: Payload) -> Result<Payload, Error> {
        let content_type = payload.content_type();
        // What an application calls by our name must not be unpacked as ours.
        let is_taken = content_type.as_deref().is_some_and(is_compressed);
        if payload.len() <= self.above && !is_taken {
            return Ok(payload);
        }
        let bytes = payload.read();
        let packed = lz4_flex::compress_prepend_size(&bytes);
        if packed.len() >= bytes.len() && !is_taken {
            return Ok(payload);
        }
        Ok(Payload::from_bytes(&packed, Some(&marked(content_type.as_deref()))))
    }

    fn load(&self, _key: &SessionKey, payload: Payload) -> Result<Payload, Error> {
        let content_type = payload.content_type();
        match content_type.as_deref() {
            Some(marked) if is_compressed(marked) => {
                Ok(Payload::from_bytes(&unpack(&payload.read())?, unmarked(marked)))
            }
            _ => Ok(payload),
        }
    }
}

export_middleware!(Compress, SessionIndex, SessionScan, SessionRename);

fn is_compressed(content_type: &str) -> bool {
    content_type.strip_prefix(COMPRESSED).is_some_and(|rest| rest.is_empty() || rest.starts_with(';'))
}

fn marked(content_type: Option<&str>) -> String {
    content_type.map_or(COMPRESSED.to_owned(), |own| format!("{COMPRESSED};{own}"))
}

fn unmarked(marked: &str) -> Option<&str> {
    marked.strip_prefix(COMPRESSED)?.strip_prefix(';')
}

fn unpack(packed: &[u8]) -> Result<Vec<u8>, Error> {
    let damaged = |why: String| Error::Other(format!("a compressed session is damaged in its store: {why}"));
    let (size, _) = lz4_flex::block::uncompressed_size(packed).map_err(|error| damaged(error.to_string()))?;
    if size > packed.len().saturating_mul(MOST_PER_BYTE) {
        return Err(damaged(format!("{} bytes cannot hold {size}", packed.len())));
    }
    lz4_flex::decompress_size_prepended(packed).map_err(|error| damaged(error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_packed_comes_back() {
        let text = b"coat ".repeat(1000);
        let packed = lz4_flex::compress_prepend_size(&text);
        assert!(packed.len() < text.len() / 10);
        assert_eq!(unpack(&packed).unwrap(), text);
        assert_eq!(unpack(&lz4_flex::compress_prepend_size(b"")).unwrap(), b"");
    }

    #[test]
    fn what_is_damaged_is_told_and_takes_no_memory() {
        for damaged in [&b""[..], b"\x01", b"\xff\xff\xff\xff\x00", b"\x05\x00\x00\x00\xf0"] {
            let error = unpack(damaged).unwrap_err();
            assert!(error.message().contains("damaged"), "{}", error.message());
        }
    }

    #[test]
    fn the_applications_media_type_is_kept_beside_the_mark() {
        assert_eq!(unmarked(&marked(None)), None);
        assert_eq!(unmarked(&marked(Some("text/plain; charset=utf-8"))), Some("text/plain; charset=utf-8"));
        assert_eq!(unmarked(&marked(Some(COMPRESSED))), Some(COMPRESSED));
        assert!(is_compressed(&marked(Some("a/b"))) && !is_compressed("application/vnd.cloakroom.lz42"));
    }
}
