//! Keeps `docs/operating.md` true: it names every key that may be written and no other, with the right default, and its
//! examples are accepted.

use std::{collections::BTreeMap, path::Path};

use serde::{Deserialize, Deserializer, de, forward_to_deserialize_any};

use super::{
    Config, ConnectionConfig, Grants, Limits, Overrides, WebhookConfig,
    file::{
        ConfigFile, ConnectionSection, EventStreamSection, GrantFile, HttpSection, LimitsSection, LogSection,
        PluginsSection, StateServerSection, StoreSection, WebhookSection,
    },
};

const BOOK: &str = include_str!("../../../docs/operating.md");

/// Finds out which fields a struct reads.
struct FieldNames<'n>(&'n mut &'static [&'static str]);

impl<'de> Deserializer<'de> for FieldNames<'_> {
    type Error = de::value::Error;

    fn deserialize_any<V: de::Visitor<'de>>(self, _: V) -> Result<V::Value, Self::Error> {
        Err(de::Error::custom("not a struct"))
    }

    fn deserialize_struct<V: de::Visitor<'de>>(
        self,
        _: &'static str,
        fields: &'static [&'static str],
        _: V,
    ) -> Result<V::Value, Self::Error> {
        *self.0 = fields;
        Err(de::Error::custom("only the names are wanted"))
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 u8 u16 u32 u64 f32 f64 char str string bytes byte_buf option unit unit_struct newtype_struct
        seq tuple tuple_struct map enum identifier ignored_any
    }
}

fn fields<T: for<'de> Deserialize<'de>>() -> &'static [&'static str] {
    let mut names: &[&str] = &[];
    assert!(T::deserialize(FieldNames(&mut names)).is_err());
    assert!(!names.is_empty());
    names
}

/// All keys below `fields`, where `sections` are tables with keys of their own and `maps` tables with any keys.
fn keys(
    table: &str,
    fields: &[&str],
    sections: &BTreeMap<&str, &'static [&'static str]>,
    maps: &BTreeMap<&str, &str>,
) -> Vec<String> {
    let mut found = Vec::new();
    for field in fields {
        let key = if table.is_empty() { (*field).to_owned() } else { format!("{table}.{field}") };
        let named = format!("{key}.NAME");
        if let Some(inner) = sections.get(key.as_str()) {
            found.extend(keys(&key, inner, sections, maps));
        } else if let Some(inner) = sections.get(named.as_str()) {
            found.extend(keys(&named, inner, sections, maps));
        } else if let Some(any) = maps.get(key.as_str()) {
            found.push(format!("{key}.{any}"));
        } else {
            found.push(key);
        }
    }
    found
}

/// The rows of the tables under a heading: key and default.
fn documented(heading: &str) -> Vec<(String, String)> {
    let (_, after) = BOOK.split_once(&format!("\n## {heading}\n")).expect("the heading");
    let section = after.split("\n## ").next().unwrap_or(after);
    let rows = section.lines().filter_map(|line| line.strip_prefix("| `"));
    rows.map(|row| {
        let (key, rest) = row.split_once("` | ").expect("a key in backticks");
        let (default, _) = rest.split_once(" | ").expect("a default");
        (key.to_owned(), default.trim_matches('`').to_owned())
    })
    .collect()
}

fn sorted(mut keys: Vec<String>) -> Vec<String> {
    keys.sort();
    keys
}

#[test]
fn every_configuration_key_is_documented_and_every_documented_key_exists() {
    let sections = BTreeMap::from([
        ("log", fields::<LogSection>()),
        ("plugins", fields::<PluginsSection>()),
        ("plugins.limits", fields::<LimitsSection>()),
        ("state_server", fields::<StateServerSection>()),
        ("http", fields::<HttpSection>()),
        ("http.events", fields::<EventStreamSection>()),
        ("webhooks.NAME", fields::<WebhookSection>()),
        ("connections.NAME", fields::<ConnectionSection>()),
        ("stores.NAME", fields::<StoreSection>()),
    ]);
    let maps = BTreeMap::from([
        ("applications", "\"NAME\""),
        ("state_server.applications", "\"NAME\""),
        ("stores.NAME.settings", "NAME"),
        ("stores.NAME.id_settings", "NAME"),
        ("stores.NAME.plugin_settings", "PLUGIN.NAME"),
    ]);
    let exist = keys("", fields::<ConfigFile>(), &sections, &maps);
    let documented = documented("Every configuration key").into_iter().map(|(key, _)| key).collect();
    assert_eq!(sorted(documented), sorted(exist));
}

#[test]
fn every_grant_is_documented_and_every_documented_grant_exists() {
    let sections = BTreeMap::from([("limits", fields::<LimitsSection>())]);
    let maps = BTreeMap::from([("settings", "NAME")]);
    let exist = keys("", fields::<GrantFile>(), &sections, &maps);
    let documented = documented("Grants: what a plugin may do").into_iter().map(|(key, _)| key).collect();
    assert_eq!(sorted(documented), sorted(exist));
}

#[test]
fn the_documented_defaults_are_the_real_ones() {
    // There are no connections and no webhooks unless they are written.
    let connections = BTreeMap::from([("NAME".to_owned(), ConnectionConfig::default())]);
    let webhooks = BTreeMap::from([("NAME".to_owned(), WebhookConfig::default())]);
    let config = Config { connections, webhooks, ..Config::default() };
    let real: toml::Value = toml::from_str(&config.to_string()).expect("the summary is TOML");
    let mut compared = 0;
    for (key, default) in documented("Every configuration key") {
        if ["connections.NAME.url", "webhooks.NAME.url", "webhooks.NAME.secret"].contains(&key.as_str()) {
            assert_eq!(default, "none");
            continue;
        }
        let path = key.replace("stores.NAME", "stores.default");
        let found = path.split('.').try_fold(&real, |value, part| value.get(part));
        let expected = match default.as_str() {
            "none" => None,
            text => toml::from_str::<toml::Table>(&format!("it = {text}")).expect(&key).remove("it"),
        };
        assert_eq!(found, expected.as_ref(), "{key}");
        compared += usize::from(expected.is_some());
    }
    assert!(compared > 20, "{compared} defaults");
    for (key, default) in documented("Grants: what a plugin may do") {
        match key.as_str() {
            "payload" => assert_eq!(default, Grants::default().payload.to_string()),
            "kv" | "redis" | "sql" | "sockets" | "env" => assert_eq!(default, "[]", "{key}"),
            _ => {}
        }
    }
}

/// The fenced blocks whose info string begins with `toml`.
fn examples() -> impl Iterator<Item = (bool, &'static str)> {
    BOOK.split("\n```").skip(1).step_by(2).filter_map(|block| {
        let (info, text) = block.split_once('\n')?;
        info.starts_with("toml").then_some((info == "toml grants", text))
    })
}

#[test]
fn the_examples_in_the_book_are_accepted() {
    let mut accepted = 0;
    for (is_grants, text) in examples() {
        let here = Path::new("");
        let outcome = match is_grants {
            true => Grants::from_toml("example", here, text, Limits::default()).map(drop),
            false => Config::from_toml("example", here, text, &Overrides::default()).map(drop),
        };
        // The machine that runs this does not have the secrets of the examples.
        let secret = |message: &str| message.contains("is not set") || message.contains("cannot read");
        if let Err(error) = outcome {
            let problems: Vec<_> = error.problems().iter().filter(|problem| !secret(&problem.message)).collect();
            assert!(problems.is_empty() && !error.problems().is_empty(), "{error}\n{text}");
        }
        accepted += 1;
    }
    assert_eq!(accepted, 10);
}
