//! Two hosts on one database.

use anyhow::{Context, Result};
use harness::farm::{comes_back_whole, count_together, each_end_is_told_once, notices_make_waiting_shorter};

use crate::database::{Farm, KINDS, Kind, session};

const WITH_EVENTS: &str = "[log]\nevents = true\n";

fn loses_no_update(kind: Kind) -> Result<()> {
    let farm = Farm::start(kind)?;
    let hosts = [farm.host("")?, farm.host("")?];
    count_together([hosts[0].http(), hosts[1].http()], &session("a"))
}

#[test]
fn clients_of_two_hosts_that_count_in_one_session_lose_no_update_on_postgresql() -> Result<()> {
    loses_no_update(Kind::Postgres)
}

#[test]
fn clients_of_two_hosts_that_count_in_one_session_lose_no_update_on_mariadb() -> Result<()> {
    loses_no_update(Kind::MariaDb)
}

#[test]
fn clients_of_two_hosts_that_count_in_one_session_lose_no_update_on_sqlite() -> Result<()> {
    loses_no_update(Kind::Sqlite)
}

#[test]
fn on_postgresql_a_lock_that_another_host_releases_is_handed_over_sooner_with_notices_than_without() -> Result<()> {
    let farm = Farm::start(Kind::Postgres)?;
    notices_make_waiting_shorter(|more| farm.host(more), &session("b"))
}

#[test]
fn everything_of_a_session_comes_back_from_another_host() -> Result<()> {
    for kind in KINDS {
        let farm = Farm::start(kind)?;
        let hosts = [farm.host("")?, farm.host("")?];
        comes_back_whole([hosts[0].http(), hosts[1].http()], &session("a")).with_context(|| format!("{kind:?}"))?;
    }
    Ok(())
}

#[test]
fn the_end_of_each_session_is_told_once_whichever_host_sweeps() -> Result<()> {
    for kind in KINDS {
        let farm = Farm::start(kind)?;
        let hosts = [farm.host(WITH_EVENTS)?, farm.host(WITH_EVENTS)?];
        each_end_is_told_once([&hosts[0], &hosts[1]]).with_context(|| format!("{kind:?}"))?;
    }
    Ok(())
}
