//! `Prefer: wait=5` (RFC 7240): how long a client is content to wait in line for a lock.

use std::time::Duration;

use axum::http::{HeaderMap, HeaderName, HeaderValue};

const PREFER: HeaderName = HeaderName::from_static("prefer");
const PREFERENCE_APPLIED: HeaderName = HeaderName::from_static("preference-applied");

/// The wait that a client asked for, cut to what the host allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Wait {
    /// `None` if the client did not ask.
    applied: Option<Duration>,
}

impl Wait {
    /// Reads `Prefer`. A preference that cannot be read is no preference: RFC 7240 has servers ignore those.
    pub(super) fn parse(headers: &HeaderMap, longest: Duration) -> Self {
        let lines = headers.get_all(PREFER).iter().filter_map(|line| line.to_str().ok());
        // Of a preference that is given twice, the first counts (RFC 7240, 2).
        let wait = lines.flat_map(|line| split(line, ',')).find_map(wait_preference);
        Self { applied: wait.flatten().map(|wait| wait.min(longest)) }
    }

    /// How long to wait; zero if the client did not ask.
    pub(super) fn duration(self) -> Duration {
        self.applied.unwrap_or_default()
    }

    /// Tells the client what was made of its wish.
    pub(super) fn confirm(self, headers: &mut HeaderMap) {
        if let Some(wait) = self.applied {
            let value = format!("wait={}", wait.as_secs());
            headers.extend(HeaderValue::try_from(value).ok().map(|value| (PREFERENCE_APPLIED, value)));
        }
    }
}

/// `None` for another preference, `Some(None)` for a `wait` without a usable number.
fn wait_preference(preference: &str) -> Option<Option<Duration>> {
    // Parameters of a preference stand behind a semicolon; `wait` has none.
    let preference = split(preference, ';').next()?;
    let (name, value) = preference.split_once('=').unwrap_or((preference, ""));
    if !name.trim().eq_ignore_ascii_case("wait") {
        return None;
    }
    let value = value.trim();
    let value = value.strip_prefix('"').and_then(|value| value.strip_suffix('"')).unwrap_or(value);
    if value.is_empty() || !value.bytes().all(|byte| byte.is_ascii_digit()) {
        return Some(None);
    }
    // More digits than fit are a long time.
    Some(Some(Duration::from_secs(value.parse().unwrap_or(u64::MAX))))
}

/// The parts of a text between separators that are not within quotes.
fn split(text: &str, separator: char) -> impl Iterator<Item = &str> {
    let (mut quoted, mut escaped) = (false, false);
    text.split(move |character| {
        let separates = character == separator && !quoted;
        if character == '"' && !escaped {
            quoted = !quoted;
        }
        escaped = quoted && character == '\\' && !escaped;
        separates
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wait(lines: &[&str]) -> Option<u64> {
        let headers = lines.iter().map(|line| (PREFER, HeaderValue::from_str(line).unwrap())).collect();
        Wait::parse(&headers, Duration::from_secs(30)).applied.map(|wait| wait.as_secs())
    }

    #[test]
    fn wait_is_a_number_of_seconds() {
        assert_eq!(wait(&["wait=5"]), Some(5));
        assert_eq!(wait(&["wait=0"]), Some(0));
        assert_eq!(wait(&[]), None);
    }

    #[test]
    fn wait_is_cut_to_what_the_host_allows() {
        assert_eq!(wait(&["wait=31"]), Some(30));
        assert_eq!(wait(&["wait=99999999999999999999999"]), Some(30));
    }

    #[test]
    fn case_blanks_quotes_and_parameters_do_not_matter() {
        for line in ["Wait=5", "wait = 5", "wait=\"5\"", "wait=5; foo=bar", "  wait=5  "] {
            assert_eq!(wait(&[line]), Some(5), "{line}");
        }
    }

    #[test]
    fn wait_is_found_among_other_preferences() {
        assert_eq!(wait(&["return=minimal, wait=5, respond-async"]), Some(5));
        assert_eq!(wait(&["respond-async", "wait=5"]), Some(5));
        assert_eq!(wait(&["foo=\"a, wait=9; \\\" wait=8\", wait=5"]), Some(5));
        assert_eq!(wait(&["waiting=5"]), None);
    }

    #[test]
    fn the_first_of_two_counts() {
        assert_eq!(wait(&["wait=5, wait=9"]), Some(5));
        assert_eq!(wait(&["wait=5", "wait=9"]), Some(5));
        assert_eq!(wait(&["wait=soon, wait=9"]), None);
    }

    #[test]
    fn what_is_not_a_number_is_no_preference() {
        for line in ["wait", "wait=", "wait=\"\"", "wait=-1", "wait=+1", "wait=1.5", "wait=soon", "\"wait=5", ",,", "="]
        {
            assert_eq!(wait(&[line]), None, "{line}");
        }
    }

    #[test]
    fn the_answer_says_how_long_was_allowed() {
        let asked: HeaderMap = [(PREFER, HeaderValue::from_static("wait=60"))].into_iter().collect();
        let mut answer = HeaderMap::new();
        Wait::parse(&asked, Duration::from_secs(30)).confirm(&mut answer);
        assert_eq!(answer["preference-applied"], "wait=30");

        let mut answer = HeaderMap::new();
        Wait::parse(&HeaderMap::new(), Duration::from_secs(30)).confirm(&mut answer);
        assert!(answer.is_empty());
    }
}
