//! `cloakroom config`: the real command on real files.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::{Command, Output},
};

use anyhow::{Context as _, Result, ensure};

const FIXTURES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/web-config");

/// The command, beside the folder that the test itself was built into.
fn cloakroom() -> Result<Command> {
    if let Some(binary) = env::var_os("CLOAKROOM_BIN") {
        return Ok(Command::new(binary));
    }
    let test = env::current_exe()?;
    let directory = test.parent().and_then(Path::parent).context("the test is in target/PROFILE/deps")?;
    Ok(Command::new(directory.join("cloakroom")))
}

/// Runs `cloakroom config ARGUMENTS`.
fn config(arguments: &[&str]) -> Result<Output> {
    cloakroom()?.arg("config").args(arguments).output().context("build the command first: cargo build --release")
}

fn stdout(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn text(path: &Path) -> &str {
    path.to_str().expect("paths of tests are UTF-8")
}

/// A file in a directory of its own.
fn file(content: &str) -> Result<(tempfile::TempDir, PathBuf)> {
    let directory = tempfile::tempdir()?;
    let path = directory.path().join("cloakroom.toml");
    fs::write(&path, content)?;
    Ok((directory, path))
}

#[test]
fn check_prints_ok_and_what_is_in_effect() -> Result<()> {
    let (_directory, path) = file("[state_server]\nhold_locked = \"2s\"\n")?;
    let output = config(&["check", text(&path)])?;
    assert!(output.status.success(), "{}", stderr(&output));
    let printed = stdout(&output);
    assert!(printed.starts_with("ok\n"), "{printed}");
    for line in ["hold_locked = \"2s\"", "max_body = \"20MiB\"", "[stores.default]", "provider = \"memory\""] {
        assert!(printed.lines().any(|printed| printed == line), "{line} is missing in\n{printed}");
    }
    assert_eq!(stderr(&output), "");
    Ok(())
}

#[test]
fn check_prints_every_problem_and_fails() -> Result<()> {
    let (_directory, path) = file("[http]\nadress = \"127.0.0.1:1\"\n[state_server]\naddress = \"0.0.0.0:42424\"\n")?;
    let output = config(&["check", text(&path)])?;
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(stdout(&output), "");
    let printed = stderr(&output);
    let lines: Vec<&str> = printed.lines().collect();
    assert_eq!(lines.len(), 3, "{printed}");
    assert!(lines[0].starts_with(&format!("{}:2: http.adress: ", path.display())), "{printed}");
    assert!(lines[1].starts_with(&format!("{}:4: state_server.address = ", path.display())), "{printed}");
    assert_eq!(lines[2], "2 problems");
    Ok(())
}

#[test]
fn check_fails_for_a_file_that_is_not_there() -> Result<()> {
    let output = config(&["check", "no/such.toml"])?;
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains("no/such.toml"), "{}", stderr(&output));
    Ok(())
}

#[test]
fn check_fetches_secrets_and_never_prints_them() -> Result<()> {
    let (directory, path) = file(
        "[stores.default]\nid_settings = { keys = { file = \"key\" } }\n\
         [stores.default.settings]\npassword = { env = \"CLOAKROOM_TEST_SECRET\" }\nplain = \"hunter2\"\n",
    )?;
    let missing = config(&["check", text(&path)])?;
    assert_eq!(missing.status.code(), Some(1));
    let problems = stderr(&missing);
    assert!(problems.contains(":2: stores.default.id_settings.keys: cannot read"), "{problems}");
    assert!(problems.contains(":4: stores.default.settings.password: the environment variable"), "{problems}");

    fs::write(directory.path().join("key"), "hunter2\n")?;
    let found = cloakroom()?.args(["config", "check", text(&path)]).env("CLOAKROOM_TEST_SECRET", "hunter2").output()?;
    assert!(found.status.success(), "{}", stderr(&found));
    let printed = stdout(&found);
    assert!(printed.contains("password = \"(not shown)\""), "{printed}");
    assert!(!printed.contains("hunter2"), "{printed}");
    Ok(())
}

#[test]
fn every_web_config_becomes_a_file_that_check_accepts_and_no_password_is_printed() -> Result<()> {
    let mut translated = 0;
    for entry in fs::read_dir(FIXTURES)? {
        let web_config = entry?.path();
        let directory = tempfile::tempdir()?;
        let made = directory.path().join("cloakroom.toml");
        let output = config(&["from-web-config", text(&web_config), "--output", text(&made)])?;
        ensure!(output.status.success(), "{}: {}", web_config.display(), stderr(&output));
        assert_eq!(stdout(&output), "");
        assert!(!stderr(&output).contains("hunter2"), "{}", stderr(&output));
        assert!(!fs::read_to_string(&made)?.contains("hunter2"), "{}", made.display());

        let check = config(&["check", text(&made)])?;
        ensure!(check.status.success(), "{}: {}", web_config.display(), stderr(&check));
        translated += 1;
    }
    assert!(translated > 10, "{translated} files");
    Ok(())
}

#[test]
fn without_output_the_file_goes_to_standard_output_and_the_remarks_to_standard_error() -> Result<()> {
    let web_config = Path::new(FIXTURES).join("farm-state-server.config");
    let output = config(&["from-web-config", text(&web_config)])?;
    assert!(output.status.success());
    let (_directory, made) = file(&stdout(&output))?;
    assert!(config(&["check", text(&made)])?.status.success());
    let remarks = stderr(&output);
    assert!(remarks.starts_with("not carried over:\n"), "{remarks}");
    assert!(remarks.contains(":14: cookieName=\"shop_session\"\n"), "{remarks}");
    Ok(())
}

#[test]
fn an_existing_file_is_not_overwritten() -> Result<()> {
    let web_config = Path::new(FIXTURES).join("config-source.config");
    let (_directory, path) = file("# mine\n")?;
    let output = config(&["from-web-config", text(&web_config), "--output", text(&path)])?;
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains("choose another --output"), "{}", stderr(&output));
    assert_eq!(fs::read_to_string(&path)?, "# mine\n");
    Ok(())
}

#[test]
fn a_web_config_that_is_wrong_fails_with_its_line() -> Result<()> {
    let (directory, _) = file("")?;
    let path = directory.path().join("web.config");
    fs::write(&path, "<configuration>\n<system.web>\n<sessionState timeout=\"0\"/>\n</system.web>\n</configuration>")?;
    let output = config(&["from-web-config", text(&path)])?;
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(stdout(&output), "");
    assert!(stderr(&output).contains("web.config:3: sessionState timeout = \"0\": "), "{}", stderr(&output));
    Ok(())
}
