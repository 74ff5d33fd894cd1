//! When sessions end.

use std::time::Duration;

use super::storing::{holds, inserted};
use crate::{
    conformance::{
        answer::Answer,
        finding::{Checked, demand, demand_equal},
        operation::Operation,
        rule::{Needs, Rule},
        trial::{Trial, key},
    },
    contract::{Condition, SessionData},
};

pub(super) const RULES: &[Rule] = &[
    Rule::provider(
        "expiry.idle-sessions-end",
        "A session that nothing finds for its idle timeout is `missing` from then on, and not before.",
        "rule 9",
        |t| Box::pin(idle_sessions_end(t)),
    ),
    Rule::provider(
        "expiry.missing-to-all",
        "An expired item that was not swept is `missing` to every operation.",
        "rule 9",
        |t| Box::pin(missing_to_all(t)),
    ),
    Rule::provider(
        "expiry.locks-do-not-protect",
        "A locked item expires like any other, and its holder's write inserts a new one.",
        "rule 8",
        |t| Box::pin(locks_do_not_protect(t)),
    ),
    Rule::provider(
        "expiry.key-is-free-at-once",
        "The key of an expired item takes a new one at once: version 1, lock counter anew, nothing inherited.",
        "rule 9",
        |t| Box::pin(key_is_free_at_once(t)),
    ),
    Rule::provider(
        "expiry.key-is-free-for-create",
        "Create-uninitialized under the key of an expired item creates a new, uninitialized one.",
        "rule 9",
        |t| Box::pin(key_is_free_for_create(t)),
    ),
    Rule::provider(
        "expiry.zero-is-never",
        "With an idle timeout of 0 idleness never ends a session.",
        "wit types, idle-timeout",
        |t| Box::pin(zero_is_never(t)),
    )
    .needing(Needs::MovableClock),
    Rule::provider(
        "expiry.new-timeout-applies",
        "A write's idle timeout counts from that write, whether it is longer or shorter than before.",
        "rule 4",
        |t| Box::pin(new_timeout_applies(t)),
    ),
    Rule::provider("expiry.slides-on-get", "A get slides the expiry.", "rule 8", |t| {
        Box::pin(slides(t, Operation::Get))
    }),
    Rule::provider("expiry.slides-on-locked-get", "A get that is `locked` slides the expiry.", "rule 8", |t| {
        Box::pin(slides(t, Operation::LockedGet))
    }),
    Rule::provider("expiry.slides-on-get-exclusive", "A get-exclusive slides the expiry.", "rule 8", |t| {
        Box::pin(slides(t, Operation::GetExclusive))
    }),
    Rule::provider(
        "expiry.slides-on-locked-get-exclusive",
        "A get-exclusive that is `locked` slides the expiry.",
        "rule 8",
        |t| Box::pin(slides(t, Operation::LockedGetExclusive)),
    ),
    Rule::provider("expiry.slides-on-set", "A set-and-release slides the expiry.", "rule 4", |t| {
        Box::pin(slides(t, Operation::Set))
    }),
    Rule::provider(
        "expiry.slides-on-locked-set",
        "A set-and-release that is `locked` slides the expiry.",
        "rule 8",
        |t| Box::pin(slides(t, Operation::LockedSet)),
    ),
    Rule::provider(
        "expiry.slides-on-stale-set",
        "A set-and-release that is `stale` slides the expiry.",
        "rule 8",
        |t| Box::pin(slides(t, Operation::StaleSet)),
    ),
    Rule::provider("expiry.slides-on-release", "A release by the holder slides the expiry.", "rule 8", |t| {
        Box::pin(slides(t, Operation::Release))
    }),
    Rule::provider(
        "expiry.slides-on-idle-release",
        "A release of an unlocked item slides the expiry.",
        "rule 8",
        |t| Box::pin(slides(t, Operation::IdleRelease)),
    ),
    Rule::provider("expiry.slides-on-locked-release", "A release that is `locked` slides the expiry.", "rule 8", |t| {
        Box::pin(slides(t, Operation::LockedRelease))
    }),
    Rule::provider("expiry.slides-on-locked-remove", "A remove that is `locked` slides the expiry.", "rule 8", |t| {
        Box::pin(slides(t, Operation::LockedRemove))
    }),
    Rule::provider(
        "expiry.slides-on-reset-timeout",
        "Reset-timeout slides the expiry.",
        "section 2, reset-timeout",
        |t| Box::pin(slides(t, Operation::ResetTimeout)),
    ),
    Rule::provider(
        "expiry.slides-on-locked-reset-timeout",
        "Reset-timeout slides the expiry of a locked item too.",
        "wit provider, reset-timeout",
        |t| Box::pin(slides(t, Operation::LockedResetTimeout)),
    ),
    Rule::provider(
        "expiry.slides-on-create",
        "Create-uninitialized on an existing item slides its expiry.",
        "wit provider, create-uninitialized",
        |t| Box::pin(slides(t, Operation::CreateUninitialized)),
    ),
    Rule::provider("expiry.peek-does-not-slide", "Peek slides nothing.", "wit provider, peek", |t| {
        Box::pin(peek_does_not_slide(t))
    }),
    Rule::provider(
        "expiry.never-beyond-latest",
        "A session that is used all the time ends at its latest expiry.",
        "rule 8",
        |t| Box::pin(never_beyond_latest(t)),
    ),
    Rule::provider(
        "expiry.latest-alone",
        "A session with an idle timeout of 0 ends at its latest expiry.",
        "wit types, latest-expiry",
        |t| Box::pin(latest_alone(t)),
    ),
    Rule::provider(
        "expiry.latest-in-the-past",
        "A write whose latest expiry has passed ends the session.",
        "wit types, latest-expiry",
        |t| Box::pin(latest_in_the_past(t)),
    ),
];

async fn idle_sessions_end(t: Trial) -> Checked {
    let one = inserted(&t, "one").await?;
    t.pass_percent_of_idle(80).await;
    t.peek(&one).await?.found()?;
    t.pass_percent_of_idle(30).await;
    t.get(&one).await?.missing()?;
    t.get(&one).await?.missing()
}

async fn missing_to_all(t: Trial) -> Checked {
    let ids = ["get", "peek", "get-exclusive", "release", "remove", "remove-with-lock", "reset-timeout", "if-version"];
    let mut keys = Vec::new();
    for id in ids {
        keys.push(inserted(&t, id).await?);
    }
    let locked = inserted(&t, "locked").await?;
    let (_, holder) = t.get_exclusive(&locked).await?.taken()?;
    t.pass_percent_of_idle(110).await;
    for (id, one) in ids.into_iter().zip(&keys) {
        match id {
            "get" => t.get(one).await?.missing()?,
            "peek" => t.peek(one).await?.missing()?,
            "get-exclusive" => t.get_exclusive(one).await?.missing()?,
            "release" => t.release(one, 2).await?.missing()?,
            "remove" => t.remove(one, None).await?.missing()?,
            "remove-with-lock" => t.remove_with(one, Some(2), true).await?.missing()?,
            "reset-timeout" => t.reset_timeout(one).await?.missing()?,
            _ => t.set_if(one, t.data("late"), Condition::IfVersion(1)).await?.stale_at(0)?,
        }
        t.peek(one).await?.missing()?;
    }
    t.release(&locked, holder.get()).await?.missing()
}

async fn locks_do_not_protect(t: Trial) -> Checked {
    let one = inserted(&t, "one").await?;
    let (_, holder) = t.get_exclusive(&one).await?.taken()?;
    t.pass_percent_of_idle(110).await;
    t.get_exclusive(&one).await?.missing()?;
    let version = t.set_and_release(&one, t.data("late"), holder).await?.stored()?;
    demand_equal("the version of the item that the late write inserted", &1, &version)?;
    holds(&t.get(&one).await?.found()?, "late")
}

async fn key_is_free_at_once(t: Trial) -> Checked {
    let one = key("one")?;
    let latest_expiry = Some(t.in_percent_of_idle(150));
    let old = SessionData { subject: Some("ann".to_owned()), latest_expiry, ..t.data("old") };
    t.set(&one, old.clone()).await?.stored()?;
    t.set(&one, old).await?.stored()?;
    let created = t.peek(&one).await?.found()?.created;
    let (_, _held) = t.get_exclusive(&one).await?.taken()?;
    t.pass_percent_of_idle(110).await;
    let version = t.set_if(&one, t.data("new"), Condition::MustBeNew).await?.stored()?;
    demand_equal("the version", &1, &version)?;
    let item = t.get(&one).await?.found()?;
    holds(&item, "new")?;
    demand_equal("the subject", &None, &item.data.subject)?;
    demand_equal("the latest expiry", &None, &item.data.latest_expiry)?;
    demand(item.created > created, "a new time of creation", "that of the expired item")?;
    let (_, first) = t.get_exclusive(&one).await?.taken()?;
    demand_equal("the first lock id", &2, &first.get())
}

async fn key_is_free_for_create(t: Trial) -> Checked {
    let one = inserted(&t, "one").await?;
    t.get_exclusive(&one).await?.taken()?;
    t.pass_percent_of_idle(110).await;
    t.create_uninitialized(&one, t.data("new")).await?;
    let item = t.get(&one).await?.found()?;
    holds(&item, "new")?;
    demand_equal("the flag `uninitialized`", &true, &item.uninitialized)?;
    demand_equal("the version", &1, &item.version)
}

async fn zero_is_never(t: Trial) -> Checked {
    let one = key("one")?;
    t.set(&one, SessionData { idle_timeout: 0, ..t.data("a") }).await?.stored()?;
    t.pass(Duration::from_secs(400 * 86_400)).await;
    let item = t.get(&one).await?.found()?;
    holds(&item, "a")?;
    demand_equal("the expiry", &None, &item.expires)
}

async fn new_timeout_applies(t: Trial) -> Checked {
    let (longer, shorter) = (inserted(&t, "longer").await?, key("shorter")?);
    t.set(&longer, SessionData { idle_timeout: t.idle() * 3, ..t.data("a") }).await?.stored()?;
    t.set(&shorter, SessionData { idle_timeout: t.idle() * 3, ..t.data("a") }).await?.stored()?;
    t.set(&shorter, t.data("b")).await?.stored()?;
    t.pass_percent_of_idle(130).await;
    t.peek(&longer).await?.found()?;
    t.peek(&shorter).await?.missing()
}

async fn slides(t: Trial, operation: Operation) -> Checked {
    let prepared = operation.prepare(&t, "one").await?;
    t.pass_percent_of_idle(60).await;
    operation.run(&t, &prepared).await?;
    t.pass_percent_of_idle(60).await;
    t.peek(&prepared.key).await?.alive()
}

async fn peek_does_not_slide(t: Trial) -> Checked {
    let one = inserted(&t, "one").await?;
    let before = t.peek(&one).await?.found()?.expires;
    t.pass_percent_of_idle(60).await;
    let after = t.peek(&one).await?.found()?.expires;
    demand_equal("the expiry", &before, &after)?;
    t.pass_percent_of_idle(60).await;
    t.peek(&one).await?.missing()
}

async fn never_beyond_latest(t: Trial) -> Checked {
    let one = key("one")?;
    let latest_expiry = Some(t.in_percent_of_idle(150));
    t.set(&one, SessionData { latest_expiry, ..t.data("a") }).await?.stored()?;
    for _ in 0..2 {
        t.pass_percent_of_idle(60).await;
        t.get(&one).await?.found()?;
        t.reset_timeout(&one).await?.alive()?;
        t.set(&one, t.data("b")).await?.stored()?;
    }
    let item = t.get(&one).await?.found()?;
    let told = item.expires.zip(latest_expiry).is_some_and(|(expires, latest)| expires <= latest);
    demand(told, "the item expires at its latest expiry or before", format!("it expires at {:?}", item.expires))?;
    t.pass_percent_of_idle(40).await;
    t.get(&one).await?.missing()
}

async fn latest_alone(t: Trial) -> Checked {
    let one = key("one")?;
    let latest_expiry = Some(t.in_percent_of_idle(100));
    t.set(&one, SessionData { idle_timeout: 0, latest_expiry, ..t.data("a") }).await?.stored()?;
    t.pass_percent_of_idle(80).await;
    t.get(&one).await?.found()?;
    t.pass_percent_of_idle(30).await;
    t.get(&one).await?.missing()
}

async fn latest_in_the_past(t: Trial) -> Checked {
    let one = inserted(&t, "one").await?;
    let latest_expiry = Some(t.now());
    t.pass_percent_of_idle(50).await;
    t.set(&one, SessionData { latest_expiry, ..t.data("b") }).await?;
    t.get(&one).await?.missing()
}
