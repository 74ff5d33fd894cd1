//! PostgreSQL.

use std::str::FromStr as _;

use sqlx::{ConnectOptions as _, Error, PgConnection, postgres::PgConnectOptions};

use super::{Notes, cause, connect, forgets, in_time, moment, room, schema, unasked};
use crate::{
    config::ConnectionConfig,
    doctor::{Users, skew::Asked},
};

/// The oldest version, as `server_version_num` writes it.
const OLDEST: i64 = 120_000;

/// Looks at a connection.
pub(in crate::doctor) async fn examine(notes: &mut Notes, config: &ConnectionConfig, users: &Users<'_>) {
    let options = match PgConnectOptions::from_str(&config.url) {
        Ok(options) => options.disable_statement_logging().application_name("cloakroom doctor"),
        Err(error) => return notes.error("reachable", cause(&error), "correct `url`"),
    };
    let connecting = options.connect();
    let Some(connection) = connect(notes, config, connecting, &["28P01", "28000", "42501"], &["3D000"]).await else {
        return;
    };
    let mut database = Database { connection, config };
    version(notes, &mut database, config).await;
    durability(notes, &mut database).await;
    connections(notes, &mut database, config).await;
    let asked = Asked::now();
    match database.number("SELECT (extract(epoch FROM clock_timestamp()) * 1000)::bigint").await {
        Ok(millis) => asked.judge(notes, moment(millis)),
        Err(error) => unasked(notes, "clock", &error),
    }
    schema::examine(notes, &schema::POSTGRESQL, &mut database, users).await;
}

struct Database<'c> {
    connection: PgConnection,
    config: &'c ConnectionConfig,
}

impl Database<'_> {
    async fn number(&mut self, statement: &'static str) -> Result<i64, Error> {
        let asked = sqlx::query_scalar::<_, i64>(statement).fetch_one(&mut self.connection);
        in_time(self.config.timeout, asked).await
    }

    async fn text(&mut self, statement: &'static str) -> Result<String, Error> {
        let asked = sqlx::query_scalar::<_, String>(statement).fetch_one(&mut self.connection);
        in_time(self.config.timeout, asked).await
    }

    async fn is(&mut self, statement: &'static str) -> Result<bool, Error> {
        let asked = sqlx::query_scalar::<_, bool>(statement).fetch_one(&mut self.connection);
        in_time(self.config.timeout, asked).await
    }
}

async fn version(notes: &mut Notes, database: &mut Database<'_>, config: &ConnectionConfig) {
    let told = async {
        let name = database.text("SELECT current_setting('server_version')").await?;
        let number = database.number("SELECT current_setting('server_version_num')::bigint").await?;
        let encoding = database.text("SELECT current_setting('server_encoding')").await?;
        let is_standby = database.is("SELECT pg_is_in_recovery()").await?;
        let is_read_only = database.is("SELECT current_setting('default_transaction_read_only')::boolean").await?;
        Ok((name, number, encoding, is_standby || is_read_only))
    };
    let (name, number, encoding, is_read_only) = match told.await {
        Ok(told) => told,
        Err(error) => return unasked(notes, "version", &error),
    };
    let what = format!("PostgreSQL {name} at {}", config.shown_url());
    if number < OLDEST {
        notes.error("version", what, "use PostgreSQL 12 or newer");
    } else {
        notes.ok("version", what);
    }
    if is_read_only {
        let remedy = "name the primary in `url`, or take `default_transaction_read_only` back";
        notes.error("mode", "it takes no writes: it is a standby, or this user may only read", remedy);
    }
    if encoding != "UTF8" {
        let what = format!("its database is in {encoding}, and keys and subjects are UTF-8");
        notes.error("encoding", what, "make a database with ENCODING 'UTF8'");
    }
}

async fn durability(notes: &mut Notes, database: &mut Database<'_>) {
    let told = async {
        let fsync = database.text("SELECT current_setting('fsync')").await?;
        Ok((fsync, database.text("SELECT current_setting('synchronous_commit')").await?))
    };
    match told.await {
        Err(error) => unasked(notes, "persistence", &error),
        Ok((fsync, _)) if fsync == "off" => forgets(notes, "`fsync` is off", "set `fsync = on`"),
        Ok((_, commit)) if commit == "off" => {
            forgets(notes, "`synchronous_commit` is off", "set `synchronous_commit = on`, for its user at least");
        }
        Ok((_, commit)) => {
            notes.ok("persistence", format!("what is acknowledged is on its disk (synchronous_commit = {commit})"));
        }
    }
}

async fn connections(notes: &mut Notes, database: &mut Database<'_>, config: &ConnectionConfig) {
    // What is left to those who are no superusers; a user and a database can have limits of their own.
    const MOST: &str = "SELECT least(
        current_setting('max_connections')::bigint - current_setting('superuser_reserved_connections')::bigint,
        (SELECT CASE WHEN rolconnlimit < 0 THEN 1000000 ELSE rolconnlimit END FROM pg_roles WHERE rolname = current_user),
        (SELECT CASE WHEN datconnlimit < 0 THEN 1000000 ELSE datconnlimit END FROM pg_database
            WHERE datname = current_database()))";
    const USED: &str =
        "SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()";
    let told = async { Ok((database.number(MOST).await?, database.number(USED).await?)) };
    match told.await {
        Ok((most, used)) => room(notes, config, moment(most), moment(used)),
        Err(error) => unasked(notes, "connections", &error),
    }
}

impl schema::Asked for Database<'_> {
    async fn has_table(&mut self, name: &str) -> Result<bool, Error> {
        let asked = sqlx::query_scalar::<_, bool>("SELECT to_regclass($1) IS NOT NULL").bind(name);
        in_time(self.config.timeout, asked.fetch_one(&mut self.connection)).await
    }

    async fn number(&mut self, statement: &'static str) -> Result<Option<i64>, Error> {
        // The type of a version is a narrower one.
        let asked = sqlx::query_scalar::<_, Option<i32>>(statement).fetch_one(&mut self.connection);
        Ok(in_time(self.config.timeout, asked).await?.map(i64::from))
    }

    async fn run(&mut self, statement: &'static str) -> Result<(), Error> {
        let running = sqlx::query(statement).execute(&mut self.connection);
        in_time(self.config.timeout, running).await.map(drop)
    }

    async fn may_create(&mut self) -> Result<bool, Error> {
        self.is("SELECT coalesce(has_schema_privilege(current_schema(), 'CREATE'), false)").await
    }
}
