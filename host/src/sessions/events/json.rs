//! An event as JSON, for webhooks and the event stream.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde::Serialize;
use utoipa::ToSchema;

use super::event::{End, Event, What};
use crate::clock::UnixMillis;

/// Something that happened to a session.
#[derive(Debug, Serialize, ToSchema)]
pub struct SessionEvent<'e> {
    /// Tells the event from all others. Who is told of one twice knows it by this.
    #[schema(example = "evt_5b0c1d2e3f405162738495a6b7c8d9ea")]
    id: String,
    /// `session.started`, `session.renamed` or `session.ended`.
    #[serde(rename = "type")]
    #[schema(example = "session.ended")]
    kind: &'static str,
    /// When the host noticed.
    #[schema(format = DateTime)]
    timestamp: String,
    /// The session.
    data: SessionEventData<'e>,
}

/// The session that an event is about. What stands behind `session_id` is there where it applies.
#[derive(Debug, Serialize, ToSchema)]
struct SessionEventData<'e> {
    /// The store that it is in.
    store: &'e str,
    /// Its application.
    application: &'e str,
    /// Its ID.
    session_id: &'e str,
    /// The ID that a renamed session had.
    #[serde(skip_serializing_if = "Option::is_none")]
    previous_session_id: Option<&'e str>,
    /// What is known of a session that ended.
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    end: Option<SessionEnd<'e>>,
}

/// What a session that ended held last.
#[derive(Debug, Serialize, ToSchema)]
struct SessionEnd<'e> {
    /// `expired` or `removed`.
    reason: String,
    /// Its version.
    version: u64,
    /// When it was inserted.
    #[schema(format = DateTime)]
    created: String,
    /// When it expired, or would have.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(format = DateTime)]
    expires: Option<String>,
    /// Whom it belonged to.
    #[serde(skip_serializing_if = "Option::is_none")]
    subject: Option<&'e str>,
    /// The media type of its payload.
    #[serde(skip_serializing_if = "Option::is_none")]
    content_type: Option<&'e str>,
    /// Bytes of its payload.
    size: usize,
    /// The payload itself, in base64.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(content_encoding = "base64")]
    payload: Option<String>,
}

impl<'e> SessionEvent<'e> {
    /// With what the session held, or without.
    #[must_use]
    pub fn new(event: &'e Event, with_payload: bool) -> Self {
        let data = SessionEventData {
            store: &event.store,
            application: event.key.application(),
            session_id: event.key.id(),
            previous_session_id: match &event.what {
                What::Renamed { old } => Some(old.id()),
                What::Started | What::Ended(_) => None,
            },
            end: event.end().map(|end| SessionEnd::new(end, with_payload)),
        };
        Self { id: event.id.to_string(), kind: kind(event), timestamp: event.at.rfc3339(), data }
    }

    /// `session.started`, `session.renamed` or `session.ended`.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        self.kind
    }

    /// As text. The types are such that this cannot fail; were it to, nothing would be said of the session.
    #[must_use]
    pub fn text(&self) -> String {
        serde_json::to_string(self).unwrap_or_else(|error| {
            tracing::error!(%error, "an event cannot be written as JSON");
            format!("{{\"id\":\"{}\",\"type\":\"{}\"}}", self.id, self.kind)
        })
    }
}

/// What an event is called here.
fn kind(event: &Event) -> &'static str {
    match event.what {
        What::Started => "session.started",
        What::Renamed { .. } => "session.renamed",
        What::Ended(_) => "session.ended",
    }
}

impl<'e> SessionEnd<'e> {
    fn new(end: &'e End, with_payload: bool) -> Self {
        let item = &end.item;
        Self {
            reason: end.reason.to_string(),
            version: item.version,
            created: item.created.rfc3339(),
            expires: item.expires.map(UnixMillis::rfc3339),
            subject: item.data.subject.as_deref().filter(|subject| !subject.is_empty()),
            content_type: item.data.payload.content_type(),
            size: end.size,
            payload: with_payload.then(|| STANDARD.encode(item.data.payload.bytes())),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::{
        super::event::tests::{end, rename, start},
        *,
    };

    fn written(event: &Event, with_payload: bool) -> Value {
        serde_json::from_str(&SessionEvent::new(event, with_payload).text()).unwrap()
    }

    #[test]
    fn an_end_has_all_that_is_known_of_the_session() {
        let event = end("a", b"two coats");
        let expected = json!({
            "id": event.id.to_string(),
            "type": "session.ended",
            "timestamp": "1994-11-06T08:49:37.012Z",
            "data": {
                "store": "default",
                "application": "shop",
                "session_id": "a",
                "reason": "expired",
                "version": 3,
                "created": "1970-01-01T00:00:00.005Z",
                "expires": "1970-01-01T00:00:00.066Z",
                "subject": "ada",
                "content_type": "text/plain",
                "size": 9,
                "payload": "dHdvIGNvYXRz",
            },
        });
        assert_eq!(written(&event, true), expected);
        let mut bare = expected;
        bare["data"].as_object_mut().unwrap().remove("payload");
        assert_eq!(written(&event, false), bare);
        assert_eq!(written(&event.without_payload(), false), bare);
    }

    #[test]
    fn a_start_and_a_rename_name_the_session_and_no_more() {
        let data = json!({"store": "default", "application": "shop", "session_id": "a"});
        let started = written(&start("a"), true);
        assert_eq!((&started["type"], &started["data"]), (&json!("session.started"), &data));
        let renamed = written(&rename("before", "a"), true);
        assert_eq!(renamed["type"], "session.renamed");
        assert_eq!(renamed["data"]["previous_session_id"], "before");
    }
}
