//! The session service: which store a session belongs to, IDs, waiting for locks, sweeping and events.
//!
//! Front ends call [`SessionService`]; it calls the plugin runtime. It knows no protocol and no wasm.

mod abandoned;
mod error;
mod events;
mod journal;
mod lines;
mod migration;
mod notices;
mod service;
mod store;
mod sweeper;

pub use error::SessionError;
pub use events::{
    Batch, Cursor, End, Event, EventId, EventSink, EventStream, Gone, HandlerStatus, LogSink, ResumeError,
    SessionEvent, StreamStatus, WebhookError, What,
};
pub use migration::{MigrationRefused, MigrationRequest, MigrationState, MigrationStatus};
pub use notices::notice_channel;
pub use service::{Created, NewData, OpenError, RotateOutcome, SessionService, StoreStatus, WriteOptions};
