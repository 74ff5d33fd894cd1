//! `cloakroom dev`: from a saved source file to the plugin serving, without a hand.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    process::{Command, ExitCode},
    sync::mpsc::{self, RecvTimeoutError},
    thread,
    time::{Duration, Instant, SystemTime},
};

use anyhow::{Context as _, bail, ensure};
use cloakroom::conformance::{self, Judging, Report};
use hyper::Method;
use notify::{RecursiveMode, Watcher as _};
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use super::{check, running_host::RunningHost, setting::setting};

/// How long nothing must have changed before a build begins: editors write files in several steps.
const SETTLED: Duration = Duration::from_millis(200);
/// Time between two looks where the system reports no changes.
const POLL: Duration = Duration::from_secs(2);
/// How long a running host may take to take a build on.
const PATIENCE: Duration = Duration::from_secs(15);

/// Build a plugin at every change of its sources, check it, and hand it to a running host
///
/// The folder is one that `cloakroom new` made, or any with a script `build` that makes NAME.wasm in it, NAME being the
/// folder's. A build that breaks a rule of the contract is not handed over.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The plugin's folder
    #[arg(value_name = "DIR")]
    folder: PathBuf,
    /// The running host's directory of plugins
    #[arg(long, value_name = "DIR", default_value = "plugins")]
    into: PathBuf,
    #[command(flatten)]
    host: RunningHost,
    /// A setting for the checks; can be given several times
    #[arg(long = "setting", value_name = "NAME=VALUE", value_parser = setting)]
    settings: Vec<(String, String)>,
    /// Hand every build over, whatever it does
    #[arg(long)]
    unchecked: bool,
    /// Build, check and hand over once, and end; fails if any of that does
    #[arg(long)]
    once: bool,
}

pub(super) fn run(args: Args) -> anyhow::Result<ExitCode> {
    let project = Project::open(&args)?;
    if args.once {
        return Ok(if project.deliver(&args)? { ExitCode::SUCCESS } else { ExitCode::FAILURE });
    }
    let (changes, changed) = mpsc::channel();
    let mut watcher = notify::recommended_watcher(move |_| {
        // Once nobody listens any more there is nothing to tell.
        let _ = changes.send(());
    })
    .context("changes of files cannot be watched")?;
    watcher
        .watch(&project.folder, RecursiveMode::Recursive)
        .with_context(|| format!("{} cannot be watched", project.folder.display()))?;
    let mut built = None;
    loop {
        let sources = project.sources()?;
        if built.as_ref() != Some(&sources) {
            if let Err(error) = project.deliver(&args) {
                eprintln!("cloakroom: {error:#}");
            }
            println!("waiting for changes in {}", project.folder.display());
            // What the build itself wrote is no change, and what was written meanwhile is one.
            built = Some(sources);
        }
        match changed.recv_timeout(POLL) {
            Ok(()) => while changed.recv_timeout(SETTLED).is_ok() {},
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => bail!("changes of files are not reported any more"),
        }
    }
}

/// A plugin's folder.
struct Project {
    folder: PathBuf,
    name: String,
}

impl Project {
    fn open(args: &Args) -> anyhow::Result<Self> {
        let folder = args.folder.canonicalize();
        let folder = folder.with_context(|| format!("there is no folder {}", args.folder.display()))?;
        ensure!(
            folder.join("build").is_file(),
            "{} has no script `build` that makes the component; `cloakroom new` makes a folder with one",
            folder.display()
        );
        ensure!(
            args.into.is_dir(),
            "{} is no directory of plugins; say with --into where the running host has its own",
            args.into.display()
        );
        let name = folder.file_name().and_then(|name| name.to_str());
        let name = name.with_context(|| format!("{} has no name that a plugin can have", folder.display()))?.to_owned();
        Ok(Self { folder, name })
    }

    fn component(&self) -> PathBuf {
        self.folder.join(&self.name).with_extension("wasm")
    }

    /// Builds, checks and hands over. Whether a host or a directory has it now; what was wrong has been printed.
    fn deliver(&self, args: &Args) -> anyhow::Result<bool> {
        println!("building {}", self.name);
        let built = Command::new(self.folder.join("build")).current_dir(&self.folder).status();
        let status = built.with_context(|| format!("{}/build cannot be run", self.folder.display()))?;
        if !status.success() {
            println!("the build failed ({status}); the plugin that serves is left as it is");
            return Ok(false);
        }
        let component =
            fs::read(self.component()).with_context(|| format!("the build made no {}", self.component().display()))?;
        if !args.unchecked && !self.conforms(args)? {
            return Ok(false);
        }
        self.hand_over(&component, args)
    }

    fn conforms(&self, args: &Args) -> anyhow::Result<bool> {
        let judging = Judging {
            component: self.component(),
            settings: args.settings.iter().cloned().collect::<BTreeMap<_, _>>(),
            ..Judging::default()
        };
        let report: Report = check::threads()?.block_on(conformance::judge(&judging))?;
        if report.conforms() {
            println!("{}", report.to_string().lines().last().unwrap_or_default());
            return Ok(true);
        }
        println!("{report}\nit breaks the contract, and is not handed over; the plugin that serves is left as it is");
        Ok(false)
    }

    /// Puts the build into the directory of plugins and asks the host what became of it.
    fn hand_over(&self, component: &[u8], args: &Args) -> anyhow::Result<bool> {
        let target = args.into.join(&self.name).with_extension("wasm");
        let grants = self.component().with_extension("toml");
        if grants.exists() && !target.with_extension("toml").exists() {
            // What the author tried it with; the operator's own file is left alone.
            fs::copy(&grants, target.with_extension("toml"))
                .with_context(|| format!("{} cannot be copied into {}", grants.display(), args.into.display()))?;
        }
        let hidden = args.into.join(format!(".{}.new", self.name));
        fs::write(&hidden, component)
            .and_then(|()| fs::rename(&hidden, &target))
            .with_context(|| format!("{} cannot be written", target.display()))?;
        let digest = format!("sha256:{}", hex::encode(Sha256::digest(component)));
        let deadline = Instant::now() + PATIENCE;
        loop {
            let plugins: Value = match args.host.ask(Method::GET, "/v1/plugins") {
                Ok(plugins) => plugins,
                Err(error) => {
                    println!("{} is in place; whether a host uses it cannot be told: {error:#}", target.display());
                    return Ok(true);
                }
            };
            let plugins = plugins.get("plugins").and_then(Value::as_array).into_iter().flatten();
            let said = |plugin: &Value, what| plugin.get(what).and_then(Value::as_str).map(str::to_owned);
            if let Some(plugin) = plugins.into_iter().find(|it| said(it, "name").as_ref() == Some(&self.name)) {
                if said(plugin, "digest").as_ref() == Some(&digest) {
                    println!("{} is {}", self.name, said(plugin, "state").unwrap_or_default());
                    return Ok(true);
                }
                if let Some(why) = said(plugin, "refused") {
                    println!("the host does not use it: {why}");
                    return Ok(false);
                }
            }
            if Instant::now() > deadline {
                println!("the host has not taken it on within {PATIENCE:?}; is {} its directory?", args.into.display());
                return Ok(false);
            }
            thread::sleep(SETTLED);
        }
    }

    /// What the sources look like now.
    fn sources(&self) -> anyhow::Result<BTreeMap<PathBuf, (u64, SystemTime)>> {
        let mut found = BTreeMap::new();
        look(&self.folder, &mut found).with_context(|| format!("{} cannot be read", self.folder.display()))?;
        Ok(found)
    }
}

/// Adds the files below a folder: all but what builds make.
fn look(folder: &Path, found: &mut BTreeMap<PathBuf, (u64, SystemTime)>) -> std::io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let (path, name) = (entry.path(), entry.file_name());
        let name = name.to_string_lossy();
        // A file may be gone by now: editors work with short-lived ones.
        let Ok(metadata) = entry.metadata() else { continue };
        if metadata.is_dir() {
            let is_made = name.starts_with('.') || matches!(name.as_ref(), "target" | "node_modules" | "__pycache__");
            if !is_made {
                look(&path, found)?;
            }
        } else if !(name.ends_with(".wasm") || name.ends_with(".lock") || name == "package-lock.json") {
            found.insert(path, (metadata.len(), metadata.modified()?));
        }
    }
    Ok(())
}
