//! Many callers at once, through many instances: everything that is done counts. `one_wins` has the checks of what
//! only one of them may have.

use std::time::{Duration, Instant};

use super::one_wins;
use crate::{
    conformance::{
        answer::Answer,
        finding::{Checked, Finding, demand, demand_equal},
        rule::Rule,
        trial::{Trial, key},
    },
    contract::{Condition, GetExclusiveOutcome, Item, SessionKey, SetOutcome},
};

/// Tasks in the rules that count.
const TASKS: usize = 8;
/// The longest that a task tries to get a lock that others take and give back.
const PATIENCE: Duration = Duration::from_secs(20);

pub(super) const RULES: &[Rule] = &[
    Rule::provider(
        "concurrent.one-holder",
        "Of concurrent get-exclusive on an unlocked item exactly one is `found`; the others name its lock id.",
        "rule 1",
        |t| Box::pin(one_wins::one_holder(t.at_work())),
    ),
    Rule::provider(
        "concurrent.no-lost-update",
        "Counting up under the lock from many tasks ends at exactly the number of increments.",
        "rule 1",
        |t| Box::pin(no_lost_update(t.at_work())),
    ),
    Rule::provider(
        "concurrent.lock-ids-unique",
        "No lock id is issued twice, and a later holder's is larger.",
        "section 1, lock",
        |t| Box::pin(lock_ids_unique(t.at_work())),
    ),
    Rule::provider(
        "concurrent.if-version",
        "Counting up under `if-version` from many tasks ends at exactly the number of writes that were `done`.",
        "rule 3",
        |t| Box::pin(if_version(t.at_work())),
    ),
    Rule::provider(
        "concurrent.stores-all-count",
        "Concurrent unconditional stores are all `done`, each with a version of its own.",
        "section 1, item",
        |t| Box::pin(stores_all_count(t.at_work())),
    ),
    Rule::provider(
        "concurrent.one-inserts",
        "Of concurrent writes under `must-be-new` exactly one is `done`, and its data is what is stored.",
        "rule 3",
        |t| Box::pin(one_wins::one_inserts(t.at_work())),
    ),
    Rule::provider(
        "concurrent.one-creates",
        "Concurrent create-uninitialized are all `done` and create one item, whose flag one reader sees.",
        "section 2, create-uninitialized",
        |t| Box::pin(one_wins::one_creates(t.at_work())),
    ),
    Rule::provider(
        "concurrent.one-first-reader",
        "Of concurrent get and release on an uninitialized item exactly one sees the flag.",
        "rule 5",
        |t| Box::pin(one_wins::one_first_reader(t.at_work())),
    ),
    Rule::provider(
        "concurrent.one-removes",
        "Of concurrent removes exactly one is `done`.",
        "section 2, remove",
        |t| Box::pin(one_wins::one_removes(t.at_work())),
    ),
    Rule::provider(
        "concurrent.slides-lose-nothing",
        "Reads and reset-timeout beside writers undo neither a write nor a release.",
        "rule 12",
        |t| Box::pin(slides_lose_nothing(t.at_work())),
    ),
];

async fn no_lost_update(t: Trial) -> Checked {
    let one = inserted_zero(&t).await?;
    let each = t.affordable(10, 250).await?;
    let expected = TASKS * each;
    t.note(format!("{TASKS} tasks: get-exclusive, add 1, set-and-release, {each} times each"));
    count_up(&t, &one, each).await?;
    let total = number_in(&t.get(&one).await?.found()?)?;
    demand_equal("the total", &expected, &total)
}

async fn lock_ids_unique(t: Trial) -> Checked {
    let one = inserted_zero(&t).await?;
    let each = t.affordable(10, 250).await?;
    t.note(format!("{TASKS} tasks: get-exclusive, add 1, set-and-release, {each} times each"));
    // The number that a holder finds says where in the line of holders it stands.
    let mut holders: Vec<_> = count_up(&t, &one, each).await?.into_iter().flatten().collect();
    holders.sort_unstable();
    for pair in holders.windows(2) {
        if let [(earlier, id), (later, next)] = pair {
            demand(
                id < next,
                format!("the lock id of the holder that found {later} is above {id}, of the one that found {earlier}"),
                format!("lock id {next}"),
            )?;
        }
    }
    Ok(())
}

async fn if_version(t: Trial) -> Checked {
    let one = inserted_zero(&t).await?;
    let each = t.affordable(10, 250).await?;
    t.note(format!("{TASKS} tasks: get, add 1, set under if-version, until {each} of each were done"));
    t.together(TASKS, |t, _| {
        let one = one.clone();
        async move {
            let begin = Instant::now();
            let mut done = 0;
            while done < each {
                let item = t.get(&one).await?.found()?;
                let next = number_in(&item)? + 1;
                tokio::task::yield_now().await;
                let condition = Condition::IfVersion(item.version);
                match t.set_if(&one, t.data(&next.to_string()), condition).await? {
                    SetOutcome::Done(_) => done += 1,
                    SetOutcome::Stale(_) => {}
                    other => return Err(other.instead_of("done or stale")),
                }
                out_of_patience(begin, "the write is done at some time")?;
            }
            Ok(())
        }
    })
    .await?;
    let item = t.get(&one).await?.found()?;
    demand_equal("the total", &(TASKS * each), &number_in(&item)?)?;
    let stores = u64::try_from(TASKS * each).unwrap_or(u64::MAX);
    demand_equal("the version", &(1 + stores), &item.version)
}

async fn stores_all_count(t: Trial) -> Checked {
    let one = inserted_zero(&t).await?;
    let rounds = t.affordable(10, 400).await?;
    let before = t.peek(&one).await?.found()?.version;
    let versions = t
        .lockstep(rounds, {
            let one = one.clone();
            move |t, racer, _| {
                let one = one.clone();
                async move { t.set(&one, t.data(&racer.to_string())).await?.stored() }
            }
        })
        .await?;
    let mut versions: Vec<_> = versions.into_iter().flatten().collect();
    versions.sort_unstable();
    let first = before + 1;
    let last = before + u64::try_from(versions.len()).unwrap_or(u64::MAX);
    demand(
        versions.iter().copied().eq(first..=last),
        format!("each version from {first} to {last} once"),
        format!("{} different ones up to {:?}", different(&versions), versions.last()),
    )?;
    demand_equal("the version in the end", &last, &t.get(&one).await?.found()?.version)
}

async fn slides_lose_nothing(t: Trial) -> Checked {
    let one = inserted_zero(&t).await?;
    let rounds = t.affordable(10, 400).await?;
    t.note(format!("one writes {rounds} times under the lock while others get, peek and reset the timeout"));
    let start = number_in(&t.get(&one).await?.found()?)?;
    t.lockstep(rounds, {
        let one = one.clone();
        move |t, racer, round| {
            let one = one.clone();
            async move {
                match (racer, round % 3) {
                    (0, _) => {
                        let (item, lock_id) = t.get_exclusive(&one).await?.taken()?;
                        let next = (number_in(&item)? + 1).to_string();
                        t.set_and_release(&one, t.data(&next), lock_id).await?.stored()?;
                    }
                    (_, 0) => t.get(&one).await?.alive()?,
                    (_, 1) => t.reset_timeout(&one).await?.alive()?,
                    _ => t.create_uninitialized(&one, t.data("")).await?,
                }
                Ok(())
            }
        }
    })
    .await?;
    demand_equal("the number stored in the end", &(start + rounds), &number_in(&t.get(&one).await?.found()?)?)
}

/// Tasks that count up under the lock. Returns for each increment the number found and the lock id.
async fn count_up(t: &Trial, one: &SessionKey, each: usize) -> Checked<Vec<Vec<(usize, u32)>>> {
    t.together(TASKS, |t, _| {
        let one = one.clone();
        async move {
            let begin = Instant::now();
            let mut held = Vec::with_capacity(each);
            while held.len() < each {
                match t.get_exclusive(&one).await? {
                    GetExclusiveOutcome::Found(item, lock_id) => {
                        let number = number_in(&item)?;
                        // Others try while the lock is held.
                        tokio::task::yield_now().await;
                        let next = (number + 1).to_string();
                        t.set_and_release(&one, t.data(&next), lock_id).await?.stored()?;
                        held.push((number, lock_id.get()));
                    }
                    GetExclusiveOutcome::Locked(_) => t.let_others_get_on().await,
                    GetExclusiveOutcome::Missing => return Err(GetExclusiveOutcome::Missing.instead_of("the session")),
                }
                out_of_patience(begin, "the lock is free at some time")?;
            }
            Ok(held)
        }
    })
    .await
}

fn out_of_patience(begin: Instant, expected: &str) -> Checked {
    demand(begin.elapsed() < PATIENCE, expected, format!("it was not for {} s", PATIENCE.as_secs()))
}

/// A session that holds the number 0.
async fn inserted_zero(t: &Trial) -> Checked<SessionKey> {
    let one = key("counter")?;
    t.set(&one, t.data("0")).await?.stored()?;
    Ok(one)
}

/// The number that a session holds.
pub(super) fn number_in(item: &Item) -> Checked<usize> {
    let text = String::from_utf8_lossy(item.data.payload.bytes());
    text.parse().map_err(|_| Finding::broken("a payload that somebody stored: a number", format!("{text:?}")))
}

/// How many different values there are.
pub(super) fn different<T: Ord + Clone>(values: &[T]) -> usize {
    let mut values = values.to_vec();
    values.sort_unstable();
    values.dedup();
    values.len()
}
