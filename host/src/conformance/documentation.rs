//! The list of rules in `docs/conformance.md` is the list of rules in the code.

use std::{collections::HashSet, fmt::Write, fs, path::PathBuf};

use super::{all, rule::Check};

const BEGIN: &str = "<!-- rules: begin -->\n";
const END: &str = "<!-- rules: end -->\n";

/// The tables of rules, as they stand in the document.
fn tables() -> String {
    let mut text = String::new();
    type Kind = fn(&Check) -> bool;
    let kinds: [(&str, Kind); 3] = [
        ("Providers", |check| matches!(check, Check::Provider(_))),
        ("ID generators", |check| matches!(check, Check::IdManager(_))),
        ("Event handlers", |check| matches!(check, Check::Events(_))),
    ];
    for (heading, is_of_kind) in kinds {
        write!(text, "\n### {heading}\n\n| rule | what holds | in the contract |\n|---|---|---|\n").unwrap();
        for rule in all().filter(|rule| is_of_kind(&rule.check)) {
            writeln!(text, "| `{}` | {} | {} |", rule.id, rule.title, rule.reference).unwrap();
        }
    }
    text.push('\n');
    text
}

/// Run with `CLOAKROOM_UPDATE_DOCS=1` to write the tables instead of comparing them.
#[test]
fn the_document_lists_exactly_the_rules_of_the_code() {
    let file = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../docs/conformance.md");
    let text = fs::read_to_string(&file).unwrap();
    let (before, rest) = text.split_once(BEGIN).expect("the mark where the rules begin");
    let (documented, after) = rest.split_once(END).expect("the mark where the rules end");
    if std::env::var_os("CLOAKROOM_UPDATE_DOCS").is_some() {
        fs::write(&file, format!("{before}{BEGIN}{}{END}{after}", tables())).unwrap();
    } else {
        assert_eq!(documented, tables(), "run this test with CLOAKROOM_UPDATE_DOCS=1 to update the document");
    }
}

#[test]
fn every_rule_has_an_id_of_its_own_and_a_sentence() {
    let mut ids = HashSet::new();
    for rule in all() {
        assert!(ids.insert(rule.id), "{} is there twice", rule.id);
        assert!(rule.title.ends_with('.') && !rule.reference.is_empty(), "{}", rule.id);
        let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'.' | b'-');
        assert!(rule.id.bytes().all(allowed), "{}", rule.id);
    }
}
