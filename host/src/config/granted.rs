//! What a grant file can give of the machine: TCP addresses, directories, environment variables. Each as it is written
//! and as it is granted.

use std::{
    collections::BTreeMap,
    fmt, fs,
    net::{IpAddr, Ipv6Addr},
    path::PathBuf,
};

use serde::{
    Deserialize, Deserializer,
    de::{MapAccess, SeqAccess, Visitor, value::MapAccessDeserializer},
};

use super::{
    findings::Findings,
    secret::{WrittenSetting, WrittenSettings},
};

/// A TCP address that a plugin may connect to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GrantedAddress {
    /// An IP address, or a name that the plugin may look up.
    pub host: String,
    /// The port.
    pub port: u16,
}

impl GrantedAddress {
    /// Where the host is written as an IP address: that address.
    #[must_use]
    pub fn ip(&self) -> Option<IpAddr> {
        self.host.parse().ok()
    }

    fn parse(text: &str) -> Option<Self> {
        let (host, port) = text.rsplit_once(':')?;
        let port = port.parse().ok().filter(|port| *port != 0)?;
        if let Some(host) = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')) {
            let host = host.parse::<Ipv6Addr>().ok()?.to_string();
            return Some(Self { host, port });
        }
        let is_name = |host: &str| host.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._".contains(&byte));
        (!host.is_empty() && is_name(host)).then(|| Self { host: host.to_ascii_lowercase(), port })
    }
}

/// The addresses that are written.
pub(super) fn sockets(written: &[String], findings: &mut Findings<'_>) -> Vec<GrantedAddress> {
    let mut granted = Vec::new();
    for text in written {
        match GrantedAddress::parse(text) {
            Some(address) => granted.push(address),
            None => {
                let expected =
                    "write a name or an IP address and a port, such as \"db.example.com:5432\" or \"[::1]:6379\"";
                findings.report(&["sockets"], format!("`{text}` is not an address; {expected}"));
            }
        }
    }
    granted
}

/// A directory that a plugin sees.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GrantedDirectory {
    /// Where it is.
    pub path: PathBuf,
    /// What the plugin may do there.
    pub access: Access,
}

/// What a plugin may do in a directory and below it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// List and read.
    Read,
    /// Besides, make, change and remove files and directories.
    Write,
}

/// `{ path = "PATH", access = "read" }`
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct WrittenDirectory {
    path: Option<PathBuf>,
    access: Option<String>,
}

/// The directories that are written, by the plugin's name for them.
pub(super) fn directories(
    written: &BTreeMap<String, WrittenDirectory>,
    findings: &mut Findings<'_>,
) -> BTreeMap<String, GrantedDirectory> {
    let mut granted = BTreeMap::new();
    for (name, directory) in written {
        if !name.starts_with('/') {
            let message = "the plugin's name for the directory begins with `/`, such as \"/data\"";
            findings.report(&["directories", name], message);
        }
        let Some(path) = &directory.path else {
            findings
                .report(&["directories", name], "write where the directory is: { path = \"PATH\", access = \"read\" }");
            continue;
        };
        let path = findings.path(path);
        // What looks granted and cannot be used is better found now than by the plugin.
        if let Err(error) = fs::read_dir(&path) {
            let message = format!("cannot read the directory `{}`: {error}", path.display());
            findings.report(&["directories", name, "path"], message);
        }
        let access = match directory.access.as_deref() {
            Some("read") => Access::Read,
            Some("write") => Access::Write,
            written => {
                // Where it is missing, the directory is the key to name.
                let path = ["directories", name, "access"];
                let path = if written.is_some() { &path[..] } else { &path[..2] };
                findings.report(path, "write access = \"read\" or access = \"write\"");
                Access::Read
            }
        };
        granted.insert(name.clone(), GrantedDirectory { path, access });
    }
    granted
}

/// Environment variables: the names of some of the host's own, or a table of names and values.
pub(super) enum WrittenVariables {
    /// `["NAME"]`
    OfTheHost(Vec<String>),
    /// `{ NAME = "value" }`, where a value is written like a setting
    Here(WrittenSettings),
}

/// The variables that are written, with their values fetched.
pub(super) fn env(written: &WrittenVariables, findings: &mut Findings<'_>) -> BTreeMap<String, String> {
    let written = match written {
        WrittenVariables::Here(settings) => settings.clone(),
        WrittenVariables::OfTheHost(names) => {
            names.iter().map(|name| (name.clone(), WrittenSetting::Environment(name.clone()))).collect()
        }
    };
    for name in written.keys().filter(|name| name.is_empty() || name.contains(['=', '\0'])) {
        findings.report(&["env"], format!("`{}` cannot be the name of a variable", name.escape_default()));
    }
    findings.settings(&["env"], &written)
}

/// By hand, so that an error stands where the value does and is not about all variables together.
struct VariablesVisitor;

impl<'de> Visitor<'de> for VariablesVisitor {
    type Value = WrittenVariables;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a list of the host's variables, such as [\"TZ\"], or a table of variables and values")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<WrittenVariables, A::Error> {
        let mut names = Vec::new();
        while let Some(name) = list.next_element()? {
            names.push(name);
        }
        Ok(WrittenVariables::OfTheHost(names))
    }

    fn visit_map<A: MapAccess<'de>>(self, table: A) -> Result<WrittenVariables, A::Error> {
        WrittenSettings::deserialize(MapAccessDeserializer::new(table)).map(WrittenVariables::Here)
    }
}

impl<'de> Deserialize<'de> for WrittenVariables {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(VariablesVisitor)
    }
}

impl fmt::Debug for WrittenVariables {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OfTheHost(names) => write!(formatter, "OfTheHost({names:?})"),
            Self::Here(settings) => write!(formatter, "Here({settings:?})"),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::config::{Grants, Limits};

    fn read_in(directory: &Path, text: &str) -> Result<Grants, String> {
        Grants::from_toml("my.toml", directory, text, Limits::default()).map_err(|error| error.to_string())
    }

    fn read(text: &str) -> Result<Grants, String> {
        read_in(Path::new("."), text)
    }

    #[test]
    fn empty_lists_and_tables_grant_nothing() {
        for text in ["sockets = []", "directories = {}", "env = []", "env = {}", "kv = []", "[settings]", "[limits]"] {
            let grants = read(text).expect(text);
            assert_eq!(Grants { limits: None, ..grants }, Grants::default(), "{text}");
        }
    }

    #[test]
    fn addresses_are_names_or_numbers_with_a_port() {
        let granted = read("sockets = [\"db.Example:5432\", \"10.0.0.1:6379\", \"[::1]:80\"]").expect("grants").sockets;
        let shown: Vec<_> = granted.iter().map(|address| (address.host.as_str(), address.port)).collect();
        assert_eq!(shown, [("db.example", 5432), ("10.0.0.1", 6379), ("::1", 80)]);
        for text in ["db", "db:", ":80", "db:0", "db:70000", "::1:80", "*:80", "a b:80", "http://db:80", "[db]:80"] {
            let refused = read(&format!("sockets = [\"{text}\"]")).expect_err(text);
            assert!(refused.contains(&format!("`{text}` is not an address")), "{refused}");
        }
    }

    #[test]
    fn a_directory_is_granted_with_its_access_and_relative_to_the_file() {
        let directory = tempfile::tempdir().expect("a directory");
        fs::create_dir(directory.path().join("rates")).expect("a directory");
        let text = "[directories]\n\"/rates\" = { path = \"rates\", access = \"read\" }\n\"/\" = { path = \".\", access = \"write\" }";
        let granted = read_in(directory.path(), text).expect("grants").directories;
        let rates = GrantedDirectory { path: directory.path().join("rates"), access: Access::Read };
        assert_eq!(granted.get("/rates"), Some(&rates));
        assert_eq!(granted.get("/").map(|root| root.access), Some(Access::Write));
    }

    #[test]
    fn a_directory_that_is_written_wrongly_or_is_not_there_is_refused() {
        for (written, because) in [
            ("\"/a\" = { access = \"read\" }", "write where the directory is"),
            ("\"/a\" = { path = \".\" }", "access = \"read\""),
            ("\"/a\" = { path = \".\", access = \"all\" }", "access = \"read\""),
            ("\"a\" = { path = \".\", access = \"read\" }", "begins with `/`"),
            ("\"/a\" = { path = \"./no-such\", access = \"read\" }", "no-such"),
            ("\"/a\" = \".\"", "invalid type"),
        ] {
            let refused = read(&format!("[directories]\n{written}")).expect_err(written);
            assert!(refused.contains(because), "{refused}");
            assert!(refused.starts_with("my.toml:2: directories"), "{refused}");
        }
    }

    #[test]
    fn variables_are_the_hosts_by_name_or_written_with_their_values() {
        // Cargo sets this one for every test.
        let granted = read("env = [\"CARGO_PKG_NAME\"]").expect("grants").env;
        assert_eq!(granted, BTreeMap::from([("CARGO_PKG_NAME".into(), "cloakroom".into())]));
        let granted = read("[env]\nNAME = { env = \"CARGO_PKG_NAME\" }\nDEPTH = 3").expect("grants").env;
        assert_eq!(granted, BTreeMap::from([("DEPTH".into(), "3".into()), ("NAME".into(), "cloakroom".into())]));
        let refused = read("env = [\"CLOAKROOM_NOT_SET\"]").expect_err("not set");
        assert!(refused.contains("the environment variable `CLOAKROOM_NOT_SET` is not set"), "{refused}");
        assert!(read("env = [\"A=B\"]").expect_err("no name").contains("`A=B` cannot be the name"));
        assert!(read("env = true").expect_err("no list").contains("a list of the host's variables"));
    }

    #[test]
    fn no_message_shows_the_value_of_a_variable() {
        for text in ["[env]\nKEY = [\"s3cret\"]", "env = { KEY = [\"s3cret\"], OTHER = \"s3cret\" }"] {
            let refused = read(text).expect_err(text);
            assert!(refused.contains("KEY") && !refused.contains("s3cret"), "{refused}");
        }
        let shown = format!("{:?}", read("[env]\nKEY = \"s3cret\"").expect("grants"));
        assert!(shown.contains("KEY") && !shown.contains("s3cret"), "{shown}");
    }
}
