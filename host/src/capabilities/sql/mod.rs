//! `sql`: named connections to PostgreSQL, MariaDB, MySQL and SQLite.
//!
//! The host owns the address, the password, the TLS and the connections; a component has a name. What a component says
//! runs on a connection that others use after it, so [`statement`] looks at every statement before it is sent, and a
//! connection that may not be as it was goes out of use ([`pool`]): after a call that was given up, an error in the midst
//! of an answer, a transaction without commit. What cannot be seen in a statement (functions that change the session,
//! `set_config` or `GET_LOCK`) is left to the rights of the database's user.
//!
//! - `statement`: what may be said, and how parameters are written for a server.
//! - `driver`: one connection to one of the three kinds of servers.
//! - `pool`: the connections by one name, and who has them.
//! - `connection`: the pool behind a name, as the interface uses it; time limits; what is tried again.
//! - `listen`: messages between hosts, on PostgreSQL.
//! - `values`: parameters and columns.
//! - `error`: what went wrong, in the words of the contract.

mod connection;
mod driver;
mod error;
mod interface;
mod listen;
mod pool;
mod statement;
#[cfg(test)]
mod tests;
mod values;

pub(super) use connection::{OpenTransaction, SqlConnection};
pub(super) use interface::bindings;
