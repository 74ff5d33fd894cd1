//! A handler of the beginnings and ends of sessions.

pub use crate::bindings::session_events::exports::cloakroom::session::session_events::EndReason;
use crate::{Error, Item, SessionKey, Settings};

/// Hears of sessions that begin and end. \[ASP.NET: Session_Start, Session_End\]
pub trait SessionEvents: Sized + 'static {
    /// Prepares an instance for the store `name`. An error refuses the plugin: the place to say which setting is wrong.
    fn initialize(name: &str, settings: &Settings) -> Result<Self, Error>;

    /// A session was stored for the first time. An error is retried.
    fn on_start(&self, key: SessionKey) -> Result<(), Error>;

    /// A session ended; what it held last. Delivered at least once. An error is retried.
    fn on_end(&self, key: SessionKey, item: Item, reason: EndReason) -> Result<(), Error>;
}
