//! The HTTP front end: sessions for every stack, with locks, versions and waiting, built from public standards.
//!
//! A request is read in three steps, each in its own files, and every handler goes through them from top to bottom:
//! `target`, `query`, `headers`, `preconditions`, `prefer` and `body` turn it into typed values or into a problem;
//! a handler in `sessions`, `events` or `admin` calls one operation of the session service; `answer` and `problem` write the
//! outcome. `server` accepts connections and puts limits on them, `delivery` takes back a lock whose answer could not
//! be sent, `measure` counts. `docs/http-api.md` is the reference for those who call it.
//!
//! Session IDs are secrets: no metric and no log line contains one, nor the path of a request.

mod admin;
mod answer;
mod body;
mod connection;
mod delivery;
mod events;
mod headers;
mod measure;
mod migration;
mod openapi;
mod preconditions;
mod prefer;
mod problem;
mod query;
mod refusal;
mod refusals;
mod routes;
mod server;
mod sessions;
mod shared;
mod target;
mod timestamp;

pub use server::serve;
