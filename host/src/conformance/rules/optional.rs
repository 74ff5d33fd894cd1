//! The optional exports: a new ID for a session, the sessions of a subject, all sessions.

use std::sync::Arc;

use super::storing::{holds, inserted, unchanged};
use crate::{
    conformance::{
        answer::Answer,
        finding::{Checked, Finding, demand, demand_equal},
        rule::{Needs, Rule},
        sink::Collector,
        trial::{APPLICATION, Trial, key},
    },
    contract::{SessionData, SessionKey, SessionSummary},
};

pub(super) const RULES: &[Rule] = &[
    Rule::provider(
        "rename.moves-the-session",
        "After a rename the session has the new ID, nothing of it changed, and the old ID is `missing`.",
        "wit session-rename",
        |t| Box::pin(moves_the_session(t)),
    )
    .needing(Needs::Rename),
    Rule::provider(
        "rename.keeps-the-lock",
        "A lock moves along: same id, still held, and its holder can write under the new ID.",
        "wit session-rename",
        |t| Box::pin(keeps_the_lock(t)),
    )
    .needing(Needs::Rename),
    Rule::provider(
        "rename.keeps-the-counter",
        "The lock counter moves along: the next lock id is larger than every one before.",
        "wit session-rename",
        |t| Box::pin(keeps_the_counter(t)),
    )
    .needing(Needs::Rename),
    Rule::provider(
        "rename.needs-the-holders-id",
        "Rename of a locked session with a wrong lock id or none is `locked` and moves nothing.",
        "wit session-rename",
        |t| Box::pin(rename_needs_the_holders_id(t)),
    )
    .needing(Needs::Rename),
    Rule::provider(
        "rename.taken",
        "Rename to an ID that has a session is `taken`, and both sessions stay.",
        "wit session-rename",
        |t| Box::pin(taken(t)),
    )
    .needing(Needs::Rename),
    Rule::provider(
        "rename.missing",
        "Rename of a session that does not exist, or no longer, is `missing` and makes none.",
        "wit session-rename",
        |t| Box::pin(rename_missing(t)),
    )
    .needing(Needs::Rename),
    Rule::provider(
        "rename.expired-target-is-free",
        "The ID of an expired session can be given to another one at once; the expired one is still reported.",
        "rule 9",
        |t| Box::pin(expired_target_is_free(t)),
    )
    .needing(Needs::Rename),
    Rule::provider(
        "rename.expires-under-its-new-id",
        "A renamed session slides like any other, and its expiry is reported once, under the new ID.",
        "rule 10",
        |t| Box::pin(expires_under_its_new_id(t)),
    )
    .needing(Needs::Rename),
    Rule::provider(
        "rename.followed-by-the-index",
        "The index lists a renamed session under its new ID only.",
        "wit session-index",
        |t| Box::pin(followed_by_the_index(t)),
    )
    .needing(Needs::RenameAndIndex),
    Rule::provider(
        "index.lists-the-subject",
        "The index lists the sessions of a subject in an application, and no others.",
        "wit session-index",
        |t| Box::pin(lists_the_subject(t)),
    )
    .needing(Needs::Index),
    Rule::provider(
        "index.follows-the-sessions",
        "A change of subject, a remove and an expiry show in the index at once.",
        "wit session-index",
        |t| Box::pin(index_follows_the_sessions(t)),
    )
    .needing(Needs::Index),
    Rule::provider(
        "index.pages",
        "The index lists many sessions page by page, each once, and no page is larger than asked for.",
        "wit session-index",
        |t| Box::pin(index_pages(t)),
    )
    .needing(Needs::Index),
    Rule::provider(
        "scan.lists-all",
        "The scan lists the sessions of one application or of all.",
        "wit session-scan",
        |t| Box::pin(scan_lists_all(t)),
    )
    .needing(Needs::Scan),
    Rule::provider(
        "scan.summary-is-right",
        "A listed session has its version, size, lock, subject, creation and expiry as they are.",
        "wit types, session-summary",
        |t| Box::pin(summary_is_right(t)),
    )
    .needing(Needs::Scan),
    Rule::provider(
        "scan.pages",
        "The scan lists many sessions page by page, each once, and no page is larger than asked for.",
        "wit session-scan",
        |t| Box::pin(scan_pages(t)),
    )
    .needing(Needs::Scan),
    Rule::provider(
        "scan.leaves-the-sessions-alone",
        "The scan lists no expired session, and slides and clears nothing.",
        "wit session-scan",
        |t| Box::pin(scan_leaves_the_sessions_alone(t)),
    )
    .needing(Needs::Scan),
];

async fn moves_the_session(t: Trial) -> Checked {
    let (old, new) = (key("old")?, key("new")?);
    let latest_expiry = Some(t.in_percent_of_idle(400));
    let data = SessionData { subject: Some("ann".to_owned()), latest_expiry, ..t.data("content") };
    t.set(&old, data.clone()).await?.stored()?;
    t.set(&old, data).await?.stored()?;
    let before = t.peek(&old).await?.found()?;
    t.rename(&old, new.id(), None).await?.renamed()?;
    t.get(&old).await?.missing()?;
    t.get_exclusive(&old).await?.missing()?;
    unchanged(&before, &t.get(&new).await?.found()?)?;
    t.set(&old, t.data("another session")).await?.stored()?;
    holds(&t.get(&new).await?.found()?, "content")
}

async fn keeps_the_lock(t: Trial) -> Checked {
    let (old, new) = (inserted(&t, "old").await?, key("new")?);
    let (_, holder) = t.get_exclusive(&old).await?.taken()?;
    t.rename(&old, new.id(), Some(holder.get())).await?.renamed()?;
    t.get(&new).await?.locked_by(holder)?;
    t.set(&new, t.data("wrong")).await?.locked_by(holder)?;
    t.set_and_release(&new, t.data("right"), holder).await?.stored()?;
    holds(&t.get(&new).await?.found()?, "right")
}

async fn keeps_the_counter(t: Trial) -> Checked {
    let (old, new) = (inserted(&t, "old").await?, key("new")?);
    let mut last = 0;
    for _ in 0..3 {
        let (_, lock_id) = t.get_exclusive(&old).await?.taken()?;
        last = lock_id.get();
        t.release(&old, last).await?.released()?;
    }
    t.rename(&old, new.id(), None).await?.renamed()?;
    let (_, lock_id) = t.get_exclusive(&new).await?.taken()?;
    demand(lock_id.get() > last, format!("a lock id above {last}"), format!("lock id {lock_id}"))
}

async fn rename_needs_the_holders_id(t: Trial) -> Checked {
    let (old, new) = (inserted(&t, "old").await?, key("new")?);
    let (_, holder) = t.get_exclusive(&old).await?.taken()?;
    t.rename(&old, new.id(), None).await?.locked_by(holder)?;
    t.rename(&old, new.id(), Some(holder.get() + 1)).await?.locked_by(holder)?;
    t.get(&new).await?.missing()?;
    t.get(&old).await?.locked_by(holder)?;
    Ok(())
}

async fn taken(t: Trial) -> Checked {
    let (old, new) = (inserted(&t, "old").await?, inserted(&t, "new").await?);
    t.rename(&old, new.id(), None).await?.target_taken()?;
    holds(&t.get(&old).await?.found()?, "old")?;
    holds(&t.get(&new).await?.found()?, "new")?;
    let (_, holder) = t.get_exclusive(&new).await?.taken()?;
    t.rename(&old, new.id(), None).await?.target_taken()?;
    t.get(&new).await?.locked_by(holder)?;
    holds(&t.get(&old).await?.found()?, "old")
}

async fn rename_missing(t: Trial) -> Checked {
    let (old, new) = (key("old")?, key("new")?);
    t.rename(&old, new.id(), None).await?.missing()?;
    t.get(&new).await?.missing()?;
    let expired = inserted(&t, "expired").await?;
    t.pass_percent_of_idle(110).await;
    t.rename(&expired, new.id(), None).await?.missing()?;
    t.get(&new).await?.missing()
}

async fn expired_target_is_free(t: Trial) -> Checked {
    let target = inserted(&t, "target").await?;
    t.pass_percent_of_idle(110).await;
    let old = inserted(&t, "old").await?;
    t.rename(&old, target.id(), None).await?.renamed()?;
    holds(&t.get(&target).await?.found()?, "old")?;
    let sink = Arc::new(Collector::listening(t.transcript()));
    t.sweep_all(10, &sink).await?;
    let reports = sink.reports();
    let [(reported, item)] = reports.as_slice() else {
        return Err(Finding::broken("one report", format!("{}", reports.len())));
    };
    demand_equal("the reported ID", &"target", &reported.id())?;
    holds(item, "target")?;
    holds(&t.get(&target).await?.found()?, "old")
}

async fn expires_under_its_new_id(t: Trial) -> Checked {
    let (old, new) = (inserted(&t, "old").await?, key("new")?);
    t.pass_percent_of_idle(60).await;
    t.rename(&old, new.id(), None).await?.renamed()?;
    t.pass_percent_of_idle(60).await;
    t.peek(&new).await?.found()?;
    t.pass_percent_of_idle(60).await;
    t.peek(&new).await?.missing()?;
    let sink = Arc::new(Collector::listening(t.transcript()));
    t.sweep_all(10, &sink).await?;
    demand_equal("the reported sessions", &vec!["new".to_owned()], &sink.ids())
}

async fn followed_by_the_index(t: Trial) -> Checked {
    let (old, new) = (key("old")?, key("new")?);
    t.set(&old, of("ann", &t)).await?.stored()?;
    t.rename(&old, new.id(), None).await?.renamed()?;
    demand_equal("the sessions of the subject", &vec!["new".to_owned()], &listed(&t, "ann", 10).await?)
}

async fn lists_the_subject(t: Trial) -> Checked {
    demand_equal("the sessions of an unknown subject", &Vec::new(), &listed(&t, "ann", 10).await?)?;
    for (id, subject) in [("one", "ann"), ("two", "ann"), ("three", "Ann"), ("four", "ann "), ("five", "anna")] {
        t.set(&key(id)?, of(subject, &t)).await?.stored()?;
    }
    t.set(&SessionKey::new("forum", "six")?, of("ann", &t)).await?.stored()?;
    inserted(&t, "of nobody").await?;
    t.create_uninitialized(&key("seven")?, of("ann", &t)).await?;
    t.get_exclusive(&key("two")?).await?.taken()?;
    let expected: Vec<String> = ["one", "seven", "two"].map(str::to_owned).into();
    demand_equal("the sessions of the subject", &expected, &listed(&t, "ann", 10).await?)
}

async fn index_follows_the_sessions(t: Trial) -> Checked {
    let ids = ["changed", "cleared", "kept", "removed"];
    for id in ids {
        t.set(&key(id)?, of("ann", &t)).await?.stored()?;
    }
    t.set(&key("changed")?, of("bea", &t)).await?.stored()?;
    t.set(&key("cleared")?, of("", &t)).await?.stored()?;
    t.set(&key("kept")?, t.data("without a subject")).await?.stored()?;
    t.remove(&key("removed")?, None).await?.removed()?;
    demand_equal("the sessions of ann", &vec!["kept".to_owned()], &listed(&t, "ann", 10).await?)?;
    demand_equal("the sessions of bea", &vec!["changed".to_owned()], &listed(&t, "bea", 10).await?)?;
    t.pass_percent_of_idle(110).await;
    demand_equal("the sessions of ann after they expired", &Vec::new(), &listed(&t, "ann", 10).await?)
}

async fn index_pages(t: Trial) -> Checked {
    let mut expected = Vec::new();
    for number in 10..35 {
        let id = format!("session-{number}");
        t.quietly().set(&key(&id)?, of("ann", &t)).await?.stored()?;
        expected.push(id);
    }
    demand_equal("the sessions of the subject", &expected, &listed(&t, "ann", 7).await?)
}

async fn scan_lists_all(t: Trial) -> Checked {
    for (application, id) in [("shop", "one"), ("shop", "two"), ("shop2", "three"), ("forum", "one")] {
        t.set(&SessionKey::new(application, id)?, t.data("a")).await?.stored()?;
    }
    t.get_exclusive(&key("one")?).await?.taken()?;
    let expected: Vec<_> = ["shop/one", "shop/two"].map(str::to_owned).into();
    demand_equal("the sessions of the application", &expected, &names(&scanned(&t, Some(APPLICATION), 10).await?))?;
    let expected: Vec<_> = ["forum/one", "shop/one", "shop/two", "shop2/three"].map(str::to_owned).into();
    demand_equal("all sessions", &expected, &names(&scanned(&t, None, 10).await?))
}

async fn summary_is_right(t: Trial) -> Checked {
    let one = key("one")?;
    t.set(&one, of("ann", &t)).await?.stored()?;
    t.set(&one, t.data("of 12 bytes.")).await?.stored()?;
    let item = t.peek(&one).await?.found()?;
    for locked in [false, true] {
        if locked {
            t.get_exclusive(&one).await?.taken()?;
        }
        let listed = scanned(&t, None, 10).await?;
        let [summary] = listed.as_slice() else {
            return Err(Finding::broken("one session", format!("{}", listed.len())));
        };
        demand_equal("the version", &2, &summary.version)?;
        demand_equal("the size", &12, &summary.size)?;
        demand_equal("whether it is locked", &locked, &summary.locked)?;
        demand_equal("the subject", &Some("ann".to_owned()), &summary.subject)?;
        demand_equal("created", &item.created, &summary.created)?;
        let near = item.expires.zip(summary.expires).is_some_and(|(a, b)| a.0.abs_diff(b.0) < 2_000);
        demand(near, format!("an expiry near {:?}", item.expires), format!("{:?}", summary.expires))?;
    }
    Ok(())
}

async fn scan_pages(t: Trial) -> Checked {
    let mut expected = Vec::new();
    for number in 10..35 {
        let one = SessionKey::new(if number % 2 == 0 { "forum" } else { "shop" }, format!("session-{number}"))?;
        t.quietly().set(&one, t.data("a")).await?.stored()?;
        expected.push(format!("{}/{}", one.application(), one.id()));
    }
    expected.sort_unstable();
    demand_equal("all sessions", &expected, &names(&scanned(&t, None, 7).await?))?;
    expected.retain(|name| name.starts_with("shop/"));
    demand_equal("the sessions of an application", &expected, &names(&scanned(&t, Some("shop"), 5).await?))
}

async fn scan_leaves_the_sessions_alone(t: Trial) -> Checked {
    let fresh = key("fresh")?;
    t.create_uninitialized(&fresh, t.data("")).await?;
    t.pass_percent_of_idle(60).await;
    demand_equal("all sessions", &vec!["shop/fresh".to_owned()], &names(&scanned(&t, None, 10).await?))?;
    let item = t.peek(&fresh).await?.found()?;
    super::uninitialized::flagged(&item, true)?;
    t.pass_percent_of_idle(60).await;
    demand_equal("all sessions after they expired", &Vec::new(), &names(&scanned(&t, None, 10).await?))?;
    t.peek(&fresh).await?.missing()
}

/// Session data of a subject.
fn of(subject: &str, t: &Trial) -> SessionData {
    SessionData { subject: Some(subject.to_owned()), ..t.data("a") }
}

/// More pages than any check makes.
const MOST_PAGES: usize = 100;

/// The IDs of a subject's sessions over all pages, sorted.
async fn listed(t: &Trial, subject: &str, limit: u32) -> Checked<Vec<String>> {
    let (mut ids, mut cursor) = (Vec::new(), None);
    for _ in 0..MOST_PAGES {
        let page = t.list(APPLICATION, subject, cursor.as_deref(), limit).await?;
        within(page.sessions.len(), limit)?;
        for session in &page.sessions {
            demand_equal("the application of a listed session", &APPLICATION, &session.key.application())?;
            demand_equal("the subject of a listed session", &Some(subject.to_owned()), &session.subject)?;
            ids.push(session.key.id().to_owned());
        }
        cursor = page.next;
        if cursor.is_none() {
            ids.sort_unstable();
            return Ok(ids);
        }
    }
    Err(Finding::broken("a last page", format!("{MOST_PAGES} pages and more to follow")))
}

/// The sessions of an application or of all, over all pages.
async fn scanned(t: &Trial, application: Option<&str>, limit: u32) -> Checked<Vec<SessionSummary>> {
    let (mut sessions, mut cursor) = (Vec::new(), None);
    for _ in 0..MOST_PAGES {
        let page = t.scan(application, cursor.as_deref(), limit).await?;
        within(page.sessions.len(), limit)?;
        sessions.extend(page.sessions);
        cursor = page.next;
        if cursor.is_none() {
            return Ok(sessions);
        }
    }
    Err(Finding::broken("a last page", format!("{MOST_PAGES} pages and more to follow")))
}

fn within(sessions: usize, limit: u32) -> Checked {
    let fits = u32::try_from(sessions).is_ok_and(|sessions| sessions <= limit);
    demand(fits, format!("at most {limit} sessions on a page"), format!("{sessions}"))
}

fn names(sessions: &[SessionSummary]) -> Vec<String> {
    let mut names: Vec<_> =
        sessions.iter().map(|session| format!("{}/{}", session.key.application(), session.key.id())).collect();
    names.sort_unstable();
    names
}
