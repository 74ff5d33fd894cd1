//! The same on Valkey.

use anyhow::{Result, ensure};
use harness::{farm::count_together, redis::RedisServer};

use crate::{Farm, check, plugins};

fn farm() -> Result<Farm> {
    let valkey = RedisServer::start_valkey()?;
    let said = valkey.ask(&["INFO", "server"])?;
    ensure!(said.contains("server_name:valkey"), "{said}");
    Ok(Farm { redis: valkey, plugins: plugins()? })
}

#[test]
fn it_keeps_every_rule_of_the_contract_on_valkey() -> Result<()> {
    let farm = farm()?;
    check(&farm.plugins, &["--connection", &format!("main={}", farm.redis.url())])
}

#[test]
fn clients_of_two_hosts_on_valkey_lose_no_update() -> Result<()> {
    let farm = farm()?;
    let hosts = [farm.host("")?, farm.host("lock_notices = \"main\"\n")?];
    count_together([hosts[0].http(), hosts[1].http()], "/v1/shop/sessions/a")
}
