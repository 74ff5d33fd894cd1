//! `cloakroom sql schema`: the tables of the store `sql`, for those who make them themselves.

use std::process::ExitCode;

use clap::ValueEnum;

/// Print the statements that make the tables of the store `sql`
///
/// They are those that the plugin runs by itself unless it is told `migrate = false`, and do nothing where they have been
/// run before.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The kind of database
    #[arg(long)]
    dialect: Dialect,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Dialect {
    /// PostgreSQL 12 or newer
    #[value(name = "postgresql", alias = "postgres")]
    PostgreSql,
    /// MySQL 8.0, MariaDB 10.6 or newer
    #[value(name = "mysql", alias = "mariadb")]
    MySql,
    /// SQLite
    #[value(name = "sqlite")]
    Sqlite,
}

pub(super) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    print!("{}", schema(args.dialect));
    Ok(ExitCode::SUCCESS)
}

/// The plugin's own files.
fn schema(dialect: Dialect) -> &'static str {
    match dialect {
        Dialect::PostgreSql => include_str!("../../../plugins/sql/schema/postgresql.sql"),
        Dialect::MySql => include_str!("../../../plugins/sql/schema/mysql.sql"),
        Dialect::Sqlite => include_str!("../../../plugins/sql/schema/sqlite.sql"),
    }
}
