//! `cloakroom new`: begins a plugin as a copy of a template.

use std::{
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::{Context, bail, ensure};

use super::project::{Kind, Language, Project};

/// The longest name, so that files named after it fit into every file system.
const LONGEST_NAME: usize = 64;

/// Begin a plugin: a project that builds with one command and passes `cloakroom check` as it is
///
/// The project stands by itself. What it takes to build it is said in its README.md and in its script `build`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The language to write it in
    #[arg(long = "lang", value_name = "LANGUAGE")]
    language: Language,
    /// What it is to be
    #[arg(long, value_name = "KIND", default_value = "provider")]
    kind: Kind,
    /// Its name, which is also that of the folder to make; or a path whose last part is the name
    #[arg(value_name = "NAME")]
    folder: PathBuf,
}

pub(super) fn run(args: Args) -> anyhow::Result<ExitCode> {
    let name = name(&args.folder)?;
    let parent = args.folder.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    ensure!(parent.is_dir(), "there is no folder `{}` to put `{name}` into; make it first", parent.display());
    // Also a broken link is something.
    ensure!(
        args.folder.symlink_metadata().is_err(),
        "`{}` exists already, and nothing in it was touched; choose another name, or move it away",
        args.folder.display()
    );
    let project = Project::new(args.language, args.kind, name)?;
    project.write(&args.folder)?;
    println!("{}", next_steps(&args.folder, name, args.kind));
    Ok(ExitCode::SUCCESS)
}

/// The name of the plugin that is to live in this folder. It becomes the name of a file, of a package and, in the
/// configuration, of a provider, so it may have what is allowed in all of them.
fn name(folder: &Path) -> anyhow::Result<&str> {
    let name = folder.file_name().with_context(|| format!("`{}` does not end in a name", folder.display()))?;
    let name = name.to_str().with_context(|| format!("the name in `{}` is not UTF-8", folder.display()))?;
    ensure!(name.len() <= LONGEST_NAME, "the name `{name}` is longer than {LONGEST_NAME} characters");
    let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    if let Some(wrong) = name.chars().find(|c| !allowed(*c)) {
        bail!(
            "`{wrong}` cannot be in a plugin's name (`{name}`); use small letters a-z, digits and `-`, as in `my-store`"
        );
    }
    ensure!(
        name.starts_with(|c: char| c.is_ascii_lowercase()),
        "a plugin's name begins with a letter a-z, and `{name}` does not"
    );
    ensure!(
        !name.ends_with('-') && !name.contains("--"),
        "in a plugin's name a `-` stands between two letters or digits, and not so in `{name}`"
    );
    Ok(name)
}

fn next_steps(folder: &Path, name: &str, kind: Kind) -> String {
    let folder = folder.display();
    let mut steps = format!("{folder} is a {kind} that works. Change it, and:\n\n  {folder}/build\n");
    if kind == Kind::Events {
        steps.push_str(&format!("  cloakroom inspect {folder}/{name}.wasm\n"));
    } else {
        steps.push_str(&format!("  cloakroom check {folder}/{name}.wasm\n"));
    }
    steps.push_str(&format!("\n{folder}/README.md says how to use it."));
    steps
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(folder: &str) -> String {
        name(Path::new(folder)).unwrap_err().to_string()
    }

    #[test]
    fn the_name_is_the_last_part_of_the_folder() {
        assert_eq!(name(Path::new("my-store")).unwrap(), "my-store");
        assert_eq!(name(Path::new("plugins/s3")).unwrap(), "s3");
        assert_eq!(name(Path::new("plugins/my-store/")).unwrap(), "my-store");
    }

    #[test]
    fn a_name_that_would_not_do_everywhere_is_refused_with_what_is_wrong() {
        assert!(refusal("MyStore").contains("`M` cannot be in a plugin's name (`MyStore`)"));
        assert!(refusal("my_store").contains("`_` cannot be"));
        assert!(refusal("mein speicher").contains("` ` cannot be"));
        assert!(refusal("3store").contains("begins with a letter"));
        assert!(refusal("-store").contains("begins with a letter"));
        assert!(refusal("store-").contains("between two letters"));
        assert!(refusal("my--store").contains("between two letters"));
        assert!(refusal("..").contains("does not end in a name"));
        assert!(refusal(&"a".repeat(65)).contains("longer than 64"));
    }
}
