//! The conformance kit: every rule of the contract that can be tested, run against one component in a host of its own.
//!
//! A [`Rule`] is a value with a stable id; [`all`] lists them. [`judge`] loads a component into a fresh runtime with an
//! empty built-in store and a clock that the kit moves, runs the rules and returns a [`Report`]. The kit calls plugins
//! through the same runtime as a serving host does, so a component that traps, loops or eats memory fails its rules
//! and harms nothing else. Called by `cloakroom check`; calls the plugin runtime only.

mod answer;
mod ear;
mod event_trial;
mod finding;
mod id_trial;
mod judge;
mod operation;
mod race;
mod report;
mod rule;
mod rules;
mod sink;
mod subject;
mod transcript;
mod trial;
mod wording;

pub use judge::{Judging, NotJudged, judge};
pub use report::{Judgement, Report, SCHEMA, Verdict};
pub use rule::Rule;
pub use rules::all;

#[cfg(test)]
mod documentation;
