//! `sql` as components see it: each call of `wit/capabilities.wit`, carried over to a connection.

use bytes::Bytes;
use wasmtime::{Result, component::Resource};

use super::{
    connection::{SqlConnection, SqlTransaction},
    driver::Dialect,
    values::{Answer, Column, Given},
};
use crate::{
    capabilities::{GuestContext, bindings::types::Error},
    contract::Payload,
};

/// Rust types and traits made from the interface.
pub(crate) mod bindings {
    #![allow(missing_docs, unreachable_pub, clippy::all, clippy::pedantic)]

    wasmtime::component::bindgen!({
        path: "../wit",
        inline: "
            package cloakroom:linked-sql;

            world imports {
                import cloakroom:session/sql@0.1.0;
            }
        ",
        imports: { default: async | trappable },
        with: {
            "cloakroom:session/types": crate::capabilities::bindings::types,
            "cloakroom:session/payloads": crate::capabilities::bindings::payloads,
            "cloakroom:session/sql.connection": crate::capabilities::sql::connection::SqlConnection,
            "cloakroom:session/sql.transaction": crate::capabilities::sql::connection::SqlTransaction,
        },
    });

    pub use self::cloakroom::session::sql::*;
}

use bindings::{Parameter, Rows};

type Outcome<T> = std::result::Result<T, Error>;

impl GuestContext {
    /// What the parameters stand for. The bytes of payloads are shared with whoever has them.
    fn sql_parameters(&self, parameters: Vec<Parameter>) -> Result<Vec<Given>> {
        let given = parameters.into_iter().map(|parameter| {
            Ok(match parameter {
                Parameter::Null => Given::Null,
                Parameter::Number(number) => Given::Number(number),
                Parameter::Text(text) => Given::Text(text),
                Parameter::Payload(payload) => Given::Bytes(self.payloads.get(&payload)?.bytes().clone()),
            })
        });
        given.collect()
    }

    /// What a component makes of an answer.
    fn sql_rows(&mut self, answer: Outcome<Answer>) -> Result<Outcome<Rows>> {
        let answer = match answer {
            Ok(answer) => answer,
            Err(error) => return Ok(Err(error)),
        };
        let mut rows = Vec::with_capacity(answer.rows.len());
        for row in answer.rows {
            rows.push(row.into_iter().map(|column| self.sql_column(column)).collect::<Result<_>>()?);
        }
        Ok(Ok(Rows { rows, affected: answer.affected }))
    }

    fn sql_column(&mut self, column: Column) -> Result<bindings::Column> {
        Ok(match column {
            Column::Null => bindings::Column::Null,
            Column::Number(number) => bindings::Column::Number(number),
            Column::Text(text) => bindings::Column::Text(text),
            Column::Bytes(bytes) => bindings::Column::Payload(self.payloads.push(Payload::new(Bytes::from(bytes)))?),
        })
    }
}

impl bindings::Host for GuestContext {}

impl bindings::HostTransaction for GuestContext {
    async fn execute(
        &mut self,
        transaction: Resource<SqlTransaction>,
        statement: String,
        parameters: Vec<Parameter>,
    ) -> Result<Outcome<Rows>> {
        let transaction = self.table.get(&transaction)?.clone();
        let given = self.sql_parameters(parameters)?;
        let answer = transaction.execute(&statement, &given, self.setup.limits.payload).await;
        self.sql_rows(answer)
    }

    async fn commit(&mut self, transaction: Resource<SqlTransaction>) -> Result<Outcome<()>> {
        Ok(self.table.delete(transaction)?.commit().await)
    }

    async fn drop(&mut self, transaction: Resource<SqlTransaction>) -> Result<()> {
        self.table.delete(transaction)?;
        Ok(())
    }
}

impl bindings::HostConnection for GuestContext {
    async fn open(&mut self, name: String) -> Result<Outcome<Resource<SqlConnection>>> {
        let plugin = &self.setup.plugin;
        if !self.setup.grants.sql.contains(&name) {
            return Ok(Err(Error::InvalidArgument(format!(
                "plugin `{plugin}` has not been granted the connection `{name}`; write `sql = [\"{name}\"]` into its \
                 grant file if it shall have it"
            ))));
        }
        let Some(connection) = self.setup.connections.sql(&name).cloned() else {
            let names = self.setup.connections.names();
            return Ok(Err(Error::InvalidArgument(format!(
                "no connection `{name}` to an SQL database is configured, {names}; write `[connections.{name}]` into the \
                 configuration, or `--connection {name}=URL` on the command line"
            ))));
        };
        Ok(Ok(self.table.push(connection)?))
    }

    async fn dialect(&mut self, connection: Resource<SqlConnection>) -> Result<bindings::Dialect> {
        Ok(match self.table.get(&connection)?.dialect() {
            Dialect::PostgreSql => bindings::Dialect::Postgresql,
            Dialect::MySql => bindings::Dialect::Mysql,
            Dialect::Sqlite => bindings::Dialect::Sqlite,
        })
    }

    async fn execute(
        &mut self,
        connection: Resource<SqlConnection>,
        statement: String,
        parameters: Vec<Parameter>,
    ) -> Result<Outcome<Rows>> {
        let connection = self.table.get(&connection)?.clone();
        let given = self.sql_parameters(parameters)?;
        let answer = connection.execute(&statement, &given, self.setup.limits.payload).await;
        self.sql_rows(answer)
    }

    async fn begin(&mut self, connection: Resource<SqlConnection>) -> Result<Outcome<Resource<SqlTransaction>>> {
        let connection = self.table.get(&connection)?.clone();
        let transaction = match connection.begin().await {
            Ok(transaction) => transaction,
            Err(error) => return Ok(Err(error)),
        };
        self.transactions.push(transaction.open());
        Ok(Ok(self.table.push(transaction)?))
    }

    async fn drop(&mut self, connection: Resource<SqlConnection>) -> Result<()> {
        self.table.delete(connection)?;
        Ok(())
    }
}
