//! Entries that expired and left their key: set aside because the key was used anew, or claimed for reporting.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::Arc,
};

use super::{deadlines::Deadline, entry::Stored, serial::Serial};
use crate::clock::UnixMillis;

/// An expired entry with the key that it had.
pub(super) struct Record {
    pub(super) key: Arc<str>,
    pub(super) stored: Stored,
}

impl Record {
    /// Its place in the order of expiry; of entries that expired in the same millisecond the older goes first.
    fn order(&self) -> (Deadline, Serial) {
        (self.stored.deadline, self.stored.serial)
    }
}

struct Claim {
    /// When the claim runs out.
    until: UnixMillis,
    record: Record,
}

/// The expired entries of a bucket that nobody has settled yet.
#[derive(Default)]
pub(super) struct Expired {
    /// Those that may be claimed.
    waiting: BTreeMap<(Deadline, Serial), Record>,
    /// Those that are claimed, by ticket. Each claim has a ticket of its own.
    claims: HashMap<u64, Claim>,
    /// When the claims run out, with their tickets.
    leases: BTreeSet<(UnixMillis, u64)>,
}

impl Expired {
    /// Sets an entry aside until somebody claims it.
    pub(super) fn add(&mut self, record: Record) {
        self.waiting.insert(record.order(), record);
    }

    /// Offers the entries again whose claims have run out.
    pub(super) fn take_back(&mut self, now: UnixMillis) {
        while let Some((until, ticket)) = self.leases.first().copied() {
            if until > now {
                break;
            }
            self.leases.remove(&(until, ticket));
            if let Some(claim) = self.claims.remove(&ticket) {
                self.add(claim.record);
            }
        }
    }

    /// Takes the waiting entry that expired first, unless `bound` comes before it.
    pub(super) fn take_first(&mut self, bound: Option<(Deadline, Serial)>) -> Option<Record> {
        let first = self.waiting.first_entry()?;
        (bound.is_none_or(|bound| *first.key() < bound)).then(|| first.remove())
    }

    /// Keeps an entry for whoever has the ticket, until the claim runs out.
    pub(super) fn claim(&mut self, ticket: u64, until: UnixMillis, record: Record) {
        self.leases.insert((until, ticket));
        self.claims.insert(ticket, Claim { until, record });
    }

    /// Gives up a claimed entry for good. `None` if there is no such claim or it has run out.
    pub(super) fn settle(&mut self, ticket: u64, now: UnixMillis) -> Option<Record> {
        let until = self.claims.get(&ticket).map(|claim| claim.until).filter(|until| *until > now)?;
        self.leases.remove(&(until, ticket));
        self.claims.remove(&ticket).map(|claim| claim.record)
    }

    /// All of them, claimed or not.
    pub(super) fn records(&self) -> impl Iterator<Item = &Record> {
        self.waiting.values().chain(self.claims.values().map(|claim| &claim.record))
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.records().count()
    }
}
