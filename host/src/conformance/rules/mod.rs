//! The rules, a file for each group. A file begins with the list of its rules; the checks follow in the same order.
//!
//! A check is an async function over a trial: a few calls, each demanding an outcome. Rules say what the contract
//! says and nothing more: where it leaves a choice, every choice passes.

mod concurrency;
mod data;
mod errors;
mod events;
mod expiry;
mod ids;
mod keys;
mod locking;
mod one_wins;
mod optional;
mod robust;
mod storing;
mod sweeping;
mod uninitialized;

use super::rule::Rule;

/// Every rule, in the order in which they run and are listed.
pub fn all() -> impl Iterator<Item = &'static Rule> {
    [
        data::RULES,
        storing::RULES,
        locking::RULES,
        uninitialized::RULES,
        expiry::RULES,
        sweeping::RULES,
        keys::RULES,
        concurrency::RULES,
        errors::RULES,
        optional::RULES,
        ids::RULES,
        events::RULES,
        // Last, because they also judge how the component behaved in all the others.
        robust::RULES,
    ]
    .into_iter()
    .flatten()
}
