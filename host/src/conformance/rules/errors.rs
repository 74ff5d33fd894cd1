//! Errors are errors: wrong input must not look like a session that does not exist.

use super::storing::{holds, inserted};
use crate::{
    conformance::{
        answer::Answer,
        finding::{Checked, Finding},
        rule::Rule,
        trial::{Trial, key},
    },
    contract::{Condition, LockId, StoreError},
    plugins::CallError,
};

pub(super) const RULES: &[Rule] = &[
    Rule::provider(
        "error.lock-id-zero",
        "A lock id of 0 is `invalid-argument` to set-and-release, release and remove, whether there is an item or not.",
        "rule 11",
        |t| Box::pin(wrong_lock_id(t, 0)),
    ),
    Rule::provider(
        "error.lock-id-too-large",
        "A lock id above 2147483647 is `invalid-argument` to set-and-release, release and remove.",
        "rule 11",
        |t| Box::pin(wrong_lock_id(t, LockId::MAX + 1)),
    ),
];

async fn wrong_lock_id(t: Trial, wrong: u32) -> Checked {
    let unlocked = inserted(&t, "unlocked").await?;
    let locked = inserted(&t, "locked").await?;
    let (_, holder) = t.get_exclusive(&locked).await?.taken()?;
    let missing = key("missing")?;
    for one in [&unlocked, &locked, &missing] {
        let result = t.provider().set_and_release(one, t.data("wrong"), Some(wrong), Condition::None, false).await;
        refused(&t, result, &format!("set-and-release({}, lock {wrong})", one.id()))?;
        let result = t.provider().release_exclusive(one, wrong).await;
        refused(&t, result, &format!("release-exclusive({}, lock {wrong})", one.id()))?;
        let result = t.provider().remove(one, Some(wrong), false).await;
        refused(&t, result, &format!("remove({}, lock {wrong})", one.id()))?;
    }
    holds(&t.get(&unlocked).await?.found()?, "unlocked")?;
    t.get(&locked).await?.locked_by(holder)?;
    t.get(&missing).await?.missing()
}

/// Demands that a call ended in `invalid-argument`.
fn refused<T: Answer>(t: &Trial, result: Result<T, CallError>, call: &str) -> Checked {
    match t.settle_raw(result, || call.to_owned(), Answer::describe) {
        Err(CallError::Store(StoreError::InvalidArgument(_))) => Ok(()),
        Err(CallError::Plugin(error)) => Err(error.into()),
        Err(CallError::Store(error)) => Err(Finding::broken("the error `invalid argument`", error.to_string())),
        Ok(outcome) => Err(outcome.instead_of("the error `invalid argument`")),
    }
}
