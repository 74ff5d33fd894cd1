//! Pairs through the host, over the State Server protocol as the client in System.Web speaks it.

use anyhow::{Context, Result, ensure};
use harness::{
    Host,
    state_server::{Connection, request},
};

use crate::{Account, CONNECTIONS, Candidate, Pair, SESSIONS};

/// A host that keeps its sessions with this plugin on a back end, by these lines of the connection's configuration, and whose
/// servers are these besides.
pub(crate) fn candidate(
    name: &'static str,
    provider: &str,
    connection: &str,
    mut accounts: Vec<Account>,
    size: usize,
) -> Result<Candidate> {
    let section = if connection.is_empty() { "" } else { "[connections.main]\n" };
    let host = Host::start(&format!("{section}{connection}[stores.default]\nprovider = \"{provider}\"\n"))?;
    accounts.push(Account::of(host.process_id().context("the host does not run")?));
    let host = std::sync::Arc::new(host);
    let connections = (0..CONNECTIONS).map(|number| -> Result<Pair> {
        let host = host.clone();
        let mut connection = Connection::open(host.state_server())?;
        let target = move |session: usize| format!("/bench(1)/{size}-{number}-{session}");
        let payload = vec![b'x'; size];
        for session in 0..SESSIONS {
            let stored = connection.exchange(request::put_with(&target(session), &["Timeout:20"], &payload))?;
            ensure!(stored.status == 200, "a session was not stored: {}", stored.status);
        }
        Ok(Box::new(move |session| {
            // The host lives as long as its connections.
            let _ = &host;
            let target = target(session);
            let taken = connection.exchange(request::acquire(&target))?;
            ensure!(taken.status == 200 && taken.body.len() == payload.len(), "no session: {}", taken.status);
            let stored = connection.exchange(request::put(&target, taken.number("LockCookie")?, &payload))?;
            ensure!(stored.status == 200, "not stored: {}", stored.status);
            Ok(())
        }))
    });
    let connections = connections.collect::<Result<_>>()?;
    Ok(Candidate::new(name, accounts, connections))
}
