//! What went wrong with a server, in the words of the contract.
//!
//! A message may end up in a log or with a client. It names the connection and never the address or the password; of
//! what a server says about values it carries the code only, since a value may be a session ID.

use std::{io, time::Duration};

use super::super::bindings::types::Error;

/// Why a call came to nothing.
#[derive(Debug)]
pub(super) enum Failure {
    /// The statement may not be run.
    Refused(String),
    /// All connections were in use for as long as the call could wait.
    Exhausted { connections: usize, waited: Duration },
    /// It took too long.
    Late { limit: Duration },
    /// The connection could not be made in time.
    NotConnected { limit: Duration },
    /// The driver or the server says so.
    Server(sqlx::Error),
    /// The answer is larger than it may be.
    TooLarge { most: usize, rows: usize },
    /// The answer has a column of a type that the contract does not have.
    Type(String),
    /// The transaction ended before.
    Over,
}

/// What a failure means for those who share the connections.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Meaning {
    /// The statement failed, and the connection is as it was.
    Harmless,
    /// The statement failed because of another one at the same time; it may well succeed now.
    Again,
    /// The connection is not as it was.
    Spoiled,
    /// The server is not there, and probably not for other connections either.
    Lost,
}

impl Failure {
    pub(super) fn meaning(&self) -> Meaning {
        match self {
            Self::Refused(_) | Self::Exhausted { .. } | Self::Over => Meaning::Harmless,
            Self::Late { .. } | Self::TooLarge { .. } | Self::Type(_) => Meaning::Spoiled,
            Self::NotConnected { .. } => Meaning::Lost,
            Self::Server(sqlx::Error::Database(error)) => match kind(&Code::of(error.as_ref())) {
                Kind::Conflict => Meaning::Again,
                Kind::Gone => Meaning::Lost,
                _ => Meaning::Harmless,
            },
            Self::Server(sqlx::Error::Io(_) | sqlx::Error::Tls(_)) => Meaning::Lost,
            Self::Server(_) => Meaning::Spoiled,
        }
    }

    /// The failure as a component sees it.
    pub(super) fn told(&self, connection: &str) -> Error {
        let text = |what: &dyn std::fmt::Display| format!("connection `{connection}`: {what}");
        match self {
            Self::Refused(why) => Error::InvalidArgument(text(&format!("the statement is refused: {why}"))),
            Self::Exhausted { connections, waited } => Error::Timeout(text(&format!(
                "all {connections} connections were in use for {waited:?}; see `max_connections`"
            ))),
            Self::Late { limit } => Error::Timeout(text(&format!("no answer within {limit:?}"))),
            Self::NotConnected { limit } => Error::Timeout(text(&format!("not connected within {limit:?}"))),
            Self::TooLarge { most, rows } => Error::LimitExceeded(text(&format!(
                "the answer has more than {most} bytes (limit `payload`) or {rows} rows; ask for less at a time"
            ))),
            Self::Type(name) => Error::Other(text(&format!(
                "the answer has a column of type {name}; cast it to a whole number, text or bytes"
            ))),
            Self::Over => Error::Other(text(&"the transaction is over, as after a statement that failed")),
            Self::Server(error) => server(error, connection),
        }
    }
}

fn server(error: &sqlx::Error, connection: &str) -> Error {
    let text = |what: &dyn std::fmt::Display| format!("connection `{connection}`: {what}");
    match error {
        sqlx::Error::Database(error) => {
            let code = Code::of(error.as_ref());
            let kind = kind(&code);
            let text = match kind {
                // What is said of a value may quote it.
                Kind::Value => text(&format!("error {} of the server about a value", code.text)),
                _ => text(&format!("{} (error {})", error.message(), code.text)),
            };
            match kind {
                Kind::Gone | Kind::Refused | Kind::Conflict => Error::Unavailable(text),
                Kind::Late => Error::Timeout(text),
                Kind::Full => Error::LimitExceeded(text),
                Kind::Value | Kind::Other => Error::Other(text),
            }
        }
        sqlx::Error::Io(error) if error.kind() == io::ErrorKind::TimedOut => Error::Timeout(text(error)),
        sqlx::Error::Io(error) => Error::Unavailable(text(error)),
        sqlx::Error::Tls(error) => Error::Unavailable(text(&format!("TLS: {error}"))),
        sqlx::Error::WorkerCrashed => Error::Unavailable(text(&"the thread of the connection is gone")),
        // They may quote values or the address.
        sqlx::Error::Configuration(_) => Error::Unavailable(text(&"its URL cannot be used")),
        sqlx::Error::ColumnDecode { .. } | sqlx::Error::Decode(_) => {
            Error::Other(text(&"a column is not what its type says"))
        }
        sqlx::Error::Encode(_) => Error::Other(text(&"a parameter cannot be sent")),
        error => Error::Other(text(error)),
    }
}

/// What a server calls an error.
struct Code {
    /// PostgreSQL's and MariaDB's five characters; on SQLite a number.
    text: String,
    /// MariaDB's and MySQL's own number.
    number: Option<u16>,
    is_sqlite: bool,
}

impl Code {
    fn of(error: &(dyn sqlx::error::DatabaseError + 'static)) -> Self {
        let text = error.code().unwrap_or_default().into_owned();
        if let Some(error) = error.try_downcast_ref::<sqlx::mysql::MySqlDatabaseError>() {
            return Self { text: error.number().to_string(), number: Some(error.number()), is_sqlite: false };
        }
        let is_sqlite = error.try_downcast_ref::<sqlx::sqlite::SqliteError>().is_some();
        Self { text, number: None, is_sqlite }
    }
}

/// What kind of error it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// The server ends the connection, or is not there yet.
    Gone,
    /// It does not let us do that, or not now.
    Refused,
    /// Another statement got in the way.
    Conflict,
    Late,
    Full,
    /// It is about a value: one that breaks a constraint or cannot be what it should.
    Value,
    Other,
}

fn kind(code: &Code) -> Kind {
    match code.number {
        Some(number) => of_mysql(number),
        None if code.is_sqlite => of_sqlite(&code.text),
        None => of_postgres(&code.text),
    }
}

/// <https://www.postgresql.org/docs/current/errcodes-appendix.html>
fn of_postgres(code: &str) -> Kind {
    match code {
        "40001" | "40P01" => Kind::Conflict,
        "57014" | "55P03" | "25P03" | "57P05" => Kind::Late,
        "57P01" | "57P02" | "57P03" | "57P04" => Kind::Gone,
        "08P01" => Kind::Other,
        "42501" | "25006" | "3D000" => Kind::Refused,
        "53100" | "53200" => Kind::Full,
        code => match code.get(..2) {
            Some("08") => Kind::Gone,
            Some("28" | "53") => Kind::Refused,
            Some("54") => Kind::Full,
            Some("22" | "23") => Kind::Value,
            _ => Kind::Other,
        },
    }
}

/// <https://mariadb.com/kb/en/mariadb-error-code-reference/>
fn of_mysql(number: u16) -> Kind {
    match number {
        1213 => Kind::Conflict,
        // Lock wait, statement time.
        1205 | 1969 | 3024 => Kind::Late,
        // Shutting down, killed, lost.
        1053 | 1077 | 1079 | 1152 | 1158..=1161 | 1184 | 1927 | 2006 | 2013 => Kind::Gone,
        // No rights, no such database, too many connections, read-only.
        1040 | 1044 | 1045 | 1049 | 1129 | 1130 | 1142 | 1143 | 1203 | 1226 | 1227 | 1290 | 1698 | 1792 | 1836
        | 3118 | 4151 => Kind::Refused,
        // Disk, table, packet, memory.
        1021 | 1037 | 1041 | 1114 | 1153 | 1206 => Kind::Full,
        // Constraints, and values that do not fit.
        1048 | 1062 | 1169 | 1216 | 1217 | 1264 | 1292 | 1364 | 1366 | 1406 | 1451 | 1452 | 1557 | 1586 | 3819
        | 4025 => Kind::Value,
        _ => Kind::Other,
    }
}

/// <https://www.sqlite.org/rescode.html>
fn of_sqlite(code: &str) -> Kind {
    // The lower eight bits are the primary code.
    match code.parse::<u32>().unwrap_or_default() & 0xff {
        5 | 6 => Kind::Late,
        7 | 13 | 18 => Kind::Full,
        // Permission, read-only, I/O, corrupt, cannot open, protocol, authorization, no database.
        3 | 8 | 10 | 11 | 14 | 15 | 23 | 26 => Kind::Refused,
        19 | 20 | 25 => Kind::Value,
        _ => Kind::Other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_of_error_has_its_word_in_the_contract() {
        for (code, expected) in [
            ("57014", Kind::Late),
            ("57P01", Kind::Gone),
            ("08006", Kind::Gone),
            ("28P01", Kind::Refused),
            ("53300", Kind::Refused),
            ("53100", Kind::Full),
            ("40P01", Kind::Conflict),
            ("23505", Kind::Value),
            ("42P01", Kind::Other),
        ] {
            assert_eq!(of_postgres(code), expected, "{code}");
        }
        for (number, expected) in [
            (1205, Kind::Late),
            (1213, Kind::Conflict),
            (1045, Kind::Refused),
            (1153, Kind::Full),
            (1062, Kind::Value),
            (1146, Kind::Other),
        ] {
            assert_eq!(of_mysql(number), expected, "{number}");
        }
        // SQLITE_BUSY, its snapshot form, SQLITE_FULL, SQLITE_IOERR_WRITE, SQLITE_CONSTRAINT_UNIQUE.
        for (code, expected) in [
            ("5", Kind::Late),
            ("517", Kind::Late),
            ("13", Kind::Full),
            ("778", Kind::Refused),
            ("2067", Kind::Value),
            ("1", Kind::Other),
        ] {
            assert_eq!(of_sqlite(code), expected, "{code}");
        }
    }

    #[test]
    fn what_a_driver_says_of_an_address_is_not_passed_on() {
        let error = Failure::Server(sqlx::Error::Configuration("postgres://anna:s3cret@db".into()));
        let Error::Unavailable(told) = error.told("main") else { panic!("not unavailable") };
        assert!(told.contains("`main`") && !told.contains("s3cret"), "{told}");
    }
}
