//! The plugin runtime: what it refuses to load and why, and what a component that fails costs.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    sync::{Arc, Barrier},
    thread,
    time::Duration,
};

use anyhow::{Context as _, Result, ensure};
use bytes::Bytes;
use cloakroom::{
    capabilities::kv::Kv,
    clock::Clock,
    config::{Grants, Limits},
    contract::{Condition, GetOutcome, Payload, SessionData, SessionKey, SetOutcome},
    plugins::{CallError, Plugin, PluginFailure, Provider, Runtime},
};
use harness::host::{fixtures_directory, plugins_directory};
use tempfile::TempDir;
use tokio::{runtime::Builder, task::JoinSet};

/// A runtime of its own, and a directory for the files of a test.
struct Bench {
    runtime: Runtime,
    directory: TempDir,
}

impl Bench {
    fn new() -> Result<Self> {
        let clock = Clock::system();
        let directory = tempfile::tempdir()?;
        let runtime = Runtime::new(clock.clone(), Kv::new(clock), Some(directory.path().join("compiled")))?;
        Ok(Self { runtime, directory })
    }

    /// Why a file with these bytes is refused.
    fn refusal(&self, name: &str, bytes: impl AsRef<[u8]>) -> Result<String> {
        let file = self.directory.path().join(name);
        fs::write(&file, bytes)?;
        match self.runtime.load(&file, Grants::default(), Limits::default()) {
            Ok(_) => anyhow::bail!("{name} was loaded"),
            Err(error) => {
                let text = error.to_string();
                ensure!(text.contains(name), "the error does not name the file: {text}");
                Ok(text)
            }
        }
    }

    fn load(&self, file: &Path, limits: Limits) -> Result<Plugin> {
        let grants = Grants { kv: vec!["shared".to_owned()], payload: true, ..Grants::default() };
        Ok(self.runtime.load(file, grants, limits)?)
    }
}

fn shipped(name: &str) -> Result<PathBuf> {
    Ok(plugins_directory()?.join(format!("{name}.wasm")))
}

/// The memory store with one fault (see `tests/fixtures/wrong-provider`).
fn wrong_provider() -> Result<PathBuf> {
    let file = fixtures_directory()?.join("wrong-provider.wasm");
    ensure!(file.exists(), "{} is missing; run `scripts/build-plugins tests/fixtures/wrong-provider`", file.display());
    Ok(file)
}

async fn with_fault(plugin: &Plugin, fault: &str) -> Result<Provider> {
    let settings = BTreeMap::from([("fault".to_owned(), fault.to_owned())]);
    Ok(plugin.provider(fault, &settings).await?)
}

fn key(id: &str) -> SessionKey {
    SessionKey::new("tests", id).expect("a key")
}

fn data(bytes: &'static str) -> SessionData {
    let payload = Payload::new(Bytes::from_static(bytes.as_bytes()));
    SessionData { payload, idle_timeout: 60, latest_expiry: None, subject: None }
}

#[test]
fn each_kind_of_wrong_file_is_refused_with_a_sentence_of_its_own() -> Result<()> {
    let bench = Bench::new()?;
    let memory = fs::read(shipped("memory")?)?;
    let refused = |name, bytes: &[u8]| bench.refusal(name, bytes);

    let text = refused("text.wasm", b"not wasm at all")?;
    ensure!(text.contains("not a WebAssembly file"), "{text}");
    let text = refused("empty.wasm", b"")?;
    ensure!(text.contains("cut off"), "{text}");
    let text = refused("module.wasm", b"\0asm\x01\0\0\0")?;
    ensure!(text.contains("core WebAssembly module, not a component"), "{text}");
    let text = refused("cut.wasm", memory.get(..memory.len() / 2).context("half of it")?)?;
    ensure!(text.contains("cut off"), "{text}");
    let text = refused("nothing.wasm", b"(component)")?;
    ensure!(text.contains("exports none of the interfaces") && text.contains("it exports nothing"), "{text}");
    let newer = br#"(component
        (instance $provider)
        (export "cloakroom:session/provider@0.9.0" (instance $provider)))"#;
    let text = refused("newer.wasm", newer)?;
    ensure!(text.contains("built for version 0.9.0 of the contract and this host speaks 0.1.0"), "{text}");
    let unknown = br#"(component
        (import "acme:magic/wand" (instance))
        (instance $provider)
        (export "cloakroom:session/provider@0.1.0" (instance $provider)))"#;
    let text = refused("unknown.wasm", unknown)?;
    ensure!(text.contains("`acme:magic/wand`, which is not part of the contract"), "{text}");
    let greedy = br#"(component
        (import "cloakroom:session/payload-content@0.1.0" (instance))
        (instance $provider)
        (export "cloakroom:session/provider@0.1.0" (instance $provider)))"#;
    let text = refused("greedy.wasm", greedy)?;
    ensure!(text.contains("not been granted; write `payload = true`"), "{text}");
    Ok(())
}

#[tokio::test]
async fn a_component_without_the_functions_of_its_interface_is_refused_when_it_is_to_serve() -> Result<()> {
    let bench = Bench::new()?;
    let file = bench.directory.path().join("hollow.wasm");
    fs::write(
        &file,
        r#"(component (instance $provider) (export "cloakroom:session/provider@0.1.0" (instance $provider)))"#,
    )?;
    let plugin = bench.runtime.load(&file, Grants::default(), Limits::default())?;
    let error = plugin.provider("hollow", &BTreeMap::new()).await.err().context("it serves")?.to_string();
    ensure!(error.contains("hollow") && error.contains("`provider.initialize`"), "{error}");
    Ok(())
}

#[tokio::test]
async fn compiled_code_is_taken_from_the_cache_and_a_damaged_entry_is_a_miss() -> Result<()> {
    let bench = Bench::new()?;
    let memory = shipped("memory")?;
    bench.load(&memory, Limits::default())?;
    let entries: Vec<_> =
        fs::read_dir(bench.directory.path().join("compiled"))?.collect::<std::io::Result<Vec<_>>>()?;
    ensure!(entries.len() == 1, "{} entries", entries.len());
    let entry = entries.first().context("an entry")?.path();
    let whole = fs::read(&entry)?;
    for damaged in [&whole[..whole.len() / 2], &[], b"something else entirely"] {
        fs::write(&entry, damaged)?;
        let plugin = bench.load(&memory, Limits::default())?;
        let provider = plugin.provider("cached", &BTreeMap::new()).await?;
        ensure!(matches!(provider.get(&key("none")).await?, GetOutcome::Missing));
        ensure!(fs::read(&entry)? == whole, "the entry was not written anew");
    }
    Ok(())
}

/// What `reset-timeout` of a component with this fault fails with, and that the store goes on: what was stored is there,
/// and each call has an instance that works.
async fn failure_of(fault: &str, limits: Limits) -> Result<(Plugin, PluginFailure)> {
    let bench = Bench::new()?;
    let plugin = bench.load(&wrong_provider()?, limits)?;
    let provider = with_fault(&plugin, fault).await?;
    let mut failures = Vec::new();
    for _ in 0..3 {
        // The fault is in this operation; the one after it finds what was stored before.
        provider.set_and_release(&key("1"), data("x"), None, Condition::None, false).await?;
        match provider.reset_timeout(&key("1")).await {
            Err(CallError::Plugin(error)) => {
                ensure!(&*error.plugin == "wrong-provider", "{error}");
                failures.push(error.failure);
            }
            other => anyhow::bail!("not a failure of the plugin: {other:?}"),
        }
        ensure!(matches!(provider.get(&key("1")).await?, GetOutcome::Found(_)), "the session is lost");
    }
    // Another store of the same plugin does not notice.
    let neighbour = with_fault(&plugin, "").await?;
    let stored = neighbour.set_and_release(&key("1"), data("y"), None, Condition::None, false).await?;
    ensure!(stored == SetOutcome::Done(1), "{stored:?}");
    Ok((plugin, failures.swap_remove(0)))
}

#[tokio::test]
async fn a_trap_costs_its_instance_and_the_next_call_has_a_new_one() -> Result<()> {
    let (plugin, failure) = failure_of("traps", Limits::default()).await?;
    ensure!(matches!(failure, PluginFailure::Trap { .. }), "{failure}");
    let status = plugin.status();
    ensure!(status.failures >= 3 && status.replaced >= 3, "{status:?}");
    Ok(())
}

#[tokio::test]
async fn an_endless_loop_ends_at_the_cpu_limit() -> Result<()> {
    let limits = Limits { cpu: Duration::from_millis(30), ..Limits::default() };
    let (_, failure) = failure_of("loops", limits).await?;
    ensure!(matches!(failure, PluginFailure::Cpu { limit, .. } if limit == limits.cpu), "{failure}");
    Ok(())
}

#[tokio::test]
async fn memory_without_end_ends_at_the_memory_limit() -> Result<()> {
    let limits = Limits { memory: 8 << 20, ..Limits::default() };
    let (_, failure) = failure_of("eats-memory", limits).await?;
    ensure!(matches!(failure, PluginFailure::Memory { limit, .. } if limit == limits.memory), "{failure}");
    Ok(())
}

#[test]
fn calls_from_many_threads_need_no_more_instances_than_threads() -> Result<()> {
    let bench = Bench::new()?;
    let plugin = bench.load(&shipped("memory")?, Limits::default())?;
    // Each thread has a runtime of its own, which cannot hand a call to a third thread.
    let runtime = || Builder::new_current_thread().enable_all().build();
    let provider = Arc::new(runtime()?.block_on(plugin.provider("threads", &BTreeMap::new()))?);
    let together = Barrier::new(2);
    let insert = |thread: u32| -> Result<()> {
        let runtime = runtime()?;
        together.wait();
        let mut calls = JoinSet::new();
        for number in 0..500 {
            let provider = provider.clone();
            let call = async move {
                let key = key(&format!("session {thread} {number}"));
                provider.set_and_release(&key, data("x"), None, Condition::MustBeNew, false).await
            };
            calls.spawn_on(call, runtime.handle());
        }
        for outcome in runtime.block_on(calls.join_all()) {
            ensure!(outcome? == SetOutcome::Done(1));
        }
        Ok(())
    };
    thread::scope(|scope| {
        let other = scope.spawn(|| insert(1));
        insert(0)?;
        other.join().expect("no panic")
    })?;
    ensure!(plugin.status().instances <= 2, "{:?}", plugin.status());
    Ok(())
}
