//! What the end-to-end tests share: a running host, clients that speak to it in raw bytes, a real
//! ASP.NET site, and the examples of the book.

mod account;
pub mod addresses;
pub mod aspnet_redis;
pub mod certificates;
pub mod cpu_time;
pub mod docs;
pub mod farm;
pub mod host;
pub mod http;
pub mod mariadb;
pub mod mono;
pub mod network;
pub mod plain_memory;
pub mod postgres;
pub mod redis;
pub mod rules;
pub mod server_sent_events;
pub mod state_server;
pub mod webhook_receiver;
mod wire;

pub use host::Host;
