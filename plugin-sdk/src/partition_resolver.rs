//! A resolver of partitions.

use crate::{Error, Settings};

/// Spreads sessions over several back ends. \[ASP.NET: IPartitionResolver\]
pub trait PartitionResolver: Sized + 'static {
    /// Prepares an instance for the store `name`. An error refuses the plugin: the place to say which setting is wrong.
    fn initialize(name: &str, settings: &Settings) -> Result<Self, Error>;

    /// The name of the partition that holds the session. Always the same for the same ID, on every host.
    fn resolve(&self, id: &str) -> Result<String, Error>;
}
