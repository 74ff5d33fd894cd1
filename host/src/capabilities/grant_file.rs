//! The grant file that a component would need, as far as its imports tell.

/// A line of a grant file with what it allows, and whether the component asks for it. What it may use and does not need
/// is written as a comment.
struct Line {
    /// The interface, without its version, that makes the line worth saying.
    import: &'static str,
    grant: &'static str,
    allows: &'static str,
}

const LINES: [Line; 9] = [
    Line {
        import: "cloakroom:session/payload-content",
        grant: "payload = true",
        allows: "It may read and make the contents of sessions: your users' data.",
    },
    Line {
        import: "wasi:sockets/",
        grant: "sockets = []",
        allows: "It may connect to these TCP addresses and look up their names; write each as \"HOST:PORT\".",
    },
    Line {
        import: "cloakroom:session/redis",
        grant: "redis = []",
        allows: "It may use these connections to Redis; write the names of sections `[connections.NAME]`.",
    },
    Line {
        import: "cloakroom:session/sql",
        grant: "sql = []",
        allows: "It may use these connections to SQL databases; write the names of sections `[connections.NAME]`.",
    },
    Line {
        import: "cloakroom:session/kv",
        grant: "# kv = [\"NAME\"]",
        allows: "It has a bucket of its own; these besides, shared with all plugins that are granted them.",
    },
    Line {
        import: "cloakroom:session/settings",
        grant: "# settings = { NAME = \"VALUE\", KEY = { env = \"VARIABLE\" }, OTHER = { file = \"PATH\" } }",
        allows: "It reads its settings, secrets included; nobody else's.",
    },
    Line {
        import: "wasi:cli/environment",
        grant: "# env = [\"VARIABLE\"]",
        allows: "It sees these environment variables of the host, and without this line none.",
    },
    Line {
        import: "wasi:filesystem/preopens",
        grant: "# directories = { \"/data\" = { path = \"PATH\", access = \"read\" } }",
        allows: "It sees these directories and what is below them (access: \"read\" or \"write\"), and without this line none.",
    },
    Line {
        import: "wasi:http/",
        grant: "# http: it makes HTTP requests by `wasi:http`.",
        allows: "This host does not offer that and refuses the component.",
    },
];

/// The lines of a grant file for a component with these imports: a comment, then what it is about.
#[must_use]
pub fn grant_lines(imports: &[String], digest: &str) -> Vec<String> {
    let wants = |line: &&Line| imports.iter().any(|import| is(import, line.import));
    let mut lines: Vec<String> =
        LINES.iter().filter(wants).flat_map(|line| [format!("# {}", line.allows), line.grant.to_owned()]).collect();
    lines.push("# Without the first `#` of the next line, these grants are for this build only.".to_owned());
    lines.push(format!("# digest = \"{digest}\""));
    lines
}

/// Whether an import is an interface, or of a package where `name` ends in `/`.
fn is(import: &str, name: &str) -> bool {
    let interface = import.split('@').next().unwrap_or(import);
    interface == name || (name.ends_with('/') && interface.starts_with(name))
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::config::{Grants, Limits};

    fn lines(imports: &[&str]) -> Vec<String> {
        let imports: Vec<String> = imports.iter().map(|import| (*import).to_owned()).collect();
        grant_lines(&imports, &format!("sha256:{}", "0".repeat(64)))
    }

    fn grants(lines: &[String]) -> Grants {
        Grants::from_toml("it", Path::new(""), &lines.join("\n"), Limits::default()).expect("a grant file")
    }

    #[test]
    fn what_is_asked_for_is_granted_and_nothing_more() {
        assert_eq!(grants(&lines(&["wasi:random/random@0.2.0"])), Grants::default());
        let asked = lines(&["cloakroom:session/payload-content@0.1.0", "cloakroom:session/kv@0.1.0"]);
        assert_eq!(grants(&asked), Grants { payload: true, ..Grants::default() });
        // Which addresses is for the operator to say.
        assert_eq!(grants(&lines(&["wasi:sockets/tcp@0.2.0"])), Grants::default());
    }

    #[test]
    fn every_line_that_can_be_switched_on_is_a_grant_that_the_host_knows() {
        for line in LINES.iter().filter(|line| line.grant.contains('=')) {
            let grant = line.grant.trim_start_matches("# ");
            let refused = Grants::from_toml("it", Path::new("."), grant, Limits::default()).err();
            // The examples name variables and directories that nobody has.
            let unknown = |error: &str| error.contains("no such key") || error.contains("invalid type");
            assert!(!refused.is_some_and(|error| unknown(&error.to_string())), "{grant}");
        }
        let pinned = lines(&[]).pop().expect("the digest");
        assert!(grants(&[pinned.trim_start_matches("# ").to_owned()]).digest.is_some());
    }
}
