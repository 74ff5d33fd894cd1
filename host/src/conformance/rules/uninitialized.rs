//! Items that were created without content, and the flag that tells the first reader.

use super::storing::{holds, inserted};
use crate::{
    conformance::{
        answer::Answer,
        finding::{Checked, demand, demand_equal},
        rule::Rule,
        trial::{Trial, key},
    },
    contract::{Item, SessionData},
};

pub(super) const RULES: &[Rule] = &[
    Rule::provider(
        "uninitialized.first-get-sees-it",
        "The first get of an uninitialized item reports the flag, and the second does not.",
        "rule 5",
        |t| Box::pin(first_get_sees_it(t)),
    ),
    Rule::provider(
        "uninitialized.first-get-exclusive-sees-it",
        "The first get-exclusive of an uninitialized item reports the flag, and no operation after it does.",
        "rule 5",
        |t| Box::pin(first_get_exclusive_sees_it(t)),
    ),
    Rule::provider(
        "uninitialized.release-sees-it",
        "A release that is the first to see an uninitialized item says so, and no operation after it does.",
        "wit types, release-outcome",
        |t| Box::pin(release_sees_it(t)),
    ),
    Rule::provider(
        "uninitialized.others-leave-it",
        "Peek, reset-timeout and a second create-uninitialized leave the flag for the first reader.",
        "wit provider, peek",
        |t| Box::pin(others_leave_it(t)),
    ),
    Rule::provider("uninitialized.set-clears-it", "Set-and-release clears the flag.", "rule 4", |t| {
        Box::pin(set_clears_it(t))
    }),
    Rule::provider(
        "uninitialized.keeps-its-data",
        "An uninitialized item has the data it was created with, and is unlocked.",
        "section 2, create-uninitialized",
        |t| Box::pin(keeps_its_data(t)),
    ),
    Rule::provider(
        "uninitialized.existing-item-stays",
        "Create-uninitialized on an existing item is `done` and changes nothing, a lock on it included.",
        "section 2, create-uninitialized",
        |t| Box::pin(existing_item_stays(t)),
    ),
];

async fn first_get_sees_it(t: Trial) -> Checked {
    let one = key("one")?;
    t.create_uninitialized(&one, t.data("")).await?;
    flagged(&t.get(&one).await?.found()?, true)?;
    flagged(&t.get(&one).await?.found()?, false)?;
    let (item, _) = t.get_exclusive(&one).await?.taken()?;
    flagged(&item, false)
}

async fn first_get_exclusive_sees_it(t: Trial) -> Checked {
    let one = key("one")?;
    t.create_uninitialized(&one, t.data("")).await?;
    let (item, lock_id) = t.get_exclusive(&one).await?.taken()?;
    flagged(&item, true)?;
    let seen_again = t.release(&one, lock_id.get()).await?.released()?;
    demand_equal("what the release says of the flag", &false, &seen_again)?;
    flagged(&t.get(&one).await?.found()?, false)?;
    let (item, _) = t.get_exclusive(&one).await?.taken()?;
    flagged(&item, false)
}

async fn release_sees_it(t: Trial) -> Checked {
    let one = key("one")?;
    t.create_uninitialized(&one, t.data("")).await?;
    let seen = t.release(&one, 1).await?.released()?;
    demand_equal("what the first release says of the flag", &true, &seen)?;
    let seen = t.release(&one, 1).await?.released()?;
    demand_equal("what the second release says of the flag", &false, &seen)?;
    flagged(&t.get(&one).await?.found()?, false)?;
    let two = inserted(&t, "two").await?;
    let seen = t.release(&two, 1).await?.released()?;
    demand_equal("what the release of an ordinary item says of the flag", &false, &seen)
}

async fn others_leave_it(t: Trial) -> Checked {
    let one = key("one")?;
    t.create_uninitialized(&one, t.data("")).await?;
    t.peek(&one).await?.found()?;
    t.reset_timeout(&one).await?.alive()?;
    t.create_uninitialized(&one, t.data("")).await?;
    flagged(&t.get(&one).await?.found()?, true)?;
    t.create_uninitialized(&one, t.data("")).await?;
    flagged(&t.get(&one).await?.found()?, false)
}

async fn set_clears_it(t: Trial) -> Checked {
    let one = key("one")?;
    t.create_uninitialized(&one, t.data("")).await?;
    let version = t.set(&one, t.data("content")).await?.stored()?;
    demand_equal("the version", &2, &version)?;
    flagged(&t.peek(&one).await?.found()?, false)?;
    flagged(&t.get(&one).await?.found()?, false)
}

async fn keeps_its_data(t: Trial) -> Checked {
    let one = key("one")?;
    let latest_expiry = Some(t.in_percent_of_idle(400));
    let data = SessionData { latest_expiry, subject: Some("ann".to_owned()), ..t.data("made of nothing") };
    t.create_uninitialized(&one, data.clone()).await?;
    let item = t.get(&one).await?.found()?;
    holds(&item, "made of nothing")?;
    demand_equal("the data", &data, &item.data)?;
    demand_equal("the version", &1, &item.version)?;
    t.get_exclusive(&one).await?.taken()?;
    Ok(())
}

async fn existing_item_stays(t: Trial) -> Checked {
    let one = key("one")?;
    t.set(&one, SessionData { subject: Some("ann".to_owned()), ..t.data("content") }).await?.stored()?;
    let other = SessionData { subject: Some("eve".to_owned()), idle_timeout: 7, ..t.data("other") };
    let before = t.peek(&one).await?.found()?;
    t.create_uninitialized(&one, other.clone()).await?;
    let after = t.peek(&one).await?.found()?;
    super::storing::unchanged(&before, &after)?;
    flagged(&after, false)?;
    let (_, holder) = t.get_exclusive(&one).await?.taken()?;
    t.create_uninitialized(&one, other).await?;
    t.get(&one).await?.locked_by(holder)?;
    t.release(&one, holder.get()).await?.released()?;
    super::storing::unchanged(&before, &t.get(&one).await?.found()?)
}

/// Demands that the item carries the flag, or does not.
pub(super) fn flagged(item: &Item, expected: bool) -> Checked {
    let text = |flag| if flag { "the item is flagged uninitialized" } else { "the item is not flagged uninitialized" };
    demand(item.uninitialized == expected, text(expected), text(item.uninitialized))
}
