//! From files and the command line to a [`Config`] or [`Grants`].

use std::{fs, io, path::Path};

use super::{
    document::Document, findings::Findings, grants, model::Config, model::Grants, model::Limits, overrides::Overrides,
    problem::ConfigError, validate,
};

impl Config {
    /// The configuration of a file, or the defaults where there is none, and what the command line says instead.
    pub fn load(file: Option<&Path>, overrides: &Overrides) -> Result<Self, ConfigError> {
        let Some(file) = file else { return Self::from_toml("the defaults", Path::new(""), "", overrides) };
        let text = read(file)?;
        Self::from_toml(&file.display().to_string(), directory_of(file), &text, overrides)
    }

    /// The configuration in a text. `source` is what messages call it, `directory` what relative paths in it are
    /// relative to.
    pub fn from_toml(source: &str, directory: &Path, text: &str, overrides: &Overrides) -> Result<Self, ConfigError> {
        let document = Document::parse(source, text).map_err(|problem| ConfigError::Invalid(vec![problem]))?;
        let mut problems = Vec::new();
        let written = document.read(&mut problems);
        validate::config(&written, overrides, Findings::new(&document, directory, problems))
    }
}

impl Grants {
    /// What the operator grants to the component in `component` (`NAME.wasm`): what `NAME.toml` beside it says, or
    /// nothing if there is no such file. `host` are the limits where the file names none.
    pub fn beside(component: &Path, host: Limits) -> Result<Self, ConfigError> {
        let file = component.with_extension("toml");
        match fs::read(&file) {
            Ok(content) => Self::in_file(&file, &content, host),
            Err(reason) if reason.kind() == io::ErrorKind::NotFound => Ok(Self::default()),
            Err(reason) => Err(ConfigError::Unreadable { file, reason }),
        }
    }

    /// What a grant file (`NAME.toml` beside `NAME.wasm`) says. `host` are the limits where it names none.
    pub fn in_file(file: &Path, content: &[u8], host: Limits) -> Result<Self, ConfigError> {
        let text = std::str::from_utf8(content).map_err(|error| ConfigError::Unreadable {
            file: file.into(),
            reason: io::Error::new(io::ErrorKind::InvalidData, error),
        })?;
        Self::from_toml(&file.display().to_string(), directory_of(file), text, host)
    }

    /// The grants in a text; see [`Config::from_toml`].
    pub fn from_toml(source: &str, directory: &Path, text: &str, host: Limits) -> Result<Self, ConfigError> {
        let document = Document::parse(source, text).map_err(|problem| ConfigError::Invalid(vec![problem]))?;
        let mut problems = Vec::new();
        let written = document.read(&mut problems);
        grants::grants(&written, host, Findings::new(&document, directory, problems))
    }
}

fn read(file: &Path) -> Result<String, ConfigError> {
    fs::read_to_string(file).map_err(|reason| ConfigError::Unreadable { file: file.into(), reason })
}

fn directory_of(file: &Path) -> &Path {
    file.parent().unwrap_or(Path::new(""))
}
