//! From the raw request target to the session's key.
//!
//! The rule of the real service: one leading slash of two is dropped (clients of ASP.NET 1.1 send two), then the
//! whole target is form-URL-decoded, then it is one opaque name, compared byte by byte. The name is split at its last
//! slash into application and session ID, which loses nothing: joined again they are the name.
//!
//! A session key needs both parts. `/ID` is the application `/`; a name without a slash, with nothing behind its
//! last slash, or beginning with two slashes and no more (which would be that same application) has no key.

use std::{borrow::Cow, cmp::Ordering, collections::BTreeMap};

use memchr::memchr2;
use thiserror::Error;

use crate::contract::{KeyError, SessionKey};

/// The application of a target that has no other.
const ROOT: &str = "/";

/// Why a target does not name a session.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum TargetError {
    /// No slash, or two at the start and no application between.
    #[error("the target does not have the form APPLICATION/ID")]
    NoApplication,
    /// The parts are not a key.
    #[error(transparent)]
    Key(#[from] KeyError),
}

/// Which applications go by another name, so that sites can share sessions.
#[derive(Debug, Clone, Default)]
pub struct Applications {
    /// Name on the wire and name in the store, sorted by the former without regard to ASCII case.
    names: Vec<(String, String)>,
}

impl Applications {
    /// From the configuration: names on the wire (with or without the hash in parentheses) to names in the store.
    #[must_use]
    pub fn new(names: &BTreeMap<String, String>) -> Self {
        let mut names: Vec<_> = names.iter().map(|(wire, store)| (wire.clone(), store.clone())).collect();
        names.sort_by(|(left, _), (right, _)| compare_ignoring_case(left, right));
        Self { names }
    }

    /// What the store calls this application. The full name counts more than the name without its hash.
    #[must_use]
    pub fn resolve<'a>(&'a self, application: &'a str) -> &'a str {
        if self.names.is_empty() {
            return application;
        }
        self.find(application)
            .or_else(|| without_hash(application).and_then(|bare| self.find(bare)))
            .unwrap_or(application)
    }

    fn find(&self, application: &str) -> Option<&str> {
        let found = self.names.binary_search_by(|(wire, _)| compare_ignoring_case(wire, application)).ok()?;
        self.names.get(found).map(|(_, store)| store.as_str())
    }
}

fn compare_ignoring_case(left: &str, right: &str) -> Ordering {
    left.bytes().map(|byte| byte.to_ascii_lowercase()).cmp(right.bytes().map(|byte| byte.to_ascii_lowercase()))
}

/// `/LM/W3SVC/1/ROOT` of `/LM/W3SVC/1/ROOT(hash)`.
fn without_hash(application: &str) -> Option<&str> {
    let open = application.strip_suffix(')')?.rfind('(')?;
    application.get(..open).filter(|bare| !bare.is_empty())
}

/// The key that a raw target names. `scratch` is memory for the decoded text.
pub fn session_key(
    target: &[u8],
    applications: &Applications,
    scratch: &mut Vec<u8>,
) -> Result<SessionKey, TargetError> {
    let name = decode(target, scratch);
    let (application, id) = split(&name)?;
    Ok(SessionKey::new(applications.resolve(application), id)?)
}

fn split(name: &str) -> Result<(&str, &str), TargetError> {
    match name.rsplit_once('/') {
        Some(("", id)) => Ok((ROOT, id)),
        None | Some((ROOT, _)) => Err(TargetError::NoApplication),
        Some(parts) => Ok(parts),
    }
}

/// Decodes a target as .NET's `HttpUtility.UrlDecode` does: `+` is a space, `%xx` is a byte of UTF-8 text, `%uXXXX` is
/// a UTF-16 unit. An escape that is not complete stands for itself. Bytes that are not UTF-8, and halves of surrogate
/// pairs, become U+FFFD.
pub fn decode<'a>(target: &[u8], scratch: &'a mut Vec<u8>) -> Cow<'a, str> {
    let mut rest = if target.starts_with(b"//") { target.get(1..).unwrap_or_default() } else { target };
    scratch.clear();
    scratch.reserve(rest.len());
    while let Some(special) = memchr2(b'%', b'+', rest) {
        let (plain, from_special) = rest.split_at(special);
        scratch.extend_from_slice(plain);
        rest = match from_special {
            [b'+', after @ ..] => {
                scratch.push(b' ');
                after
            }
            [b'%', after @ ..] => decode_escape(after, scratch),
            _ => from_special,
        };
    }
    scratch.extend_from_slice(rest);
    String::from_utf8_lossy(scratch)
}

/// Decodes what follows a `%`; returns what follows the escape.
fn decode_escape<'a>(after: &'a [u8], out: &mut Vec<u8>) -> &'a [u8] {
    if let Some((unit, rest)) = utf16_unit(after) {
        return decode_utf16(unit, rest, out);
    }
    if let [high, low, rest @ ..] = after
        && let (Some(high), Some(low)) = (hex_digit(*high), hex_digit(*low))
    {
        out.push(high << 4 | low);
        return rest;
    }
    out.push(b'%');
    after
}

/// Adds the character that begins with this UTF-16 unit; the second half of a pair is taken from `rest`.
fn decode_utf16<'a>(unit: u16, rest: &'a [u8], out: &mut Vec<u8>) -> &'a [u8] {
    let second = rest.strip_prefix(b"%").and_then(utf16_unit);
    let (character, rest) = match (char::from_u32(u32::from(unit)), second) {
        (Some(character), _) => (character, rest),
        (None, Some((second, after_second))) => match char::decode_utf16([unit, second]).next() {
            Some(Ok(character)) => (character, after_second),
            _ => (char::REPLACEMENT_CHARACTER, rest),
        },
        (None, None) => (char::REPLACEMENT_CHARACTER, rest),
    };
    out.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
    rest
}

/// `uXXXX` and what follows it.
fn utf16_unit(bytes: &[u8]) -> Option<(u16, &[u8])> {
    let [b'u', a, b, c, d, rest @ ..] = bytes else { return None };
    let mut unit = 0;
    for digit in [a, b, c, d] {
        unit = unit << 4 | u16::from(hex_digit(*digit)?);
    }
    Some((unit, rest))
}

fn hex_digit(byte: u8) -> Option<u8> {
    match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        b'A'..=b'F' => Some(byte - b'A' + 10),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
