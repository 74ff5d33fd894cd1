//! The HTTP front end over real sockets: every route, status and header of `docs/http-api.md`.

mod conditions;
mod connections;
mod locks;
mod operation;
mod requests;
mod secrets;
mod sessions;
mod shop;
mod subjects;
mod waiting;
