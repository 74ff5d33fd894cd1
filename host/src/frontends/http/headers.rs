//! The headers of a session, read into types and written from them.
//!
//! A header that may stand once is refused when it stands twice: which of two lock ids was meant is not ours to guess.
//! Texts that may hold any character (session ID, subject) are percent-encoded UTF-8 in headers, as in a URL.

use std::{borrow::Cow, convert::Infallible, mem};

use axum::{
    extract::FromRequestParts,
    http::{HeaderMap, HeaderName, HeaderValue, header, request::Parts},
};
use percent_encoding::{AsciiSet, CONTROLS, percent_decode, utf8_percent_encode};

use super::{
    problem::{Kind, Problem},
    timestamp::{http_date, parse_http_date},
};
use crate::{
    clock::UnixMillis,
    contract::{Item, LockId},
};

/// The lock id that the client holds, or has just been given.
pub(super) const SESSION_LOCK: HeaderName = HeaderName::from_static("session-lock");
/// How long somebody else has held the lock, in seconds.
pub(super) const SESSION_LOCK_AGE: HeaderName = HeaderName::from_static("session-lock-age");
/// Idle timeout in seconds; 0 is never.
pub(super) const SESSION_TIMEOUT: HeaderName = HeaderName::from_static("session-timeout");
/// When the session expires if nobody touches it, as an HTTP date.
pub(super) const SESSION_EXPIRES: HeaderName = HeaderName::from_static("session-expires");
/// When the session expires however busy it is, as an HTTP date.
pub(super) const SESSION_EXPIRES_LATEST: HeaderName = HeaderName::from_static("session-expires-latest");
/// Whom the session belongs to.
pub(super) const SESSION_SUBJECT: HeaderName = HeaderName::from_static("session-subject");
/// `1` for a session that is uninitialized and seen for the first time.
pub(super) const SESSION_NEW: HeaderName = HeaderName::from_static("session-new");
/// The ID of the session, where it is not in the URL.
pub(super) const SESSION_ID: HeaderName = HeaderName::from_static("session-id");
/// The last event that a reader of events has seen.
const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");

/// The longest idle timeout: a year, as in ASP.NET.
const MAX_IDLE_TIMEOUT: u32 = 31_536_000;

/// What a text in a header has encoded: what no header may contain, the percent sign itself, and spaces, which are
/// lost at either end.
const IN_HEADER: &AsciiSet = &CONTROLS.add(b' ').add(b'%');

/// The headers of a request. Taken out of it and not copied, so a handler asks for them after whatever reads some.
pub(super) struct Headers(pub(super) HeaderMap);

impl<S: Sync> FromRequestParts<S> for Headers {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(Self(mem::take(&mut parts.headers)))
    }
}

/// `Session-Lock`: the lock id that the client shows.
pub(super) fn session_lock(headers: &HeaderMap) -> Result<Option<LockId>, Problem> {
    let Some(text) = single(headers, SESSION_LOCK)? else { return Ok(None) };
    let lock_id = number(text).and_then(LockId::new);
    lock_id.map(Some).ok_or_else(|| {
        let wanted = format!("give the number that came with the lock, 1 to {}", LockId::MAX);
        Problem::header(SESSION_LOCK, format!("`Session-Lock: {text}` is not a lock id; {wanted}"))
    })
}

/// `Session-Timeout`: the idle timeout in seconds, 0 for never.
pub(super) fn session_timeout(headers: &HeaderMap) -> Result<Option<u32>, Problem> {
    let Some(text) = single(headers, SESSION_TIMEOUT)? else { return Ok(None) };
    let timeout = number(text).filter(|seconds| *seconds <= MAX_IDLE_TIMEOUT);
    timeout.map(Some).ok_or_else(|| {
        let wanted = format!("give whole seconds, 0 (never) to {MAX_IDLE_TIMEOUT} (a year)");
        Problem::header(SESSION_TIMEOUT, format!("`Session-Timeout: {text}` is not an idle timeout; {wanted}"))
    })
}

/// `Session-Expires-Latest`: the moment when the session ends however busy it is.
pub(super) fn session_expires_latest(headers: &HeaderMap) -> Result<Option<UnixMillis>, Problem> {
    let Some(text) = single(headers, SESSION_EXPIRES_LATEST)? else { return Ok(None) };
    parse_http_date(text).map(Some).ok_or_else(|| {
        let wanted = "give one such as `Sun, 06 Nov 1994 08:49:37 GMT`, from 1970 on";
        Problem::header(
            SESSION_EXPIRES_LATEST,
            format!("`Session-Expires-Latest: {text}` is not an HTTP date; {wanted}"),
        )
    })
}

/// `Session-Subject`: whom the session belongs to. Empty is not absent: it clears the subject.
pub(super) fn session_subject(headers: &HeaderMap) -> Result<Option<String>, Problem> {
    Ok(encoded(headers, SESSION_SUBJECT)?.map(Cow::into_owned))
}

/// `Session-Id`.
pub(super) fn session_id(headers: &HeaderMap) -> Result<Option<Cow<'_, str>>, Problem> {
    encoded(headers, SESSION_ID)
}

/// `Last-Event-ID`: the last event that a reader has seen. Empty is absent: a reader that has seen none sends it so.
pub(super) fn last_event_id(headers: &HeaderMap) -> Result<Option<&str>, Problem> {
    Ok(single(headers, LAST_EVENT_ID)?.filter(|value| !value.is_empty()))
}

/// `Session-New: 1` on a write: the session is to be inserted uninitialized.
pub(super) fn session_new(headers: &HeaderMap) -> Result<bool, Problem> {
    match single(headers, SESSION_NEW)? {
        None => Ok(false),
        Some("1") => Ok(true),
        Some(text) => {
            let detail = format!("`Session-New: {text}` means nothing; give 1, or leave the header out");
            Err(Problem::header(SESSION_NEW, detail))
        }
    }
}

/// `Content-Type`, which is kept with the payload.
pub(super) fn content_type(headers: &HeaderMap) -> Result<Option<&str>, Problem> {
    Ok(single(headers, header::CONTENT_TYPE)?.filter(|value| !value.is_empty()))
}

/// Refuses a body in a content coding: the coding is not kept, so whoever reads the payload could not undo it.
pub(super) fn refuse_content_coding(headers: &HeaderMap) -> Result<(), Problem> {
    for value in headers.get_all(header::CONTENT_ENCODING) {
        if !value.as_bytes().eq_ignore_ascii_case(b"identity") {
            let detail = "payloads are stored as they are, without their Content-Encoding: send the bytes unencoded, \
                          or name the coding in the Content-Type";
            let identity = HeaderValue::from_static("identity");
            return Err(Problem::new(Kind::UnsupportedEncoding, detail).with_header(header::ACCEPT_ENCODING, identity));
        }
    }
    Ok(())
}

/// Refuses a partial write, as RFC 9110 (14.5) asks of those who do not know them.
pub(super) fn refuse_content_range(headers: &HeaderMap) -> Result<(), Problem> {
    if headers.contains_key(header::CONTENT_RANGE) {
        return Err(Problem::header(
            header::CONTENT_RANGE,
            "a payload is only written whole; leave out `Content-Range`",
        ));
    }
    Ok(())
}

/// The strong entity tag of a version: `"v3"`.
pub(super) fn entity_tag(version: u64) -> HeaderValue {
    // Quotes, a letter and digits are always a header value.
    HeaderValue::try_from(format!("\"v{version}\"")).unwrap_or_else(|_| HeaderValue::from(version))
}

/// Everything that an answer says of a session beside its payload.
pub(super) fn of_item(item: &Item) -> HeaderMap {
    // With room for what every answer has besides.
    let mut headers = HeaderMap::with_capacity(12);
    headers.insert(header::ETAG, entity_tag(item.version));
    headers.insert(SESSION_TIMEOUT, HeaderValue::from(item.data.idle_timeout));
    insert(&mut headers, SESSION_EXPIRES, item.expires.and_then(http_date));
    insert(&mut headers, SESSION_EXPIRES_LATEST, item.data.latest_expiry.and_then(http_date));
    let subject = item.data.subject.as_deref().filter(|subject| !subject.is_empty());
    let subject = subject.map(|subject| utf8_percent_encode(subject, IN_HEADER).to_string());
    insert(&mut headers, SESSION_SUBJECT, subject.and_then(|subject| HeaderValue::try_from(subject).ok()));
    if item.uninitialized {
        headers.insert(SESSION_NEW, HeaderValue::from_static("1"));
    }
    headers
}

fn insert(headers: &mut HeaderMap, name: HeaderName, value: Option<HeaderValue>) {
    if let Some(value) = value {
        headers.insert(name, value);
    }
}

/// A header that may stand once, as text.
fn single(headers: &HeaderMap, name: HeaderName) -> Result<Option<&str>, Problem> {
    let Some(value) = single_value(headers, &name)? else { return Ok(None) };
    let text = value.to_str().map_err(|_| Problem::header(&name, format!("`{name}` has characters beyond ASCII")))?;
    Ok(Some(text))
}

/// A header that may stand once, percent-decoded.
fn encoded(headers: &HeaderMap, name: HeaderName) -> Result<Option<Cow<'_, str>>, Problem> {
    let Some(value) = single_value(headers, &name)? else { return Ok(None) };
    let text = percent_decode(value.as_bytes()).decode_utf8();
    text.map(Some).map_err(|_| Problem::header(&name, format!("`{name}` is not percent-encoded UTF-8")))
}

fn single_value<'h>(headers: &'h HeaderMap, name: &HeaderName) -> Result<Option<&'h HeaderValue>, Problem> {
    let mut values = headers.get_all(name).iter();
    let first = values.next();
    if values.next().is_some() {
        return Err(Problem::header(name, format!("`{name}` is given more than once; give it once")));
    }
    Ok(first)
}

/// Digits and nothing else, unlike `str::parse`, which takes a plus sign.
fn number(text: &str) -> Option<u32> {
    if text.bytes().all(|byte| byte.is_ascii_digit()) { text.parse().ok() } else { None }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::contract::{Payload, SessionData};

    fn headers(given: &[(&'static str, &str)]) -> HeaderMap {
        given
            .iter()
            .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_str(value).unwrap()))
            .collect()
    }

    /// The header that the problem names.
    fn refused<T>(result: Result<T, Problem>) -> String {
        match result {
            Ok(_) => panic!("should have been refused"),
            Err(problem) => problem.json()["header"].as_str().unwrap_or_default().to_owned(),
        }
    }

    #[test]
    fn a_lock_id_is_a_number_from_1_to_the_largest() {
        for number in [1, 7, LockId::MAX] {
            let given = headers(&[("session-lock", &number.to_string())]);
            assert_eq!(session_lock(&given).unwrap().map(LockId::get), Some(number));
        }
        assert_eq!(session_lock(&headers(&[])).unwrap(), None);
        for text in ["0", "2147483648", "-1", "+1", "1.0", "seven", "", "1 2", "0x1"] {
            assert_eq!(refused(session_lock(&headers(&[("session-lock", text)]))), "session-lock", "{text}");
        }
    }

    #[test]
    fn a_header_that_stands_twice_is_refused() {
        assert_eq!(refused(session_lock(&headers(&[("session-lock", "1"), ("session-lock", "1")]))), "session-lock");
        assert_eq!(refused(session_id(&headers(&[("session-id", "a"), ("session-id", "b")]))), "session-id");
    }

    #[test]
    fn an_idle_timeout_is_seconds_from_0_to_a_year() {
        for (text, seconds) in [("0", 0), ("1200", 1200), ("31536000", 31_536_000)] {
            assert_eq!(session_timeout(&headers(&[("session-timeout", text)])).unwrap(), Some(seconds));
        }
        assert_eq!(session_timeout(&headers(&[])).unwrap(), None);
        for text in ["31536001", "-1", "20m", "1e3", "", "99999999999"] {
            assert_eq!(refused(session_timeout(&headers(&[("session-timeout", text)]))), "session-timeout", "{text}");
        }
    }

    #[test]
    fn the_latest_expiry_is_an_http_date() {
        let given = headers(&[("session-expires-latest", "Sun, 06 Nov 1994 08:49:37 GMT")]);
        assert_eq!(session_expires_latest(&given).unwrap(), Some(UnixMillis(784_111_777_000)));
        let given = headers(&[("session-expires-latest", "2030-01-01")]);
        assert_eq!(refused(session_expires_latest(&given)), "session-expires-latest");
    }

    #[test]
    fn subjects_are_percent_encoded_and_an_empty_one_is_not_absent() {
        let subject = |text| session_subject(&headers(&[("session-subject", text)])).unwrap();
        assert_eq!(subject("alice@example.org").as_deref(), Some("alice@example.org"));
        assert_eq!(subject("J%C3%BCrgen%20%25").as_deref(), Some("Jürgen %"));
        assert_eq!(subject("").as_deref(), Some(""));
        assert_eq!(session_subject(&headers(&[])).unwrap(), None);
        assert_eq!(refused(session_subject(&headers(&[("session-subject", "%FF")]))), "session-subject");
    }

    #[test]
    fn session_new_is_1_or_absent() {
        assert!(session_new(&headers(&[("session-new", "1")])).unwrap());
        assert!(!session_new(&headers(&[])).unwrap());
        assert_eq!(refused(session_new(&headers(&[("session-new", "true")]))), "session-new");
    }

    #[test]
    fn a_content_coding_other_than_identity_is_refused() {
        assert!(refuse_content_coding(&headers(&[])).is_ok());
        assert!(refuse_content_coding(&headers(&[("content-encoding", "Identity")])).is_ok());
        let problem = refuse_content_coding(&headers(&[("content-encoding", "gzip")])).unwrap_err();
        assert_eq!(problem.kind(), Kind::UnsupportedEncoding);
    }

    #[test]
    fn a_partial_write_is_refused() {
        assert!(refuse_content_range(&headers(&[])).is_ok());
        let given = headers(&[("content-range", "bytes 0-1/2")]);
        assert_eq!(refused(refuse_content_range(&given)), "content-range");
    }

    #[test]
    fn an_item_is_described_by_its_headers() {
        let data = SessionData {
            payload: Payload::new(Bytes::from_static(b"x")),
            idle_timeout: 1200,
            latest_expiry: Some(UnixMillis(784_111_777_000)),
            subject: Some("Jürgen %".into()),
        };
        let mut item = Item {
            data,
            version: 3,
            created: UnixMillis(0),
            expires: Some(UnixMillis(784_111_776_999)),
            uninitialized: true,
        };
        let described = of_item(&item);
        assert_eq!(described["etag"], "\"v3\"");
        assert_eq!(described["session-timeout"], "1200");
        assert_eq!(described["session-expires"], "Sun, 06 Nov 1994 08:49:36 GMT");
        assert_eq!(described["session-expires-latest"], "Sun, 06 Nov 1994 08:49:37 GMT");
        assert_eq!(described["session-subject"], "J%C3%BCrgen%20%25");
        assert_eq!(described["session-new"], "1");

        item.expires = None;
        item.uninitialized = false;
        item.data.latest_expiry = None;
        item.data.subject = Some(String::new());
        let described = of_item(&item);
        for absent in ["session-expires", "session-expires-latest", "session-subject", "session-new"] {
            assert!(!described.contains_key(absent), "{absent}");
        }
    }

    #[test]
    fn a_subject_is_read_as_it_is_written() {
        for subject in ["a b", " lead", "%41", "line\nbreak", "日本", "a,b;c\"d"] {
            let written = utf8_percent_encode(subject, IN_HEADER).to_string();
            let read = session_subject(&headers(&[("session-subject", &written)])).unwrap();
            assert_eq!(read.as_deref(), Some(subject));
        }
    }
}
