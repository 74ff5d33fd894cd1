//! The project that `cloakroom new` writes, put together from what is in the binary: a template, the contract, and for
//! Rust the SDK, so that the project needs nothing of this repository.

use std::{
    collections::BTreeMap,
    fmt, fs, io,
    path::{Path, PathBuf},
};

use anyhow::Context;
use clap::ValueEnum;
use toml::{Table, Value};

/// Everything that `build.rs` found, by its path in the repository.
static EMBEDDED: &[(&str, &[u8])] = &include!(concat!(env!("OUT_DIR"), "/embedded.rs"));

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
        let templates = format!("plugins/templates/{}", language.folder());
        project.add(&format!("{templates}/common"), "");
        project.add(&format!("{templates}/{}", kind.folder()), "");
        // The digest that a test of this repository compares.
        project.files.remove(Path::new("bindings/made-from"));
        let readme = project.files.get_mut(Path::new("README.md")).context("no README.md")?;
        readme.extend_from_slice(embedded(&format!("plugins/templates/usage/{}.md", kind.folder()))?);
        if language == Language::Rust {
            if kind == Kind::Provider {
                // The store that ships is the example to copy.
                project.add("plugins/memory/src", "src");
            }
            project.add("plugin-sdk/src", "vendor/plugin-sdk/src");
            project.files.insert("vendor/plugin-sdk/Cargo.toml".into(), sdk_manifest()?.into_bytes());
            project.add("wit", "vendor/wit");
        } else {
            project.add("wit", "wit/deps/session");
        }
        project.rename(name, kind);
        Ok(project)
    }

    /// Adds the files of a folder of the repository.
    fn add(&mut self, from: &str, to: &str) {
        let from = Path::new(from);
        for (path, content) in EMBEDDED {
            if let Ok(path) = Path::new(path).strip_prefix(from) {
                self.files.insert(Path::new(to).join(path), content.to_vec());
            }
        }
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

/// The SDK's `Cargo.toml`, with what it takes from the workspace written out.
fn sdk_manifest() -> anyhow::Result<String> {
    let mut manifest = table("plugin-sdk/Cargo.toml")?;
    let workspace = table("Cargo.toml")?;
    let workspace = workspace.get("workspace").and_then(Value::as_table).context("Cargo.toml is of no workspace")?;
    // The lints are for who changes the SDK.
    manifest.remove("lints");
    for (section, shared) in [("package", "package"), ("dependencies", "dependencies")] {
        let shared = workspace.get(shared).and_then(Value::as_table).context("the workspace shares nothing")?;
        let Some(section) = manifest.get_mut(section).and_then(Value::as_table_mut) else { continue };
        for (key, value) in section.iter_mut() {
            if value.get("workspace") == Some(&Value::Boolean(true)) {
                *value = shared.get(key).with_context(|| format!("the workspace has no `{key}`"))?.clone();
            }
        }
    }
    Ok(toml::to_string(&manifest)?)
}

/// An embedded TOML file.
fn table(path: &str) -> anyhow::Result<Table> {
    Ok(toml::from_str(std::str::from_utf8(embedded(path)?)?)?)
}

fn embedded(path: &str) -> anyhow::Result<&'static [u8]> {
    let found = EMBEDDED.iter().find(|(name, _)| *name == path);
    found.map(|(_, content)| *content).with_context(|| format!("the binary was built without {path}"))
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
    fn the_sdk_in_a_project_depends_on_no_workspace() {
        let manifest: Table = sdk_manifest().unwrap().parse().unwrap();
        assert_eq!(manifest["package"]["version"].as_str(), Some(env!("CARGO_PKG_VERSION")));
        assert!(manifest["dependencies"]["wit-bindgen"]["version"].is_str());
        assert!(!sdk_manifest().unwrap().contains("workspace"));
    }
}
