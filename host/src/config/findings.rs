//! What validation works with: the document, the problems found so far, and the questions asked of many values.

use std::{collections::BTreeMap, ops::RangeInclusive, path::Path, time::Duration};

use super::{
    document::Document,
    duration,
    problem::{ConfigError, Problem},
    secret::{WrittenSetting, WrittenSettings},
    size,
    values::{WrittenCount, WrittenDuration, WrittenSize},
};

/// The state of one validation.
pub(super) struct Findings<'d> {
    document: &'d Document<'d>,
    /// What relative paths in the file are relative to.
    directory: &'d Path,
    problems: Vec<Problem>,
}

impl<'d> Findings<'d> {
    pub(super) fn new(document: &'d Document<'d>, directory: &'d Path, problems: Vec<Problem>) -> Self {
        Self { document, directory, problems }
    }

    /// The value, unless anything was wrong.
    pub(super) fn finish<T>(mut self, value: T) -> Result<T, ConfigError> {
        if self.problems.is_empty() {
            return Ok(value);
        }
        self.problems.sort_by_key(|problem| problem.line);
        Err(ConfigError::Invalid(self.problems))
    }

    /// Something is wrong with what stands at `path`.
    pub(super) fn report(&mut self, path: &[&str], message: impl Into<String>) {
        self.problems.push(self.document.problem(path, message));
    }

    /// Something is wrong with what stands at `path`, which must not be shown.
    pub(super) fn report_unseen(&mut self, path: &[&str], message: impl Into<String>) {
        self.problems.push(Problem { value: None, ..self.document.problem(path, message) });
    }

    /// Something is wrong that does not stand in the file.
    pub(super) fn report_elsewhere(&mut self, problem: Problem) {
        self.problems.push(problem);
    }

    /// A path, made relative to the file that it stands in.
    pub(super) fn path(&self, written: &Path) -> std::path::PathBuf {
        self.directory.join(written)
    }

    pub(super) fn duration(
        &mut self,
        path: &[&str],
        written: Option<WrittenDuration>,
        default: Duration,
        allowed: RangeInclusive<Duration>,
    ) -> Duration {
        let value = written.map_or(default, |written| written.0);
        self.within(path, value, &allowed, duration::format)
    }

    pub(super) fn size(
        &mut self,
        path: &[&str],
        written: Option<WrittenSize>,
        default: usize,
        allowed: RangeInclusive<usize>,
    ) -> usize {
        let value = written.map_or(default, |written| written.0);
        self.within(path, value, &allowed, size::format)
    }

    pub(super) fn count(
        &mut self,
        path: &[&str],
        written: Option<WrittenCount>,
        default: usize,
        allowed: RangeInclusive<usize>,
    ) -> usize {
        let value = written.map_or(default, |written| written.0);
        self.within(path, value, &allowed, |count| count.to_string())
    }

    fn within<T: PartialOrd + Copy>(
        &mut self,
        path: &[&str],
        value: T,
        allowed: &RangeInclusive<T>,
        show: fn(T) -> String,
    ) -> T {
        if !allowed.contains(&value) {
            let (least, most) = (show(*allowed.start()), show(*allowed.end()));
            self.report(path, format!("allowed is {least} to {most}"));
        }
        value
    }

    /// Settings with their secrets fetched.
    pub(super) fn settings(&mut self, path: &[&str], written: &WrittenSettings) -> BTreeMap<String, String> {
        let mut settings = BTreeMap::new();
        for (name, setting) in written {
            if let Some(value) = self.setting(&[path, &[name]].concat(), setting) {
                settings.insert(name.clone(), value);
            }
        }
        settings
    }

    /// One setting, fetched if it is a secret.
    pub(super) fn setting(&mut self, path: &[&str], written: &WrittenSetting) -> Option<String> {
        written.resolve(self.directory).map_err(|reason| self.report(path, reason)).ok()
    }

    /// The name of a plugin: that of its file without `.wasm`.
    pub(super) fn plugin_name(&mut self, path: &[&str], written: Option<&String>, default: &str) -> String {
        let name = written.map_or(default, String::as_str);
        let letters = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
        if !name.bytes().all(letters) || name.starts_with('.') || name.is_empty() {
            self.report(path, "write the name of a plugin's file in the plugin directory, without its folder");
        } else if let Some(stem) = name.strip_suffix(".wasm") {
            self.report(path, format!("write the plugin's name without `.wasm`: \"{stem}\""));
        }
        name.into()
    }
}
