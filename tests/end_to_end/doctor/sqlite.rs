//! A file of SQLite with something wrong.

use std::{
    fs::{self, OpenOptions},
    io::{Seek as _, SeekFrom, Write as _},
    path::PathBuf,
    process::Command,
};

use anyhow::{Result, ensure};
use harness::{Host, http::Request};

use crate::{Patient, Report};

struct File {
    patient: Patient,
    path: PathBuf,
}

impl File {
    fn new() -> Result<Self> {
        let patient = Patient::new()?;
        let path = patient.path().join("sessions.db");
        Ok(Self { patient, path })
    }

    fn examine(&self, more: &str) -> Result<Report> {
        self.patient.examine(&format!(
            "[connections.main]\nurl = \"sqlite://{}\"\n{more}\n[stores.default]\nprovider = \"sql\"\n",
            self.path.display()
        ))
    }

    /// Has a host store something in it.
    fn fill(&self) -> Result<Host> {
        let host = Host::start(&format!(
            "[plugins]\ndirectory = {:?}\n[connections.main]\nurl = \"sqlite://{}\"\n[stores.default]\nprovider = \"sql\"\n",
            self.patient.path(),
            self.path.display()
        ))?;
        for number in 0..50 {
            let stored = Request::new("PUT", format!("/v1/shop/sessions/{number}")).body(vec![b'x'; 5000]);
            ensure!(stored.send(host.http())?.status == 201);
        }
        Ok(host)
    }
}

#[test]
fn a_file_that_is_not_there_yet_is_well_and_is_not_made() -> Result<()> {
    let file = File::new()?;
    let report = file.examine("")?;
    report.is_well()?;
    report.found("ok", "writable", &["is not there yet, and can be made"])?;
    ensure!(!file.path.exists());
    Ok(())
}

#[test]
fn a_file_that_a_host_uses_is_well() -> Result<()> {
    let file = File::new()?;
    let _host = file.fill()?;
    let report = file.examine("")?;
    report.is_well()?;
    for check in ["version", "journal", "persistence", "room", "integrity", "schema", "rights"] {
        report.found("ok", check, &[])?;
    }
    Ok(())
}

#[test]
fn a_folder_that_is_missing_is_an_error() -> Result<()> {
    let mut file = File::new()?;
    file.path = file.patient.path().join("nowhere/sessions.db");
    let report = file.examine("")?;
    report.found("error", "writable", &["nowhere", "make the folder"])?;
    report.has(1, 0)
}

#[test]
fn a_file_of_something_else_is_an_error() -> Result<()> {
    let file = File::new()?;
    fs::write(&file.path, "this is a shopping list and nothing else\n".repeat(100))?;
    let report = file.examine("")?;
    report.found("error", "reachable", &["not a database"])?;
    report.has(1, 0)
}

#[test]
fn a_damaged_file_is_an_error() -> Result<()> {
    let file = File::new()?;
    file.fill()?.terminate()?;
    // All of it into the one file.
    let sqlite = |statement: &str| Command::new("sqlite3").arg(&file.path).arg(statement).output();
    ensure!(sqlite("PRAGMA wal_checkpoint(TRUNCATE)")?.status.success());
    let length = fs::metadata(&file.path)?.len();
    let mut damaged = OpenOptions::new().write(true).open(&file.path)?;
    damaged.seek(SeekFrom::Start(length / 2 / 4096 * 4096))?;
    damaged.write_all(&[0xff; 8192])?;
    let report = file.examine("")?;
    report.found("error", "integrity", &["it is damaged", "put a copy in its place"])
}

#[test]
fn settings_that_lose_writes_are_warnings() -> Result<()> {
    let file = File::new()?;
    file.fill()?.terminate()?;
    ensure!(Command::new("sqlite3").arg(&file.path).arg("PRAGMA journal_mode = DELETE").output()?.status.success());
    let report = file.examine("synchronous = \"normal\"")?;
    report.found("warning", "persistence", &["loses its power", "synchronous = \"full\""])?;
    report.found("warning", "journal", &["`delete`", "WAL"])?;
    report.has(0, 2)
}
