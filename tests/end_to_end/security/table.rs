//! The table of `docs/security.md`, row by row: a provider with an empty grant file tries it.

use std::{collections::BTreeSet, fs};

use anyhow::{Context as _, Result, ensure};

use crate::{House, Plugins};

const BOOK: &str = include_str!("../../../docs/security.md");

/// What becomes of an attempt.
enum Becomes {
    /// It returns, and tells these words.
    Tells(&'static str),
    /// It returns, and the log has a line of the plugin with these words.
    Logs(&'static str),
    /// The call ends with a failure that is described by these words.
    Ends(&'static str),
    /// A component that could try it imports this, and is refused with these words.
    Refused(&'static str, &'static str),
}

use Becomes::{Ends, Logs, Refused, Tells};

/// Each row by the name that it has in the book.
const ROWS: &[(&str, Becomes)] = &[
    ("keep-a-session", Tells("put: true, got back: Some(7)")),
    ("measure-a-payload", Tells("11 bytes of Some(\"text/plain\")")),
    ("read-its-settings", Tells("settings: [(\"path\", \"etc/hostname\")]")),
    ("write-a-log-line", Logs("somebody was here")),
    ("print", Logs("printed by the plugin")),
    ("tell-the-time", Tells("ms since 1970")),
    ("make-random-numbers", Tells("different: true")),
    ("wait", Tells("waited")),
    ("read-the-content-of-a-session", Refused("cloakroom:session/payload-content@0.1.0", "`payload = true`")),
    ("open-a-shared-bucket", Tells("has not been granted the bucket `shared`")),
    ("open-the-bucket-of-another-store", Tells("has not been granted the bucket `store:default/memory`")),
    ("read-a-session-of-another-store", Tells("found: false")),
    ("report-a-session-as-expired", Tells("during `sweep` only")),
    ("guess-a-handle", Ends("trapped")),
    ("guess-a-bucket", Ends("the bucket 1, which is none that it has opened")),
    ("forge-a-log-line", Logs("one line 2026-01-01T00:00:00Z ERROR forged")),
    ("list-directories", Tells("directories: []")),
    ("read-a-file", Tells("it sees no directory")),
    ("write-a-file", Tells("it sees no directory")),
    ("read-the-environment", Tells("variables: []")),
    ("read-the-command-line", Tells("arguments: [], directory: None")),
    ("connect-to-another-machine", Refused("wasi:sockets/tcp@0.2.0", "`sockets = [\"HOST:PORT\"]`")),
    ("send-a-datagram", Refused("wasi:sockets/udp@0.2.0", "`sockets = [\"HOST:PORT\"]`")),
    ("look-up-a-name", Refused("wasi:sockets/ip-name-lookup@0.2.0", "`sockets = [\"HOST:PORT\"]`")),
    ("make-an-http-request", Refused("wasi:http/outgoing-handler@0.2.0", "makes no HTTP requests")),
    ("use-a-redis-connection", Refused("cloakroom:session/redis@0.1.0", "`redis = [\"CONNECTION\"]`")),
    ("use-an-sql-connection", Refused("cloakroom:session/sql@0.1.0", "`sql = [\"CONNECTION\"]`")),
    ("start-a-process", Refused("wasi:process/spawn@0.2.0", "not part of the contract")),
    ("exit", Ends("trapped")),
    ("compute-for-ever", Ends("CPU time")),
    ("wait-for-ever", Ends("1s")),
    ("take-all-memory", Ends("bytes of memory")),
    ("recurse-for-ever", Ends("trapped")),
    ("hoard-handles", Ends("limit `handles`")),
    ("flood-the-log", Logs("were dropped")),
    ("ask-for-too-many-random-numbers", Ends("trapped")),
];

/// Limits at which attempts at excess end: the defaults would do, and take longer. And a neighbour who has settings.
const CONFIG: &str = r#"
[plugins.limits]
cpu = "300ms"
deadline = "1s"
memory = "16MiB"

[stores.burglar]
provider = "burglar"
settings = { path = "etc/hostname" }

[stores.neighbour]
provider = "neighbour"
settings = { path = "theirs" }

[applications]
burglar = "burglar"
"#;

/// A component that does nothing but ask for an interface.
fn asks_for(import: &str) -> String {
    format!(
        "(component (import \"{import}\" (instance)) (instance $none) \
         (export \"cloakroom:session/provider@0.1.0\" (instance $none)))"
    )
}

fn house() -> Result<House> {
    let plugins = Plugins::new()?;
    plugins.add("burglar", "burglar", "")?;
    plugins.add("burglar", "neighbour", "[settings]\nkey = \"hunter2\"\n")?;
    for (name, becomes) in ROWS {
        if let Refused(import, _) = becomes {
            fs::write(plugins.file(&format!("{name}.wasm")), asks_for(import))?;
            fs::write(plugins.file(&format!("{name}.toml")), "")?;
        }
    }
    plugins.serve(&[], CONFIG, &[("CLOAKROOM_SECRET", "hunter2")])
}

fn row(house: &House, name: &str, becomes: &Becomes) -> Result<()> {
    match becomes {
        Tells(words) => house.tells("burglar", name, words),
        Logs(words) => {
            house.told("burglar", name)?;
            house.host.wait_until(&format!("the plugin's line with `{words}` is in the log"), || {
                // A second later at the latest, if it comes with what was dropped in this one.
                house.told("burglar", "write-a-log-line")?;
                Ok(house.host.log().lines().any(|line| line.contains(words) && line.contains("plugin=\"burglar\"")))
            })
        }
        Ends(words) => {
            let answer = house.attempt("burglar", name)?;
            ensure!(matches!(answer.status, 503 | 504), "{}: {}", answer.status, answer.text());
            let detail = answer.json()?["detail"].to_string();
            ensure!(detail.contains(words), "`{words}` is not in: {detail}");
            Ok(())
        }
        Refused(_, words) => {
            let why = house.refused(name)?;
            ensure!(why.contains(words), "`{words}` is not in: {why}");
            Ok(())
        }
    }
}

#[test]
fn with_an_empty_grant_file_every_attempt_ends_as_the_book_says_and_nobody_else_notices() -> Result<()> {
    let house = house()?;
    house.put("burglar", "measured", "two tickets")?;
    house.put("shop", "visitor", "three coats")?;
    let mut otherwise = Vec::new();
    for (name, becomes) in ROWS {
        let tried = row(&house, name, becomes);
        let after = tried.and_then(|()| {
            let kept = house.attempt("shop", "visitor")?;
            ensure!(kept.status == 200 && kept.text() == "three coats", "and then {} {}", kept.status, kept.text());
            house.tells("burglar", "keep-a-session", "put: true").context("and then")
        });
        otherwise.extend(after.err().map(|error| format!("{name}: {error:#}")));
    }
    ensure!(otherwise.is_empty(), "{}\nthe log:\n{}", otherwise.join("\n"), house.host.log());
    Ok(())
}

/// What the standard library of Rust's `wasm32-wasip2` imports, whatever a component does.
const PLAIN_WASI: &[&str] = &[
    "cli/environment",
    "cli/exit",
    "cli/stderr",
    "cli/stdin",
    "cli/stdout",
    "cli/terminal-input",
    "cli/terminal-output",
    "cli/terminal-stderr",
    "cli/terminal-stdin",
    "cli/terminal-stdout",
    "clocks/monotonic-clock",
    "clocks/wall-clock",
    "filesystem/preopens",
    "filesystem/types",
    "io/error",
    "io/poll",
    "io/streams",
    "random/insecure-seed",
    "random/random",
];

#[test]
fn a_component_for_plain_wasi_is_loaded_with_an_empty_grant_file() -> Result<()> {
    let plugins = Plugins::new()?;
    for version in ["0.2.0", "0.2.6"] {
        let imports = PLAIN_WASI.iter().map(|name| format!("(import \"wasi:{name}@{version}\" (instance))"));
        let component = asks_for("cloakroom:session/log@0.1.0");
        let component = component.replacen("(component", &format!("(component {}", imports.collect::<String>()), 1);
        fs::write(plugins.file(&format!("plain-{version}.wasm")), component)?;
        fs::write(plugins.file(&format!("plain-{version}.toml")), "")?;
    }
    let house = plugins.serve(&[], "", &[])?;
    for version in ["0.2.0", "0.2.6"] {
        let status = house.status(&format!("plain-{version}"))?;
        ensure!(status["state"] == "loaded", "{status}");
    }
    Ok(())
}

#[test]
fn the_book_has_these_rows_and_no_other() {
    let rows = BOOK.lines().filter_map(|line| line.strip_prefix("| `")?.split_once("` |"));
    let told: Vec<&str> = rows.map(|(name, _)| name).collect();
    let tried: Vec<&str> = ROWS.iter().map(|(name, _)| *name).collect();
    assert_eq!(told, tried);
    assert_eq!(tried.iter().collect::<BTreeSet<_>>().len(), tried.len(), "a row is there twice");
}
