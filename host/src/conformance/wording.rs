//! How the arguments of calls read in a transcript. What outcomes read like is in `answer`.

use crate::contract::{Condition, SessionData, SessionKey, SessionPage};

/// A key for a transcript; the keys of checks are no secrets, but some are long.
pub(super) fn name(key: &SessionKey) -> String {
    let short = |part: &str| -> String {
        if part.len() <= 40 {
            return part.escape_debug().to_string();
        }
        let beginning: String = part.chars().take(20).collect();
        let end: String = part.chars().rev().take(6).collect::<Vec<_>>().into_iter().rev().collect();
        format!("{}…{} of {} bytes", beginning.escape_debug(), end.escape_debug(), part.len())
    };
    format!("{}/{}", short(key.application()), short(key.id()))
}

/// A lock id among the arguments of a call, if it has one.
pub(super) fn lock_text(lock_id: Option<u32>) -> String {
    lock_id.map(|id| format!(", lock {id}")).unwrap_or_default()
}

/// A call of set-and-release.
pub(super) fn describe_set(
    key: &SessionKey,
    data: &SessionData,
    lock_id: Option<u32>,
    condition: Condition,
    keep_lock: bool,
) -> String {
    let subject = data.subject.as_ref().map(|subject| format!(", subject {subject:?}")).unwrap_or_default();
    let latest = data.latest_expiry.map(|moment| format!(", latest expiry {}", moment.0)).unwrap_or_default();
    let condition = match condition {
        Condition::None => String::new(),
        Condition::MustBeNew => ", must-be-new".to_owned(),
        Condition::IfVersion(version) => format!(", if-version {version}"),
    };
    let keep = if keep_lock { ", keep-lock" } else { "" };
    format!(
        "set-and-release({}, {} bytes, {} s{subject}{latest}{}{condition}{keep})",
        name(key),
        data.payload.len(),
        data.idle_timeout,
        lock_text(lock_id)
    )
}

/// A page of a listing.
pub(super) fn describe_page(page: &SessionPage) -> String {
    let ids: Vec<_> = page.sessions.iter().map(|session| name(&session.key)).collect();
    let next = if page.next.is_some() { "more follows" } else { "last page" };
    format!("[{}], {next}", ids.join(", "))
}
