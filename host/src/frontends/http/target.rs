//! What a request is about: an application, and a session in it.

use std::borrow::Cow;

use axum::{
    extract::FromRequestParts,
    http::{Uri, request::Parts},
};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode, utf8_percent_encode};

use super::{
    headers,
    problem::{Kind, Problem},
};
use crate::contract::SessionKey;

/// Stands in a URL where the ID is in the header `Session-Id`, because URLs end up in the logs of proxies.
const IN_HEADER: &str = "-";

/// What RFC 3986 leaves as it is in a path segment.
const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// `{app}` of the path, decoded and fit to be part of a key.
#[derive(Debug)]
pub(super) struct Application(pub(super) String);

/// `{app}` and `{id}` of the path, or `{app}` and `Session-Id`.
#[derive(Debug)]
pub(super) struct Session(pub(super) SessionKey);

impl<S: Send + Sync> FromRequestParts<S> for Application {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let (application, _) = names(&parts.uri)?;
        // Whether it can be part of a key shows in one; the ID is of no account.
        SessionKey::new(&*application, IN_HEADER).map_err(|error| Problem::new(Kind::InvalidKey, error.to_string()))?;
        Ok(Self(application.into_owned()))
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Session {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let (application, in_url) = names(&parts.uri)?;
        let id = id(in_url, headers::session_id(&parts.headers)?)?;
        let key = SessionKey::new(&*application, &*id);
        key.map(Self).map_err(|error| Problem::new(Kind::InvalidKey, error.to_string()))
    }
}

/// The ID that a URL and the header `Session-Id` give together.
pub(super) fn id<'a>(in_url: Cow<'a, str>, in_header: Option<Cow<'a, str>>) -> Result<Cow<'a, str>, Problem> {
    match (in_url == IN_HEADER, in_header) {
        (true, Some(id)) => Ok(id),
        (false, None) => Ok(in_url),
        (true, None) => {
            let detail =
                "`-` in the place of the session ID means that it is in the header `Session-Id`, which is missing";
            Err(Problem::header(headers::SESSION_ID, detail))
        }
        (false, Some(_)) => {
            let detail = "the URL and `Session-Id` both name a session; put `-` in the URL, or leave the header out";
            Err(Problem::header(headers::SESSION_ID, detail))
        }
    }
}

/// The path of a session, for `Location`.
pub(super) fn path_of(key: &SessionKey) -> String {
    let application = utf8_percent_encode(key.application(), SEGMENT);
    let id = utf8_percent_encode(key.id(), SEGMENT);
    format!("/v1/{application}/sessions/{id}")
}

/// `{app}` and `{id}` of a path, decoded. All paths about sessions begin with `/v1/{app}/sessions/{id}`, so they are its
/// second segment and its fourth.
fn names(uri: &Uri) -> Result<(Cow<'_, str>, Cow<'_, str>), Problem> {
    let mut segments = uri.path().as_bytes().split(|byte| *byte == b'/').skip(2).step_by(2);
    let mut decoded = || {
        percent_decode(segments.next().unwrap_or_default()).decode_utf8().map_err(|_| {
            Problem::new(Kind::InvalidPath, "a part of the path is not percent-encoded UTF-8; encode it as such")
        })
    };
    Ok((decoded()?, decoded()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_id_is_in_the_url_or_in_the_header() {
        assert_eq!(id("abc".into(), None).unwrap(), "abc");
        assert_eq!(id("-".into(), Some("abc".into())).unwrap(), "abc");
        assert_eq!(id("-".into(), Some("-".into())).unwrap(), "-");
    }

    #[test]
    fn an_id_that_is_in_neither_or_in_both_is_refused() {
        assert_eq!(id("-".into(), None).unwrap_err().kind(), Kind::InvalidHeader);
        assert_eq!(id("abc".into(), Some("abc".into())).unwrap_err().kind(), Kind::InvalidHeader);
    }

    #[test]
    fn a_location_encodes_what_a_path_may_not_contain() {
        let key = SessionKey::new("/LM/W3SVC/1/ROOT(x=)", "a b-ü.~").unwrap();
        assert_eq!(path_of(&key), "/v1/%2FLM%2FW3SVC%2F1%2FROOT%28x%3D%29/sessions/a%20b-%C3%BC.~");
    }
}
