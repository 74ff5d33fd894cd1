//! Making the tables, however many hosts start at once.
//!
//! Each instance looks once which version the tables have. Whoever finds that there is work takes a lock of the database
//! and does it; the others wait for the lock and find it done. So each statement does nothing where it has been run
//! before; on MariaDB, moreover, a table is there at once, whatever becomes of the transaction.

use cloakroom_plugin_sdk::{
    Error, log,
    sql::{Column, Dialect, Parameter, Transaction},
};

use crate::Sql;

/// The version of the tables that this plugin works on.
const VERSION: i64 = 1;

/// How long a host waits for another one that makes the tables, seconds.
const PATIENCE: i64 = 10;

/// Names the lock: any number that nobody else uses, here the letters `cloakrm`.
const LOCK: i64 = 0x0063_6c6f_616b_726d;

/// The statements that make the tables. What `cloakroom sql schema` prints.
fn definition(dialect: Dialect) -> &'static str {
    match dialect {
        Dialect::Postgresql => include_str!("../schema/postgresql.sql"),
        Dialect::Mysql => include_str!("../schema/mysql.sql"),
        Dialect::Sqlite => include_str!("../schema/sqlite.sql"),
    }
}

/// The statements of a text, each ending with a semicolon at the end of a line.
fn statements(text: &str) -> impl Iterator<Item = &str> {
    text.split(";\n").map(str::trim).filter(|statement| !statement.is_empty())
}

impl Sql {
    /// Sees that the tables are there, once.
    pub(crate) fn make_ready(&self) -> Result<(), Error> {
        if !self.is_ready.get() {
            self.prepare_schema()?;
            self.is_ready.set(true);
        }
        Ok(())
    }

    fn prepare_schema(&self) -> Result<(), Error> {
        match self.connection.execute("SELECT max(version) FROM cloakroom_schema", &[]) {
            Ok(found) => match version(&found.rows) {
                Some(VERSION) => return Ok(()),
                Some(newer) if newer > VERSION => {
                    return Err(Error::Unavailable(format!(
                        "the tables have version {newer} and this plugin knows {VERSION}; use a newer one"
                    )));
                }
                _ => {}
            },
            // There is no such table, most likely; what else it may be will be met again.
            Err(Error::Other(_)) => {}
            Err(error) => return Err(error),
        }
        if !self.migrates {
            let dialect = match self.dialect {
                Dialect::Postgresql => "postgresql",
                Dialect::Mysql => "mysql",
                Dialect::Sqlite => "sqlite",
            };
            return Err(Error::Unavailable(format!(
                "the database does not have the tables in version {VERSION}, and `migrate` is false; run what `cloakroom \
                 sql schema --dialect {dialect}` prints"
            )));
        }
        self.migrate()
    }

    fn migrate(&self) -> Result<(), Error> {
        let transaction = self.connection.begin()?;
        match self.dialect {
            Dialect::Postgresql => {
                transaction.execute("SELECT pg_advisory_xact_lock($1)", &[Parameter::Number(LOCK)])?;
            }
            Dialect::Mysql => {
                let locked =
                    transaction.execute("SELECT GET_LOCK('cloakroom_schema', $1)", &[Parameter::Number(PATIENCE)])?;
                if version(&locked.rows) != Some(1) {
                    let what = format!("another host has been making the tables for {PATIENCE} s");
                    return Err(Error::Timeout(what));
                }
            }
            // A transaction has the file to itself from its beginning on.
            Dialect::Sqlite => {}
        }
        for statement in statements(definition(self.dialect)) {
            transaction.execute(statement, &[])?;
        }
        if self.dialect == Dialect::Mysql {
            transaction.execute("SELECT RELEASE_LOCK('cloakroom_schema')", &[])?;
        }
        Transaction::commit(transaction)?;
        log::info(format!("the tables are there, in version {VERSION}"));
        Ok(())
    }
}

/// The one number that was asked for.
fn version(rows: &[Vec<Column>]) -> Option<i64> {
    match rows.first()?.first()? {
        Column::Number(number) => Some(*number),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_statement_is_found_whole() {
        for (dialect, expected) in [(Dialect::Postgresql, 5), (Dialect::Mysql, 3), (Dialect::Sqlite, 5)] {
            let found: Vec<_> = statements(definition(dialect)).collect();
            assert_eq!(found.len(), expected, "{found:?}");
            assert!(found.iter().all(|statement| statement.contains("CREATE ") || statement.contains("INSERT ")));
        }
    }

    #[test]
    fn the_version_that_is_written_is_the_one_that_is_looked_for() {
        for dialect in [Dialect::Postgresql, Dialect::Mysql, Dialect::Sqlite] {
            let definition = definition(dialect);
            assert!(definition.contains(&format!("INTO cloakroom_schema (version) VALUES ({VERSION})")));
            assert!(definition.lines().next().is_some_and(|title| title.ends_with(&format!("version {VERSION}."))));
        }
    }
}
