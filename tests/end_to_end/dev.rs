//! `cloakroom dev`: every saved source file becomes the plugin that serves, unless something is wrong with it.

use std::{
    fs,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
};

use anyhow::{Context as _, Result, ensure};
use harness::{
    Host,
    host::{binary, plugins_directory},
    http,
};
use tempfile::TempDir;

/// A host, its directory of plugins, and the folder of a plugin called `mine` whose source is the component itself.
struct Workshop {
    host: Host,
    directory: TempDir,
}

impl Workshop {
    fn open() -> Result<Self> {
        let directory = tempfile::tempdir()?;
        let (plugins, mine) = (directory.path().join("plugins"), directory.path().join("mine"));
        fs::create_dir_all(mine.join("src"))?;
        fs::create_dir(&plugins)?;
        for name in ["memory", "aspnet-id"] {
            fs::copy(shipped(name)?, plugins.join(format!("{name}.wasm")))?;
        }
        fs::copy(shipped("memory")?, plugins.join("mine.wasm"))?;
        let script = "#!/bin/sh\nset -e\ncd \"$(dirname \"$0\")\"\ncat src/* >.mine.new\nmv .mine.new mine.wasm\n";
        fs::write(mine.join("build"), script)?;
        fs::set_permissions(mine.join("build"), fs::Permissions::from_mode(0o755))?;
        let config = format!(
            "[plugins]\ndirectory = {:?}\n[stores.default]\nprovider = \"mine\"\n",
            plugins.display().to_string()
        );
        let workshop = Self { host: Host::start(&config)?, directory };
        workshop.write(&fs::read(shipped("memory")?)?, 0)?;
        Ok(workshop)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// Saves the source: a component, and a custom section that makes it another build.
    fn write(&self, component: &[u8], build: usize) -> Result<()> {
        let content = format!("\x05build{build:06}");
        let mut bytes = component.to_vec();
        bytes.extend([0, u8::try_from(content.len())?]);
        bytes.extend_from_slice(content.as_bytes());
        Ok(fs::write(self.path("mine/src/component"), bytes)?)
    }

    fn command(&self) -> Result<Command> {
        let mut command = Command::new(binary()?);
        command.arg("dev").arg(self.path("mine")).arg("--into").arg(self.path("plugins"));
        command.arg("--http").arg(self.host.http().to_string());
        Ok(command)
    }

    fn once(&self, arguments: &[&str]) -> Result<(bool, String)> {
        let Output { status, stdout, stderr } = self.command()?.arg("--once").args(arguments).output()?;
        Ok((status.success(), String::from_utf8(stdout)? + &String::from_utf8(stderr)?))
    }

    fn swaps(&self) -> Result<u64> {
        let plugins = http::Request::new("GET", "/v1/plugins").send(self.host.http())?.json()?;
        let mine = plugins["plugins"].as_array().into_iter().flatten().find(|plugin| plugin["name"] == "mine");
        mine.and_then(|mine| mine["swaps"].as_u64()).context("no `mine` in the status")
    }
}

/// A process that is ended with the test.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended by itself, and there is nobody to tell.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn shipped(name: &str) -> Result<PathBuf> {
    Ok(plugins_directory()?.join(format!("{name}.wasm")))
}

fn wrong() -> Result<Vec<u8>> {
    let file = plugins_directory()?.join("../fixtures/wrong-id-manager.wasm");
    fs::read(&file).with_context(|| format!("{} is missing", file.display()))
}

#[test]
fn a_build_is_checked_and_serves() -> Result<()> {
    let workshop = Workshop::open()?;
    let (succeeded, output) = workshop.once(&[])?;
    ensure!(succeeded && output.contains("120 passed") && output.contains("mine is serving"), "{output}");
    ensure!(workshop.swaps()? == 1);
    Ok(())
}

#[test]
fn what_does_not_build_leaves_the_plugin_that_serves() -> Result<()> {
    let workshop = Workshop::open()?;
    fs::remove_dir_all(workshop.path("mine/src"))?;
    let (succeeded, output) = workshop.once(&[])?;
    ensure!(!succeeded && output.contains("the build failed"), "{output}");
    ensure!(workshop.swaps()? == 0);
    Ok(())
}

#[test]
fn what_breaks_the_contract_is_not_handed_over() -> Result<()> {
    let workshop = Workshop::open()?;
    workshop.write(&wrong()?, 1)?;
    fs::write(workshop.path("mine/mine.toml"), "[settings]\nfault = \"repeats\"\n")?;
    let (succeeded, output) = workshop.once(&[])?;
    ensure!(!succeeded && output.contains("it breaks the contract, and is not handed over"), "{output}");
    ensure!(workshop.swaps()? == 0 && !workshop.path("plugins/mine.toml").exists());
    Ok(())
}

#[test]
fn what_the_host_refuses_is_told() -> Result<()> {
    let workshop = Workshop::open()?;
    fs::write(workshop.path("mine/src/component"), b"(component)")?;
    let (succeeded, output) = workshop.once(&["--unchecked"])?;
    ensure!(
        !succeeded && output.contains("the host does not use it: ") && output.contains("exports nothing"),
        "{output}"
    );
    Ok(())
}

#[test]
fn each_saved_file_becomes_the_plugin_that_serves() -> Result<()> {
    let workshop = Workshop::open()?;
    let memory = fs::read(shipped("memory")?)?;
    let log = fs::File::create(workshop.path("dev.log"))?;
    let child = workshop.command()?.arg("--unchecked").stdout(log).stderr(Stdio::inherit()).spawn()?;
    let _running = Running(child);
    workshop.host.wait_for_log_count(" swapped ", 1)?;
    wait_for(&workshop, "waiting for changes")?;
    workshop.write(&memory, 1)?;
    workshop.host.wait_for_log_count(" swapped ", 2)?;
    workshop.write(&memory, 2)?;
    workshop.host.wait_for_log_count(" swapped ", 3)?;
    Ok(())
}

fn wait_for(workshop: &Workshop, text: &str) -> Result<()> {
    let log = workshop.path("dev.log");
    workshop.host.wait_until(text, || Ok(fs::read_to_string(&log)?.contains(text)))
}

#[test]
fn what_is_no_plugins_folder_is_told_at_once() -> Result<()> {
    let dev = |folder: &Path, into: &Path| -> Result<String> {
        let output = Command::new(binary()?).arg("dev").arg(folder).arg("--into").arg(into).output()?;
        ensure!(!output.status.success());
        Ok(String::from_utf8(output.stderr)?)
    };
    let directory = tempfile::tempdir()?;
    let missing = directory.path().join("missing");
    ensure!(dev(&missing, directory.path())?.contains("there is no folder"));
    ensure!(dev(directory.path(), directory.path())?.contains("no script `build`"));
    fs::write(directory.path().join("build"), "")?;
    ensure!(dev(directory.path(), &missing)?.contains("is no directory of plugins"));
    Ok(())
}
