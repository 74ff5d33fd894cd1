//! The query of a URL. Strict: a misspelt `?keep-lokc=true` is an error, not a lock that is released.

use std::num::NonZeroU32;

use axum::{
    extract::{FromRequestParts, Query as AxumQuery},
    http::request::Parts,
};
use serde::{Deserialize, de::DeserializeOwned};
use utoipa::IntoParams;

use super::problem::{Kind, Problem};

/// A query that must be a `T` and nothing more.
#[derive(Debug)]
pub(super) struct Query<T>(pub(super) T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for Query<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        match AxumQuery::try_from_uri(&parts.uri) {
            Ok(AxumQuery(query)) => Ok(Self(query)),
            Err(rejection) => Err(Problem::new(Kind::InvalidQuery, rejection.body_text())),
        }
    }
}

/// Routes without parameters.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Nothing {}

/// Of a read.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Read {
    /// `false` only looks: the expiry does not slide, and an uninitialized session stays so.
    #[serde(default = "yes")]
    #[param(default = true)]
    pub(super) touch: bool,
}

/// Of a write.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
#[into_params(parameter_in = Query, rename_all = "kebab-case")]
pub(super) struct Write {
    /// `true` stores the session and keeps the lock that `Session-Lock` shows.
    #[serde(default)]
    #[param(default = false)]
    pub(super) keep_lock: bool,
}

/// Of a release.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Release {
    /// `true` breaks the lock, whoever holds it.
    #[serde(default)]
    #[param(default = false)]
    pub(super) force: bool,
}

/// Of a listing.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct List {
    /// Whose sessions.
    pub(super) subject: String,
    /// `next` of the page before; absent for the first page.
    pub(super) cursor: Option<String>,
    /// Sessions on a page, at most.
    #[serde(default = "page")]
    #[param(default = 100, minimum = 1, maximum = 1000)]
    pub(super) limit: u32,
}

/// Of a removal of all sessions of a subject.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct RemoveAll {
    /// Whose sessions.
    pub(super) subject: String,
    /// The ID of a session that stays; `-`: the one in `Session-Id`.
    pub(super) except: Option<String>,
}

/// Of the stream of events.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Follow {
    /// Events of this store only.
    pub(super) store: Option<String>,
    /// Events of this application only.
    pub(super) application: Option<String>,
    /// `id` of the last event that was seen; `oldest`: all that are kept. Absent: those from now on.
    pub(super) cursor: Option<String>,
    /// `true`: with what sessions held, in base64. The host's configuration must allow it.
    #[serde(default)]
    #[param(default = false)]
    pub(super) payload: bool,
}

/// Of a migration.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
#[into_params(parameter_in = Query, rename_all = "kebab-case")]
pub(super) struct Migrate {
    /// The store whose sessions are copied.
    pub(super) from: String,
    /// The store that gets them.
    pub(super) to: String,
    /// Only the sessions of this application.
    pub(super) application: Option<String>,
    /// `true` deletes each session at the source once it is at the target. Nobody hears of an end of it.
    #[serde(default, rename = "move")]
    #[param(rename = "move", default = false)]
    pub(super) moves: bool,
    /// `true` stores and deletes nothing, and counts what would be.
    #[serde(default)]
    #[param(default = false)]
    pub(super) dry_run: bool,
    /// `true` forgets what earlier runs did.
    #[serde(default)]
    #[param(default = false)]
    pub(super) from_scratch: bool,
    /// The most sessions in a second.
    #[param(value_type = Option<u32>, minimum = 1)]
    pub(super) rate: Option<NonZeroU32>,
    /// How many seconds locked sessions are waited for, after all others are done.
    #[serde(default = "patience")]
    #[param(default = 30)]
    pub(super) wait: u32,
}

impl List {
    /// The largest page.
    const LARGEST_PAGE: u32 = 1000;

    /// The page size, if it is in range.
    pub(super) fn page_size(&self) -> Result<u32, Problem> {
        if (1..=Self::LARGEST_PAGE).contains(&self.limit) {
            return Ok(self.limit);
        }
        let detail = format!("`limit={}` is out of range; give 1 to {}", self.limit, Self::LARGEST_PAGE);
        Err(Problem::new(Kind::InvalidQuery, detail))
    }
}

/// An empty subject is that of sessions which have none: nobody means those.
pub(super) fn named(subject: &str) -> Result<&str, Problem> {
    if subject.is_empty() {
        return Err(Problem::new(Kind::InvalidQuery, "`subject` is empty; name whose sessions are meant"));
    }
    Ok(subject)
}

fn yes() -> bool {
    true
}

fn page() -> u32 {
    100
}

fn patience() -> u32 {
    30
}

#[cfg(test)]
mod tests {
    use axum::http::Uri;

    use super::*;

    fn parse<T: DeserializeOwned>(query: &str) -> Option<T> {
        let uri: Uri = format!("/v1/shop/sessions?{query}").parse().unwrap();
        AxumQuery::try_from_uri(&uri).ok().map(|AxumQuery(query)| query)
    }

    #[test]
    fn a_read_touches_unless_told_not_to() {
        assert!(parse::<Read>("").unwrap().touch);
        assert!(parse::<Read>("touch=true").unwrap().touch);
        assert!(!parse::<Read>("touch=false").unwrap().touch);
    }

    #[test]
    fn a_write_releases_and_a_release_forces_nothing_unless_told_to() {
        assert!(!parse::<Write>("").unwrap().keep_lock);
        assert!(parse::<Write>("keep-lock=true").unwrap().keep_lock);
        assert!(!parse::<Release>("").unwrap().force);
        assert!(parse::<Release>("force=true").unwrap().force);
    }

    #[test]
    fn misspelt_doubtful_and_repeated_parameters_are_refused() {
        for query in ["tuoch=false", "touch=0", "touch=", "touch", "touch=false&touch=true"] {
            assert!(parse::<Read>(query).is_none(), "{query}");
        }
        assert!(parse::<Write>("keep_lock=true").is_none());
        assert!(parse::<Nothing>("x=1").is_none());
        assert!(parse::<List>("cursor=x").is_none(), "a listing without a subject");
    }

    #[test]
    fn a_page_has_1_to_1000_sessions() {
        let limit = |query| parse::<List>(query).unwrap().page_size().ok();
        assert_eq!(limit("subject=a"), Some(100));
        assert_eq!(limit("subject=a&limit=1"), Some(1));
        assert_eq!(limit("subject=a&limit=1000"), Some(1000));
        assert_eq!(limit("subject=a&limit=0"), None);
        assert_eq!(limit("subject=a&limit=1001"), None);
    }

    #[test]
    fn a_subject_is_decoded_and_must_be_named() {
        assert_eq!(parse::<RemoveAll>("subject=a%40b+c&except=-").unwrap().subject, "a@b c");
        assert!(named("").is_err());
    }
}
