//! `redis`: named connections to Redis, Valkey or a cluster of them.
//!
//! The host owns the address, the password, the TLS and the connection; a component has a name. Commands of all instances
//! share one connection to each server, which sends them as they come and sorts the answers.

mod connection;
mod error;
mod interface;
mod replicas;
mod reply;
mod tls;

pub(crate) use connection::RedisConnection;
pub(super) use interface::bindings;
