//! What a component may import: payloads, the built-in store, settings, logs, clocks, random, the expiry callback.
//!
//! A capability knows nothing of stores or protocols; the plugin runtime calls [`link`] with a component's imports and
//! its grants and gives every instance a [`GuestContext`]. What is not granted is not linked.

pub mod bindings;
mod clock;
mod connections;
mod context;
pub(crate) mod convert;
mod expiry_callback;
mod grant_file;
mod inner;
pub mod kv;
mod kv_interface;
mod limit_hits;
mod link;
mod log;
mod network;
mod notice_board;
mod payload_content;
mod payload_table;
mod payloads;
mod random;
mod redis;
mod settings;
mod sql;
mod wasi;

pub use connections::{ConnectionError, Connections};
pub use context::{GuestContext, GuestSetup, GuestView};
pub use convert::Nonsense;
pub use expiry_callback::ExpirySink;
pub use inner::{InnerCall, InnerProvider, run_inline};

pub use grant_file::grant_lines;
pub use limit_hits::{Limit, LimitHits, PayloadOverLimit};
pub use link::{LinkError, Linked, link};
pub use log::{LOG_TARGET, LogBudget};
pub use notice_board::{BoardError, NoticeBoard};
pub use payload_table::PayloadTable;
pub(crate) use redis::RedisConnection;
