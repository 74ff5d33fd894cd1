//! A TOML text that knows where everything stands, read into serde structs without giving up at the first mistake.

use std::ops::Range;

use serde::de::DeserializeOwned;
use toml::{
    Spanned,
    de::{DeTable, DeValue, Deserializer},
};

use super::problem::Problem;

/// Values longer than this are cut in messages.
const SHOWN: usize = 60;

/// Tables whose values may be secrets. A message never shows what stands in them, and an entry is one value, however
/// it is written.
const SECRET_TABLES: [&str; 3] = ["settings", "id_settings", "env"];

/// Keys of other tables whose values may be secrets.
const SECRET_KEYS: [&str; 2] = ["url", "secret"];

/// What a setting may be, for messages that must not show it.
const SETTING_EXPECTED: &str =
    "a setting is text, a whole number, true, false, { env = \"NAME\" } or { file = \"PATH\" }";

/// A TOML text.
pub(super) struct Document<'t> {
    /// What messages call it: the file's name.
    source: String,
    text: &'t str,
    root: Spanned<DeTable<'t>>,
}

impl<'t> Document<'t> {
    /// Reads TOML; the syntax must be right.
    pub(super) fn parse(source: &str, text: &'t str) -> Result<Self, Problem> {
        match DeTable::parse(text) {
            Ok(root) => Ok(Self { source: source.into(), text, root }),
            Err(error) => Err(Problem {
                source: source.into(),
                line: error.span().map(|span| line(text, span.start)),
                key: String::new(),
                value: None,
                message: format!("this is not TOML: {}", one_line(error.message())),
            }),
        }
    }

    /// Reads the whole text as a `T`. What does not fit is reported and left out, and the rest is read.
    pub(super) fn read<T: DeserializeOwned + Default>(&self, problems: &mut Vec<Problem>) -> T {
        let mut rest = self.root.clone();
        loop {
            let error = match T::deserialize(Deserializer::from(rest.clone())) {
                Ok(read) => return read,
                Err(error) => error,
            };
            let culprit = error.span().and_then(|span| take_out(rest.get_mut(), &span, false));
            let Some(inside_out) = culprit else {
                problems.push(self.problem(&[], one_line(error.message())));
                return T::default();
            };
            let path: Vec<&str> = inside_out.iter().rev().map(String::as_str).collect();
            problems.push(self.misfit(&path, &error));
        }
    }

    /// A problem with what stands at `path`.
    pub(super) fn problem(&self, path: &[&str], message: impl Into<String>) -> Problem {
        let entry = self.find(path);
        Problem {
            source: self.source.clone(),
            line: entry.as_ref().map(|(key, _)| line(self.text, key.start)),
            key: key_text(path),
            value: entry.and_then(|(_, value)| self.shown(path, value)),
            message: message.into(),
        }
    }

    fn misfit(&self, path: &[&str], error: &toml::de::Error) -> Problem {
        if is_secret(path) {
            return self.problem(path, SETTING_EXPECTED);
        }
        match unknown_key(error.message()) {
            Some(message) => Problem { value: None, ..self.problem(path, message) },
            None => self.problem(path, one_line(error.message())),
        }
    }

    /// Where the key and its value stand in the text.
    fn find(&self, path: &[&str]) -> Option<(Range<usize>, Range<usize>)> {
        let (last, parents) = path.split_last()?;
        let mut table = self.root.get_ref();
        for parent in parents {
            table = table.get(*parent)?.get_ref().as_table()?;
        }
        let (key, value) = table.get_key_value(*last)?;
        Some((key.span(), value.span()))
    }

    fn shown(&self, path: &[&str], value: Range<usize>) -> Option<String> {
        if is_secret(path) {
            return None;
        }
        let written = self.text.get(value)?;
        // The value of a table that has a header is the header, which the key already tells.
        if written.starts_with('[') && !written.contains([',', '"', '\'']) && written.contains(path.last()?) {
            return None;
        }
        let mut line = one_line(written);
        if let Some((cut, _)) = line.char_indices().nth(SHOWN) {
            line.truncate(cut);
            line.push_str("...");
        }
        Some(line)
    }
}

/// Removes the innermost entry that an error's position points to; its path, from the inside out. `whole`: entries
/// are removed as they are, not looked into.
fn take_out(table: &mut DeTable<'_>, place: &Range<usize>, whole: bool) -> Option<Vec<String>> {
    let mut hit = None;
    for (key, value) in table.iter_mut() {
        let name = key.get_ref().to_string();
        if !whole
            && !SECRET_KEYS.contains(&name.as_str())
            && let DeValue::Table(inner) = value.get_mut()
            && let Some(mut path) = take_out(inner, place, SECRET_TABLES.contains(&name.as_str()))
        {
            path.push(name);
            return Some(path);
        }
        if key.span() == *place || holds(value, place) {
            hit = Some(name);
            break;
        }
    }
    let name = hit?;
    table.remove(name.as_str());
    Some(vec![name])
}

/// Whether the position lies in a value, however its tables are written.
fn holds(value: &Spanned<DeValue<'_>>, place: &Range<usize>) -> bool {
    let inside = |table: &DeTable<'_>| table.iter().any(|(key, value)| key.span() == *place || holds(value, place));
    contains(&value.span(), place) || value.get_ref().as_table().is_some_and(inside)
}

fn contains(outer: &Range<usize>, inner: &Range<usize>) -> bool {
    outer.start <= inner.start && inner.end <= outer.end
}

fn is_secret(path: &[&str]) -> bool {
    let Some((last, parents)) = path.split_last() else { return false };
    SECRET_KEYS.contains(last) || parents.iter().any(|part| SECRET_TABLES.contains(part))
}

/// The line that a byte of the text is in, from 1.
fn line(text: &str, byte: usize) -> usize {
    text.bytes().take(byte).filter(|byte| *byte == b'\n').count() + 1
}

fn one_line(text: &str) -> String {
    text.lines().map(str::trim).collect::<Vec<_>>().join(" ")
}

/// A path as TOML writes dotted keys.
fn key_text(path: &[&str]) -> String {
    path.iter().map(|part| quoted_key(part)).collect::<Vec<_>>().join(".")
}

/// A key as TOML writes it: quoted where it must be.
pub(super) fn quoted_key(key: &str) -> String {
    let bare = !key.is_empty() && key.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-');
    if bare { key.into() } else { quoted(key) }
}

/// Text as a TOML string, whatever is in it.
pub(super) fn quoted(text: &str) -> String {
    let mut written = String::with_capacity(text.len() + 2);
    written.push('"');
    for char in text.chars() {
        match char {
            '"' | '\\' => written.extend(['\\', char]),
            '\n' => written.push_str("\\n"),
            '\t' => written.push_str("\\t"),
            char if char.is_control() => written.push_str(&format!("\\u{:04X}", u32::from(char))),
            char => written.push(char),
        }
    }
    written.push('"');
    written
}

/// Makes serde's "unknown field `x`, expected one of `a`, `b`" a sentence with a proposal.
fn unknown_key(message: &str) -> Option<String> {
    let rest = message.strip_prefix("unknown field ")?;
    let mut names = rest.split('`').skip(1).step_by(2);
    let unknown = names.next()?;
    let known: Vec<&str> = names.collect();
    let allowed = known.join(", ");
    Some(match nearest(unknown, &known) {
        Some(near) => format!("there is no such key; did you mean `{near}`? Allowed here: {allowed}"),
        None => format!("there is no such key. Allowed here: {allowed}"),
    })
}

/// The word that `written` was probably meant to be.
pub(super) fn nearest<'w>(written: &str, words: &[&'w str]) -> Option<&'w str> {
    let written = written.to_lowercase().replace('-', "_");
    let (distance, word) = words.iter().map(|word| (distance(&written, &word.to_lowercase()), *word)).min()?;
    (distance <= 1 + written.chars().count() / 4).then_some(word)
}

/// Levenshtein's distance: how many letters to put in, take out or change.
fn distance(from: &str, to: &str) -> usize {
    let mut row: Vec<usize> = (0..=to.chars().count()).collect();
    for (index, a) in from.chars().enumerate() {
        let mut next = vec![index + 1];
        for ((b, above), diagonal) in to.chars().zip(row.iter().skip(1)).zip(&row) {
            let left = next.last().copied().unwrap_or_default();
            next.push((left + 1).min(above + 1).min(diagonal + usize::from(a != b)));
        }
        row = next;
    }
    row.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, Default, Deserialize, PartialEq, Eq)]
    #[serde(deny_unknown_fields, default)]
    struct House {
        rooms: Option<u32>,
        colour: Option<String>,
        garden: Option<Garden>,
    }

    #[derive(Debug, Default, Deserialize, PartialEq, Eq)]
    #[serde(deny_unknown_fields, default)]
    struct Garden {
        trees: Option<u32>,
    }

    fn read(text: &str) -> (House, Vec<String>) {
        let mut problems = Vec::new();
        let document = Document::parse("house.toml", text).expect("TOML");
        let house = document.read(&mut problems);
        (house, problems.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn every_mistake_is_reported_and_the_rest_is_read() {
        let (house, problems) =
            read("rooms = \"many\"\ncolor = \"red\"\n[garden]\ntrees = 3\nshed = 1\n[gardens]\ntrees = 4\n");
        assert_eq!(house, House { rooms: None, colour: None, garden: Some(Garden { trees: Some(3) }) });
        assert_eq!(
            problems,
            [
                "house.toml:2: color: there is no such key; did you mean `colour`? Allowed here: rooms, colour, garden",
                "house.toml:5: garden.shed: there is no such key. Allowed here: trees",
                "house.toml:6: gardens: there is no such key; did you mean `garden`? Allowed here: rooms, colour, garden",
                "house.toml:1: rooms = \"many\": invalid type: string \"many\", expected u32",
            ]
        );
    }

    #[test]
    fn a_table_in_place_of_a_value_and_a_value_in_place_of_a_table_are_reported() {
        let (_, problems) = read("garden = 5\n[rooms]\nx = 1\n");
        assert_eq!(problems.len(), 2, "{problems:?}");
        assert!(problems.iter().any(|problem| problem.starts_with("house.toml:1: garden = 5: ")), "{problems:?}");
        assert!(problems.iter().any(|problem| problem.starts_with("house.toml:2: rooms")), "{problems:?}");
    }

    #[test]
    fn a_mistake_in_the_syntax_names_the_line_and_shows_no_text() {
        let problem = Document::parse("house.toml", "rooms = 1\npassword = \"hunter2\n").err().expect("no TOML");
        assert_eq!(problem.line, Some(2));
        assert!(!problem.to_string().contains("hunter2"), "{problem}");
    }

    #[test]
    fn the_nearest_word_is_proposed_only_if_it_is_near() {
        let words = ["address", "hold_locked", "max_line"];
        assert_eq!(nearest("adress", &words), Some("address"));
        assert_eq!(nearest("hold-locked", &words), Some("hold_locked"));
        assert_eq!(nearest("holdLocked", &words), Some("hold_locked"));
        assert_eq!(nearest("port", &words), None);
    }

    #[test]
    fn any_text_survives_being_quoted() {
        for text in ["", "plain", "a\"b\\c", "line\nbreak\ttab\r", "\u{0}\u{7f}\u{85}", "größe 🧥"] {
            let document = format!("{} = {}", quoted_key(text), quoted(text));
            let table: toml::Table = document.parse().expect("TOML");
            assert_eq!(table.get(text).and_then(|value| value.as_str()), Some(text));
        }
    }
}
