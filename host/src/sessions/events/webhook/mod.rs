//! A webhook: an address that each event is posted to, signed.
//!
//! `client` makes the connections and sends the requests, `signature` signs them. What an answer means is said here: 2xx
//! takes the event; 429 turns it away; 408 and 5xx are failures that may pass; anything else is a refusal for good, a
//! redirect too, because whoever signs for one address must not be sent to another.

mod client;
mod signature;

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use bytes::Bytes;
use hyper::{
    HeaderMap, StatusCode,
    header::{CONTENT_TYPE, HOST, HeaderValue, RETRY_AFTER, USER_AGENT},
};
use tokio::task::spawn_blocking;

pub use self::client::WebhookError;
use self::client::{Client, Failed};
use super::{event::Event, json::SessionEvent, receiver::Undelivered};
use crate::{clock::Clock, config::WebhookConfig};

/// The longest pause that a receiver is granted by `Retry-After`.
const LONGEST_RETRY_AFTER: Duration = Duration::from_secs(60 * 60);

/// An event of more bytes is written and signed on a thread of its own: it would hold up the requests behind it.
const LARGE: usize = 128 << 10;

/// See the module.
pub(in crate::sessions) struct Webhook {
    name: String,
    config: Arc<WebhookConfig>,
    client: Client,
    clock: Clock,
}

impl Webhook {
    /// Nothing is connected yet.
    pub(in crate::sessions) fn open(name: &str, config: &WebhookConfig, clock: &Clock) -> Result<Self, WebhookError> {
        let client = Client::new(&config.url, config.timeout, config.connections)?;
        Ok(Self { name: name.to_owned(), config: Arc::new(config.clone()), client, clock: clock.clone() })
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    pub(super) fn wants_payload(&self) -> bool {
        self.config.payload
    }

    pub(super) fn connections(&self) -> usize {
        self.config.connections
    }

    /// Posts an event, once.
    pub(super) async fn post(&self, event: &Arc<Event>) -> Result<(), Undelivered> {
        let timestamp = self.clock.now().0 / 1000;
        let refused = |why| Undelivered::Refused { why };
        let (body, signatures) = self.write(event, timestamp).await.map_err(refused)?;
        let headers = self.headers(&event.id.to_string(), timestamp, &signatures).map_err(refused)?;
        match self.client.post(headers, body).await {
            Ok((status, headers)) => judge(status, &headers, self.clock.now().into()),
            Err(Failed::Unreachable(why)) => Err(Undelivered::TurnedAway { why, pause: None }),
            Err(Failed::Unanswered(why)) => Err(Undelivered::Failed { why, retry_after: None }),
        }
    }

    /// The body and its signatures.
    async fn write(&self, event: &Arc<Event>, timestamp: u64) -> Result<(Bytes, String), String> {
        let (event, config) = (event.clone(), self.config.clone());
        let is_large = event.size() > LARGE;
        let write = move || {
            let body = SessionEvent::new(&event, config.payload).text();
            let signatures = signature::signatures(&config.secrets, &event.id.to_string(), timestamp, body.as_bytes());
            (Bytes::from(body), signatures)
        };
        if !is_large {
            return Ok(write());
        }
        spawn_blocking(write).await.map_err(|error| format!("the event cannot be written: {error}"))
    }

    fn headers(&self, id: &str, timestamp: u64, signatures: &str) -> Result<HeaderMap, String> {
        let value =
            |text: &str| HeaderValue::from_str(text).map_err(|error| format!("a header cannot be sent: {error}"));
        let mut headers = HeaderMap::with_capacity(6);
        headers.insert(HOST, value(self.client.authority())?);
        headers.insert(USER_AGENT, HeaderValue::from_static(concat!("cloakroom/", env!("CARGO_PKG_VERSION"))));
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert("webhook-id", value(id)?);
        headers.insert("webhook-timestamp", HeaderValue::from(timestamp));
        headers.insert("webhook-signature", value(signatures)?);
        Ok(headers)
    }
}

/// What an answer means.
fn judge(status: StatusCode, headers: &HeaderMap, now: SystemTime) -> Result<(), Undelivered> {
    if status.is_success() {
        return Ok(());
    }
    let why = format!("the webhook answered {status}");
    let pause = headers.get(RETRY_AFTER).and_then(|value| retry_after(value.to_str().ok()?, now));
    match status {
        StatusCode::TOO_MANY_REQUESTS => Err(Undelivered::TurnedAway { why, pause }),
        StatusCode::REQUEST_TIMEOUT => Err(Undelivered::Failed { why, retry_after: pause }),
        _ if status.is_server_error() => Err(Undelivered::Failed { why, retry_after: pause }),
        _ => Err(Undelivered::Refused { why }),
    }
}

/// Seconds, or a date (RFC 9110, 10.2.3).
fn retry_after(text: &str, now: SystemTime) -> Option<Duration> {
    let pause = match text.trim().parse() {
        Ok(seconds) => Duration::from_secs(seconds),
        Err(_) => httpdate::parse_http_date(text.trim()).ok()?.duration_since(now).unwrap_or_default(),
    };
    Some(pause.min(LONGEST_RETRY_AFTER))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::UnixMillis;

    fn judged(status: u16, pause: Option<&'static str>) -> Result<(), Undelivered> {
        let headers = pause.map(|text| (RETRY_AFTER, HeaderValue::from_static(text))).into_iter().collect();
        judge(StatusCode::from_u16(status).unwrap(), &headers, UnixMillis(784_111_777_000).into())
    }

    #[test]
    fn only_what_may_pass_is_tried_again() {
        for status in [200, 201, 202, 204] {
            assert_eq!(judged(status, None), Ok(()), "{status}");
        }
        for status in [408, 500, 502, 503, 504, 599] {
            assert!(matches!(judged(status, None), Err(Undelivered::Failed { retry_after: None, .. })), "{status}");
        }
        for status in [301, 302, 307, 308, 304, 400, 401, 404, 410, 413] {
            assert!(matches!(judged(status, None), Err(Undelivered::Refused { .. })), "{status}");
        }
        assert!(matches!(judged(429, None), Err(Undelivered::TurnedAway { pause: None, .. })));
    }

    #[test]
    fn the_pause_that_the_receiver_asks_for_is_kept_within_reason() {
        for (text, seconds) in [
            ("7", Some(7)),
            ("Sun, 06 Nov 1994 08:49:47 GMT", Some(10)),
            ("Sun, 06 Nov 1994 08:49:00 GMT", Some(0)),
            ("86400", Some(3600)),
            ("soon", None),
            ("-1", None),
        ] {
            let expected = seconds.map(Duration::from_secs);
            let Err(Undelivered::Failed { retry_after, .. }) = judged(503, Some(text)) else { panic!("{text}") };
            assert_eq!(retry_after, expected, "{text}");
            let Err(Undelivered::TurnedAway { pause, .. }) = judged(429, Some(text)) else { panic!("{text}") };
            assert_eq!(pause, expected, "{text}");
        }
    }
}
