//! A session store on PostgreSQL, MariaDB, MySQL or SQLite.
//!
//! - `../schema/`: the tables, for each kind of database. `docs/sql-store.md` tells what the columns mean.
//! - `schema.rs`: making the tables, however many hosts start at once.
//! - `statements.rs`: what is said to the database, in its dialect.
//! - `record.rs`: a row as it is decided about, and as it is answered.
//! - `operations.rs`: the contract's operations. Each is one statement where the database can say what came of it;
//!   otherwise a look and a write on the condition that nobody wrote in between. Nothing is locked between two statements,
//!   so there is nothing that a host that dies leaves behind, and no deadlock.
//! - `sweep.rs`: reporting what expired, at least once.
//! - `listing.rs`: the optional operations.
//!
//! Every decision about time is the database's, so hosts may disagree about it.
//!
//! Settings: `connection` names the connection (`main` if there is none); with `migrate = false` the tables are not made
//! or changed, and whoever owns the database does so (`cloakroom sql schema`).

mod listing;
mod operations;
mod record;
mod schema;
mod statements;
mod sweep;

use std::cell::Cell;

use cloakroom_plugin_sdk::{
    Error, SessionKey, Settings, export_provider,
    sql::{Column, Connection, Dialect, Parameter, Rows},
};

use crate::statements::Statements;

/// The longest name of a store, bytes: what its column holds on MariaDB.
const LONGEST_STORE: usize = 255;

/// An instance of the store.
struct Sql {
    connection: Connection,
    dialect: Dialect,
    statements: Statements,
    /// The store's name, which begins every key.
    store: String,
    /// Whether it may make the tables.
    migrates: bool,
    /// Whether the tables are known to be there.
    is_ready: Cell<bool>,
}

impl Sql {
    fn open(store: &str, settings: &Settings) -> Result<Self, Error> {
        settings.allow_only(&["connection", "migrate"])?;
        if store.len() > LONGEST_STORE {
            let what = format!("the store's name has {} bytes; {LONGEST_STORE} are allowed", store.len());
            return Err(Error::InvalidArgument(what));
        }
        let connection = Connection::open(settings.get("connection").unwrap_or("main"))?;
        let dialect = connection.dialect();
        Ok(Self {
            connection,
            dialect,
            statements: Statements::new(dialect),
            store: store.to_owned(),
            migrates: settings.parse("migrate")?.unwrap_or(true),
            is_ready: Cell::new(false),
        })
    }

    /// Runs a statement on tables that are there.
    fn run(&self, statement: &str, parameters: &[Parameter<'_>]) -> Result<Rows, Error> {
        self.make_ready()?;
        self.connection.execute(statement, parameters)
    }

    /// Runs a statement that changes one row; whether it did.
    fn change(&self, statement: &str, parameters: &[Parameter<'_>]) -> Result<bool, Error> {
        Ok(self.run(statement, parameters)?.affected > 0)
    }

    /// Runs a statement that answers one row, or none.
    fn row(&self, statement: &str, parameters: &[Parameter<'_>]) -> Result<Option<Vec<Column>>, Error> {
        Ok(self.run(statement, parameters)?.rows.into_iter().next())
    }

    /// The three parameters that a key is.
    fn key(&self, key: &SessionKey) -> [Parameter<'static>; 3] {
        [self.store.clone(), key.application.clone(), key.id.clone()].map(Parameter::Text)
    }
}

export_provider!(Sql, SessionIndex, SessionScan, SessionRename);
