//! A server that is not there, does not answer, and comes back.

use anyhow::{Result, ensure};
use harness::{
    Host,
    http::{Answer, Request},
};

use crate::database::{Farm, Kind, session};

const SERVERS: [Kind; 2] = [Kind::Postgres, Kind::MariaDb];

fn get(host: &Host) -> Result<Answer> {
    Request::new("GET", session("a")).send(host.http())
}

fn put(host: &Host) -> Result<Answer> {
    Request::new("PUT", session("a")).body("coat").send(host.http())
}

#[test]
fn while_the_server_is_gone_a_session_is_an_error_and_afterwards_it_is_there() -> Result<()> {
    for kind in SERVERS {
        let mut farm = Farm::start(kind)?;
        let host = farm.host("")?;
        ensure!(put(&host)?.status == 201);
        farm.kill()?;
        for _ in 0..3 {
            let gone = get(&host)?;
            ensure!(gone.status == 503, "{kind:?}: {} {}", gone.status, gone.text());
            ensure!(gone.text().contains("connection `main`"), "{kind:?}: {}", gone.text());
        }
        farm.start_again()?;
        host.wait_until("it is there again", || Ok(get(&host)?.status == 200))?;
        ensure!(get(&host)?.text() == "coat");
    }
    Ok(())
}

#[test]
fn a_server_that_does_not_answer_is_told_in_time() -> Result<()> {
    for kind in SERVERS {
        let farm = Farm::start(kind)?;
        let host = farm.host("")?;
        ensure!(put(&host)?.status == 201);
        farm.signal("STOP")?;
        let frozen = get(&host)?;
        ensure!(frozen.status == 503, "{kind:?}: {} {}", frozen.status, frozen.text());
        ensure!(frozen.text().contains("no answer within 2s"), "{kind:?}: {}", frozen.text());
        farm.signal("CONT")?;
        host.wait_until("it answers again", || Ok(get(&host)?.status == 200))?;
    }
    Ok(())
}

#[test]
fn a_host_without_its_server_does_not_say_that_sessions_are_missing() -> Result<()> {
    for kind in SERVERS {
        let mut farm = Farm::start(kind)?;
        farm.kill()?;
        let host = farm.host("")?;
        let gone = get(&host)?;
        ensure!(gone.status == 503, "{kind:?}: {} {}", gone.status, gone.text());
        farm.start_again()?;
        host.wait_until("it serves", || Ok(get(&host)?.status == 404))?;
    }
    Ok(())
}
