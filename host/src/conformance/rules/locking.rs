//! The lock: who holds it, how it is given back, and what its ids promise.

use std::time::Duration;

use super::storing::{holds, inserted, unchanged};
use crate::{
    conformance::{
        answer::Answer,
        finding::{Checked, demand, demand_equal},
        rule::{Needs, Rule},
        trial::{Trial, key},
    },
    contract::{Condition, LockId},
};

pub(super) const RULES: &[Rule] = &[
    Rule::provider(
        "lock.exclusive",
        "While somebody holds the lock, get-exclusive is `locked` and names the holder's lock id.",
        "rule 1",
        |t| Box::pin(exclusive(t)),
    ),
    Rule::provider(
        "lock.stops-readers",
        "While somebody holds the lock, get and peek are `locked` and name the holder's lock id.",
        "section 2, get",
        |t| Box::pin(stops_readers(t)),
    ),
    Rule::provider("lock.has-an-age", "A lock's age is the time since it was taken.", "section 1, lock", |t| {
        Box::pin(has_an_age(t))
    }),
    Rule::provider(
        "lock.first-id-is-2",
        "The first lock issued for an item is 2, however the item came to be.",
        "rule 3",
        |t| Box::pin(first_id_is_2(t)),
    ),
    Rule::provider(
        "lock.ids-increase",
        "Lock ids strictly increase for as long as the item lives, over stores, releases and forced releases.",
        "section 1, lock",
        |t| Box::pin(ids_increase(t)),
    ),
    Rule::provider(
        "lock.ids-begin-anew",
        "An item inserted under the key of a removed one has its own lock counter.",
        "rule 3",
        |t| Box::pin(ids_begin_anew(t)),
    ),
    Rule::provider("lock.set-releases", "Set-and-release by the holder stores and unlocks.", "rule 4", |t| {
        Box::pin(set_releases(t))
    }),
    Rule::provider(
        "lock.keep-lock",
        "With keep-lock the holder stores and goes on holding the same lock.",
        "wit provider, set-and-release",
        |t| Box::pin(keep_lock(t)),
    ),
    Rule::provider(
        "lock.keep-lock-takes-none",
        "Keep-lock on an unlocked or missing item locks nothing.",
        "wit provider, set-and-release",
        |t| Box::pin(keep_lock_takes_none(t)),
    ),
    Rule::provider("lock.release", "A release by the holder unlocks, and changes no data.", "rule 6", |t| {
        Box::pin(release(t))
    }),
    Rule::provider(
        "lock.release-needs-the-holders-id",
        "A release with another id than the holder's is `locked`, and the lock stays.",
        "section 2, release-exclusive",
        |t| Box::pin(release_needs_the_holders_id(t)),
    ),
    Rule::provider(
        "lock.release-when-unlocked",
        "A release of an unlocked item is `done` with any lock id and changes nothing.",
        "rule 6",
        |t| Box::pin(release_when_unlocked(t)),
    ),
    Rule::provider(
        "lock.remove-needs-the-holders-id",
        "Remove of a locked item with a wrong id or none is `locked` and removes nothing; the holder's id removes.",
        "section 2, remove",
        |t| Box::pin(remove_needs_the_holders_id(t)),
    ),
    Rule::provider("lock.remove-when-unlocked", "Remove of an unlocked item compares no lock id.", "rule 2", |t| {
        Box::pin(remove_when_unlocked(t))
    }),
    Rule::provider(
        "lock.stolen-write-is-refused",
        "After a forced release and a new lock, the former holder's write is `locked` and stores nothing.",
        "rule 7",
        |t| Box::pin(stolen_write_is_refused(t)),
    ),
    Rule::provider(
        "lock.broken-write-stores",
        "After a forced release and no new lock, the former holder's write stores.",
        "rule 7",
        |t| Box::pin(broken_write_stores(t)),
    ),
    Rule::provider("lock.has-no-timeout", "A lock is held for as long as the item lives.", "rule 7", |t| {
        Box::pin(has_no_timeout(t))
    }),
    Rule::provider(
        "lock.seen-by-every-instance",
        "A lock taken through one instance holds for instances that are made later.",
        "rule 1",
        |t| Box::pin(seen_by_every_instance(t)),
    )
    .needing(Needs::SharedSessions),
];

async fn exclusive(t: Trial) -> Checked {
    let one = inserted(&t, "one").await?;
    let (item, holder) = t.get_exclusive(&one).await?.taken()?;
    holds(&item, "one")?;
    for _ in 0..3 {
        t.get_exclusive(&one).await?.locked_by(holder)?;
    }
    let two = inserted(&t, "two").await?;
    t.get_exclusive(&two).await?.taken()?;
    t.get_exclusive(&one).await?.locked_by(holder)?;
    Ok(())
}

async fn stops_readers(t: Trial) -> Checked {
    let one = inserted(&t, "one").await?;
    let (_, holder) = t.get_exclusive(&one).await?.taken()?;
    t.get(&one).await?.locked_by(holder)?;
    t.peek(&one).await?.locked_by(holder)?;
    t.get(&one).await?.locked_by(holder)?;
    Ok(())
}

async fn has_an_age(t: Trial) -> Checked {
    let one = inserted(&t, "one").await?;
    let (_, holder) = t.get_exclusive(&one).await?.taken()?;
    let held = t.share_of_idle(50);
    for passed in [Duration::ZERO, held] {
        if !passed.is_zero() {
            t.pass(passed).await;
        }
        let age = t.get(&one).await?.locked_by(holder)?.age;
        // The check itself takes a moment, and a back end may count in whole seconds.
        demand(
            age + Duration::from_secs(1) >= passed && age <= passed + Duration::from_secs(3),
            format!("an age of about {} s", passed.as_secs_f32()),
            format!("{} s", age.as_secs_f32()),
        )?;
    }
    Ok(())
}

async fn first_id_is_2(t: Trial) -> Checked {
    let set = inserted(&t, "set").await?;
    let set_with_a_lock = key("set-with-a-lock")?;
    t.set_with(&set_with_a_lock, t.data("a"), Some(41), Condition::None, false).await?.stored()?;
    let new = key("must-be-new")?;
    t.set_if(&new, t.data("a"), Condition::MustBeNew).await?.stored()?;
    let uninitialized = key("uninitialized")?;
    t.create_uninitialized(&uninitialized, t.data("")).await?;
    for key in [set, set_with_a_lock, new, uninitialized] {
        let (_, first) = t.get_exclusive(&key).await?.taken()?;
        demand_equal("the first lock id", &2, &first.get())?;
    }
    Ok(())
}

async fn ids_increase(t: Trial) -> Checked {
    let one = inserted(&t, "one").await?;
    let mut last = 1;
    for round in 0..12 {
        let (_, lock_id) = t.get_exclusive(&one).await?.taken()?;
        demand(lock_id.get() > last, format!("a lock id above {last}"), format!("lock id {lock_id}"))?;
        last = lock_id.get();
        match round % 6 {
            0 => {
                t.set_and_release(&one, t.data("a"), lock_id).await?.stored()?;
            }
            1 => {
                t.release(&one, last).await?.released()?;
            }
            2 => {
                t.set_with(&one, t.data("b"), Some(last), Condition::None, true).await?.stored()?;
                t.release(&one, last).await?.released()?;
            }
            3 => {
                // Broken by somebody else, and the former holder writes all the same.
                let lock = t.get(&one).await?.locked_by(lock_id)?;
                t.release(&one, lock.id.get()).await?.released()?;
                t.set_and_release(&one, t.data("c"), lock_id).await?.stored()?;
            }
            4 => {
                t.set_and_release(&one, t.data("d"), lock_id).await?.stored()?;
                t.set(&one, t.data("written without a lock")).await?.stored()?;
                t.create_uninitialized(&one, t.data("ignored")).await?;
            }
            _ => {
                t.release(&one, last).await?.released()?;
                t.release(&one, 1).await?.released()?;
                t.reset_timeout(&one).await?;
                t.set_with(&one, t.data("e"), Some(1), Condition::None, false).await?.stored()?;
            }
        }
    }
    Ok(())
}

async fn ids_begin_anew(t: Trial) -> Checked {
    let one = inserted(&t, "one").await?;
    for _ in 0..3 {
        let (_, lock_id) = t.get_exclusive(&one).await?.taken()?;
        t.release(&one, lock_id.get()).await?.released()?;
    }
    t.remove(&one, None).await?.removed()?;
    t.set(&one, t.data("anew")).await?.stored()?;
    let (_, first) = t.get_exclusive(&one).await?.taken()?;
    demand_equal("the first lock id of the new item", &2, &first.get())
}

async fn set_releases(t: Trial) -> Checked {
    let one = inserted(&t, "one").await?;
    let (_, lock_id) = t.get_exclusive(&one).await?.taken()?;
    t.set_and_release(&one, t.data("written"), lock_id).await?.stored()?;
    holds(&t.get(&one).await?.found()?, "written")?;
    let (item, _) = t.get_exclusive(&one).await?.taken()?;
    holds(&item, "written")
}

async fn keep_lock(t: Trial) -> Checked {
    let one = inserted(&t, "one").await?;
    let (_, holder) = t.get_exclusive(&one).await?.taken()?;
    let lock_id = Some(holder.get());
    for (version, text) in [(2, "second"), (3, "third")] {
        let stored = t.set_with(&one, t.data(text), lock_id, Condition::None, true).await?.stored()?;
        demand_equal("the version", &version, &stored)?;
        t.get(&one).await?.locked_by(holder)?;
        t.get_exclusive(&one).await?.locked_by(holder)?;
    }
    t.set_with(&one, t.data("wrong"), Some(holder.get() + 1), Condition::None, true).await?.locked_by(holder)?;
    t.set_and_release(&one, t.data("fourth"), holder).await?.stored()?;
    holds(&t.get(&one).await?.found()?, "fourth")
}

async fn keep_lock_takes_none(t: Trial) -> Checked {
    let one = inserted(&t, "one").await?;
    t.set_with(&one, t.data("a"), Some(2), Condition::None, true).await?.stored()?;
    t.get(&one).await?.found()?;
    let two = key("two")?;
    t.set_with(&two, t.data("b"), Some(2), Condition::None, true).await?.stored()?;
    t.get(&two).await?.found()?;
    let (_, lock_id) = t.get_exclusive(&two).await?.taken()?;
    demand_equal("the first lock id", &2, &lock_id.get())
}

async fn release(t: Trial) -> Checked {
    let one = inserted(&t, "one").await?;
    let before = t.peek(&one).await?.found()?;
    let (_, lock_id) = t.get_exclusive(&one).await?.taken()?;
    t.release(&one, lock_id.get()).await?.released()?;
    unchanged(&before, &t.get(&one).await?.found()?)?;
    t.get_exclusive(&one).await?.taken()?;
    Ok(())
}

async fn release_needs_the_holders_id(t: Trial) -> Checked {
    let one = inserted(&t, "one").await?;
    let (_, former) = t.get_exclusive(&one).await?.taken()?;
    t.release(&one, former.get()).await?.released()?;
    let (_, holder) = t.get_exclusive(&one).await?.taken()?;
    for wrong in [former.get(), holder.get() + 1, 1, LockId::MAX] {
        t.release(&one, wrong).await?.locked_by(holder)?;
    }
    t.get_exclusive(&one).await?.locked_by(holder)?;
    t.set_and_release(&one, t.data("written"), holder).await?.stored()?;
    Ok(())
}

async fn release_when_unlocked(t: Trial) -> Checked {
    let one = inserted(&t, "one").await?;
    let before = t.peek(&one).await?.found()?;
    for any in [1, 2, 99, LockId::MAX] {
        t.release(&one, any).await?.released()?;
    }
    unchanged(&before, &t.get(&one).await?.found()?)?;
    let (_, lock_id) = t.get_exclusive(&one).await?.taken()?;
    demand_equal("the first lock id, which no release changes", &2, &lock_id.get())
}

async fn remove_needs_the_holders_id(t: Trial) -> Checked {
    let one = inserted(&t, "one").await?;
    let (_, holder) = t.get_exclusive(&one).await?.taken()?;
    t.remove(&one, None).await?.locked_by(holder)?;
    for wrong in [holder.get() + 1, 1] {
        t.remove(&one, Some(wrong)).await?.locked_by(holder)?;
    }
    t.remove_with(&one, None, true).await?.locked_by(holder)?;
    t.get(&one).await?.locked_by(holder)?;
    t.remove(&one, Some(holder.get())).await?.removed()?;
    t.get(&one).await?.missing()
}

async fn remove_when_unlocked(t: Trial) -> Checked {
    for lock_id in [None, Some(1), Some(2), Some(LockId::MAX)] {
        let one = inserted(&t, "one").await?;
        t.remove(&one, lock_id).await?.removed()?;
        t.get(&one).await?.missing()?;
    }
    Ok(())
}

async fn stolen_write_is_refused(t: Trial) -> Checked {
    let one = inserted(&t, "one").await?;
    let (_, former) = t.get_exclusive(&one).await?.taken()?;
    let seen = t.get_exclusive(&one).await?.locked_by(former)?;
    t.release(&one, seen.id.get()).await?.released()?;
    let (_, thief) = t.get_exclusive(&one).await?.taken()?;
    t.set_and_release(&one, t.data("by the former holder"), former).await?.locked_by(thief)?;
    t.release(&one, former.get()).await?.locked_by(thief)?;
    t.remove(&one, Some(former.get())).await?.locked_by(thief)?;
    t.set_and_release(&one, t.data("by the thief"), thief).await?.stored()?;
    holds(&t.get(&one).await?.found()?, "by the thief")
}

async fn broken_write_stores(t: Trial) -> Checked {
    let one = inserted(&t, "one").await?;
    let (_, former) = t.get_exclusive(&one).await?.taken()?;
    t.release(&one, former.get()).await?.released()?;
    t.set_and_release(&one, t.data("by the former holder"), former).await?.stored()?;
    holds(&t.get(&one).await?.found()?, "by the former holder")
}

async fn has_no_timeout(t: Trial) -> Checked {
    let one = inserted(&t, "one").await?;
    let (_, holder) = t.get_exclusive(&one).await?.taken()?;
    for _ in 0..4 {
        t.pass_percent_of_idle(60).await;
        t.reset_timeout(&one).await?.alive()?;
        t.get_exclusive(&one).await?.locked_by(holder)?;
    }
    t.set_and_release(&one, t.data("after a long time"), holder).await?.stored()?;
    holds(&t.get(&one).await?.found()?, "after a long time")
}

async fn seen_by_every_instance(t: Trial) -> Checked {
    let one = inserted(&t, "one").await?;
    let (_, holder) = t.get_exclusive(&one).await?.taken()?;
    let t = t.same_store_anew().await?;
    t.get(&one).await?.locked_by(holder)?;
    t.get_exclusive(&one).await?.locked_by(holder)?;
    t.set_and_release(&one, t.data("written"), holder).await?.stored()?;
    holds(&t.get(&one).await?.found()?, "written")
}
