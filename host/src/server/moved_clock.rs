//! A clock that tests can move, so that they need not wait for sessions to expire.
//!
//! Only where the environment variable `CLOAKROOM_TEST_CLOCK` is `1`: each SIGUSR1 then moves the host's clock forward.

use std::time::Duration;

use tokio::signal::unix::{SignalKind, signal};

use super::ServerError;
use crate::clock::Clock;

/// How far one signal moves the clock.
const STEP: Duration = Duration::from_secs(30);

/// Begins to listen, where that is asked for.
pub(super) fn listen(clock: &Clock) -> Result<(), ServerError> {
    if std::env::var_os("CLOAKROOM_TEST_CLOCK").is_none_or(|value| value != "1") {
        return Ok(());
    }
    let mut signals = signal(SignalKind::user_defined1()).map_err(ServerError::Signals)?;
    let clock = clock.clone();
    tracing::warn!("the clock can be moved by SIGUSR1 (CLOAKROOM_TEST_CLOCK=1): for tests only");
    tokio::spawn(async move {
        while signals.recv().await.is_some() {
            clock.advance(STEP);
            tracing::info!("clock moved by {STEP:?}");
        }
    });
    Ok(())
}
