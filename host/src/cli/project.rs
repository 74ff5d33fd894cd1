//! The project that `cloakroom new` writes, put together from what is in the binary: a template, the contract, and for
//! Rust the SDK, so that the project needs nothing of this repository.

use std::{
    collections::BTreeMap,
    fmt, fs, io,
    path::{Path, PathBuf},
};

use anyhow::Context;
use clap::ValueEnum;
use include_dir::{Dir, include_dir};
use toml::{Table, Value};

static TEMPLATES: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/../plugins/templates");
static CONTRACT: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/../wit");
static SDK: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/../plugin-sdk/src");
static MEMORY: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/../plugins/memory/src");

const SDK_MANIFEST: &str = include_str!("../../../plugin-sdk/Cargo.toml");
const WORKSPACE_MANIFEST: &str = include_str!("../../../Cargo.toml");

/// What stands in the templates where the plugin's name belongs, and where its kind does.
const NAME: &str = "my-plugin";
const KIND: &str = "my-kind";

/// The languages with a template.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Language {
    /// Rust, with the SDK
    Rust,
    /// C
    C,
    /// JavaScript, on QuickJS
    Js,
    /// Python, on CPython
    Python,
}

/// The kinds of plugin with a template.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Kind {
    /// A session store
    Provider,
    /// A generator of session IDs
    IdManager,
    /// A handler of Session_Start and Session_End
    Events,
}

/// The files of a new project.
pub(super) struct Project {
    /// By their path in the project.
    files: BTreeMap<PathBuf, Vec<u8>>,
}

impl Project {
    /// Puts the files together.
    pub(super) fn new(language: Language, kind: Kind, name: &str) -> anyhow::Result<Self> {
        let mut project = Self { files: BTreeMap::new() };
        let template = TEMPLATES.get_dir(language.folder()).context("the binary was built without this language")?;
        let part = |name: &str| {
            let path = template.path().join(name);
            template.get_dir(&path).with_context(|| format!("the binary was built without {}", path.display()))
        };
        project.add(part("common")?, "")?;
        if (language, kind) == (Language::Rust, Kind::Provider) {
            // The store that ships is the example to copy.
            project.add(&MEMORY, "src")?;
        } else {
            project.add(part(kind.folder())?, "")?;
        }
        // The digest that a test of this repository compares.
        project.files.remove(Path::new("bindings/made-from"));
        let usage = format!("usage/{}.md", kind.folder());
        let usage = TEMPLATES.get_file(&usage).with_context(|| format!("the binary was built without {usage}"))?;
        let readme = project.files.get_mut(Path::new("README.md")).context("the template has no README.md")?;
        readme.extend_from_slice(usage.contents());
        if language == Language::Rust {
            project.add(&SDK, "vendor/plugin-sdk/src")?;
            project.files.insert("vendor/plugin-sdk/Cargo.toml".into(), sdk_manifest()?.into_bytes());
            project.add(&CONTRACT, "vendor/wit")?;
        } else {
            project.add(&CONTRACT, "wit/deps/session")?;
        }
        project.rename(name, kind);
        Ok(project)
    }

    /// Adds all files of a folder.
    fn add(&mut self, folder: &Dir<'_>, to: &str) -> anyhow::Result<()> {
        for (path, content) in files(folder) {
            self.files.insert(Path::new(to).join(path.strip_prefix(folder.path())?), content.to_vec());
        }
        Ok(())
    }

    /// Gives the plugin its name. What is vendored has none of it, and what is not text neither.
    fn rename(&mut self, name: &str, kind: Kind) {
        for (path, content) in &mut self.files {
            if path.starts_with("vendor") || path.starts_with("wit/deps") {
                continue;
            }
            if let Ok(text) = std::str::from_utf8(content) {
                // The store that ships calls itself `memory`.
                let text = text.replace("\"memory \"", &format!("\"{name} \"")).replace(NAME, name);
                *content = text.replace(KIND, &kind.to_string()).into_bytes();
            }
        }
    }

    /// Writes the project into a folder that does not exist yet.
    pub(super) fn write(&self, folder: &Path) -> anyhow::Result<()> {
        fs::create_dir(folder).with_context(|| format!("the folder `{}` cannot be made", folder.display()))?;
        for (path, content) in &self.files {
            let path = folder.join(path);
            write_file(&path, content).with_context(|| format!("`{}` cannot be written", path.display()))?;
        }
        Ok(())
    }
}

fn write_file(path: &Path, content: &[u8]) -> io::Result<()> {
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent)?;
    }
    fs::write(path, content)?;
    if content.starts_with(b"#!") {
        make_executable(path)?;
    }
    Ok(())
}

#[cfg(unix)]
fn make_executable(path: &Path) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    let mut permissions = fs::metadata(path)?.permissions();
    // For all who may read it.
    permissions.set_mode(permissions.mode() | ((permissions.mode() & 0o444) >> 2));
    fs::set_permissions(path, permissions)
}

#[cfg(not(unix))]
fn make_executable(_path: &Path) -> io::Result<()> {
    Ok(())
}

/// All files of a folder and of those in it.
fn files<'a>(folder: &'a Dir<'a>) -> Vec<(&'a Path, &'a [u8])> {
    let own = folder.files().map(|file| (file.path(), file.contents()));
    own.chain(folder.dirs().flat_map(files)).collect()
}

/// The SDK's `Cargo.toml`, with what it takes from the workspace written out.
fn sdk_manifest() -> anyhow::Result<String> {
    let mut manifest: Table = SDK_MANIFEST.parse()?;
    let workspace: Table = WORKSPACE_MANIFEST.parse()?;
    let workspace = workspace.get("workspace").and_then(Value::as_table).context("Cargo.toml is of no workspace")?;
    // The lints are for who changes the SDK.
    manifest.remove("lints");
    for name in ["package", "dependencies"] {
        let shared = workspace.get(name).and_then(Value::as_table).context("the workspace shares nothing")?;
        let Some(section) = manifest.get_mut(name).and_then(Value::as_table_mut) else { continue };
        for (key, value) in section.iter_mut() {
            if value.get("workspace") == Some(&Value::Boolean(true)) {
                *value = shared.get(key).with_context(|| format!("the workspace has no `{key}`"))?.clone();
            }
        }
    }
    Ok(toml::to_string(&manifest)?)
}

impl Language {
    fn folder(self) -> &'static str {
        match self {
            Self::Rust => "rust",
            Self::C => "c",
            Self::Js => "js",
            Self::Python => "python",
        }
    }
}

impl Kind {
    fn folder(self) -> &'static str {
        match self {
            Self::Provider => "provider",
            Self::IdManager => "id-manager",
            Self::Events => "events",
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Provider => "session store",
            Self::IdManager => "generator of session IDs",
            Self::Events => "handler of session events",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn project(language: Language, kind: Kind) -> Project {
        Project::new(language, kind, "tape-drive").unwrap()
    }

    fn text<'a>(project: &'a Project, path: &str) -> &'a str {
        std::str::from_utf8(&project.files[Path::new(path)]).unwrap()
    }

    #[test]
    fn every_project_has_a_build_script_a_readme_sources_and_the_contract() {
        for language in Language::value_variants() {
            for kind in Kind::value_variants() {
                let project = project(*language, *kind);
                let has = |part: &str| project.files.keys().any(|path| path.to_string_lossy().contains(part));
                for part in ["build", "README.md", "src/", "provider.wit", ".gitignore"] {
                    assert!(has(part), "{language:?} {kind:?} has no {part}");
                }
                assert!(text(&project, "build").starts_with("#!"));
            }
        }
    }

    #[test]
    fn the_name_stands_wherever_the_placeholder_stood() {
        for language in Language::value_variants() {
            for kind in Kind::value_variants() {
                let project = project(*language, *kind);
                assert!(text(&project, "build").contains("tape-drive.wasm"));
                for (path, content) in &project.files {
                    let text = String::from_utf8_lossy(content);
                    assert!(
                        path.starts_with("vendor") || !(text.contains(NAME) || text.contains(KIND)),
                        "{language:?}: {path:?}"
                    );
                }
            }
        }
        let rust = project(Language::Rust, Kind::Provider);
        assert!(text(&rust, "src/operations.rs").contains("concat!(\"tape-drive \""));
    }

    #[test]
    fn every_file_of_the_templates_is_in_the_binary() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        for (folder, embedded) in [
            ("plugins/templates", &TEMPLATES),
            ("wit", &CONTRACT),
            ("plugin-sdk/src", &SDK),
            ("plugins/memory/src", &MEMORY),
        ] {
            let embedded: Vec<_> = files(embedded).into_iter().map(|(path, _)| path).collect();
            let mut folders = vec![root.join(folder)];
            while let Some(next) = folders.pop() {
                for entry in fs::read_dir(next).unwrap() {
                    let path = entry.unwrap().path();
                    if path.is_dir() {
                        folders.push(path);
                    } else {
                        let name = path.strip_prefix(root.join(folder)).unwrap();
                        // Then it came after the build: touch this file, and build again.
                        assert!(embedded.contains(&name), "{} is not in the binary", path.display());
                    }
                }
            }
        }
    }

    #[test]
    fn the_sdk_in_a_project_depends_on_no_workspace() {
        let manifest: Table = sdk_manifest().unwrap().parse().unwrap();
        assert_eq!(manifest["package"]["version"].as_str(), Some(env!("CARGO_PKG_VERSION")));
        assert!(manifest["dependencies"]["wit-bindgen"]["version"].is_str());
        assert!(!sdk_manifest().unwrap().contains("workspace"));
    }
}
