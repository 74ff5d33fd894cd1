//! What Harbour.RedisSessionStateStore 1.4 does: the operations of a `SessionStateStoreProviderBase`. Most read a hash and
//! write all of it back, in between a short lock of ServiceStack's.

use std::{
    collections::HashMap,
    thread,
    time::{Duration, SystemTime},
};

use anyhow::{Context as _, Result};
use redis::{Client, Connection, cmd, pipe};

use super::Collection;
use crate::redis::RedisServer;

/// How often it tries to take the short lock, and for how long.
const POLL: Duration = Duration::from_millis(200);
const PATIENCE: Duration = Duration::from_secs(1);

/// The provider in one web application, at one session at a time.
pub struct HarbourProvider {
    connection: Connection,
    key: String,
    /// `timeout` of the session, minutes.
    pub timeout: i32,
}

/// What it finds.
#[derive(Debug, PartialEq, Eq)]
pub enum Found {
    /// Nothing; also where the short lock was not to be had.
    Missing,
    /// Somebody holds the lock.
    Locked {
        /// What the holder has to show.
        lock_id: i32,
        /// For how many seconds, by the clock here.
        age: i64,
    },
    /// The session.
    Session {
        /// What it holds.
        items: Collection,
        /// Its timeout.
        minutes: i32,
        /// What to show for the lock.
        lock_id: i32,
        /// Whether nobody has initialized it.
        is_uninitialized: bool,
    },
}

/// A session as it has it in memory.
#[derive(Debug, Clone)]
pub struct State {
    created: i64,
    locked: bool,
    lock_id: i32,
    lock_date: i64,
    timeout: i32,
    items: Collection,
    flags: i32,
}

/// Ticks from the year 1 to 1970.
const UNIX_EPOCH: i64 = 621_355_968_000_000_000;
const TICKS: i64 = 10_000_000;

/// `DateTime.UtcNow.Ticks`
fn now() -> Result<i64> {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH)?;
    Ok(UNIX_EPOCH + i64::try_from(since.as_nanos() / 100)?)
}

fn unix_seconds() -> Result<i64> {
    Ok((now()? - UNIX_EPOCH) / TICKS)
}

impl HarbourProvider {
    /// One whose name is `RedisSessions`, at the session with this ID.
    pub fn open(server: &RedisServer, id: &str) -> Result<Self> {
        let connection = Client::open(server.url())?.get_connection()?;
        Ok(Self { connection, key: Self::key(id), timeout: 20 })
    }

    /// Goes on with another session.
    pub fn turn_to(&mut self, id: &str) {
        self.key = Self::key(id);
    }

    fn key(id: &str) -> String {
        format!("RedisSessions/{id}")
    }

    fn short_lock(&self) -> String {
        format!("{}/lock", self.key)
    }

    /// Takes the short lock: the moment at which it may be thought dead, if it has it.
    pub fn begin(&mut self) -> Result<Option<i64>> {
        let key = self.short_lock();
        let mut waited = Duration::ZERO;
        loop {
            let ends = unix_seconds()? + 2;
            if cmd("SETNX").arg(&key).arg(&ends.to_le_bytes()).query(&mut self.connection)? {
                return Ok(Some(ends));
            }
            if waited >= PATIENCE {
                break;
            }
            thread::sleep(POLL);
            waited += POLL;
        }
        // Its holder may be dead.
        let () = cmd("WATCH").arg(&key).query(&mut self.connection)?;
        let ends: Option<Vec<u8>> = cmd("GET").arg(&key).query(&mut self.connection)?;
        let ends = ends.map_or(Ok(0), |ends| ends.as_slice().try_into().map(i64::from_le_bytes))?;
        if ends >= unix_seconds()? {
            let () = cmd("UNWATCH").query(&mut self.connection)?;
            return Ok(None);
        }
        let ends = unix_seconds()? + 2;
        let mut transaction = pipe();
        transaction.atomic().cmd("SET").arg(&key).arg(&ends.to_le_bytes()).ignore();
        let done: Option<()> = transaction.query(&mut self.connection)?;
        Ok(done.map(|()| ends))
    }

    /// Gives the short lock back, if it is still the one that ends then.
    pub fn end(&mut self, ends: i64) -> Result<()> {
        let key = self.short_lock();
        let () = cmd("WATCH").arg(&key).query(&mut self.connection)?;
        let held: Option<Vec<u8>> = cmd("GET").arg(&key).query(&mut self.connection)?;
        if held.as_deref() != Some(&ends.to_le_bytes()) {
            return Ok(cmd("UNWATCH").query(&mut self.connection)?);
        }
        let mut transaction = pipe();
        transaction.atomic().cmd("DEL").arg(&key).ignore();
        let _: Option<()> = transaction.query(&mut self.connection)?;
        Ok(())
    }

    /// Reads the hash.
    pub fn read(&mut self) -> Result<Option<State>> {
        let raw: HashMap<String, Vec<u8>> = cmd("HGETALL").arg(&self.key).query(&mut self.connection)?;
        if raw.len() != 7 {
            return Ok(None);
        }
        let field = |name: &str| raw.get(name).with_context(|| format!("no `{name}`"));
        let int64 =
            |name| -> Result<i64> { Ok(i64::from_le_bytes(field(name)?.get(..8).context("8 bytes")?.try_into()?)) };
        let int32 =
            |name| -> Result<i32> { Ok(i32::from_le_bytes(field(name)?.get(..4).context("4 bytes")?.try_into()?)) };
        let is_locked = field("locked")?.first() != Some(&0);
        Ok(Some(State {
            created: int64("created")?,
            locked: is_locked,
            lock_id: if field("lockId")?.is_empty() { 0 } else { int32("lockId")? },
            lock_date: if field("lockDate")?.is_empty() { 0 } else { int64("lockDate")? },
            timeout: int32("timeout")?,
            items: if field("items")?.is_empty() { Collection::default() } else { Collection::read(field("items")?)? },
            flags: int32("flags")?,
        }))
    }

    /// Writes all of it back.
    pub fn write(&mut self, state: &State) -> Result<()> {
        let (lock_id, lock_date) = match state.locked {
            true => (state.lock_id.to_le_bytes().to_vec(), state.lock_date.to_le_bytes().to_vec()),
            false => (Vec::new(), Vec::new()),
        };
        let mut transaction = pipe();
        transaction
            .atomic()
            .cmd("HMSET")
            .arg(&self.key)
            .arg("created")
            .arg(&state.created.to_le_bytes())
            .arg("locked")
            .arg(&[u8::from(state.locked)])
            .arg("lockId")
            .arg(lock_id)
            .arg("lockDate")
            .arg(lock_date)
            .arg("timeout")
            .arg(&state.timeout.to_le_bytes())
            .arg("flags")
            .arg(&state.flags.to_le_bytes())
            .arg("items")
            .arg(state.items.bytes())
            .ignore()
            .cmd("EXPIRE")
            .arg(&self.key)
            .arg(state.timeout * 60)
            .ignore();
        Ok(transaction.query(&mut self.connection)?)
    }

    /// Reads the session.
    pub fn get_item(&mut self) -> Result<Found> {
        self.get(false)
    }

    /// Reads it and takes its lock.
    pub fn get_item_exclusive(&mut self) -> Result<Found> {
        self.get(true)
    }

    fn get(&mut self, is_exclusive: bool) -> Result<Found> {
        let Some(ends) = self.begin()? else { return Ok(Found::Missing) };
        let found = match self.read()? {
            None => Found::Missing,
            Some(state) if state.locked => {
                Found::Locked { lock_id: state.lock_id, age: (now()? - state.lock_date) / TICKS }
            }
            Some(mut state) => {
                let is_uninitialized = state.flags == 1;
                state.flags = 0;
                if is_exclusive {
                    state.locked = true;
                    state.lock_date = now()?;
                    state.lock_id += 1;
                }
                self.write(&state)?;
                let items = if is_uninitialized { Collection::default() } else { state.items };
                Found::Session { items, minutes: state.timeout, lock_id: state.lock_id, is_uninitialized }
            }
        };
        self.end(ends)?;
        Ok(found)
    }

    /// Gives the lock back.
    pub fn release_item_exclusive(&mut self, lock_id: i32) -> Result<()> {
        let timeout = self.timeout;
        self.update(lock_id, |state| state.timeout = timeout)
    }

    /// Stores it and gives its lock back; with `None` as a new item, without a look at any lock.
    pub fn set_and_release_item_exclusive(&mut self, items: &Collection, lock_id: Option<i32>) -> Result<()> {
        let timeout = self.timeout;
        match lock_id {
            None => self.write(&Self::fresh(items.clone(), timeout, 0)?),
            Some(lock_id) => self.update(lock_id, |state| {
                state.items = items.clone();
                state.timeout = timeout;
            }),
        }
    }

    fn update(&mut self, lock_id: i32, change: impl FnOnce(&mut State)) -> Result<()> {
        let Some(ends) = self.begin()? else { return Ok(()) };
        if let Some(mut state) = self.read()?.filter(|state| state.locked && state.lock_id == lock_id) {
            change(&mut state);
            state.locked = false;
            self.write(&state)?;
        }
        self.end(ends)
    }

    /// Stores an empty session that nobody has initialized.
    pub fn create_uninitialized_item(&mut self) -> Result<()> {
        self.write(&Self::fresh(Collection::default(), self.timeout, 1)?)
    }

    fn fresh(items: Collection, timeout: i32, flags: i32) -> Result<State> {
        Ok(State { created: now()?, locked: false, lock_id: 0, lock_date: 0, timeout, items, flags })
    }

    /// Deletes the session.
    pub fn remove_item(&mut self, lock_id: i32) -> Result<()> {
        let Some(ends) = self.begin()? else { return Ok(()) };
        if self.read()?.is_some_and(|state| state.locked && state.lock_id == lock_id) {
            let () = cmd("DEL").arg(&self.key).query(&mut self.connection)?;
        }
        self.end(ends)
    }

    /// Lets it live on.
    pub fn reset_item_timeout(&mut self) -> Result<()> {
        let () = cmd("EXPIRE").arg(&self.key).arg(self.timeout * 60).query(&mut self.connection)?;
        Ok(())
    }

    /// Takes the lock and demands it; the items and what to show for them.
    pub fn locked(&mut self) -> Result<(Collection, i32)> {
        match self.get_item_exclusive()? {
            Found::Session { items, lock_id, .. } => Ok((items, lock_id)),
            other => anyhow::bail!("no lock: {other:?}"),
        }
    }
}
