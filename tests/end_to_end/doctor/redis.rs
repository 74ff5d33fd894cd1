//! A Redis server with something wrong.

use anyhow::{Result, ensure};
use harness::redis::RedisServer;

use crate::{PLAIN_SECRET, Patient, Report, SECRET};

fn set(server: &RedisServer, name: &str, value: &str) -> Result<()> {
    ensure!(server.ask(&["CONFIG", "SET", name, value])? == "OK", "{name} {value}");
    Ok(())
}

/// The server's address with a user and the password.
fn url(server: &RedisServer, user: &str) -> String {
    server.url().replace("redis://", &format!("redis://{user}:{SECRET}@"))
}

/// Makes a user that may do this.
fn user(server: &RedisServer, rights: &[&str]) -> Result<()> {
    let password = format!(">{PLAIN_SECRET}");
    let made = server.ask(&[&["ACL", "SETUSER", "host", "reset", "on", &password], rights].concat())?;
    ensure!(made == "OK", "{made}");
    Ok(())
}

fn examine(server: &RedisServer) -> Result<Report> {
    Patient::new()?.examine_store("redis", &server.url(), "lock_notices = \"main\"")
}

#[test]
fn a_server_that_is_set_up_as_the_book_says_is_well_and_is_left_as_it_was() -> Result<()> {
    let server = RedisServer::start()?;
    let report = examine(&server)?;
    report.is_well()?;
    report.found("ok", "version", &["Redis 7.", "standalone"])?;
    report.found("ok", "eviction", &["noeviction"])?;
    report.found("ok", "persistence", &["before a write is acknowledged"])?;
    report.found("ok", "scripts", &["`cloakroom:*`"])?;
    report.found("ok", "clock", &[])?;
    report.found("ok", "replicas", &["it has none"])?;
    report.found("ok", "notices", &["store `default`", "connection `main`"])?;
    ensure!(server.ask(&["DBSIZE"])? == "0", "it left something behind");
    Ok(())
}

#[test]
fn a_server_that_is_not_there_is_an_error() -> Result<()> {
    let mut server = RedisServer::start()?;
    server.kill()?;
    let report = examine(&server)?;
    report.found("error", "reachable", &["connection `main`", &server.url(), "see that the server runs"])?;
    report.found("error", "notices", &["lock"])?;
    report.has(2, 0)
}

#[test]
fn a_server_that_does_not_answer_is_an_error() -> Result<()> {
    let server = RedisServer::start()?;
    server.signal("STOP")?;
    let report = Patient::new()?.examine_store("redis", &server.url(), "")?;
    server.signal("CONT")?;
    report.found("error", "reachable", &["cannot be reached"])?;
    report.has(1, 0)
}

#[test]
fn a_wrong_password_is_an_error_that_shows_none() -> Result<()> {
    let server = RedisServer::start()?;
    set(&server, "requirepass", "another")?;
    for url in [url(&server, ""), server.url()] {
        let report = Patient::new()?.examine_store("redis", &url, "")?;
        report.found("error", "authenticated", &["does not let this host in", "correct user and password"])?;
        report.has(1, 0)?;
    }
    Ok(())
}

#[test]
fn an_evicting_policy_and_no_appendonly_file_are_warnings_with_what_to_set() -> Result<()> {
    let server = RedisServer::start()?;
    set(&server, "maxmemory-policy", "allkeys-lru")?;
    set(&server, "appendonly", "no")?;
    let report = examine(&server)?;
    report.found("warning", "eviction", &["`allkeys-lru`", "set `maxmemory-policy noeviction`"])?;
    report.found("warning", "persistence", &["nothing goes to its disk", "set `appendonly yes`"])?;
    report.has(0, 2)?;
    set(&server, "save", "60 1")?;
    examine(&server)?.found("warning", "persistence", &["snapshots only"])
}

#[test]
fn a_server_that_is_full_or_short_of_replicas_is_an_error() -> Result<()> {
    let server = RedisServer::start()?;
    set(&server, "maxmemory", "1")?;
    let report = examine(&server)?;
    report.found("error", "scripts", &["it stores nothing", "raise `maxmemory`"])?;
    report.found("warning", "eviction", &["of 1 bytes"])?;
    set(&server, "maxmemory", "0")?;
    set(&server, "min-replicas-to-write", "1")?;
    let report = examine(&server)?;
    report.found("error", "replicas", &["0 good replicas"])?;
    report.found("error", "scripts", &["min-replicas-to-write"])
}

#[test]
fn a_user_who_may_not_run_scripts_or_what_is_in_them_is_an_error() -> Result<()> {
    let server = RedisServer::start()?;
    for (rights, words) in [
        (&["~*", "&*", "+@all", "-@scripting"][..], "it runs no script"),
        (&["~*", "&*", "+@all", "-hset"], "HSET: "),
        (&["~other:*", "&*", "+@all"], "on the keys `cloakroom:*`"),
    ] {
        user(&server, rights)?;
        let report = Patient::new()?.examine_store("redis", &url(&server, "host"), "lock_notices = \"main\"")?;
        report.found("error", "scripts", &[words, "let its user"])?;
        report.found("ok", "notices", &[])?;
        report.has(1, 0)?;
    }
    user(&server, &["~other:*", "&*", "+@all"])?;
    let elsewhere = "[stores.default.settings]\nprefix = \"other\"\n";
    let report = Patient::new()?.examine_store("redis", &url(&server, "host"), elsewhere)?;
    report.found("ok", "scripts", &["`other:*`"])?;
    report.is_well()
}

#[test]
fn a_user_who_may_not_hear_notices_is_an_error() -> Result<()> {
    let server = RedisServer::start()?;
    user(&server, &["~*", "resetchannels", "+@all"])?;
    let report = Patient::new()?.examine_store("redis", &url(&server, "host"), "lock_notices = \"main\"")?;
    report.found("error", "notices", &["publish and subscribe to `cloakroom:locks:default`"])?;
    report.has(1, 0)
}

#[test]
fn a_user_who_has_the_rights_of_the_book_and_no_others_is_told_what_cannot_be_seen() -> Result<()> {
    let server = RedisServer::start()?;
    let rights = "~cloakroom:* &cloakroom:* +eval +evalsha +hset +hmget +hexists +hdel +exists +zadd +zrange +zrem +rename \
                  +incr +unlink +time +publish +subscribe +unsubscribe";
    user(&server, &rights.split(' ').collect::<Vec<_>>())?;
    let report = Patient::new()?.examine_store("redis", &url(&server, "host"), "lock_notices = \"main\"")?;
    report.found("ok", "scripts", &[])?;
    report.found("ok", "notices", &[])?;
    report.found("warning", "version", &["let its user run INFO"])?;
    report.found("warning", "eviction", &["is not known"])?;
    report.has(0, 2)
}

#[test]
fn a_replica_is_an_error() -> Result<()> {
    let (master, replica) = (RedisServer::start()?, RedisServer::start()?);
    let (host, port) = master
        .url()
        .replace("redis://", "")
        .split_once(':')
        .map(|(h, p)| (h.to_owned(), p.to_owned()))
        .unwrap_or_default();
    ensure!(replica.ask(&["REPLICAOF", &host, &port])? == "OK");
    let report = examine(&replica)?;
    report.found("error", "mode", &["it is a replica", "name the master"])
}
