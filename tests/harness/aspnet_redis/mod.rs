//! What the providers of ASP.NET for Redis do on a server.
//!
//! They themselves run on the .NET Framework only. Here their operations are done again, command by command: tests have hosts
//! beside them, and a benchmark measures what they cost the server.

mod collection;
pub mod harbour;
pub mod microsoft;

pub use collection::Collection;
