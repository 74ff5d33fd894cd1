//! How long it takes until a host serves, and until a plugin is compiled for the first time.

use std::{
    fs,
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
    path::Path,
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use cloakroom::{
    capabilities::kv::Kv,
    clock::Clock,
    config::{Grants, Limits},
    plugins::Runtime,
};
use harness::{
    addresses::free_addresses,
    host::{binary, plugins_directory},
    state_server::request,
};
use serde_json::json;

use crate::{contest::Rounds, report::Report};

const STARTS: usize = 9;
/// Plugins in a directory that has many.
const MANY: usize = 100;

/// From exec to the first answer, and the first compilation of each plugin that ships.
pub(crate) fn start(report: &mut Report, _: Rounds) -> Result<()> {
    let plugins = plugins_directory()?;
    let few = tempfile::tempdir()?;
    for name in ["memory", "aspnet-id"] {
        fs::copy(plugins.join(format!("{name}.wasm")), few.path().join(format!("{name}.wasm")))?;
    }
    let (cold, warm) = starts(few.path())?;
    println!("\nfrom exec to the first answer: {warm:?} with compiled plugins in the cache, {cold:?} without");

    let many = tempfile::tempdir()?;
    let memory = fs::read(plugins.join("memory.wasm"))?;
    for number in 0..MANY {
        // A section that means nothing makes it another component.
        let mut component = memory.clone();
        component.extend_from_slice(&[0, 5, 4]);
        component.extend_from_slice(format!("{number:04}").as_bytes());
        fs::write(many.path().join(format!("plugin-{number}.wasm")), component)?;
    }
    for entry in fs::read_dir(few.path())? {
        let entry = entry?;
        fs::copy(entry.path(), many.path().join(entry.file_name()))?;
    }
    let (many_cold, many_warm) = starts(many.path())?;
    println!("the same with {MANY} plugins more in the directory: {many_warm:?}, {many_cold:?}");

    let main = || vec!["main".to_owned()];
    let grants = Grants { payload: true, redis: main(), sql: main(), ..Grants::default() };
    let runtime = Runtime::new(Clock::system(), Kv::new(Clock::system()), None)?;
    let mut compiled = serde_json::Map::new();
    let mut files: Vec<_> = fs::read_dir(&plugins)?.collect::<Result<_, _>>()?;
    files.sort_by_key(fs::DirEntry::file_name);
    for file in files.iter().map(fs::DirEntry::path).filter(|file| file.extension().is_some_and(|it| it == "wasm")) {
        let begin = Instant::now();
        runtime.load(&file, grants.clone(), Limits::default())?;
        let (name, taken) = (file.file_stem().context("no name")?.to_string_lossy().into_owned(), begin.elapsed());
        println!("{name:<16} {:>6} KiB of wasm, compiled in {taken:?}", fs::metadata(&file)?.len() / 1024);
        compiled.insert(name, json!(taken.as_secs_f64() * 1e3));
    }
    let ms = |time: Duration| time.as_secs_f64() * 1e3;
    report.add(
        "start",
        json!({
            "cached_ms": ms(warm), "cold_ms": ms(cold), "many_cached_ms": ms(many_warm), "many_cold_ms": ms(many_cold),
            "compile_ms": compiled,
        }),
    );
    Ok(())
}

/// The first start in a fresh data directory, and the middle one of those after it.
fn starts(plugins: &Path) -> Result<(Duration, Duration)> {
    let data = tempfile::tempdir()?;
    let cold = one_start(plugins, data.path())?;
    let mut warm = (0..STARTS).map(|_| one_start(plugins, data.path())).collect::<Result<Vec<_>>>()?;
    warm.sort();
    Ok((cold, warm[STARTS / 2]))
}

fn one_start(plugins: &Path, data: &Path) -> Result<Duration> {
    let [state_server, http] = free_addresses()?;
    let mut command = Command::new(binary()?);
    command.arg("serve").arg("--plugins").arg(plugins).arg("--data").arg(data);
    command.args(["--state-server", &state_server.to_string(), "--http", &http.to_string()]);
    command.current_dir(data).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let begin = Instant::now();
    let mut process = command.spawn()?;
    let answered = first_answer(state_server, begin);
    process.kill()?;
    process.wait()?;
    answered
}

fn first_answer(address: SocketAddr, begin: Instant) -> Result<Duration> {
    let mut stream = loop {
        match TcpStream::connect(address) {
            Ok(stream) => break stream,
            Err(error) => ensure!(begin.elapsed() < Duration::from_secs(120), "it does not serve: {error}"),
        }
        thread::sleep(Duration::from_micros(200));
    };
    stream.write_all(&request::get("/bench(1)/nobody"))?;
    ensure!(stream.read(&mut [0; 512])? > 0, "no answer");
    Ok(begin.elapsed())
}
