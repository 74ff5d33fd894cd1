//! Finding what expired: claiming it for reporting, or dropping it.

use super::{
    bucket::{Bucket, Parts, wait_for_rename},
    entry::{ExpiredEntry, Slot},
    expired::Record,
    index::Due,
};
use crate::clock::UnixMillis;

impl Bucket {
    /// Claims up to `limit` expired entries in order of their deadline. A claim that is not settled within `lease`
    /// milliseconds is offered again.
    #[must_use]
    pub fn claim_expired(&self, limit: u32, lease: u64) -> Vec<ExpiredEntry> {
        let now = self.parts.clock.now();
        let until = UnixMillis(now.0.saturating_add(lease));
        // Once, before the first claim: with a lease of 0 the claims made below run out at once.
        self.parts.expired.lock().take_back(now);
        let mut claimed = Vec::new();
        for _ in 0..limit {
            let Some(record) = self.parts.take_first_expired(now) else { break };
            let ticket = self.parts.next_number();
            claimed.push(ExpiredEntry { ticket, key: record.key.clone(), entry: record.stored.entry(now) });
            self.parts.expired.lock().claim(ticket, until, record);
        }
        claimed
    }

    /// Forgets a claimed entry. False if the claim had run out.
    #[must_use]
    pub fn settle(&self, ticket: u64) -> bool {
        let now = self.parts.clock.now();
        let settled = self.parts.expired.lock().settle(ticket, now);
        settled.is_some_and(|record| {
            self.parts.usage.remove_entry(record.stored.size(&record.key));
            true
        })
    }

    /// Deletes up to `limit` expired entries without reporting them; how many it deleted. Entries that somebody has
    /// claimed are left to them.
    pub fn drop_expired(&self, limit: u32) -> u32 {
        let now = self.parts.clock.now();
        self.parts.expired.lock().take_back(now);
        for dropped in 0..limit {
            let Some(record) = self.parts.take_first_expired(now) else { return dropped };
            self.parts.usage.remove_entry(record.stored.size(&record.key));
        }
        limit
    }
}

impl Parts {
    /// Takes the entry that expired first, from those set aside and those still under their keys.
    ///
    /// An entry under its key is taken only when its mark is its deadline. Since no mark is later than its deadline,
    /// none behind the first mark can have expired earlier.
    fn take_first_expired(&self, now: UnixMillis) -> Option<Record> {
        loop {
            let due = self.index.lock().first_due(now);
            let bound = due.as_ref().map(|due| (due.mark, due.serial));
            if let Some(record) = self.expired.lock().take_first(bound) {
                return Some(record);
            }
            if let Some(record) = self.take_due(&due?) {
                return Some(record);
            }
        }
    }

    /// Takes an entry whose mark has passed, or moves the mark to where the deadline is by now.
    fn take_due(&self, due: &Due) -> Option<Record> {
        let mut moving = false;
        let taken = self.entries.remove_if_mut(&due.key, |_, slot| match slot {
            Slot::Entry(stored) if (stored.mark, stored.serial) != (due.mark, due.serial) => false,
            Slot::Entry(stored) if stored.deadline == stored.mark => {
                self.index.lock().remove(stored);
                true
            }
            Slot::Entry(stored) => {
                self.index.lock().remark(stored, stored.deadline);
                false
            }
            Slot::Reserved => {
                moving = true;
                false
            }
        });
        if moving {
            wait_for_rename();
        }
        match taken? {
            (key, Slot::Entry(stored)) => Some(Record { key, stored }),
            (_, Slot::Reserved) => None,
        }
    }
}
