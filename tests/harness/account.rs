//! Servers that refuse to run as root, run as somebody else where the tests are root's.

use std::{
    fs,
    path::Path,
    process::{Command, Stdio},
    thread,
    time::Duration,
};

use anyhow::{Context, Result, ensure};

use crate::network::Side;

/// Time between two looks whether a process has stopped.
const POLL: Duration = Duration::from_millis(1);

/// Whether the tests run as root.
pub(crate) fn is_root() -> Result<bool> {
    let asked = Command::new("id").arg("-u").output().context("cannot run `id`")?;
    Ok(asked.stdout.trim_ascii() == b"0")
}

/// A program run on this side by this account, which owns `directory` from now on; by whoever runs the tests unless that is root.
pub(crate) fn run_as(account: &str, side: Side, program: &Path, directory: &Path) -> Result<Command> {
    let mut command = if is_root()? {
        let given = Command::new("chown").arg(format!("{account}:")).arg(directory).status()?;
        ensure!(given.success(), "cannot give {} to {account}", directory.display());
        let mut command = side.command("setpriv");
        command.arg(format!("--reuid={account}")).arg(format!("--regid={account}")).arg("--init-groups").arg(program);
        command
    } else {
        side.command(program)
    };
    // Its temporary files too: a MariaDB that starts deletes those that another has where both keep them.
    command.env("TMPDIR", directory);
    command.current_dir(directory).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    Ok(command)
}

/// Sends a signal to a process and those that it started.
pub(crate) fn signal_all(signal: &str, process: u32) -> Result<()> {
    let children = format!("/proc/{process}/task/{process}/children");
    let script = format!("kill -{signal} {process} $(cat {children} 2>/dev/null) 2>/dev/null; kill -0 {process}");
    let sent = Command::new("sh").args(["-c", &script]).stderr(Stdio::null()).status()?;
    ensure!(sent.success(), "no {signal} could be sent to {process}");
    // Threads stop one after the other.
    while signal == "STOP" && !is_stopped(process)? {
        thread::sleep(POLL);
    }
    Ok(())
}

fn is_stopped(process: u32) -> Result<bool> {
    for thread in fs::read_dir(format!("/proc/{process}/task"))? {
        let status = fs::read_to_string(thread?.path().join("status")).unwrap_or_default();
        if !status.contains("\nState:\tT") {
            return Ok(false);
        }
    }
    Ok(true)
}
