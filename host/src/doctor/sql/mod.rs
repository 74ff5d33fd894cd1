//! A database.
//!
//! - `postgres`, `mysql`, `sqlite`: one kind each.
//! - `schema`: the tables of the plugin `sql`, and what may be done with them.

pub(super) mod mysql;
pub(super) mod postgres;
mod schema;
pub(super) mod sqlite;

use std::{fmt::Display, time::Duration};

use sqlx::Error;
use tokio::time::timeout;

use super::finding::Notes;
use crate::config::ConnectionConfig;

/// What went wrong, as it may be told: neither values nor URLs.
fn cause(error: &Error) -> String {
    match error {
        Error::Database(error) => {
            let code = error.code().map(|code| format!(" (error {code})")).unwrap_or_default();
            format!("{}{code}", error.message())
        }
        Error::Io(error) => error.to_string(),
        Error::Tls(error) => format!("TLS: {error}"),
        Error::Configuration(_) => "its URL cannot be used".to_owned(),
        Error::Decode(_) | Error::ColumnDecode { .. } => "it answers something unexpected".to_owned(),
        error => error.to_string(),
    }
}

/// The code of an error of the server.
fn code(error: &Error) -> Option<String> {
    error.as_database_error().and_then(|error| error.code()).map(|code| code.into_owned())
}

/// Connects; says why not if it fails. `credentials` and `missing` are the codes for a user who is not let in, and a
/// database that is not there.
async fn connect<C>(
    notes: &mut Notes,
    config: &ConnectionConfig,
    connecting: impl Future<Output = Result<C, Error>>,
    credentials: &[&str],
    missing: &[&str],
) -> Option<C> {
    let at = config.shown_url();
    let error = match timeout(config.connect_timeout, connecting).await {
        Ok(Ok(connection)) => return Some(connection),
        Ok(Err(error)) => error,
        Err(_) => {
            let what = format!("{at} did not answer within {:?}", config.connect_timeout);
            notes.error("reachable", what, "see that the server runs, and raise `connect_timeout` if it is slow");
            return None;
        }
    };
    let why = cause(&error);
    let code = code(&error).unwrap_or_default();
    if credentials.contains(&code.as_str()) {
        let remedy = "correct user and password in `url`, or the user's rights on the server";
        notes.error("authenticated", format!("{at} does not let this host in: {why}"), remedy);
    } else if missing.contains(&code.as_str()) {
        notes.error("reachable", format!("{at}: {why}"), "make the database, or correct its name in `url`");
    } else {
        let remedy = "see that the server runs, that the address is right and that nothing is in between";
        notes.error("reachable", format!("{at} cannot be reached: {why}"), remedy);
    }
    None
}

/// Notes that something could not be asked.
fn unasked(notes: &mut Notes, check: &'static str, error: &Error) {
    notes.warning(check, format!("it does not tell: {}", cause(error)), "see what the server's log says");
}

/// Says whether the server has room for the connections of one host.
fn room(notes: &mut Notes, config: &ConnectionConfig, most: u64, used: u64) {
    let wanted = u64::try_from(config.max_connections()).unwrap_or(u64::MAX);
    let free = most.saturating_sub(used);
    let what = format!("it takes {most} connections, {used} are in use, and each host makes up to {wanted}");
    if free < wanted {
        let remedy = "raise the server's `max_connections`, or lower `connections.NAME.max_connections`";
        notes.warning("connections", what, remedy);
    } else {
        notes.ok("connections", what);
    }
}

/// Says that something is set so that acknowledged writes can be lost.
fn forgets(notes: &mut Notes, setting: impl Display, remedy: impl Display) {
    let what = format!("{setting}: what was acknowledged last is lost when its machine crashes");
    notes.warning("persistence", what, remedy);
}

/// The time that a server gives as milliseconds.
fn moment(millis: i64) -> u64 {
    u64::try_from(millis).unwrap_or_default()
}

/// How long one question may take.
async fn in_time<T>(limit: Duration, asking: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
    timeout(limit, asking).await.unwrap_or_else(|_| Err(Error::Io(std::io::ErrorKind::TimedOut.into())))
}
