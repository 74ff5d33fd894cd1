//! The session service: which store a session belongs to, IDs, waiting for locks, sweeping, events and migrations.
//!
//! Front ends call [`SessionService`]; it calls the plugin runtime. It knows no protocol and no wasm.

mod abandoned;
mod error;
mod events;
mod journal;
mod lines;
mod migration;
mod notices;
mod opening;
mod service;
mod status;
mod store;
mod sweeper;

pub use error::SessionError;
pub use events::{
    Batch, Cursor, End, Event, EventId, EventSink, EventStream, Gone, HandlerStatus, LogSink, ResumeError,
    SessionEvent, StreamStatus, WebhookError, What,
};
pub use migration::{MigrationRefused, MigrationRequest, MigrationState, MigrationStatus};
pub use notices::notice_channel;
pub use opening::OpenError;
pub use service::{Created, NewData, RotateOutcome, SessionService, WriteOptions};
pub use status::StoreStatus;
