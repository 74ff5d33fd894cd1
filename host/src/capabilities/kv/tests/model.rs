//! Any sequence of operations and clock moves against a model that is too simple to be wrong: a list of entries.

use proptest::prelude::*;

use super::{
    super::{Quota, Snapshot, SnapshotSummary, Totals},
    *,
};

/// The clock moves by multiples of this many milliseconds and deadlines lie half-way between, so that the time which a
/// test takes decides nothing.
const STEP: i64 = 1_000_000;
const HALF: i64 = STEP / 2;

#[derive(Debug, Clone)]
enum Operation {
    Put { key: usize, payload: Option<usize>, word: u64, expires: Option<i8>, tag: Option<Option<usize>>, when: When },
    Get { key: usize },
    Touch { key: usize, expires: Option<i8>, stale: bool },
    Delete { key: usize, stale: bool },
    Rename { old: usize, new: usize, stale: bool },
    Claim { limit: u32, lease: u8 },
    Settle { claim: usize },
    Drop { limit: u32 },
    Pass { steps: u8 },
    List { limit: u32 },
    Restart,
}

/// A condition, before it is known which versions there are.
#[derive(Debug, Clone, Copy)]
enum When {
    Always,
    Absent,
    Current,
    Stale,
}

const KEYS: [&str; 4] = ["a", "ab", "b", "key"];
const TAGS: [&str; 2] = ["anna", "bert"];

fn operations() -> impl Strategy<Value = Vec<Operation>> {
    let key = || 0..KEYS.len();
    let expires = || prop::option::weighted(0.8, -1_i8..8);
    let when =
        prop_oneof![2 => Just(When::Always), 2 => Just(When::Absent), 3 => Just(When::Current), 1 => Just(When::Stale)];
    let tag = prop::option::of(prop::option::weighted(0.8, 0..TAGS.len()));
    let put = (key(), prop::option::weighted(0.7, 0_usize..40), any::<u64>(), expires(), tag, when)
        .prop_map(|(key, payload, word, expires, tag, when)| Operation::Put { key, payload, word, expires, tag, when });
    let stale = || prop::bool::weighted(0.1);
    let operation = prop_oneof![
        8 => put,
        3 => key().prop_map(|key| Operation::Get { key }),
        3 => (key(), expires(), stale()).prop_map(|(key, expires, stale)| Operation::Touch { key, expires, stale }),
        2 => (key(), stale()).prop_map(|(key, stale)| Operation::Delete { key, stale }),
        3 => (key(), key(), stale()).prop_map(|(old, new, stale)| Operation::Rename { old, new, stale }),
        3 => (0_u32..4, 0_u8..4).prop_map(|(limit, lease)| Operation::Claim { limit, lease }),
        2 => (0_usize..6).prop_map(|claim| Operation::Settle { claim }),
        1 => (0_u32..3).prop_map(|limit| Operation::Drop { limit }),
        4 => (0_u8..4).prop_map(|steps| Operation::Pass { steps }),
        2 => (1_u32..4).prop_map(|limit| Operation::List { limit }),
        1 => Just(Operation::Restart),
    ];
    prop::collection::vec(operation, 1..80)
}

#[derive(Debug, Clone, PartialEq)]
enum Place {
    Stored,
    SetAside,
    Claimed { ticket: u64, until: i64 },
}

#[derive(Debug, Clone)]
struct ModelEntry {
    key: &'static str,
    payload: String,
    word: u64,
    /// Milliseconds since the test began.
    expires: Option<i64>,
    tag: Option<&'static str>,
    version: u64,
    place: Place,
}

impl ModelEntry {
    fn has_expired(&self, now: i64) -> bool {
        self.expires.is_some_and(|expires| expires <= now)
    }

    fn size(&self) -> u64 {
        (self.key.len() + self.payload.len() + self.tag.map_or(0, str::len)).try_into().unwrap()
    }
}

/// The entries in the order of their insertion.
struct Model {
    entries: Vec<ModelEntry>,
    /// Milliseconds since the test began.
    now: i64,
    /// All tickets ever given out.
    tickets: Vec<u64>,
    last_version: u64,
    quota: Quota,
}

impl Model {
    fn position(&self, key: &str) -> Option<usize> {
        let live =
            |entry: &ModelEntry| entry.key == key && entry.place == Place::Stored && !entry.has_expired(self.now);
        self.entries.iter().position(live)
    }

    fn live(&self, key: &str) -> Option<&ModelEntry> {
        self.position(key).map(|position| &self.entries[position])
    }

    /// The present version of a key's entry, or one that it does not have.
    fn version(&self, key: &str, stale: bool) -> u64 {
        self.live(key).map_or(1, |entry| entry.version) + u64::from(stale)
    }

    /// An expired entry loses its key.
    fn set_aside(&mut self, key: &str) {
        let now = self.now;
        for entry in &mut self.entries {
            if entry.key == key && entry.place == Place::Stored && entry.has_expired(now) {
                entry.place = Place::SetAside;
            }
        }
    }

    /// Whether the quota allows another entry, or one that grows from one size to another.
    fn has_room(&self, another: bool, from: u64, to: u64) -> bool {
        let totals = self.totals();
        let entries = !another || totals.entries < self.quota.max_entries.unwrap();
        let bytes = to <= from || totals.bytes + (to - from) <= self.quota.max_bytes.unwrap();
        entries && bytes
    }

    fn totals(&self) -> Totals {
        let entries = self.entries.len().try_into().unwrap();
        Totals { entries, bytes: self.entries.iter().map(ModelEntry::size).sum() }
    }

    fn run_out_claims(&mut self) {
        for entry in &mut self.entries {
            if matches!(entry.place, Place::Claimed { until, .. } if until <= self.now) {
                entry.place = Place::SetAside;
            }
        }
    }

    /// The entries that may be claimed, those that expired first at the front.
    fn claimable(&self) -> Vec<usize> {
        let free = |entry: &ModelEntry| entry.has_expired(self.now) && !matches!(entry.place, Place::Claimed { .. });
        let mut found: Vec<usize> = (0..self.entries.len()).filter(|position| free(&self.entries[*position])).collect();
        found.sort_by_key(|position| (self.entries[*position].expires, *position));
        found
    }
}

/// The store and its model, side by side.
struct Both {
    f: Fixture,
    base: u64,
    model: Model,
}

impl Both {
    fn new(quota: Quota) -> Self {
        let f = Fixture::new();
        f.bucket.set_quota(quota);
        let model = Model { entries: Vec::new(), now: 0, tickets: Vec::new(), last_version: 0, quota };
        Self { base: f.clock.now().0, f, model }
    }

    fn deadline(&self, steps: Option<i8>) -> Option<i64> {
        steps.map(|steps| self.model.now + i64::from(steps) * STEP + HALF)
    }

    fn moment(&self, deadline: Option<i64>) -> Option<UnixMillis> {
        deadline.map(|deadline| UnixMillis(self.base.checked_add_signed(deadline).unwrap()))
    }

    fn new_version(&mut self, version: u64) -> u64 {
        assert!(version > self.model.last_version, "versions only grow");
        self.model.last_version = version;
        version
    }

    fn apply(&mut self, operation: &Operation) {
        match *operation {
            Operation::Put { key, payload, word, expires, tag, when } => {
                self.put(KEYS[key], payload.map(|length| "x".repeat(length)), word, expires, tag, when);
            }
            Operation::Get { key } => self.get(KEYS[key]),
            Operation::Touch { key, expires, stale } => {
                let (key, version) = (KEYS[key], self.model.version(KEYS[key], stale));
                let deadline = self.deadline(expires);
                let touched = self.f.bucket.touch(key, self.moment(deadline), version);
                let position = self.model.position(key).filter(|_| !stale);
                assert_eq!(touched, position.is_some());
                if let Some(position) = position {
                    self.model.entries[position].expires = deadline;
                }
            }
            Operation::Delete { key, stale } => {
                let deleted = self.f.bucket.delete(KEYS[key], self.model.version(KEYS[key], stale));
                let position = self.model.position(KEYS[key]).filter(|_| !stale);
                assert_eq!(deleted, position.is_some());
                position.map(|position| self.model.entries.remove(position));
            }
            Operation::Rename { old, new, stale } => self.rename(KEYS[old], KEYS[new], stale),
            Operation::Claim { limit, lease } => self.claim(limit, lease),
            Operation::Settle { claim } => self.settle(claim),
            Operation::Drop { limit } => {
                self.model.run_out_claims();
                let mut due = self.model.claimable();
                due.truncate(limit.try_into().unwrap());
                assert_eq!(self.f.bucket.drop_expired(limit), u32::try_from(due.len()).unwrap());
                due.sort_unstable();
                due.into_iter().rev().for_each(|position| drop(self.model.entries.remove(position)));
            }
            Operation::Pass { steps } => {
                self.model.now += i64::from(steps) * STEP;
                self.f.clock.advance(Duration::from_millis((i64::from(steps) * STEP).try_into().unwrap()));
            }
            Operation::List { limit } => self.list(limit),
            Operation::Restart => self.restart(),
        }
        assert_eq!(self.f.bucket.totals(), self.model.totals());
    }

    fn put(
        &mut self,
        key: &'static str,
        payload: Option<String>,
        word: u64,
        expires: Option<i8>,
        tag: Option<Option<usize>>,
        when: When,
    ) {
        let deadline = self.deadline(expires);
        let tag_name = tag.flatten().map(|tag| TAGS[tag]);
        let tag_change = match tag {
            None => TagChange::Keep,
            Some(None) => TagChange::Clear,
            Some(Some(tag)) => TagChange::Set(TAGS[tag]),
        };
        let condition = match when {
            When::Always => PutCondition::Always,
            When::Absent => PutCondition::IfAbsent,
            When::Current => PutCondition::IfVersion(self.model.version(key, false)),
            When::Stale => PutCondition::IfVersion(self.model.version(key, true)),
        };
        let bytes = payload.as_deref().map(super::payload);
        let words = Words { f: word, ..Words::default() };
        let done = self.f.bucket.put(key, bytes, words, self.moment(deadline), tag_change, condition);

        let position = self.model.position(key);
        let holds = match when {
            When::Always => true,
            When::Absent => position.is_none(),
            When::Current => position.is_some(),
            When::Stale => false,
        };
        if !holds {
            assert_eq!(done, Err(PutError::Conflict));
            return;
        }
        let old = position.map(|position| self.model.entries[position].clone());
        let Some(payload) = payload.or_else(|| old.as_ref().map(|old| old.payload.clone())) else {
            assert!(matches!(done, Err(PutError::Invalid(_))), "{done:?}");
            return;
        };
        let kept_tag = old.as_ref().and_then(|old| old.tag);
        let mut entry = ModelEntry {
            key,
            payload,
            word,
            expires: deadline,
            tag: if tag.is_none() { kept_tag } else { tag_name },
            version: 0,
            place: Place::Stored,
        };
        if !self.model.has_room(old.is_none(), old.as_ref().map_or(0, ModelEntry::size), entry.size()) {
            assert!(matches!(done, Err(PutError::Full(_))), "{done:?}");
            return;
        }
        entry.version = self.new_version(done.unwrap());
        if let Some(position) = position {
            self.model.entries[position] = entry;
        } else {
            self.model.set_aside(key);
            self.model.entries.push(entry);
        }
    }

    fn get(&self, key: &str) {
        let (got, stat, expected) = (self.f.bucket.get(key), self.f.bucket.stat(key), self.model.live(key));
        assert_eq!((got.is_some(), stat.is_some()), (expected.is_some(), expected.is_some()));
        let (Some(entry), Some(stat), Some(expected)) = (got, stat, expected) else { return };
        assert_eq!((text(&entry.payload), entry.tag.as_deref()), (expected.payload.clone(), expected.tag));
        for info in [entry.info, stat] {
            let known = (info.version, info.words.f, info.expires);
            assert_eq!(known, (expected.version, expected.word, self.moment(expected.expires)));
        }
    }

    fn rename(&mut self, old: &'static str, new: &'static str, stale: bool) {
        let done = self.f.bucket.rename(old, new, self.model.version(old, stale));
        let position = self.model.position(old).filter(|_| !stale && self.model.live(new).is_none());
        let Some(position) = position else {
            assert_eq!(done, Err(PutError::Conflict));
            return;
        };
        self.model.set_aside(new);
        let from = self.model.entries[position].size();
        let renamed = ModelEntry { key: new, ..self.model.entries[position].clone() };
        if !self.model.has_room(false, from, renamed.size()) {
            assert!(matches!(done, Err(PutError::Full(_))), "{done:?}");
            return;
        }
        let version = self.new_version(done.unwrap());
        self.model.entries[position] = ModelEntry { version, ..renamed };
    }

    fn claim(&mut self, limit: u32, lease: u8) {
        self.model.run_out_claims();
        let lease = i64::from(lease) * STEP + HALF;
        let claimed = self.f.bucket.claim_expired(limit, lease.try_into().unwrap());
        let mut due = self.model.claimable();
        due.truncate(limit.try_into().unwrap());
        assert_eq!(claimed.len(), due.len());
        for (claimed, position) in claimed.iter().zip(due) {
            let expected = &mut self.model.entries[position];
            assert_eq!((claimed.key.as_ref(), claimed.entry.info.version), (expected.key, expected.version));
            assert_eq!(
                (text(&claimed.entry.payload), claimed.entry.tag.as_deref()),
                (expected.payload.clone(), expected.tag)
            );
            assert!(!self.model.tickets.contains(&claimed.ticket), "each claim has a ticket of its own");
            expected.place = Place::Claimed { ticket: claimed.ticket, until: self.model.now + lease };
            self.model.tickets.push(claimed.ticket);
        }
    }

    fn settle(&mut self, claim: usize) {
        let Some(settled) = self.model.tickets.iter().rev().nth(claim).copied() else { return };
        let now = self.model.now;
        let holds = |entry: &ModelEntry| matches!(entry.place, Place::Claimed { ticket, until } if ticket == settled && until > now);
        let position = self.model.entries.iter().position(holds);
        assert_eq!(self.f.bucket.settle(settled), position.is_some());
        position.map(|position| self.model.entries.remove(position));
    }

    fn list(&self, limit: u32) {
        let live = |belongs: &dyn Fn(&ModelEntry) -> bool| {
            let mut keys: Vec<String> =
                KEYS.iter().filter(|key| self.model.live(key).is_some_and(belongs)).map(ToString::to_string).collect();
            keys.sort();
            keys
        };
        let bucket = &self.f.bucket;
        for prefix in ["", "a", "key"] {
            let listed = all_pages(|cursor| bucket.keys(prefix, cursor, limit));
            assert_eq!(listed, live(&|entry| entry.key.starts_with(prefix)));
        }
        for tag in TAGS {
            let listed = all_pages(|cursor| bucket.tagged(tag, cursor, limit));
            assert_eq!(listed, live(&|entry| entry.tag == Some(tag)));
        }
    }

    /// Through a snapshot. Claims end with the process that made them.
    fn restart(&mut self) {
        let directory = tempfile::tempdir().unwrap();
        let summary = Snapshot::write(&self.f.kv, directory.path()).unwrap();
        assert_eq!(summary, SnapshotSummary { buckets: 1, entries: self.model.totals().entries });
        let loaded = Snapshot::read(directory.path(), self.f.clock.clone()).unwrap().unwrap();
        self.f.kv = loaded.kv();
        self.f.bucket = self.f.kv.bucket("sessions");
        self.f.bucket.set_quota(self.model.quota);
        for entry in &mut self.model.entries {
            if let Place::Claimed { .. } = entry.place {
                entry.place = Place::SetAside;
            }
        }
    }
}

proptest! {
    #[test]
    fn whatever_is_done_the_store_answers_as_the_model_does(
        operations in operations(),
        max_entries in 2_u64..8,
        max_bytes in 20_u64..200,
    ) {
        let mut both = Both::new(Quota { max_entries: Some(max_entries), max_bytes: Some(max_bytes) });
        for operation in &operations {
            both.apply(operation);
        }
        both.list(2);
        // One mark for each entry that expires, one place for each that has a key.
        let stored: Vec<_> = both.model.entries.iter().filter(|entry| entry.place == Place::Stored).collect();
        let (_, keys, _) = both.f.index_sizes();
        prop_assert_eq!((keys, both.f.bucket.parts.entries.len()), (stored.len(), stored.len()));
    }
}
