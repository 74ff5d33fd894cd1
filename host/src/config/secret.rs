//! Settings, which may be secrets: written in the file, or kept in an environment variable or a file of their own.

use std::{collections::BTreeMap, fmt, fs, path::Path};

use serde::{
    Deserialize, Deserializer,
    de::{self, MapAccess, Visitor},
};

/// A setting as it is written.
#[derive(Clone, PartialEq, Eq)]
pub(super) enum WrittenSetting {
    /// The value itself; numbers and truth values as text.
    Here(String),
    /// `{ env = "NAME" }`
    Environment(String),
    /// `{ file = "PATH" }`
    File(String),
}

/// Settings as they are written.
pub(super) type WrittenSettings = BTreeMap<String, WrittenSetting>;

impl fmt::Debug for WrittenSetting {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Here(_) => formatter.write_str("Here(hidden)"),
            Self::Environment(name) => write!(formatter, "Environment({name})"),
            Self::File(path) => write!(formatter, "File({path})"),
        }
    }
}

impl WrittenSetting {
    /// The value, fetched from wherever it is. Relative paths are relative to `directory`. One line end at the end is
    /// cut off, because editors and `echo` put it there.
    pub(super) fn resolve(&self, directory: &Path) -> Result<String, String> {
        match self {
            Self::Here(value) => Ok(value.clone()),
            Self::Environment(name) => {
                let value = std::env::var(name).map_err(|error| match error {
                    std::env::VarError::NotPresent => format!("the environment variable `{name}` is not set"),
                    std::env::VarError::NotUnicode(_) => format!("the environment variable `{name}` is not UTF-8"),
                })?;
                trimmed(&value, &format!("the environment variable `{name}`"))
            }
            Self::File(path) => {
                let path = directory.join(path);
                let value =
                    fs::read_to_string(&path).map_err(|error| format!("cannot read `{}`: {error}", path.display()))?;
                trimmed(&value, &format!("the file `{}`", path.display()))
            }
        }
    }
}

/// A secret that is empty is one that somebody forgot.
fn trimmed(value: &str, origin: &str) -> Result<String, String> {
    let value = value.strip_suffix('\n').unwrap_or(value);
    let value = value.strip_suffix('\r').unwrap_or(value);
    if value.is_empty() { Err(format!("{origin} is empty; put the value there")) } else { Ok(value.into()) }
}

/// The messages of this visitor are never shown (see `document`), because they could show a value.
struct SettingVisitor;

impl<'de> Visitor<'de> for SettingVisitor {
    type Value = WrittenSetting;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a setting")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<WrittenSetting, E> {
        Ok(WrittenSetting::Here(text.into()))
    }

    fn visit_i64<E: de::Error>(self, number: i64) -> Result<WrittenSetting, E> {
        Ok(WrittenSetting::Here(number.to_string()))
    }

    fn visit_bool<E: de::Error>(self, truth: bool) -> Result<WrittenSetting, E> {
        Ok(WrittenSetting::Here(truth.to_string()))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<WrittenSetting, A::Error> {
        let mut found = None;
        while let Some((key, value)) = map.next_entry::<String, String>()? {
            let reference = match key.as_str() {
                "env" => WrittenSetting::Environment(value),
                "file" => WrittenSetting::File(value),
                _ => return Err(de::Error::custom("neither env nor file")),
            };
            if found.replace(reference).is_some() {
                return Err(de::Error::custom("both env and file"));
            }
        }
        found.ok_or_else(|| de::Error::custom("neither env nor file"))
    }
}

impl<'de> Deserialize<'de> for WrittenSetting {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(SettingVisitor)
    }
}

/// Shows the names of settings in `Debug` output and hides the values.
pub(super) struct Hidden<'s>(pub(super) &'s BTreeMap<String, String>);

impl fmt::Debug for Hidden<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_map().entries(self.0.keys().map(|name| (name, "(hidden)"))).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Option<WrittenSetting> {
        toml::from_str::<WrittenSettings>(&format!("it = {text}")).ok()?.remove("it")
    }

    fn resolve(text: &str, directory: &Path) -> Result<String, String> {
        read(text).expect("a setting").resolve(directory)
    }

    #[test]
    fn text_numbers_and_truth_values_are_kept_as_text() {
        for (written, value) in [("\"x\"", "x"), ("12", "12"), ("-3", "-3"), ("true", "true"), ("\"\"", "")] {
            assert_eq!(resolve(written, Path::new(".")).as_deref(), Ok(value), "{written}");
        }
    }

    #[test]
    fn anything_else_is_refused() {
        for written in ["1.5", "[1]", "{}", "{ a = 1 }", "2020-01-01", "{ env = 3 }", "{ env = \"A\", file = \"b\" }"] {
            assert_eq!(read(written), None, "{written}");
        }
    }

    #[test]
    fn a_secret_comes_from_the_environment() {
        // Cargo sets this one for every test.
        assert_eq!(resolve("{ env = \"CARGO_PKG_NAME\" }", Path::new(".")).as_deref(), Ok("cloakroom"));
        let missing = resolve("{ env = \"CLOAKROOM_NOT_SET\" }", Path::new("."));
        assert_eq!(missing, Err("the environment variable `CLOAKROOM_NOT_SET` is not set".into()));
    }

    #[test]
    fn a_secret_comes_from_a_file_beside_the_configuration_without_its_line_end() {
        let directory = tempfile::tempdir().expect("a directory");
        for (content, value) in
            [("s3cret\n", "s3cret"), ("s3cret\r\n", "s3cret"), ("s3cret", "s3cret"), ("a\n\n", "a\n")]
        {
            fs::write(directory.path().join("key"), content).expect("a file");
            assert_eq!(resolve("{ file = \"key\" }", directory.path()).as_deref(), Ok(value));
        }
    }

    #[test]
    fn a_secret_that_is_missing_or_empty_is_an_error_that_says_where_it_should_be() {
        let directory = tempfile::tempdir().expect("a directory");
        let missing = resolve("{ file = \"key\" }", directory.path()).expect_err("no file");
        assert!(missing.contains("key"), "{missing}");
        fs::write(directory.path().join("key"), "\n").expect("a file");
        let empty = resolve("{ file = \"key\" }", directory.path()).expect_err("nothing in it");
        assert!(empty.contains("is empty"), "{empty}");
    }

    #[test]
    fn debug_output_shows_no_value() {
        let settings = BTreeMap::from([("key".to_owned(), "s3cret".to_owned())]);
        let shown = format!("{:?} {:?}", Hidden(&settings), WrittenSetting::Here("s3cret".into()));
        assert!(shown.contains("key") && !shown.contains("s3cret"), "{shown}");
    }
}
