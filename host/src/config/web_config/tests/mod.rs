//! From real-looking `web.config` files to configurations.

mod samples;
mod wrong;

use std::{collections::BTreeMap, fs, path::Path};

use proptest::prelude::*;
use samples::SAMPLES;

use super::*;
use crate::config::{Config, Overrides, StoreConfig};

const FIXTURES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/fixtures/web-config");
/// In every fixture that has a password, this is it.
const PASSWORD: &str = "hunter2";

fn load(toml: &str) -> Config {
    Config::from_toml("made.toml", Path::new(""), toml, &Overrides::default())
        .unwrap_or_else(|error| panic!("the configuration made is refused:\n{error}\n{toml}"))
}

fn fixture(file: &str) -> Vec<u8> {
    fs::read(Path::new(FIXTURES).join(file)).unwrap_or_else(|error| panic!("{file}: {error}"))
}

#[test]
fn every_sample_becomes_a_configuration_that_is_accepted_and_says_what_was_left_out() {
    for sample in SAMPLES {
        let file = sample.file;
        let translation = translate(file, &fixture(file)).unwrap_or_else(|error| panic!("{error}"));
        let config = load(&translation.toml);
        let address = config.state_server.expect("it is on").address;
        assert_eq!(address.to_string(), sample.address, "{file}");
        assert_eq!(config.allow_remote, !address.ip().is_loopback(), "{file}");
        let stores: Vec<_> = config.stores.iter().map(|(name, store)| (name.as_str(), store.idle_timeout)).collect();
        assert_eq!(stores, sample.stores, "{file}");
        for piece in sample.toml {
            assert!(translation.toml.contains(piece), "{file} lacks {piece}:\n{}", translation.toml);
        }
        let remarks: Vec<_> =
            translation.not_carried_over.iter().map(|remark| (remark.line, remark.what.as_str())).collect();
        assert_eq!(remarks, sample.remarks, "{file}");
    }
}

#[test]
fn every_fixture_is_a_sample() {
    let mut files: Vec<String> = fs::read_dir(FIXTURES)
        .expect("the fixtures")
        .map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned())
        .collect();
    files.sort();
    let mut samples: Vec<_> = SAMPLES.iter().map(|sample| sample.file).collect();
    samples.sort_unstable();
    assert_eq!(files, samples);
}

#[test]
fn no_password_is_ever_written() {
    let mut with_password = 0;
    for sample in SAMPLES {
        let bytes = fixture(sample.file);
        with_password += usize::from(String::from_utf8_lossy(&bytes).contains(PASSWORD));
        let translation = translate(sample.file, &bytes).expect("a translation");
        assert!(!translation.toml.contains(PASSWORD), "{}:\n{}", sample.file, translation.toml);
        assert!(!translation.report().contains(PASSWORD), "{}:\n{}", sample.file, translation.report());
    }
    assert!(with_password >= 7, "{with_password} samples have one");
}

#[test]
fn the_section_for_another_provider_is_toml_once_its_comment_signs_are_removed() {
    for file in ["redis-connection-string.config", "sql-server.config"] {
        let made = translate(file, &fixture(file)).expect("a translation").toml;
        let (_, later) = made.split_once("\n# [stores.").expect("the section");
        let later = format!("# [stores.{later}");
        let uncommented: Vec<_> = later.lines().map(|line| line.strip_prefix("# ").unwrap_or("")).collect();
        let parsed: Result<toml::Table, _> = uncommented.join("\n").parse();
        assert!(parsed.is_ok(), "{file}: {parsed:?}\n{later}");
    }
}

#[test]
fn every_remark_has_a_reason_and_an_advice_and_the_report_shows_them() {
    let translation = translate("web.config", &fixture("sql-async.config")).expect("a translation");
    let report = translation.report();
    for remark in &translation.not_carried_over {
        assert!(!remark.reason.is_empty() && !remark.advice.is_empty(), "{remark:?}");
        let place = format!(
            "  web.config:{}: {}\n      {}\n      -> {}\n",
            remark.line, remark.what, remark.reason, remark.advice
        );
        assert!(report.contains(&place), "{report}");
    }
    assert_eq!(translate("w", &fixture("config-source.config")).expect("a translation").report(), "");
}

#[test]
fn files_in_the_encodings_of_windows_are_read() {
    let text = "<?xml version=\"1.0\" encoding=\"utf-16\"?><configuration><system.web>\
                <sessionState cookieName=\"größe\" timeout=\"7\"/></system.web></configuration>";
    let little: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
    let big: Vec<u8> = text.encode_utf16().flat_map(u16::to_be_bytes).collect();
    for bytes in [
        [&[0xFF, 0xFE][..], &little].concat(),
        [&[0xFE, 0xFF][..], &big].concat(),
        [&[0xEF, 0xBB, 0xBF][..], text.as_bytes()].concat(),
    ] {
        let toml = translate("web.config", &bytes).expect("a translation").toml;
        assert!(toml.contains("größe") && toml.contains("idle_timeout = \"7m\""), "{toml}");
    }
}

/// Text as an attribute's value, every character as a reference.
fn reference(text: &str) -> String {
    text.chars().map(|char| format!("&#{};", u32::from(char))).collect()
}

/// What XML 1.0 allows in a value.
fn xml_text() -> impl Strategy<Value = String> {
    "[ -~\t\r\n\u{85}äЖ\u{2028}🧥]{0,40}"
}

proptest! {
    #[test]
    fn whatever_is_written_the_configuration_made_is_accepted(
        mode in prop::sample::select(vec!["Off", "InProc", "StateServer", "SQLServer", "Custom"]),
        timeout in 1u32..=525_600,
        port in 1u16..,
        host in "[a-z0-9.-]{1,20}",
        texts in prop::collection::btree_map(
            prop::sample::select(vec!["cookieName", "sessionIDManagerType", "sqlConnectionString", "partitionResolverType"]),
            xml_text(),
            0..4,
        ),
        provider in prop::collection::btree_map(
            prop::sample::select(vec!["host", "accessKey", "ssl", "applicationName", "connectionString", "other"]),
            xml_text(),
            0..6,
        ),
        redis in any::<bool>(),
        location in xml_text(),
    ) {
        let attributes = |map: &BTreeMap<&str, String>| -> String {
            map.iter().map(|(name, value)| format!(" {name}=\"{}\"", reference(value))).collect()
        };
        let kind = if redis { "Microsoft.Web.Redis.RedisSessionStateProvider" } else { "Shop.Other" };
        let text = format!(
            "<configuration><location path=\"{}\"><system.web><sessionState mode=\"{mode}\" timeout=\"{timeout}\" \
             stateConnectionString=\"tcpip={host}:{port}\" customProvider=\"p\"{}><providers>\
             <add name=\"p\" type=\"{kind}\"{}/></providers></sessionState></system.web></location></configuration>",
            reference(&location), attributes(&texts), attributes(&provider),
        );
        let config = load(&translate("web.config", text.as_bytes()).expect("a translation").toml);
        let made = config.stores.values().any(|store| store.idle_timeout == timeout * 60);
        let no_store = mode == "Off" && !["", "."].contains(&location.as_str());
        prop_assert!(made || no_store, "{config}");
        let is_made = |store: &StoreConfig| {
            let provider = store.provider == "memory" || (redis && mode == "Custom" && store.provider == "redis");
            provider && store.id_generator == "aspnet-id"
        };
        prop_assert!(config.stores.values().all(is_made));
    }

    #[test]
    fn a_password_in_an_sql_connection_string_is_never_written(password in "[A-Za-z0-9;=,'\" ]{0,12}Zq9Zq9[A-Za-z0-9;=,' ]{0,12}") {
        let quoted = format!("\"{}\"", password.replace('"', "\"\""));
        let text = format!(
            "<configuration><system.web><sessionState mode=\"SQLServer\" \
             sqlConnectionString=\"server=db;password={};database=x\"/></system.web></configuration>",
            reference(&quoted),
        );
        let translation = translate("web.config", text.as_bytes()).expect("a translation");
        prop_assert!(!translation.toml.contains("Zq9Zq9") && !translation.report().contains("Zq9Zq9"));
        prop_assert!(translation.toml.contains("# # It was: server db, database x"));
    }
}
