//! `cloakroom status` and `cloakroom plugins release`: what they print, and what they say where there is no host.

use std::{
    io::{Read as _, Write as _},
    net::TcpListener,
    thread,
};

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;

use crate::{
    cloakroom,
    quarantine::{quarantined, trapping},
};

/// The line of the table that begins with this name, by its columns.
fn row<'t>(table: &'t str, name: &str) -> Result<Vec<&'t str>> {
    let line = table.lines().find(|line| line.split_whitespace().next() == Some(name));
    Ok(line.with_context(|| format!("no `{name}` in:\n{table}"))?.split_whitespace().collect())
}

#[test]
fn status_prints_the_stores_and_the_plugins_of_a_running_host() -> Result<()> {
    let troubled = quarantined(1_000_000)?;
    troubled.good_store_serves()?;
    let address = troubled.host.http().to_string();
    let (succeeded, printed, complaints) = cloakroom(&["status", "--http", &address])?;
    ensure!(succeeded, "{complaints}");

    let [.., provider, ids, operations, failures, waiting] = row(&printed, "default")?[..] else {
        anyhow::bail!("{printed}")
    };
    ensure!((provider, ids, failures, waiting) == ("memory", "aspnet-id", "0", "0"), "{printed}");
    ensure!(operations.parse::<u64>()? >= 2, "{printed}");
    let memory = row(&printed, "memory")?;
    let build = troubled.plugin("memory")?["digest"].as_str().context("a digest")?[..19].to_owned();
    ensure!(memory[1..3] == ["serving", build.as_str()], "{printed}");
    let bad = row(&printed, "failing-provider")?;
    ensure!(bad[1] == "quarantined", "{printed}");
    ensure!(printed.contains("quarantined for store `bad` after 1"), "{printed}");
    ensure!(printed.contains("tried again at ") && printed.contains("trapped in"), "{printed}");

    let (succeeded, printed, _) = cloakroom(&["status", "--json", "--http", &address])?;
    let all: Value = serde_json::from_str(&printed)?;
    ensure!(succeeded && all["stores"].is_array() && all["plugins"].is_array(), "{printed}");
    Ok(())
}

#[test]
fn where_no_host_answers_the_commands_say_what_to_do() -> Result<()> {
    // A port that nobody listens on.
    let address = TcpListener::bind("127.0.0.1:0")?.local_addr()?.to_string();
    for command in [&["status"][..], &["plugins", "release", "memory"]] {
        let (succeeded, printed, complaints) = cloakroom(&[command, &["--http", &address]].concat())?;
        ensure!(!succeeded && printed.is_empty(), "{printed}");
        for words in ["no host answers on", &address, "see that it runs", "--http"] {
            ensure!(complaints.contains(words), "`{words}` is not in: {complaints}");
        }
    }
    Ok(())
}

#[test]
fn something_else_that_answers_is_not_taken_for_a_host() -> Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let address = listener.local_addr()?.to_string();
    let stranger = thread::spawn(move || -> Result<()> {
        let (mut stream, _) = listener.accept()?;
        let _ = stream.read(&mut [0; 1024])?;
        stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello")?;
        Ok(())
    });
    let (succeeded, _, complaints) = cloakroom(&["status", "--http", &address])?;
    ensure!(!succeeded && complaints.contains("is no Cloakroom"), "{complaints}");
    stranger.join().expect("no panic")
}

#[test]
fn a_plugin_that_does_not_exist_cannot_be_released() -> Result<()> {
    let troubled = trapping(0)?;
    let address = troubled.host.http().to_string();
    let (succeeded, _, complaints) = cloakroom(&["plugins", "release", "nobody", "--http", &address])?;
    ensure!(!succeeded && complaints.contains("there is no plugin `nobody`"), "{complaints}");
    Ok(())
}
