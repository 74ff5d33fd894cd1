//! A plugin that fails in a call fails somebody's request.

use std::{fmt::Write, sync::Arc};

use super::storing::{holds, inserted};
use crate::{
    conformance::{
        event_trial::EventTrial,
        finding::{Checked, Finding, with_place},
        id_trial::IdTrial,
        rule::{Needs, Rule},
        sink::Collector,
        trial::{Trial, key},
    },
    contract::Condition,
    plugins::PluginError,
};

pub(super) const RULES: &[Rule] = &[
    Rule::provider(
        "robust.initialize-repeatable",
        "Instances can be made at any time, while others serve the same store, and find the sessions it has.",
        "section 2, initialize",
        |t| Box::pin(initialize_repeatable(t)),
    )
    .needing(Needs::SharedSessions),
    Rule::provider(
        "robust.no-trap",
        "No call traps, exceeds a limit or returns what the contract does not allow, in this rule or any other.",
        "rule 11",
        |t| Box::pin(no_trap(t)),
    ),
    Rule::ids(
        "robust.no-trap-in-ids",
        "No call of the ID generator traps, exceeds a limit or returns what the contract does not allow.",
        "rule 11",
        |t| Box::pin(no_trap_in_ids(t)),
    ),
    Rule::events(
        "robust.no-trap-in-events",
        "No call of the event handler traps or exceeds a limit, in this rule or any other.",
        "rule 11",
        |t| Box::pin(no_trap_in_events(t)),
    ),
];

async fn initialize_repeatable(t: Trial) -> Checked {
    let one = inserted(&t, "one").await?;
    for _ in 0..3 {
        let other = t.same_store_anew().await?;
        holds(&other.get(&one).await?.found()?, "one")?;
    }
    holds(&t.get(&one).await?.found()?, "one")
}

async fn no_trap(t: Trial) -> Checked {
    // One call of each operation, so that the rule means something by itself. Outcomes are for other rules.
    let (one, two) = (key("one")?, key("two")?);
    t.create_new_data(60).await.map(drop).or_else(unless_failed)?;
    t.create_uninitialized(&one, t.data("a")).await.or_else(unless_failed)?;
    t.get(&one).await.map(drop).or_else(unless_failed)?;
    t.peek(&one).await.map(drop).or_else(unless_failed)?;
    t.get_exclusive(&one).await.map(drop).or_else(unless_failed)?;
    t.set_with(&one, t.data("b"), Some(2), Condition::None, true).await.map(drop).or_else(unless_failed)?;
    t.release(&one, 2).await.map(drop).or_else(unless_failed)?;
    t.reset_timeout(&one).await.map(drop).or_else(unless_failed)?;
    t.remove_with(&one, None, true).await.map(drop).or_else(unless_failed)?;
    t.set(&two, t.data("c")).await.map(drop).or_else(unless_failed)?;
    t.pass_percent_of_idle(110).await;
    let sink = Arc::new(Collector::listening(t.transcript()));
    t.sweep(10, &sink).await.map(drop).or_else(unless_failed)?;
    none_of(&t.failures())
}

async fn no_trap_in_ids(t: IdTrial) -> Checked {
    let id = t.create(None).await?;
    t.validate(&id).await?;
    t.validate("").await?;
    none_of(&t.failures())
}

async fn no_trap_in_events(t: EventTrial) -> Checked {
    t.session(&key("one")?, t.item("a")).await.or_else(unless_failed)?;
    none_of(&t.failures())
}

/// Passes over a finding that another rule makes too.
fn unless_failed(finding: Finding) -> Checked {
    match finding {
        Finding::Broken { .. } => Ok(()),
        Finding::Unjudged { reason } => Err(failed(reason)),
        finding @ Finding::Skipped { .. } => Err(finding),
    }
}

fn none_of(failures: &[PluginError]) -> Checked {
    let Some(first) = failures.first() else { return Ok(()) };
    let mut seen = with_place(first);
    if failures.len() > 1 {
        // Writing to a string does not fail.
        let _ = write!(seen, "\n      (and {} failed calls more)", failures.len() - 1);
    }
    Err(failed(seen))
}

fn failed(seen: String) -> Finding {
    Finding::broken("calls that end in an outcome or in an error of the contract", seen)
}
