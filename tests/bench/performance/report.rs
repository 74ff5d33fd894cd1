//! What was measured, as tables for people and as JSON for programs.

use std::{fs, path::PathBuf};

use anyhow::{Context, Result};
use serde_json::{Map, Value};

use crate::contest::Outcome;

/// All that was measured in a run.
#[derive(Default)]
pub(crate) struct Report {
    json: Map<String, Value>,
}

impl Report {
    /// Prints what servers did with the same load, and what each figure is of that of the last server.
    pub(crate) fn outcomes(&mut self, name: &str, title: &str, outcomes: &[Outcome]) {
        println!(
            "\n{title}\n{:<28} {:>10} {:>8} {:>8} {:>8} {:>8}   of the last: tasks/s, CPU, p99",
            "", "tasks/s", "CPU us", "p50 us", "p99 us", "p99.9 us"
        );
        for outcome in outcomes {
            let [per_second, cpu, p99] = [outcome.per_second(), outcome.cpu(), outcome.median(|figures| figures.p99)];
            print!(
                "{:<28} {per_second:>10.0} {cpu:>8.1} {:>8.0} {p99:>8.0} {:>8.0}",
                outcome.name,
                outcome.median(|figures| figures.p50),
                outcome.median(|figures| figures.p999),
            );
            match outcomes.last() {
                Some(last) if !std::ptr::eq(last, outcome) => println!(
                    "   {:.2}x {:.2}x {:.2}x",
                    per_second / last.per_second(),
                    cpu / last.cpu(),
                    p99 / last.median(|figures| figures.p99)
                ),
                _ => println!(),
            }
        }
        self.add(name, outcomes.iter().map(Outcome::to_json).collect());
    }

    /// Keeps figures for the file.
    pub(crate) fn add(&mut self, name: &str, figures: Value) {
        self.json.insert(name.to_owned(), figures);
    }

    /// Writes the file.
    pub(crate) fn write(self) -> Result<()> {
        let directory = directory()?;
        let file = directory.join("performance.json");
        fs::write(&file, serde_json::to_string_pretty(&self.json)?)?;
        println!("\nwrote {}", file.display());
        Ok(())
    }
}

/// Where results go.
pub(crate) fn directory() -> Result<PathBuf> {
    let plugins = harness::host::plugins_directory()?;
    let directory = plugins.parent().context("plugins are nowhere")?.join("bench");
    fs::create_dir_all(&directory)?;
    Ok(directory)
}
