//! The memory of an instance.
//!
//! Two figures, because neither tells it all. What the instance *has*, its linear memories and tables, is what the limit
//! `memory` is about, and the same in every run. What it *takes* of the machine is less, for a page that was never
//! written to costs nothing, and more, for the host keeps things for it as well. That is how much the process's private
//! memory grows by instances that are kept, divided by their number.

use std::{collections::BTreeMap, fs};

use serde::Serialize;

use super::{Started, start};
use crate::plugins::{CallError, Plugin};

/// How many stores are opened to see how the process grows.
const CROWD: usize = 32;

/// The most linear memory that they may have together, bytes. A component with much memory needs less company to be seen.
const MOST: u64 = 512 << 20;

/// What an instance takes.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Footprint {
    /// Its linear memories and tables, bytes.
    #[serde(rename = "linear_bytes")]
    pub linear: u64,
    /// How much the process's private memory grew by it, bytes; `None` where the system does not tell.
    #[serde(rename = "resident_bytes")]
    pub resident: Option<u64>,
}

/// Instances that were measured. While they are kept, no other gets their pages, which would look as if it took less.
pub(super) struct Crowd {
    _kept: Vec<Started>,
}

/// Starts instances and sees what they take.
pub(super) async fn measure(
    plugin: &Plugin,
    settings: &BTreeMap<String, String>,
) -> Result<(Footprint, Crowd), CallError> {
    // The first has to itself what is made once for all.
    let mut kept = vec![start(plugin, "memory", settings).await?];
    let linear = of_an_instance(plugin);
    let (before, first) = (private_memory(), plugin.memory().0);
    for number in 0..CROWD {
        if plugin.memory().1.saturating_add(linear) > MOST {
            break;
        }
        kept.push(start(plugin, &format!("memory-{number}"), settings).await?);
    }
    let more = u64::try_from(plugin.memory().0.saturating_sub(first)).unwrap_or(u64::MAX);
    let grown = before.zip(private_memory()).map(|(before, after)| after.saturating_sub(before));
    let resident = grown.and_then(|grown| grown.checked_div(more));
    Ok((Footprint { linear, resident }, Crowd { _kept: kept }))
}

/// The linear memories and tables of an instance, bytes: the mean of those that there are.
pub(super) fn of_an_instance(plugin: &Plugin) -> u64 {
    let (instances, bytes) = plugin.memory();
    bytes / u64::try_from(instances).unwrap_or(u64::MAX).max(1)
}

/// The memory that only this process has and that it has written to, bytes, if the system tells.
fn private_memory() -> Option<u64> {
    private_dirty(&fs::read_to_string("/proc/self/smaps_rollup").ok()?)
}

fn private_dirty(text: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix("Private_Dirty:"))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    kib.checked_mul(1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_system_is_understood() {
        let text =
            "5580-7ffd ---p 00000000 00:00 0 [rollup]\nRss:  900 kB\nPrivate_Clean: 12 kB\nPrivate_Dirty:    348 kB\n";
        assert_eq!(private_dirty(text), Some(348 << 10));
        assert_eq!(private_dirty("Rss: 900 kB\n"), None);
    }
}
