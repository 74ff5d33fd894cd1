//! Every kind of plugin that the SDK can make: what `cloakroom inspect` says of it, and that a host loads it.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result, ensure};
use harness::{
    Host,
    host::{binary, fixtures_directory, plugins_directory},
    http::Request,
};
use wasmtime::{
    Engine, Store,
    component::{Component, ComponentType, Lift, Linker},
};

/// Each component: its name, its kind, its optional interfaces.
const COMPONENTS: &[(&str, &str, &[&str])] = &[
    ("memory", "provider", &["session-index", "session-scan", "session-rename"]),
    ("aspnet-id", "id-manager", &[]),
    ("failing-provider", "provider", &["state-transfer"]),
    ("session-log", "session-events", &[]),
    ("compress", "provider", &["expiry-filter", "session-index", "session-rename", "session-scan"]),
    ("encrypt", "provider", &["expiry-filter", "session-index", "session-scan"]),
    ("hash-partitions", "partition-resolver", &[]),
];

fn component(name: &str) -> Result<PathBuf> {
    let file = format!("{name}.wasm");
    let places = [plugins_directory()?.join(&file), fixtures_directory()?.join(&file)];
    places.into_iter().find(|place| place.exists()).with_context(|| format!("no {file}; `make test` builds it"))
}

fn inspect(file: &Path) -> Result<String> {
    let output = Command::new(binary()?).arg("inspect").arg(file).output()?;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Ok(String::from_utf8(output.stdout)?)
}

/// The values of a field, one a line.
fn field<'t>(text: &'t str, name: &str) -> Vec<&'t str> {
    let lines = text.lines().skip_while(|line| line.split_whitespace().next() != Some(name));
    let (first, more) = (lines.clone().next(), lines.skip(1).take_while(|line| line.starts_with(' ')));
    first.and_then(|line| line.strip_prefix(name)).into_iter().chain(more).map(str::trim).collect()
}

#[test]
fn every_kind_of_plugin_is_recognised_by_what_it_exports() -> Result<()> {
    for (name, kind, optional) in COMPONENTS {
        let file = component(name)?;
        let text = inspect(&file)?;
        ensure!(field(&text, "kind") == [*kind], "{text}");
        ensure!(field(&text, "contract") == ["cloakroom:session@0.1.0"], "{text}");
        let mut told = field(&text, "optional");
        told.sort_unstable();
        let mut expected = if optional.is_empty() { vec!["none"] } else { optional.to_vec() };
        expected.sort_unstable();
        ensure!(told == expected, "{text}");
        ensure!(field(&text, "size") == [format!("{} bytes", fs::metadata(&file)?.len())], "{text}");
        let reads_payloads = ["compress", "encrypt"].contains(name);
        ensure!(field(&text, "grants") == [if reads_payloads { "payload = true" } else { "none" }], "{text}");
    }
    Ok(())
}

#[test]
fn a_component_imports_what_it_uses_and_nothing_else() -> Result<()> {
    let of_contract = |names: &[&str]| names.iter().map(|name| format!("cloakroom:session/{name}@0.1.0")).collect();
    let expected: [(&str, Vec<String>); 2] =
        [("session-log", of_contract(&["payloads", "types", "log"])), ("hash-partitions", of_contract(&["types"]))];
    for (name, imports) in expected {
        let text = inspect(&component(name)?)?;
        ensure!(field(&text, "imports") == imports, "{text}");
    }
    Ok(())
}

#[test]
fn a_host_loads_every_kind_of_plugin() -> Result<()> {
    let plugins = tempfile::tempdir()?;
    for (name, ..) in COMPONENTS {
        fs::copy(component(name)?, plugins.path().join(format!("{name}.wasm")))?;
        fs::write(plugins.path().join(format!("{name}.toml")), "payload = true\n")?;
    }
    let host = Host::start(&format!("[plugins]\ndirectory = {:?}", plugins.path()))?;
    let answer = Request::new("GET", "/v1/plugins").send(host.http())?.json()?;
    let listed = answer["plugins"].as_array().context("no list of plugins")?;
    for (name, kind, _) in COMPONENTS {
        let known = listed.iter().any(|plugin| plugin["name"] == *name && plugin["kind"] == *kind);
        ensure!(known, "no {kind} {name} in {answer}");
    }
    Ok(())
}

/// The contract's `error`, as far as a resolver answers with it.
#[derive(ComponentType, Lift, Debug, PartialEq)]
#[component(variant)]
enum Error {
    #[component(name = "invalid-argument")]
    InvalidArgument(String),
    #[component(name = "unavailable")]
    Unavailable(String),
    #[component(name = "timeout")]
    Timeout(String),
    #[component(name = "limit-exceeded")]
    LimitExceeded(String),
    #[component(name = "other")]
    Other(String),
}

/// A resolver that is called as a host would call it, since the present one loads resolvers and has no use for them yet.
#[test]
fn a_resolver_made_with_the_sdk_answers_calls() -> Result<()> {
    type Settings = Vec<(String, String)>;
    let engine = Engine::default();
    let compiled = Component::from_file(&engine, component("hash-partitions")?)?;
    let mut linker = Linker::new(&engine);
    linker.instance("cloakroom:session/types@0.1.0")?;
    let mut store = Store::new(&engine, ());
    let instance = linker.instantiate(&mut store, &compiled)?;
    let interface = compiled
        .get_export_index(None, "cloakroom:session/partition-resolver@0.1.0")
        .context("the interface is not exported")?;
    let function = |name| compiled.get_export_index(Some(&interface), name).context("a function is missing");
    let (initialize, resolve) = (function("initialize")?, function("resolve")?);
    let initialize = instance.get_typed_func::<(String, Settings), (Result<(), Error>,)>(&mut store, initialize)?;
    let resolve = instance.get_typed_func::<(String,), (Result<String, Error>,)>(&mut store, resolve)?;

    let (early,) = resolve.call(&mut store, ("a".to_owned(),))?;
    ensure!(matches!(&early, Err(Error::Other(text)) if text.contains("before `initialize`")), "{early:?}");
    let (refused,) = initialize.call(&mut store, ("carts".to_owned(), Vec::new()))?;
    ensure!(matches!(&refused, Err(Error::InvalidArgument(text)) if text.contains("`partitions`")), "{refused:?}");
    let settings = vec![("partitions".to_owned(), "east, west".to_owned())];
    let (initialized,) = initialize.call(&mut store, ("carts".to_owned(), settings))?;
    ensure!(initialized == Ok(()), "{initialized:?}");
    let mut resolve_all = || -> Result<Vec<String>> {
        (0..32)
            .map(|number| {
                let (partition,) = resolve.call(&mut store, (format!("session {number}"),))?;
                partition.map_err(|error| anyhow::anyhow!("{error:?}"))
            })
            .collect()
    };
    let partitions = resolve_all()?;
    ensure!(partitions.iter().any(|name| name == "east") && partitions.iter().any(|name| name == "west"));
    ensure!(resolve_all()? == partitions, "the same IDs are in other partitions");
    Ok(())
}
