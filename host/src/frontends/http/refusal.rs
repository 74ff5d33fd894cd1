//! What each error of the session service is called on HTTP.

use super::problem::{Kind, Problem};
use crate::{
    contract::StoreError,
    plugins::{PluginError, PluginFailure},
    sessions::SessionError,
};

impl From<SessionError> for Problem {
    fn from(error: SessionError) -> Self {
        let detail = error.to_string();
        match error {
            SessionError::Key(_) => Self::new(Kind::InvalidKey, detail),
            // An ID that was never issued names no session; only a write (see `for_write`) has to know more.
            SessionError::ForgedId { store } => Self::new(Kind::SessionNotFound, detail).store(store),
            SessionError::PayloadTooLarge { store, limit, .. } => {
                Self::new(Kind::PayloadTooLarge, detail).store(store).limit("max_payload", count(limit))
            }
            SessionError::Unsupported { store, plugin, interface, .. } => {
                Self::new(Kind::Unsupported, detail).store(store).plugin(plugin).interface(interface)
            }
            SessionError::Store { store, plugin, error } => of_store(&error, &detail).store(store).plugin(plugin),
            SessionError::Plugin { store, error } => of_plugin(&store, error),
        }
    }
}

impl Problem {
    /// The same for an operation that would bring the session into being: there an ID that was never issued is the
    /// client's mistake.
    pub(super) fn for_write(error: SessionError) -> Self {
        match error {
            SessionError::ForgedId { ref store } => {
                Self::new(Kind::IdNotIssued, error.to_string()).store(store.as_str())
            }
            error => error.into(),
        }
    }
}

/// An error that a plugin answered with, with what its kind means to the client.
fn of_store(error: &StoreError, detail: &str) -> Problem {
    let problem = |kind, advice| Problem::new(kind, format!("{detail}; {advice}"));
    match error {
        StoreError::InvalidArgument(_) => problem(Kind::InvalidArgument, "change the request"),
        StoreError::Unavailable(_) => problem(Kind::StoreUnavailable, "nothing was stored, try again").retry(),
        StoreError::Timeout(_) => {
            problem(Kind::StoreTimeout, "whether anything was stored is not known, read before you try again").retry()
        }
        StoreError::LimitExceeded(_) => {
            problem(Kind::StoreFull, "nothing was stored; make room, or have the operator raise the limit")
        }
        StoreError::Other(_) => problem(Kind::StoreFailed, "trying again is not likely to help, tell the operator"),
    }
}

/// A provider that failed. The backtrace of a trap goes to the log, not to the client.
///
/// All are 503 (the store cannot serve, through no fault of the request), but for the deadline and the time of a call
/// into the host: there the host is a gateway whose upstream did not answer, 504. Only a busy plugin and one that is not
/// called for now ask for a retry, since the others would most likely fail again.
fn of_plugin(store: &str, error: PluginError) -> Problem {
    let detail = format!("store `{store}`: {error}");
    let PluginError { plugin, failure, .. } = error;
    if let PluginFailure::Unavailable { .. } = failure {
        // Told when that began.
        tracing::debug!(store, plugin, %failure, "a request was turned away");
    } else if failure.has_place() {
        // Told with its backtrace.
        tracing::debug!(store, plugin, %failure, "a request failed in a plugin");
    } else {
        tracing::warn!(store, plugin, %failure, "a request failed in a plugin");
    }
    let kind = match failure {
        PluginFailure::Trap { .. } | PluginFailure::Nonsense { .. } | PluginFailure::Instantiate { .. } => {
            Kind::PluginFailed
        }
        PluginFailure::Cpu { .. }
        | PluginFailure::Memory { .. }
        | PluginFailure::Payload { .. }
        | PluginFailure::Handles { .. } => Kind::PluginLimit,
        PluginFailure::Saturated { .. } | PluginFailure::Busy { .. } => Kind::PluginBusy,
        PluginFailure::Deadline { .. } | PluginFailure::HostCall { .. } => Kind::PluginDeadline,
        PluginFailure::Unavailable { .. } => Kind::PluginUnavailable,
    };
    let problem = Problem::new(kind, detail.lines().next().unwrap_or_default()).store(store).plugin(plugin);
    let problem = match failure.limit() {
        Some((limit, value)) => problem.limit(limit.name(), Some(value)),
        None => problem,
    };
    match failure {
        PluginFailure::Saturated { .. } | PluginFailure::Busy { .. } => problem.retry(),
        PluginFailure::Unavailable { retry_after, .. } => problem.retry_after(retry_after),
        _ => problem,
    }
}

fn count(limit: usize) -> Option<u64> {
    u64::try_from(limit).ok()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use axum::response::IntoResponse;

    use super::*;
    use crate::contract::KeyError;

    fn store_error(error: StoreError) -> SessionError {
        SessionError::Store { store: "carts".into(), plugin: "rows".into(), error }
    }

    fn plugin_error(failure: PluginFailure) -> SessionError {
        SessionError::Plugin { store: "carts".into(), error: PluginError::new("bad", failure) }
    }

    fn status(error: SessionError) -> (u16, bool) {
        let response = Problem::from(error).into_response();
        (response.status().as_u16(), response.headers().contains_key("retry-after"))
    }

    #[test]
    fn errors_of_the_request_are_400() {
        assert_eq!(status(KeyError::Nul.into()), (400, false));
        assert_eq!(status(store_error(StoreError::InvalidArgument("x".into()))), (400, false));
    }

    #[test]
    fn an_id_that_was_not_issued_is_missing_to_reads_and_wrong_in_writes() {
        let forged = || SessionError::ForgedId { store: "carts".into() };
        assert_eq!(Problem::from(forged()).kind(), Kind::SessionNotFound);
        assert_eq!(Problem::for_write(forged()).kind(), Kind::IdNotIssued);
        assert_eq!(Problem::for_write(forged()).json()["store"], "carts");
        assert_eq!(Problem::for_write(KeyError::Nul.into()).kind(), Kind::InvalidKey);
    }

    #[test]
    fn a_payload_that_is_too_large_names_store_and_limit() {
        let error = SessionError::PayloadTooLarge { store: "carts".into(), size: 11, limit: 10 };
        let problem = Problem::from(error);
        assert_eq!(problem.kind(), Kind::PayloadTooLarge);
        let body = problem.json();
        assert_eq!(
            (&body["store"], &body["limit"], &body["limit_value"]),
            (&"carts".into(), &"max_payload".into(), &10.into())
        );
    }

    #[test]
    fn a_back_end_that_may_come_back_asks_for_a_retry() {
        assert_eq!(status(store_error(StoreError::Unavailable("x".into()))), (503, true));
        assert_eq!(status(store_error(StoreError::Timeout("x".into()))), (503, true));
    }

    #[test]
    fn other_errors_of_the_store_have_their_own_status() {
        assert_eq!(status(store_error(StoreError::LimitExceeded("x".into()))), (507, false));
        assert_eq!(status(store_error(StoreError::Other("x".into()))), (500, false));
        let body = Problem::from(store_error(StoreError::Other("x".into()))).json();
        assert_eq!((&body["store"], &body["plugin"]), (&"carts".into(), &"rows".into()));
        let unsupported = SessionError::Unsupported {
            store: "carts".into(),
            plugin: "plain".into(),
            operation: "list",
            interface: "session-index",
        };
        let problem = Problem::from(unsupported);
        assert_eq!(problem.json()["interface"], "session-index");
        assert_eq!(problem.json()["plugin"], "plain");
        assert_eq!(problem.into_response().status().as_u16(), 501);
    }

    #[test]
    fn a_failed_plugin_is_named_with_the_limit_it_hit() {
        let second = Duration::from_secs(1);
        let operation = "get";
        for (failure, kind, status_and_retry, limit) in [
            (PluginFailure::Cpu { operation, limit: second }, Kind::PluginLimit, (503, false), Some(("cpu", 1000))),
            (PluginFailure::Memory { operation, limit: 64 }, Kind::PluginLimit, (503, false), Some(("memory", 64))),
            (PluginFailure::Busy { limit: 8 }, Kind::PluginBusy, (503, true), Some(("instances", 8))),
            (PluginFailure::Saturated { limit: 9 }, Kind::PluginBusy, (503, true), Some(("queue", 9))),
            (
                PluginFailure::Payload { operation, size: 9, limit: 8 },
                Kind::PluginLimit,
                (503, false),
                Some(("payload", 8)),
            ),
            (PluginFailure::Handles { operation, limit: 7 }, Kind::PluginLimit, (503, false), Some(("handles", 7))),
            (
                PluginFailure::HostCall { operation, limit: second },
                Kind::PluginDeadline,
                (504, false),
                Some(("host_call", 1000)),
            ),
            (
                PluginFailure::Unavailable { failures: 5, last: "trapped".into(), retry_after: second },
                Kind::PluginUnavailable,
                (503, true),
                None,
            ),
            (
                PluginFailure::Deadline { operation, limit: second },
                Kind::PluginDeadline,
                (504, false),
                Some(("deadline", 1000)),
            ),
            (PluginFailure::Nonsense { operation, what: "x".into() }, Kind::PluginFailed, (503, false), None),
            (PluginFailure::Instantiate { reason: "x".into() }, Kind::PluginFailed, (503, false), None),
        ] {
            let problem = Problem::from(plugin_error(failure.clone()));
            assert_eq!(problem.kind(), kind);
            let body = problem.json();
            assert_eq!((&body["store"], &body["plugin"]), (&"carts".into(), &"bad".into()));
            assert_eq!(body["limit"].as_str().zip(body["limit_value"].as_u64()), limit);
            assert_eq!(status(plugin_error(failure)), status_and_retry);
        }
    }

    #[test]
    fn a_plugin_that_is_not_called_says_when_it_is_tried_again_in_whole_seconds() {
        for (millis, seconds) in [(0, "1"), (100, "1"), (1_001, "2"), (30_000, "30")] {
            let retry_after = Duration::from_millis(millis);
            let failure = PluginFailure::Unavailable { failures: 5, last: "trapped".into(), retry_after };
            let response = Problem::from(plugin_error(failure)).into_response();
            assert_eq!(response.headers()["retry-after"], seconds);
        }
    }

    #[test]
    fn the_backtrace_of_a_trap_stays_in_the_host() {
        let reason = "unreachable\n  0: get\n  1: parse";
        let problem = Problem::from(plugin_error(PluginFailure::Trap { operation: "get", reason: reason.into() }));
        let detail = problem.json()["detail"].as_str().unwrap().to_owned();
        assert!(detail.ends_with("trapped in `get`, which its author has to mend: unreachable"), "{detail}");
    }
}
