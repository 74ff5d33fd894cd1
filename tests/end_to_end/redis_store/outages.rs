//! A server that is not there, does not answer, and comes back.

use std::{
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::Duration,
};

use anyhow::{Result, ensure};
use harness::http::{Answer, Connection, Request};

use crate::Farm;

fn get(host: &harness::Host) -> Result<Answer> {
    Request::new("GET", "/v1/shop/sessions/a").send(host.http())
}

#[test]
fn while_the_server_is_gone_a_session_is_an_error_and_afterwards_it_is_there() -> Result<()> {
    let mut farm = Farm::start()?;
    let host = farm.host("")?;
    ensure!(Request::new("PUT", "/v1/shop/sessions/a").body("coat").send(host.http())?.status == 201);
    farm.redis.kill()?;
    let gone = get(&host)?;
    ensure!(gone.status == 503, "{} {}", gone.status, gone.text());
    ensure!(gone.text().contains("connection `main`"), "{}", gone.text());
    farm.redis.start_again()?;
    host.wait_until("it is there again", || Ok(get(&host)?.status == 200))?;
    ensure!(get(&host)?.text() == "coat");
    Ok(())
}

#[test]
fn a_server_that_does_not_answer_is_told_in_time() -> Result<()> {
    let farm = Farm::start()?;
    let host = farm.host("")?;
    ensure!(Request::new("PUT", "/v1/shop/sessions/a").body("coat").send(host.http())?.status == 201);
    farm.redis.signal("STOP")?;
    let frozen = get(&host)?;
    ensure!(frozen.status == 503 && frozen.text().contains("store-timeout"), "{} {}", frozen.status, frozen.text());
    farm.redis.signal("CONT")?;
    host.wait_until("it answers again", || Ok(get(&host)?.status == 200))?;
    Ok(())
}

#[test]
fn a_host_without_its_server_does_not_say_that_sessions_are_missing() -> Result<()> {
    let mut farm = Farm::start()?;
    farm.redis.kill()?;
    let host = farm.host("")?;
    let gone = get(&host)?;
    ensure!(gone.status == 503, "{} {}", gone.status, gone.text());
    farm.redis.start_again()?;
    host.wait_until("it serves", || Ok(get(&host)?.status == 404))?;
    Ok(())
}

#[test]
fn what_was_acknowledged_is_there_after_the_server_was_killed_under_load() -> Result<()> {
    const CLIENTS: usize = 8;
    let mut farm = Farm::start()?;
    let host = farm.host("")?;
    let address = host.http();
    let is_over = AtomicBool::new(false);
    let acknowledged = thread::scope(|scope| -> Result<Vec<u64>> {
        let clients: Vec<_> = (0..CLIENTS)
            .map(|number| {
                let is_over = &is_over;
                scope.spawn(move || -> Result<u64> {
                    let mut connection = Connection::open(address)?;
                    let path = format!("/v1/shop/sessions/session-{number}");
                    let mut last = 0;
                    for next in 1.. {
                        if is_over.load(Ordering::Relaxed) {
                            break;
                        }
                        let stored = connection.exchange(&Request::new("PUT", &path).body(next.to_string()))?;
                        match stored.status {
                            201 | 204 => last = next,
                            503 | 504 => thread::sleep(Duration::from_millis(20)),
                            status => anyhow::bail!("a PUT was answered {status}: {}", stored.text()),
                        }
                    }
                    Ok(last)
                })
            })
            .collect();
        for _ in 0..3 {
            thread::sleep(Duration::from_millis(500));
            farm.redis.kill()?;
            farm.redis.start_again()?;
        }
        host.wait_until("it serves again", || Ok(get(&host)?.status == 404))?;
        is_over.store(true, Ordering::Relaxed);
        clients.into_iter().map(|client| client.join().expect("no panic")).collect()
    })?;
    for (number, last) in acknowledged.iter().enumerate() {
        let found = Request::new("GET", format!("/v1/shop/sessions/session-{number}")).send(address)?;
        let found: u64 = found.text().parse()?;
        // What was answered with an error may have been stored nevertheless.
        ensure!(found >= *last && *last > 0, "{last} was acknowledged, {found} is there");
    }
    println!(
        "{} writes were acknowledged while the server was killed three times; none is lost",
        acknowledged.iter().sum::<u64>()
    );
    Ok(())
}

#[test]
fn a_full_server_refuses_to_store_and_serves_what_is_there() -> Result<()> {
    let farm = Farm::start()?;
    let host = farm.host("")?;
    let coat = Request::new("PUT", "/v1/shop/sessions/a").header("Session-Timeout", 3600).body("coat");
    ensure!(coat.send(host.http())?.status == 201);
    farm.redis.ask(&["CONFIG", "SET", "maxmemory-policy", "noeviction"])?;
    farm.redis.ask(&["CONFIG", "SET", "maxmemory", "1"])?;
    let refused = Request::new("PUT", "/v1/shop/sessions/b").body("hat").send(host.http())?;
    ensure!(refused.status == 507 && refused.text().contains("OOM"), "{} {}", refused.status, refused.text());
    ensure!(get(&host)?.text() == "coat");
    let locked = Request::new("POST", "/v1/shop/sessions/a/lock").send(host.http())?;
    ensure!(locked.status == 200, "{} {}", locked.status, locked.text());
    let kept = Request::new("PUT", "/v1/shop/sessions/a").header("Session-Lock", locked.must("session-lock")?);
    ensure!(kept.body("cap").send(host.http())?.status == 507);
    let removed = Request::new("DELETE", "/v1/shop/sessions/a").header("Session-Lock", locked.must("session-lock")?);
    ensure!(removed.send(host.http())?.status == 204);
    farm.redis.ask(&["CONFIG", "SET", "maxmemory", "0"])?;
    ensure!(Request::new("PUT", "/v1/shop/sessions/b").body("hat").send(host.http())?.status == 201);
    Ok(())
}
