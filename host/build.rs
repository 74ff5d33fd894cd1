//! Puts what `cloakroom new` writes into the binary: the templates, the contract and the sources of the SDK.
//!
//! The list of files is made here, so that a file that is added to a template is in the binary without anybody naming
//! it.

use std::{
    env, fs, io,
    path::{Path, PathBuf},
};

/// The folders and files, from the root of the repository.
const EMBEDDED: [&str; 6] =
    ["plugins/templates", "plugins/memory/src", "wit", "plugin-sdk/src", "plugin-sdk/Cargo.toml", "Cargo.toml"];

fn main() -> io::Result<()> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut files = Vec::new();
    for embedded in EMBEDDED {
        println!("cargo::rerun-if-changed={}", root.join(embedded).display());
        collect(&root.join(embedded), &mut files)?;
    }
    files.sort();

    let mut list = String::from("[\n");
    for file in &files {
        let name = file.strip_prefix(&root).map_err(io::Error::other)?;
        list.push_str(&format!("    ({:?}, include_bytes!({:?})),\n", name, file.canonicalize()?));
    }
    list.push_str("]\n");
    let output = env::var_os("OUT_DIR").ok_or_else(|| io::Error::other("cargo sets OUT_DIR"))?;
    fs::write(PathBuf::from(output).join("embedded.rs"), list)
}

fn collect(path: &Path, files: &mut Vec<PathBuf>) -> io::Result<()> {
    if path.is_dir() {
        for entry in fs::read_dir(path)? {
            collect(&entry?.path(), files)?;
        }
    } else {
        files.push(path.to_owned());
    }
    Ok(())
}
