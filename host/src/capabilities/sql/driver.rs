//! One connection to one of the three kinds of servers.

use std::{str::FromStr as _, time::Duration};

use futures_util::{StreamExt as _, stream::BoxStream};
use sqlx::{
    AssertSqlSafe, ConnectOptions as _, Connection as _, Database, Either, Executor as _, MySql, MySqlConnection,
    PgConnection, Postgres, Sqlite, SqliteConnection,
    mysql::{MySqlConnectOptions, MySqlQueryResult},
    postgres::{PgConnectOptions, PgQueryResult},
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqliteQueryResult, SqliteSynchronous},
};
use tokio::time::{Instant, sleep};

use super::{
    error::Failure,
    statement::Statement,
    values::{self, Answer, Column, Given, Unfit},
};
use crate::config::{ConnectionConfig, ConnectionKind, Synchronous};

/// How many statements each connection keeps prepared.
const PREPARED: usize = 250;

/// The most rows of an answer.
const MOST_ROWS: usize = 10_000;

/// The pause before a file is tried again that somebody else is just switching to WAL.
const SWITCHING: Duration = Duration::from_millis(20);

/// What kind of SQL a server speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Dialect {
    PostgreSql,
    /// MariaDB as well.
    MySql,
    Sqlite,
}

/// Where a connection leads, and how it is set up.
pub(super) enum Target {
    Postgres { options: Box<PgConnectOptions>, timeout: Duration },
    MySql { options: Box<MySqlConnectOptions>, timeout: Duration },
    Sqlite { options: Box<SqliteConnectOptions> },
}

/// A connection.
pub(super) enum Driver {
    Postgres(PgConnection),
    MySql(MySqlConnection),
    Sqlite(SqliteConnection),
}

impl Target {
    /// Of what is configured; `None` if it is none of these servers. Connects to nothing.
    pub(super) fn new(config: &ConnectionConfig) -> Result<Option<Self>, sqlx::Error> {
        let timeout = config.timeout;
        Ok(Some(match config.kind() {
            Some(ConnectionKind::Postgres) => {
                let mut options = PgConnectOptions::from_str(&config.url)?.statement_cache_capacity(PREPARED);
                if options.get_application_name().is_none() {
                    options = options.application_name("cloakroom");
                }
                Self::Postgres { options: Box::new(options.disable_statement_logging()), timeout }
            }
            Some(ConnectionKind::MySql) => {
                let options = MySqlConnectOptions::from_str(&config.url)?.statement_cache_capacity(PREPARED);
                Self::MySql { options: Box::new(options.disable_statement_logging()), timeout }
            }
            Some(ConnectionKind::Sqlite) => {
                let options = SqliteConnectOptions::from_str(&config.url)?
                    .create_if_missing(true)
                    .journal_mode(SqliteJournalMode::Wal)
                    .synchronous(match config.synchronous {
                        Synchronous::Normal => SqliteSynchronous::Normal,
                        Synchronous::Full => SqliteSynchronous::Full,
                        Synchronous::Extra => SqliteSynchronous::Extra,
                    })
                    // It ends before the host's own time limit does, which costs the connection.
                    .busy_timeout(timeout.mul_f64(0.9))
                    .statement_cache_capacity(PREPARED);
                Self::Sqlite { options: Box::new(options.disable_statement_logging()) }
            }
            Some(ConnectionKind::Redis) | None => return Ok(None),
        }))
    }

    pub(super) fn dialect(&self) -> Dialect {
        match self {
            Self::Postgres { .. } => Dialect::PostgreSql,
            Self::MySql { .. } => Dialect::MySql,
            Self::Sqlite { .. } => Dialect::Sqlite,
        }
    }

    /// Connects. What the server's configuration could have changed and the contract promises is set here.
    pub(super) async fn connect(&self) -> Result<Driver, sqlx::Error> {
        match self {
            Self::Postgres { options, timeout } => {
                let mut connection = options.connect().await?;
                let millis = timeout.as_millis();
                let settings = format!(
                    "SET SESSION CHARACTERISTICS AS TRANSACTION ISOLATION LEVEL READ COMMITTED; \
                     SET statement_timeout = {millis}; SET idle_in_transaction_session_timeout = {}",
                    millis.saturating_mul(2)
                );
                sqlx::raw_sql(AssertSqlSafe(settings)).execute(&mut connection).await?;
                Ok(Driver::Postgres(connection))
            }
            Self::MySql { options, timeout } => {
                let mut connection = options.connect().await?;
                let isolation = "SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED";
                sqlx::raw_sql(isolation).execute(&mut connection).await?;
                let wait = format!("SET SESSION innodb_lock_wait_timeout = {}", timeout.as_secs().max(1));
                sqlx::raw_sql(AssertSqlSafe(wait)).execute(&mut connection).await?;
                Ok(Driver::MySql(connection))
            }
            Self::Sqlite { options } => {
                // Switching a new file to WAL does not wait for others who do the same.
                let begin = Instant::now();
                loop {
                    match options.connect().await {
                        Ok(connection) => return Ok(Driver::Sqlite(connection)),
                        Err(error) if is_busy(&error) && begin.elapsed() < Duration::from_secs(1) => {
                            sleep(SWITCHING).await;
                        }
                        Err(error) => return Err(error),
                    }
                }
            }
        }
    }
}

/// `SQLITE_BUSY` in one of its forms.
fn is_busy(error: &sqlx::Error) -> bool {
    let code = error.as_database_error().and_then(|error| error.code());
    code.and_then(|code| code.parse::<u32>().ok()).is_some_and(|code| code & 0xff == 5)
}

impl Driver {
    /// Runs a statement. `most`: the bytes that its answer may have.
    pub(super) async fn execute(
        &mut self,
        statement: &Statement,
        given: &[Given],
        most: usize,
    ) -> Result<Answer, Failure> {
        let text = AssertSqlSafe(statement.text.clone());
        let order = statement.order.as_deref();
        let places = order.map_or_else(|| (0..given.len()).collect(), <[usize]>::to_vec);
        let given = places.iter().filter_map(|place| given.get(*place));
        let encoded = |error| Failure::Server(sqlx::Error::Encode(error));
        match self {
            Self::Postgres(connection) => {
                let arguments = values::postgres(given).map_err(encoded)?;
                let steps = connection.fetch_many(sqlx::query_with::<Postgres, _>(text, arguments));
                collect::<Postgres>(steps, PgQueryResult::rows_affected, values::postgres_row, most).await
            }
            Self::MySql(connection) => {
                let arguments = values::mysql(given).map_err(encoded)?;
                let steps = connection.fetch_many(sqlx::query_with::<MySql, _>(text, arguments));
                collect::<MySql>(steps, MySqlQueryResult::rows_affected, values::mysql_row, most).await
            }
            Self::Sqlite(connection) => {
                let arguments = values::sqlite(given).map_err(encoded)?;
                let steps = connection.fetch_many(sqlx::query_with::<Sqlite, _>(text, arguments));
                collect::<Sqlite>(steps, SqliteQueryResult::rows_affected, values::sqlite_row, most).await
            }
        }
    }

    /// Begins a transaction. On SQLite one that writes, so that it waits for others at its beginning and not midway.
    pub(super) async fn begin(&mut self) -> Result<(), sqlx::Error> {
        match self {
            Self::Postgres(connection) => sqlx::raw_sql("BEGIN").execute(connection).await.map(drop),
            Self::MySql(connection) => sqlx::raw_sql("START TRANSACTION").execute(connection).await.map(drop),
            Self::Sqlite(connection) => sqlx::raw_sql("BEGIN IMMEDIATE").execute(connection).await.map(drop),
        }
    }

    /// Makes a transaction permanent.
    pub(super) async fn commit(&mut self) -> Result<(), sqlx::Error> {
        match self {
            Self::Postgres(connection) => sqlx::raw_sql("COMMIT").execute(connection).await.map(drop),
            Self::MySql(connection) => sqlx::raw_sql("COMMIT").execute(connection).await.map(drop),
            Self::Sqlite(connection) => sqlx::raw_sql("COMMIT").execute(connection).await.map(drop),
        }
    }

    /// Asks the server for a sign of life.
    pub(super) async fn ping(&mut self) -> Result<(), sqlx::Error> {
        match self {
            Self::Postgres(connection) => connection.ping().await,
            Self::MySql(connection) => connection.ping().await,
            Self::Sqlite(_) => Ok(()),
        }
    }

    /// Takes leave of the server, which rolls back what is open.
    pub(super) async fn close(self) -> Result<(), sqlx::Error> {
        match self {
            Self::Postgres(connection) => connection.close().await,
            Self::MySql(connection) => connection.close().await,
            Self::Sqlite(connection) => connection.close().await,
        }
    }
}

/// What a driver answers with: rows, and what was done.
type Steps<'s, DB> = BoxStream<'s, Result<Either<<DB as Database>::QueryResult, <DB as Database>::Row>, sqlx::Error>>;

/// Reads an answer to its end, or until it is larger than it may be.
async fn collect<DB: Database>(
    mut steps: Steps<'_, DB>,
    affected: fn(&DB::QueryResult) -> u64,
    read: fn(&DB::Row) -> Result<Vec<Column>, Unfit>,
    most: usize,
) -> Result<Answer, Failure> {
    let mut answer = Answer::default();
    let mut bytes = 0_usize;
    while let Some(step) = steps.next().await {
        match step.map_err(Failure::Server)? {
            Either::Left(done) => answer.affected = answer.affected.saturating_add(affected(&done)),
            Either::Right(row) => {
                let row = read(&row).map_err(|unfit| match unfit {
                    Unfit::Type(name) => Failure::Type(name),
                    Unfit::Driver(error) => Failure::Server(error),
                })?;
                bytes = row.iter().fold(bytes, |bytes, column| bytes.saturating_add(column.size()));
                if bytes > most || answer.rows.len() == MOST_ROWS {
                    return Err(Failure::TooLarge { most, rows: MOST_ROWS });
                }
                answer.rows.push(row);
            }
        }
    }
    Ok(answer)
}
