//! What the fuzz targets feed: the parsers of the host, file by file, and the types that they speak in.
//!
//! Not the host as a dependency: with it comes wasmtime, which takes a quarter of an hour to build for fuzzing, and none
//! of it is fuzzed here.
#![allow(dead_code, unused_imports, reason = "the contract has more than the parsers need")]

#[path = "../../../host/src/clock.rs"]
pub mod clock;
#[path = "../../../host/src/contract/mod.rs"]
pub mod contract;
#[path = "../../../host/src/frontends/state_server/parser.rs"]
pub mod parser;
#[path = "../../../host/src/frontends/state_server/request.rs"]
pub mod request;
#[path = "../../../host/src/frontends/state_server/target.rs"]
pub mod target;
