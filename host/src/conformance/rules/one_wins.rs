//! Races for a session that only one caller may win: checks of the rules in `concurrency`.

use std::{future::Future, sync::Arc};

use super::{
    concurrency::{different, number_in},
    uninitialized::flagged,
};
use crate::{
    conformance::{
        answer::Answer,
        finding::{Checked, Finding, demand, demand_equal},
        trial::{Trial, key},
    },
    contract::{Condition, GetExclusiveOutcome, RemoveOutcome, SessionKey, SetOutcome},
};

pub(super) async fn one_holder(t: Trial) -> Checked {
    let items =
        numbered(&t, 20, 400, |t, key| async move { t.set(&key, t.data("a")).await?.stored().map(drop) }).await?;
    let rounds = race_for(&t, &items, |t, _, one| async move { t.get_exclusive(&one).await }).await?;
    for outcomes in rounds {
        let holders: Vec<_> = outcomes
            .iter()
            .filter_map(|outcome| if let GetExclusiveOutcome::Found(_, id) = outcome { Some(*id) } else { None })
            .collect();
        let [holder] = holders.as_slice() else {
            let seen = outcomes.iter().map(Answer::describe).collect::<Vec<_>>().join("; ");
            return Err(Finding::broken("exactly one `found`", seen));
        };
        for outcome in outcomes.iter().filter(|outcome| !matches!(outcome, GetExclusiveOutcome::Found(..))) {
            outcome.locked_by(*holder)?;
        }
    }
    Ok(())
}

pub(super) async fn one_inserts(t: Trial) -> Checked {
    let items = numbered(&t, 20, 400, |_, _| async { Ok(()) }).await?;
    let rounds = race_for(&t, &items, |t, racer, one| async move {
        t.set_if(&one, t.data(&racer.to_string()), Condition::MustBeNew).await
    })
    .await?;
    for (outcomes, one) in rounds.iter().zip(items.iter()) {
        let mut winners = Vec::new();
        for (racer, outcome) in outcomes.iter().enumerate() {
            match outcome {
                SetOutcome::Done(1) => winners.push(racer),
                SetOutcome::Stale(1) => {}
                other => return Err(other.instead_of("done (version 1) or stale (version 1)")),
            }
        }
        let [winner] = winners.as_slice() else {
            return Err(Finding::broken("exactly one `done`", format!("{} of them", winners.len())));
        };
        demand_equal("who wrote what is stored", winner, &number_in(&t.get(one).await?.found()?)?)?;
    }
    Ok(())
}

pub(super) async fn one_creates(t: Trial) -> Checked {
    let items = numbered(&t, 20, 400, |_, _| async { Ok(()) }).await?;
    let rounds = race_for(&t, &items, |t, racer, one| async move {
        t.create_uninitialized(&one, t.data(&racer.to_string())).await?;
        let item = t.get(&one).await?.found()?;
        Ok((item.uninitialized, number_in(&item)?, item.version))
    })
    .await?;
    for outcomes in rounds {
        let flags = outcomes.iter().filter(|(flag, _, _)| *flag).count();
        demand_equal("the number of readers that saw the flag", &1, &flags)?;
        let creators: Vec<_> = outcomes.iter().map(|(_, creator, _)| *creator).collect();
        demand_equal("the number of creators whose data was read", &1, &different(&creators))?;
        let versions: Vec<_> = outcomes.iter().map(|(_, _, version)| *version).collect();
        demand(versions.iter().all(|version| *version == 1), "version 1 everywhere", format!("{versions:?}"))?;
    }
    Ok(())
}

pub(super) async fn one_first_reader(t: Trial) -> Checked {
    let items = numbered(&t, 20, 400, |t, key| async move { t.create_uninitialized(&key, t.data("")).await }).await?;
    let rounds = race_for(&t, &items, |t, racer, one| async move {
        // Each race has readers, and some have somebody who releases.
        if racer == 0 && one.id().ends_with(['0', '3', '6', '9']) {
            t.release(&one, 1).await?.released()
        } else {
            Ok(t.get(&one).await?.found()?.uninitialized)
        }
    })
    .await?;
    for (flags, one) in rounds.iter().zip(items.iter()) {
        let seen = flags.iter().filter(|flag| **flag).count();
        demand_equal("the number of callers that saw the flag", &1, &seen)?;
        flagged(&t.peek(one).await?.found()?, false)?;
    }
    Ok(())
}

pub(super) async fn one_removes(t: Trial) -> Checked {
    let items =
        numbered(&t, 20, 400, |t, key| async move { t.set(&key, t.data("a")).await?.stored().map(drop) }).await?;
    let rounds = race_for(&t, &items, |t, _, one| async move { t.remove(&one, None).await }).await?;
    for outcomes in rounds {
        let removed = outcomes.iter().filter(|outcome| matches!(outcome, RemoveOutcome::Done(_))).count();
        demand_equal("the number of removes that are `done`", &1, &removed)?;
        for outcome in outcomes.iter().filter(|outcome| !matches!(outcome, RemoveOutcome::Done(_))) {
            outcome.missing()?;
        }
    }
    Ok(())
}

/// Keys for rounds of a race, as many as take half a second at most, each made ready.
async fn numbered<F, R>(t: &Trial, least: usize, most: usize, prepare: F) -> Checked<Arc<[SessionKey]>>
where
    F: Fn(Trial, SessionKey) -> R,
    R: Future<Output = Checked> + Send + 'static,
{
    let rounds = t.affordable(least, most).await?;
    t.note(format!("{rounds} sessions, each the subject of one race"));
    let mut keys = Vec::with_capacity(rounds);
    for number in 0..rounds {
        let key = key(&format!("race-{number}"))?;
        prepare(t.quietly(), key.clone()).await?;
        keys.push(key);
    }
    Ok(keys.into())
}

/// Has callers race for each of these sessions, one session a round, and returns for each what they found.
async fn race_for<T, F, R>(t: &Trial, items: &Arc<[SessionKey]>, racer: F) -> Checked<Vec<Vec<T>>>
where
    T: Send + 'static,
    F: Fn(Trial, usize, SessionKey) -> R + Send + Sync + 'static,
    R: Future<Output = Checked<T>> + Send + 'static,
{
    let racer = Arc::new(racer);
    let races = items.clone();
    t.lockstep(items.len(), move |t, index, round| {
        let (racer, one) = (racer.clone(), races.get(round).cloned());
        async move {
            let one = one.ok_or_else(|| Finding::Unjudged { reason: "the kit ran a round too many".to_owned() })?;
            racer(t, index, one).await
        }
    })
    .await
}
