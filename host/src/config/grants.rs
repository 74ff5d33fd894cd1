//! Grant files: what `NAME.toml` beside `NAME.wasm` allows that plugin.

use super::{
    file::GrantFile, findings::Findings, granted, model::Grants, model::Limits, problem::ConfigError, validate,
};

/// From what is written to [`Grants`].
pub(super) fn grants(file: &GrantFile, host: Limits, mut findings: Findings<'_>) -> Result<Grants, ConfigError> {
    refuse_what_is_to_come(file, &mut findings);
    let kv = file.kv.clone().unwrap_or_default();
    for bucket in &kv {
        if bucket.is_empty() {
            findings.report(&["kv"], "the name of a bucket cannot be empty");
        }
    }
    let grants = Grants {
        digest: digest(file, &mut findings),
        payload: file.payload.unwrap_or(false),
        kv,
        redis: connections("redis", file.redis.as_deref().unwrap_or_default(), &mut findings),
        sql: connections("sql", file.sql.as_deref().unwrap_or_default(), &mut findings),
        sockets: granted::sockets(file.sockets.as_deref().unwrap_or_default(), &mut findings),
        directories: file
            .directories
            .as_ref()
            .map(|written| granted::directories(written, &mut findings))
            .unwrap_or_default(),
        env: file.env.as_ref().map(|written| granted::env(written, &mut findings)).unwrap_or_default(),
        settings: findings.settings(&["settings"], &file.settings),
        limits: file.limits.as_ref().map(|limits| validate::limits(&["limits"], limits, host, &mut findings)),
    };
    findings.finish(grants)
}

/// Names of connections. Whether they are configured is known where the plugin opens them.
fn connections(key: &str, written: &[String], findings: &mut Findings<'_>) -> Vec<String> {
    if written.iter().any(String::is_empty) {
        findings
            .report(&[key], "the name of a connection cannot be empty; it is that of a section `[connections.NAME]`");
    }
    written.to_vec()
}

/// The digest of a build, in the form in which the host tells it everywhere.
fn digest(file: &GrantFile, findings: &mut Findings<'_>) -> Option<String> {
    let digest = file.digest.as_ref()?.to_ascii_lowercase();
    let hex = digest.strip_prefix("sha256:").unwrap_or_default();
    if hex.len() != 64 || !hex.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        let message = "write `sha256:` and 64 hexadecimal digits, as `cloakroom inspect` prints it";
        findings.report(&["digest"], message);
    }
    Some(digest)
}

fn refuse_what_is_to_come(file: &GrantFile, findings: &mut Findings<'_>) {
    if file.http.is_some() {
        let message = "this host cannot grant http yet; remove the key; a plugin that speaks HTTP itself can be granted \
                       `sockets`";
        findings.report(&["http"], message);
    }
}

#[cfg(test)]
mod tests {
    use std::{fs, path::Path, time::Duration};

    use super::*;

    fn read(text: &str) -> Result<Grants, String> {
        Grants::from_toml("my.toml", Path::new("."), text, Limits::default()).map_err(|error| error.to_string())
    }

    #[test]
    fn an_empty_file_grants_nothing() {
        assert_eq!(read(""), Ok(Grants::default()));
        assert_eq!(read("payload = false\nkv = []\n"), Ok(Grants::default()));
    }

    #[test]
    fn what_is_written_is_granted() {
        let grants =
            read("payload = true\nkv = [\"shared\"]\n[settings]\ntable = \"sessions\"\nrows = 5\n").expect("grants");
        assert!(grants.payload);
        assert_eq!(grants.kv, ["shared"]);
        assert_eq!(grants.settings.get("table").map(String::as_str), Some("sessions"));
        assert_eq!(grants.settings.get("rows").map(String::as_str), Some("5"));
        assert_eq!(grants.limits, None);
    }

    #[test]
    fn limits_that_are_not_written_are_the_hosts() {
        let grants = read("[limits]\nmemory = \"128MiB\"\n").expect("grants");
        assert_eq!(grants.limits, Some(Limits { memory: 128 << 20, ..Limits::default() }));
    }

    #[test]
    fn a_deadline_below_the_cpu_time_is_refused() {
        let refused = read("[limits]\ndeadline = \"10ms\"\n").expect_err("too short");
        assert!(refused.starts_with("my.toml:2: limits.deadline = \"10ms\": "), "{refused}");
        let host =
            Limits { deadline: Duration::from_millis(500), cpu: Duration::from_millis(100), ..Limits::default() };
        let refused = Grants::from_toml("my.toml", Path::new("."), "[limits]\ncpu = \"1s\"\n", host);
        assert!(refused.expect_err("too long").to_string().contains("limits.cpu"));
    }

    #[test]
    fn what_the_host_cannot_grant_yet_is_refused_by_name() {
        let refused = read("payload = true\nhttp = [\"https://example.com\"]\n").expect_err("refused");
        assert!(refused.contains("this host cannot grant http yet"), "{refused}");
        assert!(refused.starts_with("my.toml:2: "), "{refused}");
    }

    #[test]
    fn a_digest_names_one_build() {
        let hex = "0123456789abcdef".repeat(4);
        for written in [format!("sha256:{hex}"), format!("SHA256:{}", hex.to_uppercase())] {
            let digest = read(&format!("digest = \"{written}\"\n")).expect("grants").digest;
            assert_eq!(digest, Some(format!("sha256:{hex}")));
        }
        for written in [hex.as_str(), "sha256:", "sha256:12", "md5:0123", ""] {
            let refused = read(&format!("digest = \"{written}\"\n")).expect_err("no digest");
            assert!(refused.contains("64 hexadecimal digits"), "{refused}");
        }
    }

    #[test]
    fn an_unknown_key_is_refused() {
        let refused = read("payloads = true\n").expect_err("refused");
        assert!(refused.contains("did you mean `payload`?"), "{refused}");
    }

    #[test]
    fn no_file_beside_the_component_grants_nothing() {
        let directory = tempfile::tempdir().expect("a directory");
        let component = directory.path().join("mine.wasm");
        assert_eq!(Grants::beside(&component, Limits::default()).expect("grants"), Grants::default());
        fs::write(directory.path().join("mine.toml"), "payload = true\n").expect("a file");
        assert!(Grants::beside(&component, Limits::default()).expect("grants").payload);
    }

    #[test]
    fn a_file_that_cannot_be_read_is_an_error_and_not_an_empty_grant() {
        let directory = tempfile::tempdir().expect("a directory");
        fs::create_dir(directory.path().join("mine.toml")).expect("a directory");
        let error = Grants::beside(&directory.path().join("mine.wasm"), Limits::default()).expect_err("unreadable");
        assert!(error.to_string().contains("mine.toml"), "{error}");
    }

    #[test]
    fn debug_output_shows_no_setting() {
        let shown = format!("{:?}", read("[settings]\nkey = \"s3cret\"\n").expect("grants"));
        assert!(shown.contains("key") && !shown.contains("s3cret"), "{shown}");
    }
}
