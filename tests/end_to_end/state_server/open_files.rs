//! Each connection is an open file: the host takes as many as the system lets it have.

use std::{
    fs,
    io::{BufRead, BufReader},
    process::{Command, Stdio},
};

use anyhow::{Context, Result, ensure};
use harness::host::{binary, plugins_directory};

/// What a host says until it is ready, and the soft and hard limit that it has then, when a shell starts it that has run
/// this command before.
fn started_after(limit: &str) -> Result<(String, [u64; 2])> {
    let data = tempfile::tempdir()?;
    let mut process = Command::new("sh")
        .args(["-c", &format!("{limit} && exec \"$0\" \"$@\" 2>&1")])
        .arg(binary()?)
        .args(["serve", "--state-server", "127.0.0.1:0", "--http", "127.0.0.1:0"])
        .arg("--plugins")
        .arg(plugins_directory()?)
        .arg("--data")
        .arg(data.path())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()?;
    let mut said = String::new();
    for line in BufReader::new(process.stdout.take().context("no output")?).lines() {
        let line = line?;
        said.push_str(&line);
        said.push('\n');
        if line.contains("ready") {
            break;
        }
    }
    let limits = fs::read_to_string(format!("/proc/{}/limits", process.id()));
    process.kill()?;
    process.wait()?;
    let limits = limits?;
    let line = limits.lines().find_map(|line| line.strip_prefix("Max open files")).context("no limit on open files")?;
    let mut numbers = line.split_whitespace().map(|number| number.parse().unwrap_or(u64::MAX));
    let limits = [numbers.next().context("no soft limit")?, numbers.next().context("no hard limit")?];
    ensure!(said.contains("ready"), "the host did not start:\n{said}");
    Ok((said, limits))
}

#[test]
fn the_soft_limit_is_raised_to_the_hard_limit() -> Result<()> {
    let (said, [soft, hard]) = started_after("ulimit -Sn 200")?;
    ensure!(soft == hard && hard > 200, "{soft} of {hard}");
    ensure!(hard < 10_512 || !said.contains("max_connections"), "nothing to warn of:\n{said}");
    Ok(())
}

#[test]
fn a_hard_limit_below_what_is_configured_is_told_with_both_numbers_and_what_to_do() -> Result<()> {
    let (said, [soft, hard]) = started_after("ulimit -n 300")?;
    ensure!((soft, hard) == (300, 300), "{soft} of {hard}");
    let warning = said.lines().find(|line| line.contains("may open 300 files")).context("no warning")?;
    for part in ["WARN", "10000 connections", "need 10512", "LimitNOFILE=", "lower `max_connections`"] {
        ensure!(warning.contains(part), "`{part}` is not in: {warning}");
    }
    Ok(())
}
