//! Which builds are let in: by their digest, and by who signed them. At start and while the host serves.

use std::{fs, path::Path, process::Command};

use anyhow::{Context as _, Result, ensure};
use harness::host::binary;
use serde_json::Value;

use crate::{House, Plugins, build, shipped};

/// Runs `cloakroom sign`, which must succeed; what it printed.
fn sign(arguments: &[&Path]) -> Result<String> {
    let output = Command::new(binary()?).arg("sign").args(arguments).output()?;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Ok(String::from_utf8(output.stdout)?.trim().to_owned())
}

fn digest_of(component: &Path) -> Result<String> {
    let output = Command::new(binary()?).arg("inspect").arg(component).output()?;
    let text = String::from_utf8(output.stdout)?;
    let line = text.lines().find_map(|line| line.strip_prefix("digest")).context("no digest")?;
    Ok(line.trim().to_owned())
}

/// The new build is refused for these words, and the one before it serves on.
fn refuses(house: &House, words: &[&str]) -> Result<()> {
    house.host.wait_for_log("the new build is not used, the one before it serves on")?;
    let why = house.refused("memory")?;
    for word in words {
        ensure!(why.contains(word), "`{word}` is not in: {why}");
    }
    ensure!(house.status("memory")?["state"] == "serving", "{}", house.status("memory")?);
    house.put("shop", "visitor", "two tickets")
}

fn takes_on(house: &House) -> Result<()> {
    house.host.wait_for_log(" swapped ")?;
    ensure!(house.status("memory")?["refused"] == Value::Null, "{}", house.status("memory")?);
    house.put("shop", "visitor", "two tickets")
}

#[test]
fn a_pinned_plugin_is_refused_in_any_other_build_with_both_digests() -> Result<()> {
    let plugins = Plugins::new()?;
    let (file, pinned) = (plugins.file("memory.wasm"), digest_of(&shipped("memory")?)?);
    fs::write(plugins.file("memory.toml"), format!("digest = \"{pinned}\"\n"))?;
    let house = plugins.serve(&[], "", &[])?;
    house.put("shop", "visitor", "two tickets")?;
    let other = build(&file)?;
    house.replace("memory.wasm", &other)?;
    let found = house.plugins.path().join("found");
    fs::write(&found, &other)?;
    let found = digest_of(&found)?;
    refuses(&house, &[&pinned, &found])?;
    // The operator wants it.
    house.replace("memory.toml", format!("digest = \"{found}\"\n"))?;
    takes_on(&house)
}

#[test]
fn a_pinned_plugin_of_another_build_is_refused_at_start() -> Result<()> {
    let plugins = Plugins::new()?;
    let pinned = format!("sha256:{}", "0".repeat(64));
    plugins.add("burglar", "burglar", &format!("digest = \"{pinned}\""))?;
    let why = plugins.serve(&[], "", &[])?.refused("burglar")?;
    ensure!(why.contains(&pinned), "{why}");
    Ok(())
}

#[test]
fn where_digests_are_required_only_pinned_plugins_are_loaded() -> Result<()> {
    let plugins = Plugins::new()?;
    for name in ["memory", "aspnet-id"] {
        let pin = format!("digest = \"{}\"\n", digest_of(&shipped(name)?)?);
        fs::write(plugins.file(&format!("{name}.toml")), pin)?;
    }
    plugins.add("burglar", "burglar", "")?;
    let house = plugins.serve(&[], "[plugins]\nrequire_digest = true\n", &[])?;
    house.put("shop", "visitor", "two tickets")?;
    let why = house.refused("burglar")?;
    ensure!(why.contains("`plugins.require_digest`") && why.contains("`digest = \"sha256:"), "{why}");
    Ok(())
}

#[test]
fn where_keys_are_trusted_only_what_they_signed_is_loaded() -> Result<()> {
    let keys = tempfile::tempdir()?;
    let (ours, theirs) = (keys.path().join("ours"), keys.path().join("theirs"));
    let new_key = Path::new("--new-key");
    let trusted = sign(&[new_key, &ours])?;
    let stranger = sign(&[new_key, &theirs])?;
    ensure!(trusted.starts_with("ed25519:") && stranger != trusted, "{trusted} {stranger}");

    let plugins = Plugins::new()?;
    let by = Path::new("--key");
    for name in ["memory", "aspnet-id"] {
        sign(&[&plugins.file(&format!("{name}.wasm")), by, &ours])?;
    }
    for name in ["unsigned", "strange", "changed", "nonsense"] {
        plugins.add("burglar", name, "")?;
    }
    let file = |name: &str| plugins.file(&format!("{name}.wasm"));
    sign(&[&file("strange"), by, &theirs])?;
    sign(&[&file("changed"), by, &ours])?;
    fs::write(file("changed"), build(&file("changed"))?)?;
    fs::write(plugins.file("nonsense.wasm.sig"), "signed, honestly")?;

    let house = plugins.serve(&[], &format!("[plugins]\ntrusted_keys = [\"{trusted}\"]\n"), &[])?;
    house.put("shop", "visitor", "two tickets")?;
    for (name, words) in [
        ("unsigned", "it is not signed"),
        ("strange", &*stranger),
        ("changed", "is for another build"),
        ("nonsense", "line 1 of NAME.wasm.sig is not a signature"),
    ] {
        let why = house.refused(name)?;
        ensure!(why.contains(words), "`{words}` is not in: {why}");
    }

    // While it serves: a new build whose signature is not there yet, and then is.
    let new = keys.path().join("memory.wasm");
    fs::write(&new, build(&shipped("memory")?)?)?;
    house.replace("memory.wasm", fs::read(&new)?)?;
    refuses(&house, &["is for another build", &trusted])?;
    sign(&[&new, by, &ours])?;
    house.replace("memory.wasm.sig", fs::read(keys.path().join("memory.wasm.sig"))?)?;
    takes_on(&house)
}

#[test]
fn a_signature_can_be_added_for_those_who_trust_another_key() -> Result<()> {
    let keys = tempfile::tempdir()?;
    let component = keys.path().join("memory.wasm");
    fs::copy(shipped("memory")?, &component)?;
    for name in ["old", "new"] {
        let key = keys.path().join(name);
        sign(&[Path::new("--new-key"), &key])?;
        sign(&[&component, Path::new("--key"), &key])?;
    }
    let signatures = fs::read_to_string(keys.path().join("memory.wasm.sig"))?;
    ensure!(signatures.lines().count() == 2, "{signatures}");
    Ok(())
}

#[test]
fn a_secret_key_is_readable_by_its_owner_only_and_never_replaced() -> Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    let keys = tempfile::tempdir()?;
    let key = keys.path().join("key");
    sign(&[Path::new("--new-key"), &key])?;
    ensure!(fs::metadata(&key)?.permissions().mode() & 0o777 == 0o600);
    let before = fs::read(&key)?;
    ensure!(sign(&[Path::new("--new-key"), &key]).is_err_and(|error| error.to_string().contains("cannot create")));
    ensure!(fs::read(&key)? == before);
    Ok(())
}
