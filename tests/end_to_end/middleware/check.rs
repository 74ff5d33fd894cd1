//! The conformance kit on stacks.

use std::{fs, process::Command};

use anyhow::{Result, ensure};
use harness::host::{binary, plugins_directory};

use crate::{K1, encrypt_grants};

/// Judges a stack; the last line of the report, and what it says on standard error.
fn check(stack: &[&str]) -> Result<(String, String)> {
    let directory = tempfile::tempdir()?;
    for name in stack {
        fs::copy(plugins_directory()?.join(format!("{name}.wasm")), directory.path().join(format!("{name}.wasm")))?;
    }
    fs::write(directory.path().join("encrypt.toml"), encrypt_grants(K1))?;
    // Everything is compressed that gets smaller by it.
    fs::write(directory.path().join("compress.toml"), "payload = true\n[settings]\nabove = 0\n")?;
    let mut command = Command::new(binary()?);
    command.arg("check").current_dir(&directory);
    for (place, name) in stack.iter().enumerate() {
        if place > 0 {
            command.arg("--on");
        }
        command.arg(format!("{name}.wasm"));
    }
    let output = command.output()?;
    let (report, errors) = (String::from_utf8(output.stdout)?, String::from_utf8(output.stderr)?);
    ensure!(output.status.success() || report.is_empty(), "{stack:?}:\n{report}");
    Ok((report.lines().last().unwrap_or_default().to_owned(), errors))
}

#[test]
fn encrypt_and_compress_keep_every_rule_around_memory_and_around_each_other() -> Result<()> {
    ensure!(check(&["compress", "memory"])?.0.ends_with(" 0 failed, 0 skipped"));
    let stacks: [&[&str]; 3] =
        [&["encrypt", "memory"], &["encrypt", "compress", "memory"], &["compress", "encrypt", "memory"]];
    for stack in stacks {
        let (last, errors) = check(stack)?;
        // Those of `session-rename`, which `encrypt` does not have.
        ensure!(last.contains(" 0 failed,") && !last.contains(" 0 skipped"), "{stack:?}: {last}{errors}");
    }
    Ok(())
}

#[test]
fn one_that_wraps_is_not_judged_alone() -> Result<()> {
    let (_, errors) = check(&["encrypt"])?;
    ensure!(errors.contains("it wraps another provider; name one to judge it on with --on FILE.wasm"), "{errors}");
    Ok(())
}
