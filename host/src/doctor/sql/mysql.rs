//! MariaDB and MySQL.

use std::str::FromStr as _;

use sqlx::{ConnectOptions as _, Error, MySqlConnection, mysql::MySqlConnectOptions};

use super::{Notes, cause, connect, forgets, in_time, moment, room, schema, unasked};
use crate::{
    config::ConnectionConfig,
    doctor::{Users, skew::Asked},
};

/// The oldest versions.
const OLDEST_MARIADB: (u32, u32) = (10, 6);
const OLDEST_MYSQL: (u32, u32) = (8, 0);

/// What a statement has besides the payload, bytes.
const BESIDES: u64 = 16 << 10;

/// Looks at a connection.
pub(in crate::doctor) async fn examine(notes: &mut Notes, config: &ConnectionConfig, users: &Users<'_>) {
    let options = match MySqlConnectOptions::from_str(&config.url) {
        Ok(options) => options.disable_statement_logging(),
        Err(error) => return notes.error("reachable", cause(&error), "correct `url`"),
    };
    let connecting = options.connect();
    let Some(connection) = connect(notes, config, connecting, &["28000"], &["42000"]).await else { return };
    let mut database = Database { connection, config };
    version(notes, &mut database, config).await;
    durability(notes, &mut database).await;
    payloads(notes, &mut database, users).await;
    connections(notes, &mut database, config).await;
    let asked = Asked::now();
    match database.number("SELECT CAST(UNIX_TIMESTAMP(NOW(3)) * 1000 AS SIGNED)").await {
        Ok(millis) => asked.judge(notes, moment(millis)),
        Err(error) => unasked(notes, "clock", &error),
    }
    schema::examine(notes, &schema::MYSQL, &mut database, users).await;
}

struct Database<'c> {
    connection: MySqlConnection,
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
}

async fn version(notes: &mut Notes, database: &mut Database<'_>, config: &ConnectionConfig) {
    let told = async {
        let version = database.text("SELECT VERSION()").await?;
        Ok((version, database.number("SELECT CAST(@@global.read_only AS SIGNED)").await?))
    };
    let (version, is_read_only) = match told.await {
        Ok(told) => told,
        Err(error) => return unasked(notes, "version", &error),
    };
    let (kind, oldest) =
        if version.contains("MariaDB") { ("MariaDB", OLDEST_MARIADB) } else { ("MySQL", OLDEST_MYSQL) };
    let what = format!("{kind} {version} at {}", config.shown_url());
    if numbers(&version) < oldest {
        notes.error("version", what, "use MariaDB 10.6, MySQL 8.0 or newer");
    } else {
        notes.ok("version", what);
    }
    if is_read_only != 0 {
        notes.error("mode", "it takes no writes (`read_only`)", "name the primary in `url`");
    }
}

/// The first two numbers of a version. Some servers put `5.5.5-` in front, for old clients.
fn numbers(version: &str) -> (u32, u32) {
    let mut parts = version.strip_prefix("5.5.5-").unwrap_or(version).split(['.', '-']).map(str::parse::<u32>);
    let mut next = || parts.next().and_then(Result::ok).unwrap_or_default();
    (next(), next())
}

async fn durability(notes: &mut Notes, database: &mut Database<'_>) {
    match database.number("SELECT CAST(@@global.innodb_flush_log_at_trx_commit AS SIGNED)").await {
        Err(error) => unasked(notes, "persistence", &error),
        Ok(1) => notes.ok("persistence", "what is acknowledged is on its disk (innodb_flush_log_at_trx_commit = 1)"),
        Ok(other) => {
            let setting = format!("`innodb_flush_log_at_trx_commit` is {other}");
            forgets(notes, setting, "set `innodb_flush_log_at_trx_commit = 1`");
        }
    }
}

/// Whether the largest session that stores take fits into a packet.
async fn payloads(notes: &mut Notes, database: &mut Database<'_>, users: &Users<'_>) {
    let Some((name, store)) = users.iter().max_by_key(|(_, store)| store.max_payload) else { return };
    let most = match database.number("SELECT CAST(@@max_allowed_packet AS SIGNED)").await {
        Ok(most) => moment(most),
        Err(error) => return unasked(notes, "payloads", &error),
    };
    let wanted = u64::try_from(store.max_payload).unwrap_or(u64::MAX).saturating_add(BESIDES);
    if most < wanted {
        let what = format!(
            "`max_allowed_packet` is {most} bytes, and store `{name}` takes payloads of {} (`max_payload`)",
            store.max_payload
        );
        let remedy = format!("set `max_allowed_packet` to {wanted} or more, or lower `stores.{name}.max_payload`");
        notes.warning("payloads", what, remedy);
    } else {
        notes.ok("payloads", format!("a packet takes {most} bytes, more than the largest payload"));
    }
}

async fn connections(notes: &mut Notes, database: &mut Database<'_>, config: &ConnectionConfig) {
    const MOST: &str = "SELECT CAST(CASE WHEN @@max_user_connections > 0 AND @@max_user_connections < @@max_connections
        THEN @@max_user_connections ELSE @@max_connections END AS SIGNED)";
    // Without the right PROCESS it is those of this user.
    const USED: &str = "SELECT CAST(count(*) - 1 AS SIGNED) FROM information_schema.processlist
        WHERE user NOT IN ('system user', 'event_scheduler')";
    let told = async { Ok((database.number(MOST).await?, database.number(USED).await?)) };
    match told.await {
        Ok((most, used)) => room(notes, config, moment(most), moment(used)),
        Err(error) => unasked(notes, "connections", &error),
    }
}

impl schema::Asked for Database<'_> {
    async fn has_table(&mut self, name: &str) -> Result<bool, Error> {
        const COUNT: &str = "SELECT CAST(count(*) AS SIGNED) FROM information_schema.tables
            WHERE table_schema = DATABASE() AND table_name = ?";
        let asked = sqlx::query_scalar::<_, i64>(COUNT).bind(name).fetch_one(&mut self.connection);
        Ok(in_time(self.config.timeout, asked).await? > 0)
    }

    async fn number(&mut self, statement: &'static str) -> Result<Option<i64>, Error> {
        let asked = sqlx::query_scalar::<_, Option<i32>>(statement).fetch_one(&mut self.connection);
        Ok(in_time(self.config.timeout, asked).await?.map(i64::from))
    }

    async fn run(&mut self, statement: &'static str) -> Result<(), Error> {
        let running = sqlx::query(statement).execute(&mut self.connection);
        in_time(self.config.timeout, running).await.map(drop)
    }

    async fn may_create(&mut self) -> Result<bool, Error> {
        // What is shown here is what this user has; the name of a schema may be a pattern.
        const RIGHTS: &str = "SELECT CAST(
            (SELECT count(*) FROM information_schema.user_privileges WHERE privilege_type = 'CREATE')
            + (SELECT count(*) FROM information_schema.schema_privileges
                WHERE privilege_type = 'CREATE' AND DATABASE() LIKE table_schema) AS SIGNED)";
        Ok(Database::number(self, RIGHTS).await? > 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_compared_by_their_numbers() {
        assert_eq!(numbers("10.11.6-MariaDB-0+deb12u1"), (10, 11));
        assert_eq!(numbers("5.5.5-10.3.39-MariaDB"), (10, 3));
        assert_eq!(numbers("8.0.36"), (8, 0));
        assert!(numbers("10.11.6-MariaDB") > OLDEST_MARIADB && numbers("5.7.44") < OLDEST_MYSQL);
    }
}
