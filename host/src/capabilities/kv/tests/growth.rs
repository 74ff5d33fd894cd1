//! Nothing is left behind by entries that are gone.

use super::*;

#[test]
fn setting_and_deleting_one_key_a_million_times_leaves_nothing() {
    let f = Fixture::new();
    let expires = f.minutes(20);
    for round in 0..1_000_000_u32 {
        let version = f.put_tagged("k", TagChange::Set("anna"), expires);
        assert!(f.bucket.delete("k", version));
        if round == 1000 {
            assert_eq!(f.index_sizes(), (0, 0, 0));
        }
    }
    assert_eq!(f.index_sizes(), (0, 0, 0));
    assert!(f.bucket.parts.entries.capacity() < 1000, "{}", f.bucket.parts.entries.capacity());
    assert_eq!(f.bucket.totals().entries, 0);
}

#[test]
fn an_entry_has_one_mark_however_its_expiry_moves() {
    let f = Fixture::new();
    let version = f.put("k", "x", f.minutes(1000));
    for minutes in (1..1000).rev().chain(1..1000) {
        assert!(f.bucket.touch("k", f.minutes(minutes), version));
        f.put("other", "x", f.minutes(minutes));
    }
    assert_eq!(f.index_sizes().0, 2);
}

#[test]
fn entries_that_expired_and_were_settled_or_dropped_are_gone_everywhere() {
    let f = Fixture::new();
    for round in 0..100 {
        f.put_tagged("k", TagChange::Set(&format!("user {round}")), f.minutes(1));
        f.pass_minutes(1);
    }
    for expired in f.bucket.claim_expired(50, 60_000) {
        assert!(f.bucket.settle(expired.ticket));
    }
    assert_eq!(f.bucket.drop_expired(100), 50);
    assert_eq!(f.index_sizes(), (0, 0, 0));
    assert_eq!((f.bucket.parts.expired.lock().len(), f.bucket.parts.entries.len()), (0, 0));
    assert_eq!(f.bucket.totals(), super::super::Totals::default());
}
