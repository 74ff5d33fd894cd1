//! What one get-exclusive + set-and-release pair costs inside the host, without a network: through the component
//! `memory`, and through plain Rust functions that do the same on the same kind of bucket.
//!
//! CPU time of the thread, not time on the clock: other programs on the machine do not count. The two take turns in
//! one run, so that a machine whose speed drifts disturbs both alike. Medians over the rounds.

use std::{hint::black_box, path::PathBuf, time::Duration};

use anyhow::{Context as _, Result, bail};
use bytes::Bytes;
use cloakroom::{
    capabilities::kv::Kv,
    clock::Clock,
    config::{Grants, Limits},
    contract::{Condition, GetExclusiveOutcome, Payload, SessionData, SessionKey, SetOutcome},
    plugins::{PlainOperations, Provider, Runtime},
};
use cpu_time::ThreadTime;
use harness::plain_memory::PlainMemory;

const ROUNDS: usize = 15;
const PAIRS: u32 = 20_000;
const SESSIONS: usize = 64;
const SIZES: [usize; 3] = [256, 4 * 1024, 256 * 1024];

fn main() -> Result<()> {
    let plugins = std::env::var_os("CLOAKROOM_PLUGINS").map_or_else(|| PathBuf::from("target/plugins"), PathBuf::from);
    let memory = [plugins.clone(), PathBuf::from("..").join(&plugins)]
        .into_iter()
        .map(|directory| directory.join("memory.wasm"))
        .find(|file| file.exists())
        .context("there is no memory.wasm; run `make build` first")?;
    let clock = Clock::system();
    let kv = Kv::new(clock.clone());
    let runtime = Runtime::new(clock, kv.clone(), None)?;
    let plugin = runtime.load(&memory, Grants::default(), Limits::default())?;
    let executor = tokio::runtime::Builder::new_current_thread().enable_time().build()?;

    println!("an empty call from the host into a component: {:.0} ns", empty_call()?);
    println!(
        "get-exclusive + set-and-release, CPU ns per pair, one thread, medians of {ROUNDS} rounds of {PAIRS} pairs"
    );
    println!("{:>10} {:>12} {:>12} {:>8}", "payload", "component", "plain Rust", "ratio");
    for size in SIZES {
        let provider = executor.block_on(plugin.provider(&format!("bench-{size}"), &Default::default()))?;
        let component = Component { provider };
        let plain = PlainMemory::new(kv.bucket(&format!("plain-{size}")));
        let payload = Payload::new(Bytes::from(vec![b'x'; size]));
        let keys: Vec<SessionKey> =
            (0..SESSIONS).map(|n| SessionKey::new("bench", format!("session{n:020}"))).collect::<Result<_, _>>()?;
        for key in &keys {
            executor.block_on(component.insert(key, &payload))?;
            plain.insert(key, &payload)?;
        }
        let (mut through_component, mut through_rust) = (Vec::new(), Vec::new());
        for _ in 0..=ROUNDS {
            through_component.push(executor.block_on(async {
                let start = ThreadTime::now();
                for n in 0..PAIRS {
                    component.pair(&keys[n as usize % SESSIONS], &payload).await?;
                }
                Ok::<_, anyhow::Error>(start.elapsed())
            })?);
            let start = ThreadTime::now();
            for n in 0..PAIRS {
                plain_pair(&plain, &keys[n as usize % SESSIONS], &payload)?;
            }
            through_rust.push(start.elapsed());
        }
        // The first round warms up.
        let (component, plain) = (median(&mut through_component[1..]), median(&mut through_rust[1..]));
        println!("{:>8} B {component:>12.0} {plain:>12.0} {:>7.1}x", size, component / plain);
    }
    Ok(())
}

/// The floor under every call into a component on this machine: one without parameters, result or work.
fn empty_call() -> Result<f64> {
    const EMPTY: &str = r#"
        (component
            (core module $module (func (export "empty")))
            (core instance $instance (instantiate $module))
            (func (export "empty") (canon lift (core func $instance "empty"))))"#;
    let mut config = wasmtime::Config::new();
    config.epoch_interruption(true).concurrency_support(false);
    let engine = wasmtime::Engine::new(&config)?;
    let component = wasmtime::component::Component::new(&engine, EMPTY)?;
    let mut store = wasmtime::Store::new(&engine, ());
    store.set_epoch_deadline(u64::MAX / 2);
    let instance = wasmtime::component::Linker::new(&engine).instantiate(&mut store, &component)?;
    let empty = instance.get_typed_func::<(), ()>(&mut store, "empty")?;
    let mut rounds = Vec::new();
    for _ in 0..ROUNDS {
        let start = ThreadTime::now();
        for _ in 0..PAIRS {
            empty.call(&mut store, ())?;
        }
        rounds.push(start.elapsed());
    }
    Ok(median(&mut rounds))
}

fn median(rounds: &mut [Duration]) -> f64 {
    rounds.sort();
    rounds[rounds.len() / 2].as_nanos() as f64 / f64::from(PAIRS)
}

fn data(payload: &Payload) -> SessionData {
    SessionData { payload: payload.clone(), idle_timeout: 1200, latest_expiry: None, subject: None }
}

/// The store that ships, called as the session service calls it.
struct Component {
    provider: Provider,
}

impl Component {
    async fn insert(&self, key: &SessionKey, payload: &Payload) -> Result<()> {
        self.provider.set_and_release(key, data(payload), None, Condition::None, false).await?;
        Ok(())
    }

    async fn pair(&self, key: &SessionKey, payload: &Payload) -> Result<()> {
        let GetExclusiveOutcome::Found(item, lock_id) = self.provider.get_exclusive(key).await? else {
            bail!("the session is gone or locked");
        };
        black_box(item.data.payload.bytes());
        let stored =
            self.provider.set_and_release(key, data(payload), Some(lock_id.get()), Condition::None, false).await?;
        if !matches!(stored, SetOutcome::Done(_)) {
            bail!("the session was not stored");
        }
        Ok(())
    }
}

/// The same without a component.
fn plain_pair(plain: &PlainMemory, key: &SessionKey, payload: &Payload) -> Result<()> {
    let GetExclusiveOutcome::Found(item, lock_id) = plain.get_exclusive(key)? else {
        bail!("the session is gone or locked");
    };
    black_box(item.data.payload.bytes());
    if !matches!(plain.set_and_release(key, data(payload), Some(lock_id.get()))?, SetOutcome::Done(_)) {
        bail!("the session was not stored");
    }
    Ok(())
}
