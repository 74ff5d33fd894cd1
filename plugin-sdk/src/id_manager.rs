//! A generator of session IDs.

pub use crate::bindings::id_manager::exports::cloakroom::session::id_manager::{IdContext, IdForm, IdManagerInfo};
use crate::{Error, Settings};

/// Makes and checks session IDs. \[ASP.NET: ISessionIDManager\]
///
/// A session ID is all that stands between a stranger and somebody's session: take every bit of it from
/// [`random`](crate::random). The host refuses a generator of less than 128 bits, but for the ASP.NET form.
pub trait IdManager: Sized + 'static {
    /// Prepares an instance for the store `name`. An error refuses the plugin: the place to say which setting is wrong.
    fn initialize(name: &str, settings: &Settings) -> Result<Self, Error>;

    /// What the generator says of itself.
    fn info(&self) -> IdManagerInfo;

    /// A fresh ID: at most 80 characters, of those that RFC 3986 leaves unreserved.
    fn create(&self, context: IdContext) -> Result<String, Error>;

    /// Whether an ID has the right form and, for a verifiable generator, was made by it.
    fn validate(&self, id: &str) -> bool;
}
