//! Set-and-release, its conditions, remove, and operations on sessions that do not exist.

use bytes::Bytes;

use crate::{
    conformance::{
        answer::Answer,
        finding::{Checked, Finding, demand, demand_equal},
        rule::Rule,
        trial::{Trial, key},
    },
    contract::{Condition, Item, LockId, Payload, SessionData, SessionKey, SetOutcome},
};

pub(super) const RULES: &[Rule] = &[
    Rule::provider(
        "missing.is-missing",
        "Every operation on a session that does not exist is `missing`, and none of them creates it.",
        "section 2",
        |t| Box::pin(missing_is_missing(t)),
    ),
    Rule::provider(
        "set.inserts",
        "Set-and-release on a missing item inserts it, unlocked and not uninitialized, with or without a lock id.",
        "rule 3",
        |t| Box::pin(set_inserts(t)),
    ),
    Rule::provider(
        "set.replaces",
        "Set-and-release on an item replaces its payload.",
        "section 2, set-and-release",
        |t| Box::pin(set_replaces(t)),
    ),
    Rule::provider(
        "set.unlocked-takes-any-lock",
        "Set-and-release on an unlocked item stores with any lock id and without one.",
        "rule 2",
        |t| Box::pin(set_unlocked_takes_any_lock(t)),
    ),
    Rule::provider(
        "set.wrong-lock-stores-nothing",
        "Set-and-release on a locked item with a wrong lock id is `locked` by the holder and stores nothing.",
        "rule 2",
        |t| Box::pin(set_wrong_lock_stores_nothing(t)),
    ),
    Rule::provider(
        "set.no-lock-stores-nothing",
        "Set-and-release on a locked item without a lock id is `locked` by the holder and stores nothing.",
        "rule 2",
        |t| Box::pin(set_no_lock_stores_nothing(t)),
    ),
    Rule::provider(
        "set.must-be-new",
        "Under `must-be-new` a missing item is inserted; an existing one is `stale` with its version and stays.",
        "rule 3",
        |t| Box::pin(set_must_be_new(t)),
    ),
    Rule::provider(
        "set.if-version",
        "Under `if-version` an item of that version is replaced; one of another version is `stale` and stays.",
        "rule 3",
        |t| Box::pin(set_if_version(t)),
    ),
    Rule::provider(
        "set.if-version-needs-an-item",
        "Under `if-version` a missing item is `stale` with version 0 and is not inserted.",
        "rule 3",
        |t| Box::pin(set_if_version_needs_an_item(t)),
    ),
    Rule::provider(
        "set.condition-holds-for-the-holder",
        "A holder whose condition fails gets `stale`, nothing is stored, and the lock is still held.",
        "rules 3 and 12",
        |t| Box::pin(set_condition_holds_for_the_holder(t)),
    ),
    Rule::provider(
        "set.refused-changes-nothing",
        "A refused write leaves payload, media type, version, created, subject and both timeouts as they were.",
        "rule 12",
        |t| Box::pin(set_refused_changes_nothing(t)),
    ),
    Rule::provider("remove.deletes", "Remove deletes the item: `done`, then `missing`.", "section 2, remove", |t| {
        Box::pin(remove_deletes(t))
    }),
    Rule::provider(
        "remove.wanted-item",
        "Remove returns the item as it was when the caller wants it, and none otherwise.",
        "wit provider, remove",
        |t| Box::pin(remove_wanted_item(t)),
    ),
    Rule::provider(
        "remove.leaves-nothing",
        "An item inserted under a removed key starts afresh: version 1, new creation, no subject, no latest expiry.",
        "section 2, remove",
        |t| Box::pin(remove_leaves_nothing(t)),
    ),
];

async fn missing_is_missing(t: Trial) -> Checked {
    let one = key("one")?;
    t.get(&one).await?.missing()?;
    t.peek(&one).await?.missing()?;
    t.get_exclusive(&one).await?.missing()?;
    t.release(&one, 2).await?.missing()?;
    t.remove(&one, None).await?.missing()?;
    t.remove_with(&one, Some(2), true).await?.missing()?;
    t.reset_timeout(&one).await?.missing()?;
    t.peek(&one).await?.missing()
}

async fn set_inserts(t: Trial) -> Checked {
    for (id, lock_id) in [("without", None), ("with", Some(7))] {
        let one = key(id)?;
        let version = t.set_with(&one, t.data("hello"), lock_id, Condition::None, false).await?.stored()?;
        demand_equal("the version", &1, &version)?;
        let item = t.get(&one).await?.found()?;
        holds(&item, "hello")?;
        demand_equal("the flag `uninitialized`", &false, &item.uninitialized)?;
    }
    Ok(())
}

async fn set_replaces(t: Trial) -> Checked {
    let one = key("one")?;
    for text in ["first", "", "a second one that is longer", "3"] {
        t.set(&one, t.data(text)).await?.stored()?;
        holds(&t.get(&one).await?.found()?, text)?;
    }
    Ok(())
}

async fn set_unlocked_takes_any_lock(t: Trial) -> Checked {
    let one = key("one")?;
    t.set(&one, t.data("never locked")).await?.stored()?;
    t.set_with(&one, t.data("by 1"), Some(1), Condition::None, false).await?.stored()?;
    t.set_with(&one, t.data("by the largest"), Some(LockId::MAX), Condition::None, false).await?.stored()?;
    let (_, lock_id) = t.get_exclusive(&one).await?.taken()?;
    t.release(&one, lock_id.get()).await?.released()?;
    t.set_and_release(&one, t.data("by a former holder"), lock_id).await?.stored()?;
    t.set(&one, t.data("by nobody")).await?.stored()?;
    holds(&t.get(&one).await?.found()?, "by nobody")
}

async fn set_wrong_lock_stores_nothing(t: Trial) -> Checked {
    let one = key("one")?;
    t.set(&one, t.data("right")).await?.stored()?;
    let (_, holder) = t.get_exclusive(&one).await?.taken()?;
    for wrong in [holder.get() + 1, holder.get() - 1, LockId::MAX] {
        t.set_with(&one, t.data("wrong"), Some(wrong), Condition::None, false).await?.locked_by(holder)?;
    }
    t.release(&one, holder.get()).await?.released()?;
    let item = t.get(&one).await?.found()?;
    holds(&item, "right")?;
    demand_equal("the version", &1, &item.version)
}

async fn set_no_lock_stores_nothing(t: Trial) -> Checked {
    let one = key("one")?;
    t.set(&one, t.data("right")).await?.stored()?;
    let (_, holder) = t.get_exclusive(&one).await?.taken()?;
    t.set(&one, t.data("wrong")).await?.locked_by(holder)?;
    t.set_if(&one, t.data("wrong"), Condition::IfVersion(1)).await?.locked_by(holder)?;
    t.release(&one, holder.get()).await?.released()?;
    let item = t.get(&one).await?.found()?;
    holds(&item, "right")?;
    demand_equal("the version", &1, &item.version)
}

async fn set_must_be_new(t: Trial) -> Checked {
    let one = key("one")?;
    let inserted = t.set_if(&one, t.data("first"), Condition::MustBeNew).await?.stored()?;
    demand_equal("the version", &1, &inserted)?;
    t.set_if(&one, t.data("second"), Condition::MustBeNew).await?.stale_at(1)?;
    t.set(&one, t.data("third")).await?.stored()?;
    t.set_if(&one, t.data("fourth"), Condition::MustBeNew).await?.stale_at(2)?;
    holds(&t.get(&one).await?.found()?, "third")?;
    let two = key("two")?;
    t.create_uninitialized(&two, t.data("uninitialized")).await?;
    t.set_if(&two, t.data("set"), Condition::MustBeNew).await?.stale_at(1)?;
    t.remove(&one, None).await?.removed()?;
    t.set_if(&one, t.data("anew"), Condition::MustBeNew).await?.stored()?;
    Ok(())
}

async fn set_if_version(t: Trial) -> Checked {
    let one = key("one")?;
    t.set(&one, t.data("first")).await?.stored()?;
    for wrong in [0, 2, u64::MAX] {
        t.set_if(&one, t.data("wrong"), Condition::IfVersion(wrong)).await?.stale_at(1)?;
    }
    let version = t.set_if(&one, t.data("second"), Condition::IfVersion(1)).await?.stored()?;
    demand_equal("the version", &2, &version)?;
    t.set_if(&one, t.data("late"), Condition::IfVersion(1)).await?.stale_at(2)?;
    holds(&t.get(&one).await?.found()?, "second")
}

async fn set_if_version_needs_an_item(t: Trial) -> Checked {
    let one = key("one")?;
    for version in [1, 5] {
        t.set_if(&one, t.data("a"), Condition::IfVersion(version)).await?.stale_at(0)?;
    }
    t.get(&one).await?.missing()
}

async fn set_condition_holds_for_the_holder(t: Trial) -> Checked {
    let one = key("one")?;
    t.set(&one, t.data("first")).await?.stored()?;
    let (_, holder) = t.get_exclusive(&one).await?.taken()?;
    let lock_id = Some(holder.get());
    t.set_with(&one, t.data("wrong"), lock_id, Condition::IfVersion(9), false).await?.stale_at(1)?;
    t.set_with(&one, t.data("wrong"), lock_id, Condition::MustBeNew, false).await?.stale_at(1)?;
    t.get(&one).await?.locked_by(holder)?;
    t.set_with(&one, t.data("second"), lock_id, Condition::IfVersion(1), false).await?.stored()?;
    holds(&t.get(&one).await?.found()?, "second")
}

async fn set_refused_changes_nothing(t: Trial) -> Checked {
    let one = key("one")?;
    let stored = SessionData {
        payload: Payload::with_content_type(Bytes::from_static(b"right"), Some("text/plain".into())),
        idle_timeout: t.idle(),
        latest_expiry: Some(t.in_percent_of_idle(1000)),
        subject: Some("ann".to_owned()),
    };
    let refused = SessionData {
        payload: Payload::with_content_type(Bytes::from_static(b"wrong and longer"), Some("text/html".into())),
        idle_timeout: t.idle() / 2,
        latest_expiry: Some(t.in_percent_of_idle(400)),
        subject: Some("eve".to_owned()),
    };
    t.set(&one, stored.clone()).await?.stored()?;
    let before = t.get(&one).await?.found()?;
    demand_equal("the stored data", &stored, &before.data)?;
    for condition in [Condition::MustBeNew, Condition::IfVersion(9)] {
        let outcome = t.set_if(&one, refused.clone(), condition).await?;
        if !matches!(outcome, SetOutcome::Stale(_)) {
            return Err(outcome.instead_of("stale"));
        }
        unchanged(&before, &t.peek(&one).await?.found()?)?;
    }
    let (_, holder) = t.get_exclusive(&one).await?.taken()?;
    t.set_with(&one, refused.clone(), Some(holder.get() + 1), Condition::None, false).await?.locked_by(holder)?;
    t.set(&one, refused.clone()).await?.locked_by(holder)?;
    t.set_with(&one, refused, Some(holder.get() + 1), Condition::IfVersion(1), true).await?.locked_by(holder)?;
    t.get(&one).await?.locked_by(holder)?;
    t.release(&one, holder.get()).await?.released()?;
    unchanged(&before, &t.peek(&one).await?.found()?)
}

async fn remove_deletes(t: Trial) -> Checked {
    let (one, two) = (key("one")?, key("two")?);
    t.set(&one, t.data("a")).await?.stored()?;
    t.set(&two, t.data("b")).await?.stored()?;
    t.remove(&one, None).await?.removed()?;
    t.get(&one).await?.missing()?;
    t.get_exclusive(&one).await?.missing()?;
    t.remove(&one, None).await?.missing()?;
    holds(&t.get(&two).await?.found()?, "b")
}

async fn remove_wanted_item(t: Trial) -> Checked {
    let one = key("one")?;
    t.set(&one, SessionData { subject: Some("ann".to_owned()), ..t.data("wanted") }).await?.stored()?;
    let before = t.peek(&one).await?.found()?;
    let Some(removed) = t.remove_with(&one, None, true).await?.removed()? else {
        return Err(Finding::broken("the item that was removed", "`done` without it"));
    };
    unchanged(&before, &removed)?;
    t.set(&one, t.data("unwanted")).await?.stored()?;
    let item = t.remove_with(&one, None, false).await?.removed()?;
    demand(item.is_none(), "`done` without the item", "`done` with it")
}

async fn remove_leaves_nothing(t: Trial) -> Checked {
    let one = key("one")?;
    let latest_expiry = Some(t.in_percent_of_idle(300));
    t.set(&one, SessionData { subject: Some("ann".to_owned()), latest_expiry, ..t.data("a") }).await?.stored()?;
    t.set(&one, t.data("b")).await?.stored()?;
    let created = t.peek(&one).await?.found()?.created;
    t.pass_percent_of_idle(50).await;
    t.remove(&one, None).await?.removed()?;
    demand_equal("the version", &1, &t.set(&one, t.data("c")).await?.stored()?)?;
    let item = t.peek(&one).await?.found()?;
    demand(item.created > created, "a new time of creation", "that of the removed item")?;
    demand_equal("the subject", &None, &item.data.subject)?;
    demand_equal("the latest expiry", &None, &item.data.latest_expiry)
}

/// Demands that the item's payload is this text.
pub(super) fn holds(item: &Item, text: &str) -> Checked {
    demand(
        item.data.payload.bytes() == text.as_bytes(),
        format!("the payload is {text:?}"),
        format!(
            "it is {:?}",
            String::from_utf8_lossy(item.data.payload.bytes().get(..64).unwrap_or(item.data.payload.bytes()))
        ),
    )
}

/// Demands that nothing of an item changed but its expiry.
pub(super) fn unchanged(before: &Item, after: &Item) -> Checked {
    demand(before.data.payload == after.data.payload, "the payload is as before", "it changed")?;
    demand_equal("the media type", &before.data.payload.content_type(), &after.data.payload.content_type())?;
    demand_equal("the version", &before.version, &after.version)?;
    demand_equal("created", &before.created, &after.created)?;
    demand_equal("the subject", &before.data.subject, &after.data.subject)?;
    demand_equal("the idle timeout", &before.data.idle_timeout, &after.data.idle_timeout)?;
    demand_equal("the latest expiry", &before.data.latest_expiry, &after.data.latest_expiry)
}

/// Inserts a session with a short text under this ID, and returns its key.
pub(super) async fn inserted(t: &Trial, id: &str) -> Checked<SessionKey> {
    let key = key(id)?;
    t.set(&key, t.data(id)).await?.stored()?;
    Ok(key)
}
