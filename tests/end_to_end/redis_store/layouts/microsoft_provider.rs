//! What Microsoft.Web.RedisSessionStateProvider 5 does: the operations of a `SessionStateStoreProviderAsyncBase`, each one
//! script on three keys.

use std::time::SystemTime;

use anyhow::Result;
use redis::{Client, Connection, Script};

use super::collection::Collection;
use crate::Farm;

/// Takes the lock if it is free, for as long as a request may last. Answers the holder, the items if it is the caller, the
/// timeout, and whether somebody else holds the lock.
const TAKE: &str = "
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
    return {holder, items, timeout or '-1', taken and 0 or 1}";

const READ: &str = "
    local holder = redis.call('GET', KEYS[1]) or ''
    local items = ''
    if holder == '' then items = redis.call('GET', KEYS[2]) end
    local timeout = redis.call('GET', KEYS[3])
    if timeout then
        redis.call('EXPIRE', KEYS[2], timeout)
        redis.call('EXPIRE', KEYS[3], timeout)
    end
    return {holder, items, timeout or '-1', 0}";

/// Slides the session whoever holds the lock.
const RELEASE: &str = "
    if redis.call('GET', KEYS[1]) == ARGV[1] then redis.call('DEL', KEYS[1]) end
    local timeout = redis.call('GET', KEYS[3])
    if timeout then
        redis.call('EXPIRE', KEYS[2], timeout)
        redis.call('EXPIRE', KEYS[3], timeout)
    else
        redis.call('EXPIRE', KEYS[2], ARGV[2])
    end
    return 1";

/// Neither looks at the lock nor touches it.
const SET: &str = "
    redis.call('SET', KEYS[2], ARGV[1])
    redis.call('EXPIRE', KEYS[2], ARGV[2])
    redis.call('SET', KEYS[3], ARGV[2])
    redis.call('EXPIRE', KEYS[3], ARGV[2])
    return 1";

/// Says nothing if the lock is not the caller's. No token is as good as the right one.
const UPDATE: &str = "
    if ARGV[1] ~= '' and redis.call('GET', KEYS[1]) ~= ARGV[1] then return 1 end
    redis.call('SET', KEYS[2], ARGV[3])
    redis.call('EXPIRE', KEYS[2], ARGV[2])
    redis.call('SET', KEYS[3], ARGV[2])
    redis.call('EXPIRE', KEYS[3], ARGV[2])
    return redis.call('DEL', KEYS[1])";

const REMOVE: &str = "
    if ARGV[1] ~= '' and redis.call('GET', KEYS[1]) ~= ARGV[1] then return 1 end
    return redis.call('DEL', KEYS[2], KEYS[3], KEYS[1])";

const TOUCH: &str = "
    if redis.call('EXISTS', KEYS[2]) == 0 then return 1 end
    local timeout = redis.call('GET', KEYS[3])
    if not timeout then
        timeout = ARGV[1]
        redis.call('SET', KEYS[3], timeout)
    end
    redis.call('EXPIRE', KEYS[2], timeout)
    redis.call('EXPIRE', KEYS[3], timeout)
    return 1";

/// The provider in one web application.
pub(super) struct MicrosoftProvider {
    connection: Connection,
    keys: [String; 3],
    /// `executionTimeout`, seconds: how long its locks last.
    pub(super) execution_timeout: u32,
    /// `timeout` of the session, minutes.
    pub(super) timeout: u32,
    /// By how much the clock of its time zone is ahead of UTC, hours.
    pub(super) zone: i64,
}

/// What it finds.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Found {
    Missing,
    /// Somebody holds the lock: whoever shows this, for so many seconds by its clock.
    Locked {
        token: String,
        age: i64,
    },
    Session {
        items: Collection,
        minutes: u32,
        token: String,
    },
}

/// Ticks from the year 1 to 1970.
const UNIX_EPOCH: i64 = 621_355_968_000_000_000;
const TICKS: i64 = 10_000_000;

impl MicrosoftProvider {
    /// In an application whose `applicationName` is `/`, at one session.
    pub(super) fn open(farm: &Farm, id: &str) -> Result<Self> {
        let keys = ["WriteLock", "SessionStateItemCollection", "SessionTimeout"].map(|key| format!("{{/_{id}}}_{key}"));
        let connection = Client::open(farm.redis.url())?.get_connection()?;
        Ok(Self { connection, keys, execution_timeout: 110, timeout: 20, zone: 1 })
    }

    fn run<T: redis::FromRedisValue>(&mut self, script: &str, arguments: &[&[u8]]) -> Result<T> {
        let script = Script::new(script);
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

    pub(super) fn get_item(&mut self) -> Result<Found> {
        let answer = self.run(READ, &[])?;
        self.found("", answer)
    }

    pub(super) fn get_item_exclusive(&mut self) -> Result<Found> {
        let token = self.now()?.to_string();
        let answer = self.run(TAKE, &[token.as_bytes(), self.execution_timeout.to_string().as_bytes()])?;
        let found = self.found(&token, answer)?;
        if found == Found::Missing {
            self.release_item_exclusive(&token)?;
        }
        Ok(found)
    }

    pub(super) fn release_item_exclusive(&mut self, token: &str) -> Result<()> {
        self.run(RELEASE, &[token.as_bytes(), self.seconds().as_bytes()])
    }

    /// With `None` as a new item, without a look at any lock.
    pub(super) fn set_and_release_item_exclusive(&mut self, items: &Collection, token: Option<&str>) -> Result<()> {
        let items = items.bytes();
        match token {
            None => self.run(SET, &[&items, self.seconds().as_bytes()]),
            Some(token) => self.run(UPDATE, &[token.as_bytes(), self.seconds().as_bytes(), &items]),
        }
    }

    pub(super) fn create_uninitialized_item(&mut self) -> Result<()> {
        self.run(SET, &[&Collection::uninitialized().bytes(), self.seconds().as_bytes()])
    }

    pub(super) fn remove_item(&mut self, token: &str) -> Result<()> {
        self.run(REMOVE, &[token.as_bytes()])
    }

    pub(super) fn reset_item_timeout(&mut self) -> Result<()> {
        self.run(TOUCH, &[self.seconds().as_bytes()])
    }

    fn seconds(&self) -> String {
        (self.timeout * 60).to_string()
    }

    /// Takes the lock and demands it; the items and what to show for them.
    pub(super) fn locked(&mut self) -> Result<(Collection, String)> {
        match self.get_item_exclusive()? {
            Found::Session { items, token, .. } => Ok((items, token)),
            other => anyhow::bail!("no lock: {other:?}"),
        }
    }
}
