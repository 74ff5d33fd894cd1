//! `cloakroom bench`: figures for every kind of component that works, and clear refusals for what does not.

use std::{path::PathBuf, process::Command};

use anyhow::{Result, ensure};
use harness::host::{binary, plugins_directory};
use serde_json::Value;

/// A page of WebAssembly memory, the least that an instance can have.
const PAGE: u64 = 64 << 10;

/// The most that it may have, bytes.
const LIMIT: u64 = 64 << 20;

struct Run {
    succeeded: bool,
    output: String,
    errors: String,
}

fn bench(arguments: &[&str]) -> Result<Run> {
    let output = Command::new(binary()?).arg("bench").args(["--seconds", "0.1"]).args(arguments).output()?;
    Ok(Run {
        succeeded: output.status.success(),
        output: String::from_utf8(output.stdout)?,
        errors: String::from_utf8(output.stderr)?,
    })
}

fn shipped(name: &str) -> Result<String> {
    Ok(plugins_directory()?.join(format!("{name}.wasm")).display().to_string())
}

fn fixture(name: &str) -> Result<PathBuf> {
    Ok(plugins_directory()?.join(format!("../fixtures/{name}.wasm")))
}

#[test]
fn a_provider_is_measured_beside_the_store_that_ships() -> Result<()> {
    let memory = shipped("memory")?;
    let own_memory = fixture("own-memory")?;
    let directory = tempfile::tempdir()?;
    let mine = directory.path().join("mine.wasm");
    std::fs::copy(own_memory, &mine)?;
    std::fs::write(directory.path().join("mine.toml"), "payload = true\n")?;
    let run = bench(&[&mine.display().to_string(), "--beside", &memory, "--sizes", "256,4096", "--json"])?;
    ensure!(run.succeeded, "{}", run.errors);
    let report: Value = serde_json::from_str(&run.output)?;
    for figures in report["figures"].as_array().into_iter().flatten() {
        ensure!(figures["compile_ns"].as_u64() > Some(0) && figures["start_ns"].as_u64() > Some(0), "{figures}");
        let (linear, resident) = (&figures["memory"]["linear_bytes"], &figures["memory"]["resident_bytes"]);
        ensure!((PAGE..=LIMIT).contains(&linear.as_u64().unwrap_or_default()), "{figures}");
        ensure!((4096..=LIMIT).contains(&resident.as_u64().unwrap_or_default()), "{figures}");
        for (measured, size) in figures["measured"].as_array().into_iter().flatten().zip([256, 4096]) {
            ensure!(measured["payload"] == size, "{measured}");
            ensure!(measured["memory_bytes"].as_u64() >= linear.as_u64(), "{figures}");
            let of = |name: &str| measured["latencies"][name].as_u64().unwrap_or_default();
            ensure!(of("count") > 10 && of("p50_ns") > 0, "{measured}");
            ensure!(of("p50_ns") <= of("p99_ns") && of("p99_ns") <= of("p999_ns"), "{measured}");
        }
    }
    ensure!(report["figures"].as_array().map(Vec::len) == Some(2), "{report}");
    Ok(())
}

#[test]
fn what_an_instance_keeps_in_its_memory_is_seen() -> Result<()> {
    const BALLAST: u64 = 5 << 20;
    let directory = tempfile::tempdir()?;
    let mine = directory.path().join("mine.wasm");
    std::fs::copy(fixture("own-memory")?, &mine)?;
    std::fs::write(directory.path().join("mine.toml"), "payload = true\n")?;
    let (mine, memory) = (mine.display().to_string(), shipped("memory")?);
    let ballast = format!("ballast={BALLAST}");
    let run = bench(&[&mine, "--setting", &ballast, "--beside", &memory, "--sizes", "16", "--json"])?;
    ensure!(run.succeeded, "{}", run.errors);
    let report: Value = serde_json::from_str(&run.output)?;
    let of = |number: usize| {
        let figures = &report["figures"][number];
        let after = &figures["measured"][0]["memory_bytes"];
        let told = [&figures["memory"]["linear_bytes"], &figures["memory"]["resident_bytes"], after];
        told.map(|figure| figure.as_u64().unwrap_or_default())
    };
    for (mine, memory) in of(0).into_iter().zip(of(1)) {
        ensure!((memory + BALLAST / 2..=LIMIT).contains(&mine) && mine >= BALLAST, "{report}");
    }
    Ok(())
}

#[test]
fn the_store_that_ships_lies_beside_and_is_found() -> Result<()> {
    let directory = tempfile::tempdir()?;
    for name in ["mine", "memory"] {
        std::fs::copy(shipped("memory")?, directory.path().join(format!("{name}.wasm")))?;
    }
    let run = bench(&[&directory.path().join("mine.wasm").display().to_string(), "--sizes", "16"])?;
    ensure!(run.succeeded, "{}", run.errors);
    let heading = run.output.lines().next().unwrap_or_default().split_whitespace().collect::<Vec<_>>();
    ensure!(heading == ["mine", "memory"], "{}", run.output);
    for row in
        ["compile", "start an instance", "instance's memory", "  resident", "pairs a second, 16 B", "99 % within"]
    {
        ensure!(run.output.contains(row), "no `{row}` in\n{}", run.output);
    }
    print!("{}", run.output);
    Ok(())
}

#[test]
fn a_generator_is_measured_by_its_ids() -> Result<()> {
    let run = bench(&[&shipped("aspnet-id")?])?;
    ensure!(run.succeeded && run.output.contains("IDs a second"), "{}{}", run.output, run.errors);
    let run = bench(&[&shipped("aspnet-id")?, "--beside", &shipped("memory")?])?;
    ensure!(!run.succeeded && run.errors.contains("not of the same kind"), "{}", run.errors);
    Ok(())
}

#[test]
fn a_component_that_answers_wrongly_is_not_measured() -> Result<()> {
    let directory = tempfile::tempdir()?;
    let wrong = directory.path().join("wrong.wasm");
    std::fs::copy(fixture("wrong-provider")?, &wrong)?;
    std::fs::write(directory.path().join("wrong.toml"), "payload = true\nkv = [\"shared\"]\n")?;
    let wrong = wrong.display().to_string();
    let run = bench(&[&wrong, "--setting", "fault=keeps-lock-on-set"])?;
    ensure!(!run.succeeded && run.errors.contains("was not handed out; run `cloakroom check`"), "{}", run.errors);
    let run = bench(&[&wrong, "--setting", "fault=forgets-the-lock"])?;
    ensure!(run.succeeded, "a wrong store whose answers look right is `check`'s to find: {}", run.errors);
    let run = bench(&["missing.wasm"])?;
    ensure!(!run.succeeded && run.errors.contains("missing.wasm: the file cannot be read"), "{}", run.errors);
    let run = bench(&[&shipped("memory")?, "--seconds", "-1"])?;
    ensure!(!run.succeeded, "{}", run.output);
    Ok(())
}
