//! The State Server front end: the wire protocol of `aspnet_state.exe`, which ASP.NET speaks with
//! `<sessionState mode="StateServer">`.
//!
//! The way of a request: `listener` accepts, `connection` reads bytes into [`parser`], which makes a [`request`] of
//! them; [`target`] makes its key, `operations` has the session service carry it out, `response` puts the outcome
//! into bytes. The protocol looks like HTTP and is not (no leading slash in targets, no version in status lines), so
//! no HTTP library is involved. `docs/state-server.md` tells operators what is implemented and where it differs.

mod connection;
mod listener;
mod lock_date;
mod meters;
mod operations;
pub mod parser;
pub mod request;
mod response;
mod seldom;
pub mod target;

pub use listener::serve;

use std::time::Duration;

use crate::{clock::Clock, config::StateServerConfig, sessions::SessionService};

use lock_date::LockDates;
use meters::Meters;
use operations::Operations;
use parser::Limits;
use response::Wording;
use seldom::Seldom;
use target::Applications;

/// What all connections share.
struct FrontEnd {
    operations: Operations,
    applications: Applications,
    wording: Wording,
    limits: Limits,
    idle_timeout: Duration,
    transfer_timeout: Duration,
    meters: Meters,
    /// For requests that the store could not serve.
    store_failed: Seldom,
    /// For bytes that are no request.
    refused: Seldom,
}

impl FrontEnd {
    fn new(service: SessionService, config: &StateServerConfig, clock: Clock) -> Self {
        Self {
            operations: Operations::new(service, config.hold_locked, LockDates::new(clock)),
            applications: Applications::new(&config.applications),
            wording: Wording::new(config.http_prefix, &config.aspnet_version),
            limits: Limits { line: config.max_line, headers: config.max_headers, body: config.max_body },
            idle_timeout: config.idle_timeout,
            transfer_timeout: config.transfer_timeout,
            meters: Meters::new(),
            store_failed: Seldom::default(),
            refused: Seldom::default(),
        }
    }
}
