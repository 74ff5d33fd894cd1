//! The same work as the providers of ASP.NET for Redis do it, from inside the web server.

use anyhow::{Context, Result};
use harness::{
    aspnet_redis::{Collection, harbour::HarbourProvider, microsoft::MicrosoftProvider},
    redis::RedisServer,
};

use crate::{Account, CONNECTIONS, Candidate, Pair, SESSIONS};

/// Clients of a provider, each with sessions of its own that hold this.
fn candidate(
    name: &'static str,
    redis: &RedisServer,
    size: usize,
    pair: impl Fn([String; SESSIONS], Collection) -> Result<Pair>,
) -> Result<Candidate> {
    let items = Collection(vec![("basket".to_owned(), vec![b'x'; size])]);
    let ids = |number| std::array::from_fn(|session| format!("{size}-{number}-{session}"));
    let connections = (0..CONNECTIONS).map(|number| pair(ids(number), items.clone()));
    let account = Account::of(redis.process_id().context("the server does not run")?);
    Ok(Candidate::new(name, vec![account], connections.collect::<Result<_>>()?))
}

/// Microsoft.Web.RedisSessionStateProvider 5: two scripts a pair.
pub(crate) fn microsoft(redis: &RedisServer, size: usize) -> Result<Candidate> {
    candidate("Microsoft's provider", redis, size, |ids, items| {
        let mut provider = MicrosoftProvider::open(redis, &ids[0])?;
        for id in &ids {
            provider.turn_to(id);
            provider.set_and_release_item_exclusive(&items, None)?;
        }
        Ok(Box::new(move |session| {
            provider.turn_to(&ids[session]);
            let (items, token) = provider.locked()?;
            provider.set_and_release_item_exclusive(&items, Some(&token))
        }))
    })
}

/// Harbour.RedisSessionStateStore 1.4: a short lock, a hash that is read and written back, and the end of the lock, twice a
/// pair.
pub(crate) fn harbour(redis: &RedisServer, size: usize) -> Result<Candidate> {
    candidate("Harbour's provider", redis, size, |ids, items| {
        let mut provider = HarbourProvider::open(redis, &ids[0])?;
        for id in &ids {
            provider.turn_to(id);
            provider.set_and_release_item_exclusive(&items, None)?;
        }
        Ok(Box::new(move |session| {
            provider.turn_to(&ids[session]);
            let (items, lock_id) = provider.locked()?;
            provider.set_and_release_item_exclusive(&items, Some(lock_id))
        }))
    })
}
