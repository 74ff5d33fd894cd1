//! What the log tells of a call that trapped: one line that names the plugin, the operation, the trap and, where the
//! component's file has names, the functions that were running.

use std::{fs, ops::Range, path::Path};

use anyhow::{Context, Result, ensure};
use harness::{
    Host,
    host::{fixtures_directory, plugins_directory},
    http::Request,
};

/// A session whose ID the log must not have.
const SESSION: &str = "/v1/shop/sessions/visitor-8f3a";

/// What the log says of it.
const TRAPPED: &str = "it trapped in `set-and-release`";

/// Starts a host whose store traps at its first operations, with this component as the plugin. The first sweep, which
/// comes at once after each start, may be one of them.
fn start(plugin: &[u8], directory: &Path) -> Result<Host> {
    fs::copy(plugins_directory()?.join("aspnet-id.wasm"), directory.join("aspnet-id.wasm"))?;
    fs::write(directory.join("failing-provider.wasm"), plugin)?;
    Host::start(&format!(
        "[plugins]\ndirectory = {directory:?}\n[stores.default]\nprovider = \"failing-provider\"\n\
         sweep_interval = \"1h\"\nsettings = {{ traps = 3 }}\n"
    ))
}

/// Has a call trap; the one line of the log that tells of it.
fn trapped(host: &Host) -> Result<String> {
    let answer = Request::new("PUT", SESSION).body("secret-payload").send(host.http())?;
    ensure!(answer.status == 503, "{answer:?}");
    ensure!(!answer.text().contains("Failing::"), "the client is told too much: {}", answer.text());
    host.wait_for_log(TRAPPED)?;
    let log = host.log();
    for secret in ["visitor-8f3a", "secret-payload"] {
        ensure!(!log.contains(secret), "{secret} is in\n{log}");
    }
    let lines: Vec<_> = log.lines().filter(|line| line.contains("trapped in `set-and-release`")).collect();
    ensure!(lines.len() == 1 && lines[0].contains("WARN"), "not one line in\n{log}");
    Ok(lines[0].to_owned())
}

fn fixture() -> Result<Vec<u8>> {
    Ok(fs::read(fixtures_directory()?.join("failing-provider.wasm"))?)
}

#[test]
fn a_trap_is_logged_once_with_the_functions_that_were_running() -> Result<()> {
    let directory = tempfile::tempdir()?;
    let host = start(&fixture()?, directory.path())?;
    let line = trapped(&host)?;
    for part in ["failing-provider", "store=default", "`set-and-release`", "unreachable", "Failing::memory"] {
        ensure!(line.contains(part), "no `{part}` in {line}");
    }
    for machinery in ["panicking", "rust_begin_unwind", "__rust_start_panic"] {
        ensure!(!line.contains(machinery), "`{machinery}` is noise: {line}");
    }
    ensure!(line.len() < 5000, "{line}");
    Ok(())
}

#[test]
fn code_from_the_cache_has_its_names_too() -> Result<()> {
    let directory = tempfile::tempdir()?;
    let mut host = start(&fixture()?, directory.path())?;
    host.terminate()?;
    let cached = fs::read_dir(host.data_directory().join("compiled"))?.count();
    ensure!(cached > 0, "nothing is in the cache");
    host.restart()?;
    let line = trapped(&host)?;
    ensure!(line.contains("Failing::memory"), "{line}");
    Ok(())
}

#[test]
fn without_names_the_line_says_so() -> Result<()> {
    let directory = tempfile::tempdir()?;
    let named = fixture()?;
    let nameless = without_names(&named)?;
    ensure!(nameless.len() < named.len(), "the fixture has no names");
    let host = start(&nameless, directory.path())?;
    let line = trapped(&host)?;
    for part in ["failing-provider", "`set-and-release`", "unreachable", "none, its file has no names of functions"] {
        ensure!(line.contains(part), "no `{part}` in {line}");
    }
    Ok(())
}

/// The component, or a module in it, without its custom sections called `name`.
fn without_names(binary: &[u8]) -> Result<Vec<u8>> {
    const HEADER: usize = 8;
    const CUSTOM: u8 = 0;
    const MODULE_OR_COMPONENT: [u8; 2] = [1, 4];
    let is_component = binary.get(6) == Some(&1);
    let mut kept = binary.get(..HEADER).context("no header")?.to_vec();
    let mut at = HEADER;
    while at < binary.len() {
        let id = binary[at];
        let content = sized(binary, at + 1)?;
        at = content.end;
        let content = &binary[content];
        if id == CUSTOM && &content[sized(content, 0)?] == b"name" {
            continue;
        }
        let content =
            if is_component && MODULE_OR_COMPONENT.contains(&id) { without_names(content)? } else { content.to_vec() };
        kept.push(id);
        let mut size = content.len();
        while size >= 0x80 {
            kept.push(u8::try_from(size & 0x7f)? | 0x80);
            size >>= 7;
        }
        kept.push(u8::try_from(size)?);
        kept.extend(content);
    }
    Ok(kept)
}

/// Where the bytes are whose number stands here, in LEB128.
fn sized(binary: &[u8], mut at: usize) -> Result<Range<usize>> {
    let (mut size, mut shift) = (0, 0);
    loop {
        let byte = *binary.get(at).context("cut off")?;
        at += 1;
        size |= usize::from(byte & 0x7f) << shift;
        shift += 7;
        if byte < 0x80 {
            break;
        }
    }
    ensure!(at + size <= binary.len(), "cut off");
    Ok(at..at + size)
}
