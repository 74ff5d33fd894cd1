//! The same work as the providers of ASP.NET for Redis do it, from inside the web server: the scripts of
//! Microsoft.Web.RedisSessionStateProvider 5, and the steps of Harbour.RedisSessionStateStore 1.4.

use anyhow::{Context, Result, ensure};
use harness::redis::RedisServer;
use redis::{Client, Connection, Script, Value, cmd, pipe};

use crate::{Account, CONNECTIONS, Candidate, Pair, SESSIONS};

/// Seconds: 20 minutes, and `executionTimeout`.
const TIMEOUT: u32 = 1200;
const LOCKED: u32 = 110;

/// Takes the lock or tells who has it, reads the session, and lets it live on.
const TAKE: &str = "
    local token, data, locked = ARGV[1], '', true
    if redis.call('SETNX', KEYS[1], token) == 1 then
        redis.call('EXPIRE', KEYS[1], ARGV[2])
        data, locked = redis.call('GET', KEYS[2]), false
    else
        token = redis.call('GET', KEYS[1])
    end
    local timeout = redis.call('GET', KEYS[3])
    if timeout then
        redis.call('EXPIRE', KEYS[2], timeout)
        redis.call('EXPIRE', KEYS[3], timeout)
    end
    return {token, data, timeout or -1, locked}";

/// Stores if the lock is still this one, and gives it back.
const STORE: &str = "
    if ARGV[1] ~= '' and redis.call('GET', KEYS[1]) ~= ARGV[1] then
        return 1
    end
    redis.call('SET', KEYS[2], ARGV[2])
    redis.call('EXPIRE', KEYS[2], ARGV[3])
    redis.call('SET', KEYS[3], ARGV[3])
    redis.call('EXPIRE', KEYS[3], ARGV[3])
    redis.call('DEL', KEYS[1])
    return 0";

fn candidate(
    name: &'static str,
    redis: &RedisServer,
    pair: impl Fn(Connection, usize) -> Result<Pair>,
) -> Result<Candidate> {
    let client = Client::open(redis.url())?;
    let connections = (0..CONNECTIONS).map(|number| pair(client.get_connection()?, number));
    let account = Account::of(redis.process_id().context("the server does not run")?);
    Ok(Candidate::new(name, vec![account], connections.collect::<Result<_>>()?))
}

/// Two scripts a pair.
pub(crate) fn microsoft(redis: &RedisServer, size: usize) -> Result<Candidate> {
    candidate("Microsoft's provider", redis, |mut connection, number| {
        let keys = move |session: usize| {
            ["WriteLock", "SessionStateItemCollection", "SessionTimeout"]
                .map(|key| format!("{{/bench_{size}-{number}-{session}}}_{key}"))
        };
        let payload = vec![b'x'; size];
        for session in 0..SESSIONS {
            let [_, data, timeout] = keys(session);
            pipe()
                .set_ex(data, &payload, TIMEOUT.into())
                .set_ex(timeout, TIMEOUT, TIMEOUT.into())
                .exec(&mut connection)?;
        }
        let (take, store) = (Script::new(TAKE), Script::new(STORE));
        let mut ticks: u64 = 638_000_000_000_000_000;
        Ok(Box::new(move |session| {
            ticks += 1;
            let [lock, data, timeout] = keys(session);
            let mut taking = take.key(&lock);
            let taking = taking.key(&data).key(&timeout).arg(ticks).arg(LOCKED);
            let (token, found, _, _): (String, Vec<u8>, Value, Value) = taking.invoke(&mut connection)?;
            ensure!(token == ticks.to_string() && found.len() == payload.len(), "the lock was not taken");
            let mut storing = store.key(&lock);
            let storing = storing.key(&data).key(&timeout).arg(token).arg(&payload).arg(TIMEOUT);
            let kept: u8 = storing.invoke(&mut connection)?;
            ensure!(kept == 0, "the lock was lost");
            Ok(())
        }))
    })
}

/// A lock beside the session for as long as it is read and written, twice a pair.
pub(crate) fn harbour(redis: &RedisServer, size: usize) -> Result<Candidate> {
    candidate("Harbour's provider", redis, |mut connection, number| {
        let key = move |session: usize| format!("bench/{size}-{number}-{session}");
        let payload = vec![b'x'; size];
        for session in 0..SESSIONS {
            write(&mut connection, &key(session), &payload, false)?;
        }
        Ok(Box::new(move |session| {
            let key = key(session);
            for locked in [true, false] {
                let beside = format!("{key}/lock");
                let taken: bool = cmd("SETNX").arg(&beside).arg(&u64::MAX.to_le_bytes()[..]).query(&mut connection)?;
                ensure!(taken, "somebody else has the lock");
                let fields: Vec<Value> = cmd("HGETALL").arg(&key).query(&mut connection)?;
                ensure!(fields.len() == 14, "{} fields and values", fields.len());
                write(&mut connection, &key, &payload, locked)?;
                cmd("DEL").arg(&beside).exec(&mut connection)?;
            }
            Ok(())
        }))
    })
}

/// The seven fields, and the time that they live, at once.
fn write(connection: &mut Connection, key: &str, payload: &[u8], locked: bool) -> Result<()> {
    let (id, date) = if locked { (&1_i32.to_le_bytes()[..], &1_i64.to_le_bytes()[..]) } else { (&[][..], &[][..]) };
    let fields: [(&str, &[u8]); 7] = [
        ("created", &1_i64.to_le_bytes()),
        ("locked", &[u8::from(locked)]),
        ("lockId", id),
        ("lockDate", date),
        ("timeout", &20_i32.to_le_bytes()),
        ("flags", &0_i32.to_le_bytes()),
        ("items", payload),
    ];
    pipe().atomic().hset_multiple(key, &fields).ignore().expire(key, TIMEOUT.into()).ignore().exec(connection)?;
    Ok(())
}
