//! Whether a server runs what the plugin `redis` sends: a script by its digest, which does on keys of its own what the
//! plugin's scripts do, and deletes them.

use std::collections::BTreeSet;

use redis::{ErrorKind, RedisError, RedisResult, Script, ServerErrorKind};

use super::is_forbidden;
use crate::{
    capabilities::RedisConnection,
    doctor::{Users, finding::Notes},
};

/// The layout whose keys are known.
const OWN_LAYOUT: &str = "cloakroom";

/// What keys begin with if the store's settings do not say.
const PREFIX: &str = "cloakroom";

/// Every command that the plugin's scripts use. The answer is what was refused first, or nothing.
const TRIAL: &str = "#!lua
local refused = ''
local function try(command, ...)
  local answer = redis.pcall(command, ...)
  if type(answer) == 'table' and answer.err and refused == '' then refused = command .. ': ' .. answer.err end
end
local session, due, aside = KEYS[1], KEYS[2], KEYS[3]
try('TIME')
try('HSET', session, 'payload', '1')
try('HMGET', session, 'payload')
try('HEXISTS', session, 'payload')
try('HDEL', session, 'nothing')
try('EXISTS', session)
try('ZADD', due, 1, 'a')
try('ZRANGE', due, '-inf', 1, 'BYSCORE', 'LIMIT', 0, 1)
try('ZREM', due, 'b')
try('RENAME', session, aside)
try('INCR', session)
try('UNLINK', session, due, aside)
return refused
";

/// The same where nothing is known of the keys.
const TRIAL_WITHOUT_KEYS: &str = "#!lua
return ''
";

/// Tries it, with the keys of each store that uses the connection.
pub(super) async fn examine(notes: &mut Notes, connection: &RedisConnection, users: &Users<'_>) {
    let mut prefixes = BTreeSet::new();
    let mut others = false;
    for (_, store) in users {
        match store.settings.get("layout").map_or(OWN_LAYOUT, String::as_str) {
            OWN_LAYOUT => drop(prefixes.insert(store.settings.get("prefix").map_or(PREFIX, String::as_str))),
            _ => others = true,
        }
    }
    if prefixes.is_empty() && !others {
        prefixes.insert(PREFIX);
    }
    for prefix in prefixes {
        let number = getrandom::u64().unwrap_or_default();
        let keys = ["session", "due", "aside"].map(|name| format!("{prefix}:{{doctor:{number:016x}}}:{name}"));
        let tried = run(connection, TRIAL, &keys).await;
        judge(notes, tried, &format!("on the keys `{prefix}:*`"));
    }
    if others {
        let tried = run(connection, TRIAL_WITHOUT_KEYS, &[]).await;
        judge(notes, tried, "on the keys of the store's layout, which were not tried");
    }
}

/// As the host runs scripts: by the digest, and whole where the server does not know it; then it knows it.
async fn run(connection: &RedisConnection, script: &str, keys: &[String]) -> RedisResult<String> {
    let digest = Script::new(script).get_hash().to_owned();
    let ask = async |name: &str, what: &str| -> RedisResult<String> {
        let mut command = redis::cmd(name);
        command.arg(what).arg(keys.len()).arg(keys);
        Ok(redis::from_redis_value(connection.send(&command).await?)?)
    };
    match ask("EVALSHA", &digest).await {
        Err(error) if error.kind() == ErrorKind::Server(ServerErrorKind::NoScript) => {
            ask("EVAL", script).await?;
            ask("EVALSHA", &digest).await
        }
        answer => answer,
    }
}

fn judge(notes: &mut Notes, answer: RedisResult<String>, keys: &str) {
    let rights = format!("let its user do what docs/redis-store.md lists, {keys}");
    match answer {
        Ok(refused) if refused.is_empty() => notes.ok("scripts", format!("it runs scripts {keys}")),
        Ok(refused) => notes.error("scripts", format!("a command in a script was refused: {refused}"), rights),
        Err(error) if is_forbidden(&error) => {
            notes.error("scripts", format!("it runs no script: {error}"), rights);
        }
        Err(error) => {
            let remedy = remedy(&error);
            notes.error("scripts", format!("it stores nothing: {error}"), remedy);
        }
    }
}

fn remedy(error: &RedisError) -> &'static str {
    match error.code() {
        Some("OOM") => "it is full: raise `maxmemory`",
        Some("MISCONF") => "it cannot write to its disk: look into its log",
        Some("NOREPLICAS") => "bring its replicas back, or lower `min-replicas-to-write`",
        Some("READONLY") => "name the master in `url`",
        Some("CLUSTERDOWN") => "see `redis-cli --cluster check`",
        _ => "look into the server's log",
    }
}
