//! The store on SQL, with real databases: PostgreSQL, MariaDB, and SQLite in a file.

mod database;
mod durable;
mod farm;
mod farm_kill;
mod outages;
mod rules;
mod schema;
