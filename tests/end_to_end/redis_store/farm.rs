//! Two hosts on one server.

use anyhow::Result;
use harness::farm::{comes_back_whole, count_together, each_end_is_told_once, notices_make_waiting_shorter};

use crate::Farm;

const SESSION: &str = "/v1/shop/sessions/a";
const WITH_EVENTS: &str = "[log]\nevents = true\n";

#[test]
fn clients_of_two_hosts_that_count_in_one_session_lose_no_update() -> Result<()> {
    let farm = Farm::start()?;
    let hosts = [farm.host("")?, farm.host("")?];
    count_together([hosts[0].http(), hosts[1].http()], SESSION)
}

#[test]
fn a_lock_that_another_host_releases_is_handed_over_sooner_with_notices_than_without() -> Result<()> {
    let farm = Farm::start()?;
    notices_make_waiting_shorter(|more| farm.host(more), SESSION)
}

#[test]
fn everything_of_a_session_comes_back_from_another_host() -> Result<()> {
    let farm = Farm::start()?;
    let hosts = [farm.host("")?, farm.host("")?];
    comes_back_whole([hosts[0].http(), hosts[1].http()], SESSION)
}

#[test]
fn the_end_of_each_session_is_told_once_whichever_host_sweeps() -> Result<()> {
    let farm = Farm::start()?;
    each_end_is_told_once([&farm.host(WITH_EVENTS)?, &farm.host(WITH_EVENTS)?])
}
