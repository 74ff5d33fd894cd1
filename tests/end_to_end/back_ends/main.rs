//! What every back end has to stand: networks that are cut, and a hundred thousand sessions that expire at once.

mod mass_expiry;
mod partition;

use anyhow::Result;
use harness::Host;

/// A host whose sessions are kept by this plugin on the back end behind `url`. `connection` is more of the
/// connection's configuration, `store` of the store's.
fn host(provider: &str, url: &str, connection: &str, store: &str) -> Result<Host> {
    Host::start(&format!(
        "[connections.main]\nurl = \"{url}\"\n{connection}[stores.default]\nprovider = \"{provider}\"\n{store}"
    ))
}
