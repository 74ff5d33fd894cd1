//! Each grant gives what it says and nothing beside it: the same attempts that fail with an empty grant file.

use std::{
    fs,
    io::Write as _,
    net::{SocketAddr, TcpListener},
    os::unix::fs::symlink,
    process::Command,
    thread,
};

use anyhow::{Result, ensure};
use harness::host::{binary, fixtures_directory};

use crate::{House, Plugins};

/// A house in which the burglar has been granted this, and tries with a file of this name.
fn burglar(grants: &str, path: &str) -> Result<House> {
    burglar_in(grants, path, &[])
}

fn burglar_in(grants: &str, path: &str, environment: &[(&str, &str)]) -> Result<House> {
    let plugins = Plugins::new()?;
    plugins.add("burglar", "burglar", &format!("{grants}\n[settings]\npath = {path:?}\n"))?;
    plugins.serve(&["burglar"], "", environment)
}

#[test]
fn a_directory_that_is_granted_for_reading_can_be_read_and_not_changed() -> Result<()> {
    let directory = tempfile::tempdir()?;
    fs::write(directory.path().join("rates"), "1.5")?;
    let granted = format!("directories = {{ \"/data\" = {{ path = {:?}, access = \"read\" }} }}", directory.path());
    let house = burglar(&granted, "rates")?;
    house.tells("burglar", "list-directories", "directories: [\"/data\"]")?;
    house.tells("burglar", "read-a-file", "/data: read \"1.5\"")?;
    house.tells("burglar", "write-a-file", "/data: refused")?;
    ensure!(fs::read_to_string(directory.path().join("rates"))? == "1.5");
    Ok(())
}

#[test]
fn a_directory_that_is_granted_for_writing_can_be_changed() -> Result<()> {
    let directory = tempfile::tempdir()?;
    let granted = format!("directories = {{ \"/data\" = {{ path = {:?}, access = \"write\" }} }}", directory.path());
    let house = burglar(&granted, "rates")?;
    house.tells("burglar", "write-a-file", "/data: wrote 13 bytes")?;
    house.tells("burglar", "read-a-file", "/data: read \"by the plugin\"")?;
    ensure!(fs::read_to_string(directory.path().join("rates"))? == "by the plugin");
    Ok(())
}

#[test]
fn nothing_leads_out_of_a_directory() -> Result<()> {
    let outside = tempfile::tempdir()?;
    fs::write(outside.path().join("secret"), "hunter2")?;
    let inside = outside.path().join("inside");
    fs::create_dir(&inside)?;
    symlink(outside.path().join("secret"), inside.join("link"))?;
    symlink("../secret", inside.join("relative"))?;
    let absolute = outside.path().join("secret").display().to_string();
    for path in ["../secret", "link", "relative", "./../inside/../secret", &absolute] {
        let granted = format!("directories = {{ \"/data\" = {{ path = {inside:?}, access = \"write\" }} }}");
        let house = burglar(&granted, path)?;
        house.tells("burglar", "read-a-file", "/data: refused")?;
        house.tells("burglar", "write-a-file", "/data: refused")?;
    }
    ensure!(fs::read_to_string(outside.path().join("secret"))? == "hunter2");
    Ok(())
}

#[test]
fn variables_of_the_host_are_seen_by_name_and_no_others() -> Result<()> {
    let environment = [("CLOAKROOM_GRANTED", "yes"), ("CLOAKROOM_SECRET", "hunter2")];
    let house = burglar_in("env = [\"CLOAKROOM_GRANTED\"]", "x", &environment)?;
    house.tells("burglar", "read-the-environment", "variables: [(\"CLOAKROOM_GRANTED\", \"yes\")]")?;
    let house = burglar_in("env = { KEY = { env = \"CLOAKROOM_SECRET\" }, DEPTH = 3 }", "x", &environment)?;
    let both = "variables: [(\"DEPTH\", \"3\"), (\"KEY\", \"hunter2\")]";
    house.tells("burglar", "read-the-environment", both)?;
    ensure!(!house.host.log().contains("hunter2"), "{}", house.host.log());
    Ok(())
}

#[test]
fn settings_can_be_secrets_that_are_kept_elsewhere() -> Result<()> {
    let plugins = Plugins::new()?;
    fs::write(plugins.file("key"), "from a file\n")?;
    let settings = "[settings]\nfirst = { env = \"CLOAKROOM_SECRET\" }\nsecond = { file = \"key\" }\n";
    plugins.add("burglar", "burglar", settings)?;
    let house = plugins.serve(&["burglar"], "", &[("CLOAKROOM_SECRET", "hunter2")])?;
    let both = "settings: [(\"first\", \"hunter2\"), (\"second\", \"from a file\")]";
    house.tells("burglar", "read-its-settings", both)
}

#[test]
fn a_shared_bucket_is_shared_by_those_that_are_granted_it() -> Result<()> {
    burglar("kv = [\"shared\"]", "x")?.tells("burglar", "open-a-shared-bucket", "opened, with []")?;
    burglar("kv = [\"another\"]", "x")?.tells("burglar", "open-a-shared-bucket", "refused")
}

#[test]
fn empty_lists_are_as_good_as_nothing() -> Result<()> {
    let house = burglar("payload = false\nkv = []\nenv = []\ndirectories = {}\nsockets = []", "x")?;
    house.tells("burglar", "open-a-shared-bucket", "refused")?;
    house.tells("burglar", "read-the-environment", "variables: []")?;
    house.tells("burglar", "list-directories", "directories: []")?;
    let plugins = Plugins::new()?;
    plugins.add("courier", "courier", "payload = true\nsockets = []")?;
    let why = plugins.serve(&[], "", &[])?.refused("courier")?;
    ensure!(why.contains("`sockets = [\"HOST:PORT\"]`"), "{why}");
    Ok(())
}

/// Says something to everybody who connects.
fn greeter() -> Result<SocketAddr> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let address = listener.local_addr()?;
    thread::spawn(move || {
        for stream in listener.incoming() {
            // Whoever does not listen is not told.
            let _ = stream.and_then(|mut stream| stream.write_all(b"good evening"));
        }
    });
    Ok(address)
}

fn courier(grants: &str) -> Result<House> {
    let plugins = Plugins::new()?;
    plugins.add("courier", "courier", grants)?;
    plugins.serve(&["courier"], "", &[])
}

#[test]
fn content_and_network_are_missed_when_the_plugin_is_loaded() -> Result<()> {
    for (grants, missing) in
        [("", "`payload = true`"), ("payload = true", "sockets"), ("sockets = [\"db:1\"]", "payload")]
    {
        let plugins = Plugins::new()?;
        plugins.add("courier", "courier", grants)?;
        let why = plugins.serve(&[], "", &[])?.refused("courier")?;
        ensure!(why.contains(missing), "`{missing}` is not in: {why}");
    }
    Ok(())
}

#[test]
fn whoever_is_granted_payloads_reads_what_is_in_them() -> Result<()> {
    let house = courier("payload = true\nsockets = [\"127.0.0.1:9\"]")?;
    house.put("courier", "sealed", "two tickets")?;
    house.tells("courier", "content", "content: \"two tickets\"")
}

#[test]
fn an_address_that_is_granted_can_be_reached_and_no_other() -> Result<()> {
    let (granted, other) = (greeter()?, greeter()?);
    let house = courier(&format!("payload = true\nsockets = [\"{granted}\"]"))?;
    let to = |address: SocketAddr| format!("connect_{}_{}", address.ip(), address.port());
    house.tells("courier", &to(granted), "connected, and read Some(\"good evening\")")?;
    house.tells("courier", &to(other), "refused: access-denied")?;
    house.tells("courier", "connect_127.0.0.2_80", "refused: access-denied")?;
    house.tells("courier", "look-up_localhost", "refused: access-denied")?;
    for listen in ["listen_0.0.0.0_0", "listen_127.0.0.1_0", &*format!("listen_0.0.0.0_{}", granted.port())] {
        house.tells("courier", listen, "refused: access-denied")?;
    }
    house.tells("courier", "send-a-datagram", "refused: access-denied")
}

#[test]
fn a_name_that_is_granted_can_be_looked_up_and_reached_at_its_port() -> Result<()> {
    let (granted, other) = (greeter()?, greeter()?);
    let house = courier(&format!("payload = true\nsockets = [\"localhost:{}\"]", granted.port()))?;
    let by_name = |port: u16| format!("connect-by-name_localhost_{port}");
    house.tells("courier", "look-up_localhost", "addresses: ")?;
    house.tells("courier", &by_name(granted.port()), "connected, and read Some(\"good evening\")")?;
    house.tells("courier", &by_name(other.port()), "refused: access-denied")?;
    house.tells("courier", "look-up_example.com", "refused: access-denied")
}

#[test]
fn the_grant_file_that_inspect_prints_is_one_and_grants_what_the_imports_need() -> Result<()> {
    let component = fixtures_directory()?.join("courier.wasm");
    let printed = Command::new(binary()?).args(["inspect", "--grants"]).arg(&component).output()?;
    ensure!(printed.status.success(), "{}", String::from_utf8_lossy(&printed.stderr));
    let printed = String::from_utf8(printed.stdout)?;
    for line in ["payload = true", "sockets = []"] {
        ensure!(printed.lines().any(|printed| printed == line), "{printed}");
    }
    // As it is, nothing can be reached, and the host says what is missing; with the addresses it loads.
    let plugins = Plugins::new()?;
    plugins.add("courier", "courier", &printed)?;
    plugins.add("courier", "finished", &printed.replace("sockets = []", "sockets = [\"127.0.0.1:9\"]"))?;
    plugins.add(
        "courier",
        "pinned",
        &printed.replace("sockets = []", "sockets = [\"a:1\"]").replace("# digest", "digest"),
    )?;
    let house = plugins.serve(&[], "", &[])?;
    ensure!(house.refused("courier")?.contains("sockets"));
    for name in ["finished", "pinned"] {
        ensure!(house.status(name)?["state"] == "loaded", "{}", house.status(name)?);
    }
    Ok(())
}
