//! `GET /v1/events`: what happens to sessions, as server-sent events (HTML Living Standard, 9.2).

use std::{convert::Infallible, sync::Arc};

use axum::{
    body::Body,
    extract::State,
    http::{HeaderName, HeaderValue, header},
    response::{IntoResponse, Response},
};
use futures_util::stream;
use tokio::{
    sync::{OwnedSemaphorePermit, watch},
    time::{Instant, sleep_until},
};
use tokio_util::sync::CancellationToken;

use super::{
    headers::{self, Headers},
    openapi::LastSeen,
    problem::{Kind, Problem, ProblemBody},
    query::{Follow, Query},
    shared::Shared,
};
use crate::sessions::{Batch, Cursor, Event, EventStream, Gone, ResumeError, SessionEvent};

/// How much is handed to a connection at a time, bytes: a reader that does not read costs this, or one event if that is
/// larger.
const PIECE: usize = 64 << 10;

/// The cursor that means all events that are kept.
const OLDEST: &str = "oldest";

/// Follow what happens to sessions
///
/// Server-sent events: `event` is `session.started`, `session.renamed` or `session.ended`, `data` a `SessionEvent` as
/// JSON, `id` a cursor. A reader that comes back with the last `id` that it saw, as `Last-Event-ID` or `cursor`, goes on
/// there; 410 if the events since are not kept any more. A reader that is so slow that its events fall off meanwhile is
/// sent an event `gap`, and the stream ends.
#[utoipa::path(
    get,
    path = "/v1/events",
    operation_id = "followEvents",
    tag = "operation",
    params(Follow, LastSeen),
    responses(
        (status = 200, description = "The stream", body = SessionEvent, content_type = "text/event-stream"),
        (status = 403, description = "Payloads are not shown", body = ProblemBody, content_type = "application/problem+json"),
        (status = 404, description = "There is no such store, or the host keeps no events", body = ProblemBody,
            content_type = "application/problem+json"),
        (status = 410, description = "The events after this cursor are gone", body = ProblemBody,
            content_type = "application/problem+json"),
    ),
)]
pub(crate) async fn follow(
    State(shared): State<Arc<Shared>>,
    Query(follow): Query<Follow>,
    Headers(request): Headers,
) -> Result<Response, Problem> {
    let stream = shared.service.event_stream().ok_or_else(|| {
        Problem::new(Kind::EventsOff, "the host keeps no events; `enabled = true` in `[http.events]` has it do so")
    })?;
    if let Some(store) = follow.store.as_ref().filter(|store| !shared.service.has_store(store)) {
        return Err(Problem::new(Kind::StoreNotFound, format!("there is no store `{store}`; see `/v1/stores`")));
    }
    if follow.payload && !stream.config().payload {
        let detail = "the host does not keep what sessions held; `payload = true` in `[http.events]` has it do so";
        return Err(Problem::new(Kind::PayloadsHidden, detail));
    }
    let seen = headers::last_event_id(&request)?.or(follow.cursor.as_deref());
    let cursor = begin(stream, seen)?;
    let admitted = stream.admit().ok_or_else(|| {
        let detail = "as many clients read the events as may (`http.events.readers`)";
        Problem::new(Kind::TooManyReaders, detail).retry()
    })?;
    let reader = Reader::new(stream.clone(), cursor, follow, admitted, shared.shutdown.clone());
    let pieces = stream::unfold(reader, |mut reader| async {
        let piece = reader.next().await?;
        Some((Ok::<_, Infallible>(piece), reader))
    });
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static("text/event-stream")),
        // nginx would hold events back until it has a page of them.
        (HeaderName::from_static("x-accel-buffering"), HeaderValue::from_static("no")),
    ];
    Ok((headers, Body::from_stream(pieces)).into_response())
}

/// Where a reader begins.
fn begin(stream: &EventStream, seen: Option<&str>) -> Result<Cursor, Problem> {
    match seen {
        None => Ok(stream.end()),
        Some(OLDEST) => Ok(stream.beginning()),
        Some(text) => text.parse().and_then(|cursor| stream.resume(cursor)).map_err(|error| {
            let kind = match error {
                ResumeError::Unreadable => Kind::InvalidQuery,
                ResumeError::OtherRun | ResumeError::Gone(_) => Kind::EventsGone,
            };
            Problem::new(kind, error.to_string())
        }),
    }
}

/// One client that reads. Nothing is made for it before its connection asks.
struct Reader {
    stream: Arc<EventStream>,
    news: watch::Receiver<u64>,
    cursor: Cursor,
    wanted: Follow,
    state: Progress,
    shutdown: CancellationToken,
    _admitted: OwnedSemaphorePermit,
}

#[derive(PartialEq, Eq)]
enum Progress {
    Beginning,
    Reading,
    Ended,
}

impl Reader {
    fn new(
        stream: Arc<EventStream>,
        cursor: Cursor,
        wanted: Follow,
        admitted: OwnedSemaphorePermit,
        shutdown: CancellationToken,
    ) -> Self {
        let news = stream.news();
        Self { stream, news, cursor, wanted, state: Progress::Beginning, shutdown, _admitted: admitted }
    }

    /// The next piece of the stream; `None` at its end.
    async fn next(&mut self) -> Option<String> {
        match self.state {
            Progress::Beginning => {
                self.state = Progress::Reading;
                return Some(format!("retry: 1000\n{}", self.heartbeat()));
            }
            Progress::Ended => return None,
            Progress::Reading => {}
        }
        let silence = Instant::now() + self.stream.config().heartbeat;
        loop {
            // Before the look, so that what comes after it is news.
            self.news.mark_unchanged();
            match self.stream.after(self.cursor, PIECE) {
                Ok(Batch { events, cursor }) => {
                    let is_at_end = events.is_empty();
                    self.cursor = cursor;
                    let piece: String =
                        events.iter().filter_map(|(cursor, event)| self.write(*cursor, event)).collect();
                    if !piece.is_empty() {
                        return Some(piece);
                    }
                    if !is_at_end {
                        continue;
                    }
                }
                Err(gone) => return Some(self.gap(gone)),
            }
            tokio::select! {
                () = self.shutdown.cancelled() => return None,
                changed = self.news.changed() => changed.ok()?,
                () = sleep_until(silence) => return Some(self.heartbeat()),
            }
        }
    }

    /// An event, if the reader wants it.
    fn write(&self, cursor: Cursor, event: &Event) -> Option<String> {
        let unwanted = |wanted: &Option<String>, is: &str| wanted.as_ref().is_some_and(|wanted| wanted != is);
        if unwanted(&self.wanted.store, &event.store) || unwanted(&self.wanted.application, event.key.application()) {
            return None;
        }
        let json = SessionEvent::new(event, self.wanted.payload);
        Some(format!("id: {cursor}\nevent: {}\ndata: {}\n\n", json.kind(), json.text()))
    }

    /// A comment, which keeps proxies from closing the connection. It carries the cursor, so that a reader that wants
    /// few of the events does not have to go back to the last of them.
    fn heartbeat(&self) -> String {
        format!(": heartbeat\nid: {}\n\n", self.cursor)
    }

    fn gap(&mut self, Gone { lost }: Gone) -> String {
        self.state = Progress::Ended;
        format!("event: gap\ndata: {{\"lost\":{lost}}}\n\n")
    }
}
