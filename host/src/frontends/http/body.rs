//! The body of a request: opaque bytes, as many as the store takes.

use std::{pin::pin, sync::Arc, time::Duration};

use axum::{
    body::Body,
    http::{HeaderMap, header},
};
use bytes::Bytes;
use http_body_util::BodyExt;
use tokio::time::timeout;

use super::{
    headers,
    problem::{Kind, Problem},
};
use crate::contract::Payload;

/// How long a body may take to arrive. Web servers are near their session server; who needs longer has gone.
const ARRIVAL: Duration = Duration::from_secs(60);
/// What is reserved before any of a body has arrived: a length that is only announced costs no memory.
const FIRST_RESERVE: usize = 64 * 1024;

/// Reads a payload of at most `limit` bytes, with its media type.
pub(super) async fn payload(request: &HeaderMap, body: Body, limit: usize) -> Result<Payload, Problem> {
    headers::refuse_content_coding(request)?;
    headers::refuse_content_range(request)?;
    let content_type = headers::content_type(request)?.map(Arc::from);
    let bytes = bytes(request, body, limit, ARRIVAL).await?;
    Ok(Payload::with_content_type(bytes, content_type))
}

/// Reads the body of a request that has no use for one. Until a body is read, hyper does not look whether the client
/// is still there.
pub(super) async fn none(request: &HeaderMap, body: Body) -> Result<(), Problem> {
    match bytes(request, body, 0, ARRIVAL).await {
        Err(problem) if problem.kind() == Kind::PayloadTooLarge => {
            Err(Problem::new(Kind::InvalidBody, "this request takes no body; send it without one"))
        }
        result => result.map(drop),
    }
}

/// Reads a body of at most `limit` bytes: one that announces more is refused unread, one that does not announce its
/// length is refused at the first byte too many.
async fn bytes(request: &HeaderMap, body: Body, limit: usize, arrival: Duration) -> Result<Bytes, Problem> {
    let announced = announced(request);
    if announced.is_some_and(|length| length > limit) {
        return Err(too_large(limit));
    }
    let reserve = announced.unwrap_or_default().min(FIRST_RESERVE);
    match timeout(arrival, collect(body, limit, reserve)).await {
        Ok(result) => result,
        Err(_) => {
            let detail = format!("the body did not arrive within {} seconds", arrival.as_secs());
            Err(Problem::new(Kind::BodyTimeout, detail))
        }
    }
}

/// Puts the pieces together in an allocation of exactly their size: a piece by itself is a part of the connection's
/// read buffer and would keep all of that alive for as long as the session is.
async fn collect(body: Body, limit: usize, reserve: usize) -> Result<Bytes, Problem> {
    let mut body = pin!(body);
    let mut collected = Vec::with_capacity(reserve);
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| {
            Problem::new(Kind::InvalidBody, format!("the body broke off or is not properly encoded: {error}"))
        })?;
        let Ok(piece) = frame.into_data() else { continue };
        if piece.len() > limit - collected.len() {
            return Err(too_large(limit));
        }
        collected.extend_from_slice(&piece);
    }
    Ok(Bytes::from(collected.into_boxed_slice()))
}

/// `Content-Length`. hyper has refused one that is not a number.
fn announced(request: &HeaderMap) -> Option<usize> {
    request.get(header::CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

fn too_large(limit: usize) -> Problem {
    let detail = format!("the body has more than the {limit} bytes that the store takes (`max_payload`)");
    Problem::new(Kind::PayloadTooLarge, detail).limit("max_payload", u64::try_from(limit).ok())
}

#[cfg(test)]
mod tests {
    use std::{
        collections::VecDeque,
        io,
        pin::Pin,
        task::{Context, Poll},
    };

    use axum::http::HeaderValue;
    use hyper::body::Frame;

    use super::*;

    /// A body that comes in these pieces.
    struct Pieces(VecDeque<io::Result<&'static str>>);

    impl hyper::body::Body for Pieces {
        type Data = Bytes;
        type Error = io::Error;

        fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<io::Result<Frame<Bytes>>>> {
            let piece = self.0.pop_front();
            Poll::Ready(piece.map(|piece| piece.map(|piece| Frame::data(Bytes::from_static(piece.as_bytes())))))
        }
    }

    fn pieces<const N: usize>(pieces: [io::Result<&'static str>; N]) -> Body {
        Body::new(Pieces(pieces.into()))
    }

    fn announcing(length: &'static str) -> HeaderMap {
        [(header::CONTENT_LENGTH, HeaderValue::from_static(length))].into_iter().collect()
    }

    fn broken() -> io::Result<&'static str> {
        Err(io::ErrorKind::ConnectionReset.into())
    }

    #[tokio::test]
    async fn a_body_of_the_allowed_size_is_read_with_its_media_type() {
        let mut request = announcing("5");
        request.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        let payload = payload(&request, pieces([Ok("ab"), Ok("cde")]), 5).await.unwrap();
        assert_eq!((payload.bytes().as_ref(), payload.content_type()), (&b"abcde"[..], Some("application/json")));
    }

    #[tokio::test]
    async fn an_empty_body_is_an_empty_payload() {
        let payload = payload(&HeaderMap::new(), Body::empty(), 0).await.unwrap();
        assert_eq!((payload.len(), payload.content_type()), (0, None));
    }

    #[tokio::test]
    async fn a_body_that_announces_too_much_is_refused_unread() {
        // Reading it would give another problem.
        let problem = payload(&announcing("6"), pieces([broken()]), 5).await.unwrap_err();
        assert_eq!(problem.kind(), Kind::PayloadTooLarge);
    }

    #[tokio::test]
    async fn a_body_that_announces_nothing_is_refused_at_the_first_byte_too_many() {
        let problem = payload(&HeaderMap::new(), pieces([Ok("abc"), Ok("def"), broken()]), 5).await.unwrap_err();
        assert_eq!(problem.kind(), Kind::PayloadTooLarge);
        assert_eq!(problem.json()["limit_value"], 5);
    }

    #[tokio::test]
    async fn a_body_that_breaks_off_is_refused() {
        let problem = payload(&HeaderMap::new(), pieces([Ok("abc"), broken()]), 5).await.unwrap_err();
        assert_eq!(problem.kind(), Kind::InvalidBody);
    }

    #[tokio::test]
    async fn a_body_where_none_belongs_is_refused() {
        assert!(none(&HeaderMap::new(), Body::empty()).await.is_ok());
        assert_eq!(none(&announcing("1"), Body::from("x")).await.unwrap_err().kind(), Kind::InvalidBody);
        assert_eq!(none(&HeaderMap::new(), Body::from("x")).await.unwrap_err().kind(), Kind::InvalidBody);
    }

    #[tokio::test]
    async fn a_body_that_does_not_arrive_is_given_up() {
        struct Silence;
        impl hyper::body::Body for Silence {
            type Data = Bytes;
            type Error = io::Error;

            fn poll_frame(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<io::Result<Frame<Bytes>>>> {
                Poll::Pending
            }
        }
        let problem = bytes(&HeaderMap::new(), Body::new(Silence), 5, Duration::ZERO).await.unwrap_err();
        assert_eq!(problem.kind(), Kind::BodyTimeout);
    }
}
