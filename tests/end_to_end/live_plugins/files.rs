//! Files that come, go, are written slowly, or change where the system reports nothing.

use std::{
    fs::{self, File},
    io::Write as _,
    os::unix::fs::symlink,
    thread,
    time::Duration,
};

use anyhow::{Result, ensure};
use harness::Host;

use crate::{Live, build, shipped};

#[test]
fn a_plugin_that_is_added_is_loaded_and_one_that_is_removed_is_forgotten() -> Result<()> {
    let live = Live::start("", |_| Ok(()))?;
    live.replace("another.wasm", fs::read(shipped("memory")?)?)?;
    live.host.wait_for_log("plugin=\"another\"")?;
    ensure!(live.status("another")?["state"] == "loaded");
    fs::remove_file(live.file("another.wasm"))?;
    live.host.wait_for_log("removed plugin=\"another\"")?;
    ensure!(live.status("another").is_err());
    Ok(())
}

#[test]
fn a_plugin_that_is_removed_while_a_store_uses_it_serves_on_until_it_is_back() -> Result<()> {
    let live = Live::start("", |_| Ok(()))?;
    live.put("a", "kept")?;
    let memory = fs::read(live.file("memory.wasm"))?;
    fs::remove_file(live.file("memory.wasm"))?;
    live.host.wait_for_log("it serves on from memory")?;
    ensure!(live.status("memory")?["state"] == "removed");
    ensure!(live.get("a")? == "kept");
    live.replace("memory.wasm", build(&memory, 1))?;
    live.host.wait_for_log(" swapped ")?;
    ensure!(live.status("memory")?["state"] == "serving");
    ensure!(live.get("a")? == "kept");
    Ok(())
}

#[test]
fn a_file_that_is_touched_or_written_again_with_the_same_content_changes_nothing() -> Result<()> {
    let live = Live::start("", |_| Ok(()))?;
    let memory = fs::read(live.file("memory.wasm"))?;
    live.replace("memory.wasm", &memory)?;
    // What comes after it is seen after it.
    live.replace("another.wasm", build(&memory, 1))?;
    live.host.wait_for_log("plugin=\"another\"")?;
    live.replace("another.wasm", build(&memory, 2))?;
    live.host.wait_for_log(" swapped ")?;
    ensure!(live.status("memory")?["swaps"] == 0);
    Ok(())
}

#[test]
fn a_file_that_is_written_slowly_is_read_when_it_is_complete() -> Result<()> {
    let live = Live::start("", |_| Ok(()))?;
    let new = build(&fs::read(live.file("memory.wasm"))?, 1);
    let mut file = File::create(live.file("memory.wasm"))?;
    for part in new.chunks(new.len().div_ceil(12)) {
        file.write_all(part)?;
        thread::sleep(Duration::from_millis(50));
    }
    drop(file);
    live.host.wait_for_log(" swapped ")?;
    ensure!(!live.host.log().contains("not used"), "{}", live.host.log());
    Ok(())
}

#[test]
fn a_change_that_the_system_does_not_report_is_found_by_polling() -> Result<()> {
    let volumes = tempfile::tempdir()?;
    let [first, second, link] = ["first", "second", "plugins"].map(|name| volumes.path().join(name));
    for (number, volume) in [&first, &second].into_iter().enumerate() {
        fs::create_dir(volume)?;
        fs::copy(shipped("aspnet-id")?, volume.join("aspnet-id.wasm"))?;
        fs::write(volume.join("memory.wasm"), build(&fs::read(shipped("memory")?)?, number))?;
    }
    symlink(&first, &link)?;
    let host =
        Host::start(&format!("[plugins]\ndirectory = {:?}\npoll_interval = \"200ms\"\n", link.display().to_string()))?;
    // As Kubernetes changes a mounted volume: nothing happens in the directory that is watched.
    let new_link = volumes.path().join("new");
    symlink(&second, &new_link)?;
    fs::rename(&new_link, &link)?;
    host.wait_for_log(" swapped ")?;
    Ok(())
}
