//! `cloakroom sign`: signs components, and makes the keys for it.

use std::{
    fs::{self, OpenOptions},
    io::{self, Write as _},
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::Context as _;
use cloakroom::signature::{SecretKey, Signatures, file_beside};

/// Sign a component, so that hosts with `plugins.trusted_keys` load it; or make a key for that
///
/// The signature goes to FILE.wasm.sig, which belongs beside FILE.wasm wherever that goes. Signatures of this build by
/// other keys stay in it.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The component
    #[arg(value_name = "FILE.wasm", requires = "key", required_unless_present = "new_key")]
    component: Option<PathBuf>,
    /// The file with the secret key
    #[arg(long, value_name = "KEYFILE", requires = "component")]
    key: Option<PathBuf>,
    /// Make a new key: the secret half goes into FILE, the public one is printed
    #[arg(long, value_name = "FILE", conflicts_with_all = ["component", "key"])]
    new_key: Option<PathBuf>,
}

pub(super) fn run(args: Args) -> anyhow::Result<ExitCode> {
    if let Some(file) = args.new_key {
        new_key(&file)?;
    }
    if let (Some(component), Some(key)) = (args.component, args.key) {
        sign(&component, &key)?;
    }
    Ok(ExitCode::SUCCESS)
}

fn new_key(file: &Path) -> anyhow::Result<()> {
    let key = SecretKey::new().context("the system has no random numbers")?;
    let created = OpenOptions::new().write(true).create_new(true).mode(0o600).open(file);
    let mut created = created.with_context(|| {
        format!("cannot create `{}`; if it exists already, it may be a key that is in use", file.display())
    })?;
    created.write_all(key.to_text().as_bytes()).with_context(|| format!("cannot write `{}`", file.display()))?;
    println!("{}", key.public());
    eprintln!(
        "The secret half is in `{}`; keep it from everybody. Hosts that shall load what it signs need:\n[plugins]\n\
         trusted_keys = [\"{}\"]",
        file.display(),
        key.public()
    );
    Ok(())
}

fn sign(component: &Path, key: &Path) -> anyhow::Result<()> {
    let text = fs::read_to_string(key).with_context(|| format!("cannot read the key `{}`", key.display()))?;
    let key: SecretKey = text.parse().with_context(|| format!("`{}`", key.display()))?;
    let content = fs::read(component).with_context(|| format!("cannot read `{}`", component.display()))?;
    let file = file_beside(component);
    let before = match fs::read(&file) {
        Ok(before) => Signatures::read(&before).with_context(|| format!("`{}`", file.display()))?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => Signatures::default(),
        Err(error) => return Err(error).with_context(|| format!("cannot read `{}`", file.display())),
    };
    let signatures = before.with(&content, &key).to_string();
    // Renamed into place, because a host may be watching.
    let new = file.with_extension("sig.new");
    fs::write(&new, signatures).with_context(|| format!("cannot write `{}`", new.display()))?;
    fs::rename(&new, &file).with_context(|| format!("cannot rename `{}`", new.display()))?;
    println!("{} is signed by {}: {}", component.display(), key.public(), file.display());
    Ok(())
}
