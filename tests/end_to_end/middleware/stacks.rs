//! Stacks that cannot be, and builds that change under load.

use std::fs;

use anyhow::{Result, ensure};

use crate::Wrapped;

fn refused(stack: &[&str], more: &str) -> Result<String> {
    match Wrapped::start(stack, more) {
        Ok(_) => anyhow::bail!("{stack:?} started"),
        Err(error) => Ok(format!("{error:#}")),
    }
}

#[test]
fn a_stack_that_cannot_be_stops_the_start_with_the_reason() -> Result<()> {
    for (stack, told) in [
        (&["encrypt"][..], "it wraps another provider: name that one behind it, as in [\"encrypt\", \"memory\"]"),
        (&["compress", "encrypt"], "it wraps another provider"),
        (&["memory", "failing-provider"], "it wraps no provider, so none can stand behind it"),
        (&["encrypt", "encrypt", "memory"], "`encrypt` is named twice"),
        (&[], "the list is empty"),
    ] {
        let reason = refused(stack, "")?;
        ensure!(reason.contains(told), "{stack:?}: {reason}");
    }
    for (keys, told) in [("", "encrypt has no key"), ("k1:QUJD", "has 3 bytes and has to have 32")] {
        let reason = refused(&["encrypt", "memory"], &format!("plugin_settings.encrypt.keys = \"{keys}\""))?;
        ensure!(reason.contains(told), "{reason}");
    }
    let reason = refused(&["memory"], "plugin_settings.encrypt.keys = \"x\"")?;
    ensure!(reason.contains("`encrypt` neither hears of this store's sessions (`events`) nor wraps"), "{reason}");
    Ok(())
}

#[test]
fn a_new_build_of_either_serves_and_a_lock_outlives_both() -> Result<()> {
    let wrapped = Wrapped::start(&["encrypt", "memory"], "")?;
    wrapped.put("a", "coat")?;
    let locked = wrapped.send("POST", "a/lock")?;
    for (number, name) in ["memory", "encrypt", "memory"].into_iter().enumerate() {
        let file = wrapped.plugins.path().join(format!("{name}.wasm"));
        // A custom section, which means nothing to anybody: another build of the same code.
        let mut build = fs::read(&file)?;
        build.extend_from_slice(b"\x00\x06\x05build");
        let hidden = wrapped.plugins.path().join(".new");
        fs::write(&hidden, build)?;
        fs::rename(hidden, file)?;
        wrapped.host.wait_for_log_count(" swapped ", number + 1)?;
        ensure!(wrapped.request("PUT", "a").body("theirs").send(wrapped.host.http())?.status == 423);
        wrapped.put(&format!("b{number}"), "hat")?;
    }
    let held = wrapped.request("PUT", "a").header("Session-Lock", locked.must("session-lock")?).body("new coat");
    ensure!(held.send(wrapped.host.http())?.status == 204);
    ensure!(wrapped.get("a")? == "new coat" && wrapped.get("b0")? == "hat");
    Ok(())
}
