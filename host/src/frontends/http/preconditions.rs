//! `If-Match` and `If-None-Match` (RFC 9110, 13.1): what must be true of a session's version for a request to be done.
//!
//! A header that cannot be read is an error here, though RFC 9110 would allow to ignore it: a client that wrote
//! `If-Match` asked not to lose an update.

use axum::http::{HeaderMap, HeaderName, header};

use super::problem::Problem;
use crate::contract::Condition;

/// A version that no item ever has: the largest that every back end can still store and compare exactly.
const NEVER: u64 = i64::MAX.unsigned_abs();

/// The preconditions of one request.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Preconditions {
    if_match: Option<Tags>,
    if_none_match: Option<Tags>,
}

/// What one of the two headers lists.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Tags {
    /// `*`: whatever exists.
    Any,
    /// Entity tags.
    These(Vec<EntityTag>),
}

/// An entity tag, reduced to what matters here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct EntityTag {
    /// `W/"..."`
    weak: bool,
    /// The version that it names; `None` for a tag that no version ever had.
    version: Option<u64>,
}

impl Preconditions {
    /// A condition under which nothing is ever stored: a write that has it only learns the item's version.
    pub(super) const NEVER_HOLDS: Condition = Condition::IfVersion(NEVER);

    /// Reads both headers.
    pub(super) fn parse(headers: &HeaderMap) -> Result<Self, Problem> {
        Ok(Self { if_match: tags(headers, &header::IF_MATCH)?, if_none_match: tags(headers, &header::IF_NONE_MATCH)? })
    }

    /// Whether there are none.
    pub(super) fn is_empty(&self) -> bool {
        self.if_match.is_none() && self.if_none_match.is_none()
    }

    /// Which header is false for a session with this version (`None`: there is no session), if one is. `If-Match` is
    /// looked at first (RFC 9110, 13.2.2).
    pub(super) fn failed(&self, version: Option<u64>) -> Option<&'static str> {
        if self.if_match.as_ref().is_some_and(|tags| !tags.contain(version, Comparison::Strong)) {
            return Some("if-match");
        }
        if self.if_none_match.as_ref().is_some_and(|tags| tags.contain(version, Comparison::Weak)) {
            return Some("if-none-match");
        }
        None
    }

    /// The same as an error to answer with, 412.
    pub(super) fn check(&self, version: Option<u64>) -> Result<(), Problem> {
        match self.failed(version) {
            Some(header) => Err(Problem::precondition_failed(header, version)),
            None => Ok(()),
        }
    }

    /// The condition of a first write, when the session's version is not known yet.
    ///
    /// The contract's conditions name one version, these headers sets of them. So a write is tried under a condition
    /// that satisfies the headers if it holds: the only version that they allow, or one that no item has. If it does
    /// not hold, nothing is stored, and the outcome tells the version to decide by: see
    /// [`Preconditions::condition_at`].
    pub(super) fn first_condition(&self) -> Condition {
        if self.is_empty() {
            return Condition::None;
        }
        if self.failed(None).is_none() {
            return Condition::MustBeNew;
        }
        let listed = match &self.if_match {
            Some(Tags::These(tags)) => tags.iter().find_map(|tag| tag.version),
            _ => None,
        };
        Condition::IfVersion(listed.filter(|version| self.failed(Some(*version)).is_none()).unwrap_or(NEVER))
    }

    /// The condition of a write that was decided on for a session with this version.
    pub(super) fn condition_at(&self, version: Option<u64>) -> Condition {
        match version {
            _ if self.is_empty() => Condition::None,
            None => Condition::MustBeNew,
            Some(version) => Condition::IfVersion(version),
        }
    }
}

/// How entity tags are compared (RFC 9110, 8.8.3.2). A version's own tag is always strong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Comparison {
    Strong,
    Weak,
}

impl Tags {
    fn contain(&self, version: Option<u64>, comparison: Comparison) -> bool {
        let Some(version) = version else { return false };
        match self {
            Self::Any => true,
            Self::These(tags) => {
                let comparable = |tag: &&EntityTag| comparison == Comparison::Weak || !tag.weak;
                tags.iter().filter(comparable).any(|tag| tag.version == Some(version))
            }
        }
    }
}

/// All lines of one header as one list; `None` if there is no line.
fn tags(headers: &HeaderMap, name: &HeaderName) -> Result<Option<Tags>, Problem> {
    let refuse = || {
        let wanted = "give `*` or entity tags as they came in `ETag`, such as \"v3\", with their quotes";
        Problem::header(name, format!("`{name}` is not a list of entity tags; {wanted}"))
    };
    let mut any = false;
    let mut listed = Vec::new();
    let mut given = false;
    for line in headers.get_all(name) {
        given = true;
        if line.as_bytes().trim_ascii() == b"*" {
            any = true;
        } else {
            read_list(line.as_bytes(), &mut listed).ok_or_else(refuse)?;
        }
    }
    match (given, any, listed.is_empty()) {
        (false, ..) => Ok(None),
        (true, true, true) => Ok(Some(Tags::Any)),
        (true, false, false) => Ok(Some(Tags::These(listed))),
        // Nothing in it, or `*` among tags.
        _ => Err(refuse()),
    }
}

/// Appends the tags of one header line; `None` if it is malformed. Empty elements are skipped (RFC 9110, 5.6.1).
fn read_list(line: &[u8], tags: &mut Vec<EntityTag>) -> Option<()> {
    let mut rest = line.trim_ascii_start();
    while !rest.is_empty() {
        if let Some(behind) = rest.strip_prefix(b",") {
            rest = behind.trim_ascii_start();
            continue;
        }
        let (weak, quoted) = match rest.strip_prefix(b"W/") {
            Some(quoted) => (true, quoted),
            None => (false, rest),
        };
        let opened = quoted.strip_prefix(b"\"")?;
        let end = opened.iter().position(|byte| *byte == b'"')?;
        let (opaque, behind) = (opened.get(..end)?, opened.get(end + 1..)?.trim_ascii_start());
        // RFC 9110, 8.8.3: no blanks and no controls; a comma is allowed.
        if opaque.iter().any(|byte| *byte <= b' ' || *byte == 0x7f) || !(behind.is_empty() || behind.starts_with(b","))
        {
            return None;
        }
        tags.push(EntityTag { weak, version: version(opaque) });
        rest = behind;
    }
    Some(())
}

/// The version in a tag of ours: `v` and a number as we write it.
fn version(opaque: &[u8]) -> Option<u64> {
    let digits = std::str::from_utf8(opaque.strip_prefix(b"v")?).ok()?;
    let number: u64 = digits.parse().ok()?;
    (number.to_string() == digits).then_some(number)
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;
    use proptest::prelude::*;

    use super::*;

    fn parse(lines: &[(&'static str, &str)]) -> Result<Preconditions, Problem> {
        let headers = lines
            .iter()
            .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_bytes(value.as_bytes()).unwrap()))
            .collect();
        Preconditions::parse(&headers)
    }

    fn if_match(value: &str) -> Preconditions {
        parse(&[("if-match", value)]).unwrap()
    }

    fn if_none_match(value: &str) -> Preconditions {
        parse(&[("if-none-match", value)]).unwrap()
    }

    #[test]
    fn without_headers_everything_holds() {
        let none = parse(&[]).unwrap();
        assert!(none.is_empty());
        assert_eq!((none.failed(None), none.failed(Some(3))), (None, None));
        assert_eq!((none.first_condition(), none.condition_at(Some(3))), (Condition::None, Condition::None));
    }

    #[test]
    fn if_match_holds_for_a_version_that_it_lists() {
        let one = if_match("\"v3\"");
        assert_eq!(
            (one.failed(Some(3)), one.failed(Some(4)), one.failed(None)),
            (None, Some("if-match"), Some("if-match"))
        );
        let list = if_match("\"v3\" , ,\"v5\",");
        assert_eq!((list.failed(Some(3)), list.failed(Some(5))), (None, None));
        assert_eq!(list.failed(Some(4)), Some("if-match"));
    }

    #[test]
    fn if_match_with_an_asterisk_holds_for_whatever_exists() {
        let any = if_match("*");
        assert_eq!((any.failed(Some(1)), any.failed(None)), (None, Some("if-match")));
    }

    #[test]
    fn if_match_never_holds_for_a_weak_tag() {
        assert_eq!(if_match("W/\"v3\"").failed(Some(3)), Some("if-match"));
    }

    #[test]
    fn if_none_match_is_false_for_a_version_that_it_lists_weak_or_strong() {
        for value in ["\"v3\"", "W/\"v3\"", "\"x\", \"v3\""] {
            let tags = if_none_match(value);
            assert_eq!(tags.failed(Some(3)), Some("if-none-match"), "{value}");
            assert_eq!((tags.failed(Some(4)), tags.failed(None)), (None, None), "{value}");
        }
    }

    #[test]
    fn if_none_match_with_an_asterisk_holds_when_nothing_exists() {
        let any = if_none_match("*");
        assert_eq!((any.failed(None), any.failed(Some(1))), (None, Some("if-none-match")));
    }

    #[test]
    fn several_lines_are_one_list() {
        let lines = parse(&[("if-match", "\"v1\""), ("if-match", "\"v2\"")]).unwrap();
        assert_eq!((lines.failed(Some(1)), lines.failed(Some(2))), (None, None));
    }

    #[test]
    fn tags_that_are_not_ours_match_no_version() {
        for value in
            ["\"\"", "\"3\"", "\"v03\"", "\"v+3\"", "\"V3\"", "\"v3,v4\"", "\"v\"", "\"v99999999999999999999\""]
        {
            let tags = if_match(value);
            assert_eq!(tags.failed(Some(3)), Some("if-match"), "{value}");
        }
    }

    #[test]
    fn what_is_not_a_list_of_tags_is_refused() {
        for value in [
            "",
            ",",
            "v3",
            "\"v3",
            "v3\"",
            "\"v3\" \"v4\"",
            "*, \"v3\"",
            "\"v3\", *",
            "w/\"v3\"",
            "W/ \"v3\"",
            "\"v 3\"",
            "**",
        ] {
            assert!(parse(&[("if-match", value)]).is_err(), "{value}");
            assert!(parse(&[("if-none-match", value)]).is_err(), "{value}");
        }
        assert!(parse(&[("if-match", "*"), ("if-match", "\"v3\"")]).is_err());
    }

    #[test]
    fn a_first_write_is_tried_under_the_only_version_allowed() {
        assert_eq!(if_match("\"v3\"").first_condition(), Condition::IfVersion(3));
        assert_eq!(if_match("\"x\", \"v3\", \"v4\"").first_condition(), Condition::IfVersion(3));
        assert_eq!(if_none_match("*").first_condition(), Condition::MustBeNew);
        assert_eq!(if_none_match("\"v3\"").first_condition(), Condition::MustBeNew);
    }

    #[test]
    fn a_first_write_that_cannot_be_right_names_a_version_that_no_item_has() {
        assert_eq!(if_match("*").first_condition(), Condition::IfVersion(NEVER));
        assert_eq!(if_match("W/\"v3\"").first_condition(), Condition::IfVersion(NEVER));
        let contradiction = parse(&[("if-match", "\"v3\""), ("if-none-match", "\"v3\"")]).unwrap();
        assert_eq!(contradiction.first_condition(), Condition::IfVersion(NEVER));
    }

    #[test]
    fn a_write_that_was_decided_on_is_bound_to_what_it_was_decided_for() {
        let any = if_match("*");
        assert_eq!(any.condition_at(Some(8)), Condition::IfVersion(8));
        assert_eq!(if_none_match("\"v3\"").condition_at(None), Condition::MustBeNew);
    }

    proptest! {
        #[test]
        fn any_header_value_is_read_or_refused_without_a_panic(value in "[ -~]{0,40}") {
            let _ = parse(&[("if-match", &value)]);
        }

        #[test]
        fn the_first_condition_never_allows_what_the_headers_forbid(
            matching in proptest::option::of(proptest::collection::vec((any::<bool>(), 1..5_u64), 1..4)),
            none_matching in proptest::option::of(proptest::collection::vec((any::<bool>(), 1..5_u64), 1..4)),
        ) {
            let tags = |list: Vec<(bool, u64)>| {
                Tags::These(list.into_iter().map(|(weak, version)| EntityTag { weak, version: Some(version) }).collect())
            };
            let preconditions = Preconditions { if_match: matching.map(tags), if_none_match: none_matching.map(tags) };
            match preconditions.first_condition() {
                Condition::None => prop_assert!(preconditions.is_empty()),
                Condition::MustBeNew => prop_assert_eq!(preconditions.failed(None), None),
                Condition::IfVersion(NEVER) => {}
                Condition::IfVersion(version) => prop_assert_eq!(preconditions.failed(Some(version)), None),
            }
        }
    }
}
