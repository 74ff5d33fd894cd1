//! The rules of the contract, tried on a store that several hosts share.

use std::{
    path::Path,
    process::{Command, Stdio},
};

use anyhow::{Result, ensure};

use crate::host::binary;

/// Runs `cloakroom check` on a plugin twice at the same time, as two hosts that begin together on one back end.
pub fn are_kept_by_two_hosts(component: &Path, arguments: &[&str]) -> Result<()> {
    let check = || {
        let mut check = Command::new(binary()?);
        check.arg("check").arg(component).args(arguments);
        anyhow::Ok(check.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?)
    };
    for running in [check()?, check()?] {
        let checked = running.wait_with_output()?;
        let report = String::from_utf8_lossy(&checked.stdout);
        ensure!(checked.status.success(), "{report}{}", String::from_utf8_lossy(&checked.stderr));
        println!("{}: {}", arguments.join(" "), report.lines().last().unwrap_or_default());
    }
    Ok(())
}
