//! The CPU time of servers, as the kernel accounts for it.

use std::{fs, time::Duration};

use anyhow::{Context, Result};

/// The kernel counts in hundredths of a second here, whatever its own clock is.
const TICK: Duration = Duration::from_millis(10);

/// A server's processes: one, and those that it started.
#[derive(Clone, Copy)]
pub struct Account(u32);

impl Account {
    /// Of the process with this id.
    #[must_use]
    pub fn of(process: u32) -> Self {
        Self(process)
    }

    /// What it has used so far.
    pub fn spent(self) -> Result<Duration> {
        let mut spent = time_of(self.0)?;
        let children = fs::read_to_string(format!("/proc/{0}/task/{0}/children", self.0))?;
        for child in children.split_whitespace() {
            // It may have ended in this moment.
            spent += time_of(child.parse()?).unwrap_or_default();
        }
        Ok(spent)
    }
}

/// What all of them have used so far.
pub fn sum(accounts: &[Account]) -> Result<Duration> {
    accounts.iter().map(|account| account.spent()).sum()
}

/// In user and in kernel mode, with that of children that have ended.
fn time_of(process: u32) -> Result<Duration> {
    let stat = fs::read_to_string(format!("/proc/{process}/stat"))?;
    // The name, in parentheses, may have anything in it.
    let (_, fields) = stat.rsplit_once(')').context("no name")?;
    let ticks = fields.split_whitespace().skip(11).take(4).map(str::parse::<u32>).sum::<Result<u32, _>>()?;
    Ok(TICK * ticks)
}
