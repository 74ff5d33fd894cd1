//! Plugins in every language that has a template: begun by `cloakroom new`, built, judged by `cloakroom check`, and used
//! by a host that swaps them in while it serves.

use std::{
    collections::BTreeMap,
    env, fs,
    path::{Path, PathBuf},
    process::{Command, Output},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, ensure};
use bytes::Bytes;
use cloakroom::{
    capabilities::kv::Kv,
    clock::Clock,
    config::{Grants, Limits},
    contract::{Condition, GetExclusiveOutcome, Payload, SessionData, SessionKey, SetOutcome},
    plugins::Runtime,
};
use cpu_time::ThreadTime;
use harness::{Host, host, http::Request};
use sha2::{Digest as _, Sha256};
use tempfile::TempDir;

/// Calls that one instance must survive: more than the handles that it may hold, and enough to see memory grow.
const MANY: u32 = 15_000;

/// How long a host that nobody uses may take to swap a plugin in, on a busy machine.
const SWAP_DEADLINE: Duration = Duration::from_secs(120);

/// What one language's plugins are built in.
struct Workshop {
    language: &'static str,
    directory: TempDir,
}

impl Workshop {
    fn new(language: &'static str) -> Result<Self> {
        Ok(Self { language, directory: tempfile::tempdir()? })
    }

    /// Begins a plugin and builds it as its README says; the component.
    fn make(&self, kind: &str) -> Result<PathBuf> {
        let name = format!("{}-{kind}", self.language);
        self.run(cloakroom()?.args(["new", "--lang", self.language, "--kind", kind, &name]))?;
        let project = self.directory.path().join(&name);
        self.run(&mut Command::new(project.join("build")))?;
        let component = project.join(&name).with_extension("wasm");
        ensure!(component.exists(), "the build made no {}", component.display());
        Ok(component)
    }

    /// Runs a command in the directory, with the tools that `scripts/setup-tests` installed.
    fn run(&self, command: &mut Command) -> Result<Output> {
        let tools = repository()?.join("target/tools");
        let output = command
            .current_dir(self.directory.path())
            .env("NODE_MODULES", tools.join("js/node_modules"))
            .env("VENV", tools.join("python"))
            // Two projects in Rust have the same dependencies, and the workspace has fetched them.
            .env("CARGO_TARGET_DIR", self.directory.path().join("target"))
            .env("CARGO_NET_OFFLINE", "true")
            .output()
            .with_context(|| format!("cannot run {command:?}"))?;
        ensure!(output.status.success(), "{command:?} failed:\n{}", everything(&output));
        Ok(output)
    }

    /// Has the component judged; nothing may have failed, and but of a generator nothing been skipped.
    fn check(&self, component: &Path) -> Result<()> {
        let output = self.run(cloakroom()?.arg("check").arg(component))?;
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        ensure!(text.contains(" 0 failed"), "{text}");
        // Some rules are for generators that sign their IDs, or make them in ASP.NET's form.
        if !component.ends_with(format!("{0}-id-manager.wasm", self.language)) {
            ensure!(text.contains("0 skipped"), "{text}");
        }
        Ok(())
    }
}

/// Everything that is asked of a language.
fn language_works(language: &'static str) -> Result<()> {
    let workshop = Workshop::new(language)?;
    let mut components = Vec::new();
    for kind in ["provider", "id-manager", "events"] {
        let began = Instant::now();
        let component = workshop.make(kind)?;
        let built = began.elapsed();
        workshop.check(&component)?;
        println!(
            "{language} {kind}: from `cloakroom new` to built {:.1} s, to a green `cloakroom check` {:.1} s",
            built.as_secs_f64(),
            began.elapsed().as_secs_f64()
        );
        components.push(component);
    }
    let [provider, ids, events] = components.as_slice() else { anyhow::bail!("three components were made") };
    let seen = workshop.run(cloakroom()?.arg("inspect").arg(events))?;
    let seen = String::from_utf8_lossy(&seen.stdout).into_owned();
    ensure!(seen.contains("kind       session-events") && seen.contains("grants     none"), "{seen}");

    one_instance_serves_for_long(language, provider)?;
    swapped_in_live(provider, ids)
}

/// A host that serves from the plugins that ship is given these in their place.
fn swapped_in_live(provider: &Path, ids: &Path) -> Result<()> {
    let plugins = tempfile::tempdir()?;
    let shipped = host::plugins_directory()?;
    fs::copy(shipped.join("memory.wasm"), plugins.path().join("store.wasm"))?;
    fs::copy(shipped.join("aspnet-id.wasm"), plugins.path().join("ids.wasm"))?;
    let host = Host::start(&format!(
        "[plugins]\ndirectory = {:?}\n[stores.default]\nprovider = \"store\"\nid_generator = \"ids\"\n\
         [state_server]\nenabled = false\n",
        plugins.path().to_str().context("a path in UTF-8")?
    ))?;
    let earlier = || "/v1/shop/sessions/earlier".to_owned();
    let stored = Request::new("PUT", earlier()).body("from before").send(host.http())?;
    ensure!(stored.status == 201, "{stored:?}");
    let locked = Request::new("POST", earlier() + "/lock").send(host.http())?;
    ensure!(locked.status == 200, "{locked:?}");

    for (component, name) in [(provider, "store"), (ids, "ids")] {
        let hidden = plugins.path().join(".new");
        fs::copy(component, &hidden)?;
        fs::rename(&hidden, plugins.path().join(name).with_extension("wasm"))?;
        wait_until_it_serves(&host, name, component)?;
    }

    // The session that another language stored, and its lock, are there.
    let refused = Request::new("GET", earlier()).send(host.http())?;
    ensure!(refused.status == 423, "{refused:?}");
    let unlocked = Request::new("DELETE", earlier() + "/lock").header("Session-Lock", locked.must("session-lock")?);
    ensure!(unlocked.send(host.http())?.status == 204);
    let read = Request::new("GET", earlier()).send(host.http())?;
    ensure!(read.text() == "from before", "{read:?}");
    serve_a_session(&host)
}

/// Waits until the plugin is this component. The host compiles a large one for some seconds.
fn wait_until_it_serves(host: &Host, plugin: &str, component: &Path) -> Result<()> {
    let wanted = format!("sha256:{}", hex(&Sha256::digest(fs::read(component)?)));
    let deadline = Instant::now() + SWAP_DEADLINE;
    loop {
        let plugins = Request::new("GET", "/v1/plugins").send(host.http())?.json()?;
        let mut plugins = plugins["plugins"].as_array().or(plugins.as_array()).into_iter().flatten();
        if plugins.any(|status| status["name"] == plugin && status["digest"] == wanted.as_str()) {
            return Ok(());
        }
        ensure!(Instant::now() < deadline, "`{plugin}` was not swapped in {SWAP_DEADLINE:?}:\n{}", host.log());
        thread::sleep(Duration::from_millis(50));
    }
}

/// A visitor's session from its beginning to its end, over HTTP.
fn serve_a_session(host: &Host) -> Result<()> {
    let send = |request: Request, status: u16| {
        let answer = request.send(host.http())?;
        ensure!(answer.status == status, "not {status}: {answer:?}; the host's log:\n{}", host.log());
        Ok(answer)
    };
    let created = send(Request::new("POST", "/v1/shop/sessions").body("two coats"), 201)?;
    let created = created.json()?;
    let id = created["id"].as_str().context("no id")?;
    ensure!(id.len() == 40, "the ID `{id}` is not one of the template's");
    let session = format!("/v1/shop/sessions/{id}");

    let locked = send(Request::new("POST", format!("{session}/lock")), 200)?;
    ensure!(locked.must("session-lock")? == "2" && locked.text() == "two coats", "{locked:?}");
    let refused = send(Request::new("GET", session.clone()), 423)?;
    ensure!(refused.must("session-lock")? == "2", "{refused:?}");
    let subject = "anne";
    let stored = Request::new("PUT", session.clone()).header("Session-Lock", 2).header("Session-Subject", subject);
    send(stored.body("three coats"), 204)?;

    let rotated = send(Request::new("POST", format!("{session}/rotate")), 200)?.json()?;
    let id = rotated["id"].as_str().context("no id")?;
    send(Request::new("GET", session), 404)?;
    let session = format!("/v1/shop/sessions/{id}");
    ensure!(send(Request::new("GET", session.clone()), 200)?.text() == "three coats");
    let listed = send(Request::new("GET", format!("/v1/shop/sessions?subject={subject}")), 200)?;
    ensure!(listed.text().contains(id), "{}", listed.text());
    send(Request::new("DELETE", session.clone()), 204)?;
    send(Request::new("GET", session), 404)?;
    Ok(())
}

/// Thousands of calls into one instance: it leaks neither handles nor memory to speak of. Prints what a pair costs.
fn one_instance_serves_for_long(language: &str, component: &Path) -> Result<()> {
    let clock = Clock::system();
    let runtime = Runtime::new(clock.clone(), Kv::new(clock), None)?;
    let plugin = runtime.load(component, Grants::default(), Limits::default())?;
    let executor = tokio::runtime::Builder::new_current_thread().enable_time().build()?;
    let provider = executor.block_on(plugin.provider("long", &BTreeMap::new()))?;
    let key = SessionKey::new("shop", "one")?;
    let data = || SessionData {
        payload: Payload::new(Bytes::from_static(&[b'x'; 256])),
        idle_timeout: 60,
        latest_expiry: None,
        subject: Some("anne".to_owned()),
    };
    executor.block_on(async {
        provider.set_and_release(&key, data(), None, Condition::None, false).await?;
        let mut pairs = Duration::ZERO;
        for _ in 0..MANY {
            let start = ThreadTime::now();
            let outcome = provider.get_exclusive(&key).await?;
            let GetExclusiveOutcome::Found(_, lock_id) = outcome else { anyhow::bail!("{outcome:?}") };
            let taken = start.elapsed();
            // The ways out that keep nothing.
            let refused = provider.get_exclusive(&key).await?;
            ensure!(matches!(refused, GetExclusiveOutcome::Locked(_)), "{refused:?}");
            let refused = provider.set_and_release(&key, data(), None, Condition::None, false).await?;
            ensure!(matches!(refused, SetOutcome::Locked(_)), "{refused:?}");
            provider.get(&key).await?;
            let start = ThreadTime::now();
            let stored = provider.set_and_release(&key, data(), Some(lock_id.get()), Condition::None, false).await?;
            pairs += start.elapsed() + taken;
            ensure!(matches!(stored, SetOutcome::Done(_)), "{stored:?}");
        }
        println!(
            "{language}: {:.1} us CPU for get-exclusive + set-and-release",
            pairs.as_secs_f64() * 1e6 / f64::from(MANY)
        );
        Ok(())
    })?;
    let status = plugin.status();
    ensure!(status.failures == 0 && status.replaced == 0 && status.instances == 1, "{status:?}");
    Ok(())
}

#[test]
fn a_plugin_in_rust_is_begun_built_checked_and_swapped_in() -> Result<()> {
    language_works("rust")
}

#[test]
fn a_plugin_in_c_is_begun_built_checked_and_swapped_in() -> Result<()> {
    language_works("c")
}

#[test]
fn a_plugin_in_javascript_is_begun_built_checked_and_swapped_in() -> Result<()> {
    language_works("js")
}

#[test]
fn a_plugin_in_python_is_begun_built_checked_and_swapped_in() -> Result<()> {
    language_works("python")
}

#[test]
fn a_component_that_begins_with_too_much_memory_is_told_the_limit() -> Result<()> {
    let workshop = Workshop::new("js")?;
    let component = workshop.make("id-manager")?;
    let grants = component.with_extension("toml");
    fs::write(&grants, "[limits]\nmemory = \"64KiB\"\n")?;
    let output = cloakroom()?.arg("check").arg(&component).output()?;
    let text = everything(&output);
    ensure!(!output.status.success() && text.contains("more than 65536 bytes of memory"), "{text}");
    ensure!(text.contains("(limit `memory`); raise the limit in its grant file"), "{text}");
    Ok(())
}

#[test]
fn what_is_there_is_not_overwritten_and_a_name_that_will_not_do_is_refused() -> Result<()> {
    let directory = tempfile::tempdir()?;
    let new = |arguments: &[&str]| -> Result<Output> {
        Ok(cloakroom()?.arg("new").args(arguments).current_dir(directory.path()).output()?)
    };
    ensure!(new(&["--lang", "c", "my-store"])?.status.success());
    fs::write(directory.path().join("my-store/src/provider.c"), "mine")?;
    for (arguments, words) in [
        (["--lang", "js", "my-store"], "`my-store` exists already"),
        (["--lang", "c", "My-Store"], "`M` cannot be in a plugin's name"),
        (["--lang", "c", "none/my-store"], "there is no folder `none`"),
        (["--lang", "cobol", "my-other"], "possible values: rust, c, js, python"),
    ] {
        let output = new(&arguments)?;
        ensure!(!output.status.success() && everything(&output).contains(words), "{}", everything(&output));
    }
    ensure!(fs::read_to_string(directory.path().join("my-store/src/provider.c"))? == "mine");
    ensure!(fs::read_dir(directory.path())?.count() == 1, "a refusal left something behind");
    Ok(())
}

#[test]
fn the_c_bindings_were_made_from_the_contract_as_it_is() -> Result<()> {
    let wit = repository()?.join("wit");
    let mut contract: Vec<_> = fs::read_dir(&wit)?.map(|entry| Ok(entry?.path())).collect::<Result<_>>()?;
    contract.sort();
    for kind in ["provider", "id-manager", "events"] {
        let template = repository()?.join("plugins/templates/c").join(kind);
        let mut digest = Sha256::new();
        for file in contract.iter().chain([&template.join("wit/world.wit")]) {
            digest.update(fs::read(file).with_context(|| format!("{}", file.display()))?);
        }
        let now = hex(&digest.finalize());
        let made_from = fs::read_to_string(template.join("bindings/made-from"))?;
        ensure!(made_from.trim() == now, "wit/ has changed since {kind} was made; run scripts/generate-c-bindings");
    }
    Ok(())
}

fn cloakroom() -> Result<Command> {
    Ok(Command::new(host::binary()?))
}

fn everything(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn repository() -> Result<PathBuf> {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR"));
    Ok(tests.parent().context("the tests have no repository")?.to_owned())
}
