//! `cloakroom inspect`: what a component is and asks for.

use std::{path::PathBuf, process::ExitCode};

use cloakroom::{
    capabilities::kv::Kv,
    clock::Clock,
    contract::{CONTRACT_PACKAGE, CONTRACT_VERSION},
    plugins::Runtime,
};

/// Tell what a component is, what it asks for, its size and its digest; nothing of it runs
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The component
    #[arg(value_name = "FILE.wasm")]
    component: PathBuf,
    /// Print only the grant file that it would need, to be written to NAME.toml beside it
    #[arg(long)]
    grants: bool,
}

pub(super) fn run(args: Args) -> anyhow::Result<ExitCode> {
    let clock = Clock::system();
    let kv = Kv::new(clock.clone());
    let runtime = Runtime::new(clock, kv, None)?;
    let found = runtime.describe(&args.component)?;
    let grants = found.grant_file();
    if args.grants {
        println!("{}", grants.join("\n"));
        return Ok(ExitCode::SUCCESS);
    }
    println!("file       {}", found.file.display());
    println!("kind       {}", found.kinds_text());
    println!("contract   {CONTRACT_PACKAGE}@{CONTRACT_VERSION}");
    println!("optional   {}", or_none(&found.optional));
    println!("size       {} bytes", found.size);
    println!("digest     {}", found.digest);
    println!("imports    {}", or_none(&found.imports));
    println!("grants     {}", or_none(&found.grants_needed()));
    println!("\n# Its grant file, {}.toml (`cloakroom inspect --grants` prints only this):", found.name);
    println!("{}", grants.join("\n"));
    Ok(ExitCode::SUCCESS)
}

fn or_none(list: &[String]) -> String {
    if list.is_empty() { "none".to_owned() } else { list.join("\n           ") }
}
