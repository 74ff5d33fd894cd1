//! What the front end counts. The handles are looked up once, when it starts.

use metrics::{Counter, Gauge, counter, describe_counter, describe_gauge, gauge};

use super::{
    request::Verb,
    response::{Answer, Status},
};

const REQUESTS: &str = "cloakroom_state_server_requests_total";
const CONNECTIONS: &str = "cloakroom_state_server_connections";
const ACCEPTED: &str = "cloakroom_state_server_connections_accepted_total";
const REFUSED: &str = "cloakroom_state_server_connections_refused_total";
const ABANDONED: &str = "cloakroom_state_server_locks_abandoned_total";

/// Counters and gauges of the front end.
#[derive(Debug)]
pub(super) struct Meters {
    get: ByStatus,
    put: ByStatus,
    delete: ByStatus,
    head: ByStatus,
    other: ByStatus,
    /// Connections that are open.
    pub(super) connections: Gauge,
    /// Connections that were accepted.
    pub(super) accepted: Counter,
    /// Connections that were closed at once because there were too many.
    pub(super) refused: Counter,
    /// Clients that hung up before they got the lock they asked for.
    pub(super) abandoned: Counter,
}

#[derive(Debug)]
struct ByStatus {
    ok: Counter,
    bad_request: Counter,
    not_found: Counter,
    locked: Counter,
    none: Counter,
}

impl ByStatus {
    fn new(verb: &'static str) -> Self {
        let of = |status: &'static str| counter!(REQUESTS, "verb" => verb, "status" => status);
        Self { ok: of("200"), bad_request: of("400"), not_found: of("404"), locked: of("423"), none: of("none") }
    }
}

impl Meters {
    /// Registers everything with the process's recorder.
    pub(super) fn new() -> Self {
        describe_counter!(REQUESTS, "Requests by verb and status; `none` got no answer because the store failed");
        describe_gauge!(CONNECTIONS, "Connections that are open");
        describe_counter!(ACCEPTED, "Connections that were accepted");
        describe_counter!(REFUSED, "Connections that were closed at once because `max_connections` were open");
        describe_counter!(ABANDONED, "Clients that hung up before they got the lock they asked for");
        Self {
            get: ByStatus::new("get"),
            put: ByStatus::new("put"),
            delete: ByStatus::new("delete"),
            head: ByStatus::new("head"),
            other: ByStatus::new("other"),
            connections: gauge!(CONNECTIONS),
            accepted: counter!(ACCEPTED),
            refused: counter!(REFUSED),
            abandoned: counter!(ABANDONED),
        }
    }

    /// Counts a request; `None` is one that could not be answered.
    pub(super) fn count(&self, verb: Verb, answer: Option<&Answer>) {
        let by_status = match verb {
            Verb::Get => &self.get,
            Verb::Put => &self.put,
            Verb::Delete => &self.delete,
            Verb::Head => &self.head,
            Verb::Other => &self.other,
        };
        let counter = match answer.map(Answer::status) {
            Some(Status::Ok) => &by_status.ok,
            Some(Status::BadRequest) => &by_status.bad_request,
            Some(Status::NotFound) => &by_status.not_found,
            Some(Status::Locked) => &by_status.locked,
            None => &by_status.none,
        };
        counter.increment(1);
    }
}
