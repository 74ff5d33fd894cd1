//! What Microsoft.Web.RedisSessionStateProvider 5 does: the operations of a `SessionStateStoreProviderAsyncBase`, each one
//! script on three keys.

use std::{sync::LazyLock, time::SystemTime};

use anyhow::Result;
use redis::{Client, Connection, Script};

use super::Collection;
use crate::redis::RedisServer;

/// Takes the lock if it is free, for as long as a request may last. Answers the holder, the items if it is the caller, the
/// timeout, and whether somebody else holds the lock.
pub static TAKE: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        "
    local taken = redis.call('SETNX', KEYS[1], ARGV[1]) == 1
    if taken then redis.call('EXPIRE', KEYS[1], ARGV[2]) end
    local holder = redis.call('GET', KEYS[1])
    local items = ''
    if holder == ARGV[1] then items = redis.call('GET', KEYS[2]) end
    local timeout = redis.call('GET', KEYS[3])
    if timeout then
        redis.call('EXPIRE', KEYS[2], timeout)
        redis.call('EXPIRE', KEYS[3], timeout)
    end
    return {holder, items, timeout or '-1', taken and 0 or 1}",
    )
});

/// Reads the items if nobody holds the lock.
pub static READ: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        "
    local holder = redis.call('GET', KEYS[1]) or ''
    local items = ''
    if holder == '' then items = redis.call('GET', KEYS[2]) end
    local timeout = redis.call('GET', KEYS[3])
    if timeout then
        redis.call('EXPIRE', KEYS[2], timeout)
        redis.call('EXPIRE', KEYS[3], timeout)
    end
    return {holder, items, timeout or '-1', 0}",
    )
});

/// Slides the session whoever holds the lock.
static RELEASE: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        "
    if redis.call('GET', KEYS[1]) == ARGV[1] then redis.call('DEL', KEYS[1]) end
    local timeout = redis.call('GET', KEYS[3])
    if timeout then
        redis.call('EXPIRE', KEYS[2], timeout)
        redis.call('EXPIRE', KEYS[3], timeout)
    else
        redis.call('EXPIRE', KEYS[2], ARGV[2])
    end
    return 1",
    )
});

/// Neither looks at the lock nor touches it.
pub static SET: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        "
    redis.call('SET', KEYS[2], ARGV[1])
    redis.call('EXPIRE', KEYS[2], ARGV[2])
    redis.call('SET', KEYS[3], ARGV[2])
    redis.call('EXPIRE', KEYS[3], ARGV[2])
    return 1",
    )
});

/// Says nothing if the lock is not the caller's. No token is as good as the right one.
pub static UPDATE: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        "
    if ARGV[1] ~= '' and redis.call('GET', KEYS[1]) ~= ARGV[1] then return 1 end
    redis.call('SET', KEYS[2], ARGV[3])
    redis.call('EXPIRE', KEYS[2], ARGV[2])
    redis.call('SET', KEYS[3], ARGV[2])
    redis.call('EXPIRE', KEYS[3], ARGV[2])
    return redis.call('DEL', KEYS[1])",
    )
});

static REMOVE: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        "
    if ARGV[1] ~= '' and redis.call('GET', KEYS[1]) ~= ARGV[1] then return 1 end
    return redis.call('DEL', KEYS[2], KEYS[3], KEYS[1])",
    )
});

static TOUCH: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        "
    if redis.call('EXISTS', KEYS[2]) == 0 then return 1 end
    local timeout = redis.call('GET', KEYS[3])
    if not timeout then
        timeout = ARGV[1]
        redis.call('SET', KEYS[3], timeout)
    end
    redis.call('EXPIRE', KEYS[2], timeout)
    redis.call('EXPIRE', KEYS[3], timeout)
    return 1",
    )
});

/// The provider in one web application, at one session at a time.
pub struct MicrosoftProvider {
    connection: Connection,
    keys: [String; 3],
    /// `executionTimeout`, seconds: how long its locks last.
    pub execution_timeout: u32,
    /// `timeout` of the session, minutes.
    pub timeout: u32,
    /// By how much the clock of its time zone is ahead of UTC, hours.
    pub zone: i64,
}

/// What it finds.
#[derive(Debug, PartialEq, Eq)]
pub enum Found {
    /// Nothing, or nothing that can be read.
    Missing,
    /// Somebody holds the lock.
    Locked {
        /// What the holder has to show.
        token: String,
        /// For how many seconds, by the clock here.
        age: i64,
    },
    /// The session.
    Session {
        /// What it holds.
        items: Collection,
        /// Its timeout.
        minutes: u32,
        /// What to show for the lock; empty if none was taken.
        token: String,
    },
}

/// Ticks from the year 1 to 1970.
const UNIX_EPOCH: i64 = 621_355_968_000_000_000;
const TICKS: i64 = 10_000_000;

impl MicrosoftProvider {
    /// In an application whose `applicationName` is `/`, at the session with this ID.
    pub fn open(server: &RedisServer, id: &str) -> Result<Self> {
        let connection = Client::open(server.url())?.get_connection()?;
        Ok(Self { connection, keys: Self::keys(id), execution_timeout: 110, timeout: 20, zone: 1 })
    }

    /// Goes on with another session.
    pub fn turn_to(&mut self, id: &str) {
        self.keys = Self::keys(id);
    }

    fn keys(id: &str) -> [String; 3] {
        ["WriteLock", "SessionStateItemCollection", "SessionTimeout"].map(|key| format!("{{/_{id}}}_{key}"))
    }

    fn run<T: redis::FromRedisValue>(&mut self, script: &Script, arguments: &[&[u8]]) -> Result<T> {
        let mut call = script.prepare_invoke();
        for key in &self.keys {
            call.key(key);
        }
        for argument in arguments {
            call.arg(*argument);
        }
        Ok(call.invoke(&mut self.connection)?)
    }

    /// `DateTime.Now.Ticks`
    fn now(&self) -> Result<i64> {
        let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH)?;
        Ok(UNIX_EPOCH + i64::try_from(since.as_nanos() / 100)? + self.zone * 3600 * TICKS)
    }

    fn found(&self, mine: &str, answer: (String, Option<Vec<u8>>, String, u32)) -> Result<Found> {
        let (holder, items, timeout, is_others) = answer;
        if holder != mine || is_others == 1 {
            let age = (self.now()? - holder.parse::<i64>()?) / TICKS;
            return Ok(Found::Locked { token: holder, age });
        }
        // What cannot be read is as good as nothing.
        let Some(items) = items.and_then(|items| Collection::read(&items).ok()) else { return Ok(Found::Missing) };
        let seconds = timeout.parse::<i64>()?;
        let minutes = if seconds < 0 { self.timeout } else { u32::try_from(seconds / 60)? };
        Ok(Found::Session { items, minutes, token: holder })
    }

    /// Reads the session.
    pub fn get_item(&mut self) -> Result<Found> {
        let answer = self.run(&READ, &[])?;
        self.found("", answer)
    }

    /// Reads it and takes its lock.
    pub fn get_item_exclusive(&mut self) -> Result<Found> {
        let token = self.now()?.to_string();
        let answer = self.run(&TAKE, &[token.as_bytes(), self.execution_timeout.to_string().as_bytes()])?;
        let found = self.found(&token, answer)?;
        if found == Found::Missing {
            self.release_item_exclusive(&token)?;
        }
        Ok(found)
    }

    /// Gives the lock back.
    pub fn release_item_exclusive(&mut self, token: &str) -> Result<()> {
        self.run(&RELEASE, &[token.as_bytes(), self.seconds().as_bytes()])
    }

    /// Stores it and gives its lock back; with `None` as a new item, without a look at any lock.
    pub fn set_and_release_item_exclusive(&mut self, items: &Collection, token: Option<&str>) -> Result<()> {
        let items = items.bytes();
        match token {
            None => self.run(&SET, &[&items, self.seconds().as_bytes()]),
            Some(token) => self.run(&UPDATE, &[token.as_bytes(), self.seconds().as_bytes(), &items]),
        }
    }

    /// Stores an empty session that nobody has initialized.
    pub fn create_uninitialized_item(&mut self) -> Result<()> {
        self.run(&SET, &[&Collection::uninitialized().bytes(), self.seconds().as_bytes()])
    }

    /// Deletes the session.
    pub fn remove_item(&mut self, token: &str) -> Result<()> {
        self.run(&REMOVE, &[token.as_bytes()])
    }

    /// Lets it live on.
    pub fn reset_item_timeout(&mut self) -> Result<()> {
        self.run(&TOUCH, &[self.seconds().as_bytes()])
    }

    fn seconds(&self) -> String {
        (self.timeout * 60).to_string()
    }

    /// Takes the lock and demands it; the items and what to show for them.
    pub fn locked(&mut self) -> Result<(Collection, String)> {
        match self.get_item_exclusive()? {
            Found::Session { items, token, .. } => Ok((items, token)),
            other => anyhow::bail!("no lock: {other:?}"),
        }
    }
}
