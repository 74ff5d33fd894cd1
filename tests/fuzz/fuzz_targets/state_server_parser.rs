//! The State Server parser: no bytes make it panic, and how they are cut into segments changes nothing.
#![no_main]

use bytes::{BufMut, BytesMut};
use cloakroom_fuzz::{
    parser::{Limits, Parser, Violation},
    request::Request,
};
use libfuzzer_sys::fuzz_target;

const LIMITS: Limits = Limits { line: 512, headers: 16, body: 4096 };

type Parsed = (Vec<(Vec<u8>, Request)>, Option<Violation>);

/// Feeds the parser as a connection does: bodies directly, everything else through its buffer.
fn parse<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> Parsed {
    let mut parser = Parser::new(LIMITS);
    let mut buffer = BytesMut::new();
    let mut requests = Vec::new();
    for mut piece in pieces {
        while !piece.is_empty() {
            if let Some(mut space) = parser.body_space() {
                let (now, later) = piece.split_at(piece.len().min(space.remaining_mut()));
                space.put_slice(now);
                piece = later;
            } else {
                buffer.extend_from_slice(std::mem::take(&mut piece));
            }
            loop {
                match parser.advance(&mut buffer) {
                    Ok(Some(request)) => {
                        assert!(request.body.len() <= LIMITS.body && parser.target().len() <= LIMITS.line);
                        requests.push((parser.target().to_vec(), request));
                    }
                    Ok(None) => break,
                    Err(violation) => return (requests, Some(violation)),
                }
            }
        }
    }
    (requests, None)
}

fuzz_target!(|data: &[u8]| {
    // The first byte chooses the size of the pieces.
    let Some((size, bytes)) = data.split_first() else { return };
    let size = usize::from(*size).max(1);
    assert_eq!(parse(bytes.chunks(size)), parse([bytes]));
});
