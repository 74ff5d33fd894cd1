//! Expiry, claims and leases.

use super::*;

#[test]
fn an_entry_is_there_until_its_deadline_and_absent_from_that_moment() {
    let f = Fixture::new();
    let version = f.put("k", "a", f.minutes(2));
    f.pass_minutes(1);
    assert!(f.bucket.get("k").is_some());
    f.pass_minutes(1);
    assert!(f.bucket.get("k").is_none() && f.bucket.stat("k").is_none());
    assert!(!f.bucket.touch("k", None, version) && !f.bucket.delete("k", version));
    assert_eq!(f.put_if("k", "b", None, PutCondition::IfVersion(version)), Err(PutError::Conflict));
    assert_eq!(f.bucket.rename("k", "new", version), Err(PutError::Conflict));
    assert!(f.keys("").is_empty());
}

#[test]
fn entries_are_claimed_in_the_order_in_which_they_expired() {
    let f = Fixture::new();
    for (key, minutes) in [("c", 3), ("a", 1), ("d", 40), ("b", 2)] {
        f.put(key, key, f.minutes(minutes));
    }
    f.pass_minutes(10);
    assert_eq!(f.claimed_keys(), ["a", "b", "c"]);
    assert_eq!(f.claimed_keys(), Vec::<String>::new());
}

#[test]
fn an_extended_expiry_counts_from_its_end_even_among_others() {
    let f = Fixture::new();
    let extended = f.put("extended", "a", f.minutes(1));
    f.put("fixed", "b", f.minutes(5));
    assert!(f.bucket.touch("extended", f.minutes(9), extended));
    f.pass_minutes(2);
    assert_eq!(f.claimed_keys(), Vec::<String>::new());
    f.pass_minutes(10);
    assert_eq!(f.claimed_keys(), ["fixed", "extended"]);
}

#[test]
fn extending_leaves_the_index_alone_and_shortening_does_not() {
    let f = Fixture::new();
    let version = f.put("k", "a", f.minutes(10));
    let locked = f.bucket.parts.index.lock();
    assert!(f.bucket.touch("k", f.minutes(20), version), "would hang if it wanted the index");
    drop(locked);
    assert!(f.bucket.touch("k", f.minutes(1), version));
    f.pass_minutes(1);
    assert_eq!(f.claimed_keys(), ["k"]);
}

#[test]
fn the_common_operations_do_not_wait_for_the_index() {
    let f = Fixture::new();
    let version = f.put_tagged("k", TagChange::Set("anna"), f.minutes(10));
    let _locked = f.bucket.parts.index.lock();
    assert!(f.bucket.get("k").is_some() && f.bucket.stat("k").is_some());
    let condition = PutCondition::IfVersion(version);
    let kept = f.bucket.put("k", None, Words::default(), f.minutes(20), TagChange::Set("anna"), condition);
    assert!(kept.is_ok());
    assert!(f.put_if("k", "new", f.minutes(20), PutCondition::Always).is_ok());
}

#[test]
fn an_entry_that_never_expires_is_never_claimed_unless_it_gets_an_expiry() {
    let f = Fixture::new();
    let version = f.put("k", "a", None);
    f.pass_minutes(1_000_000);
    assert_eq!(f.claimed_keys(), Vec::<String>::new());
    assert!(f.bucket.touch("k", f.minutes(1), version));
    f.pass_minutes(1);
    assert_eq!(f.claimed_keys(), ["k"]);
}

#[test]
fn an_expiry_that_is_lifted_is_forgotten() {
    let f = Fixture::new();
    let version = f.put("k", "a", f.minutes(1));
    assert!(f.bucket.touch("k", None, version));
    f.pass_minutes(5);
    assert_eq!(f.claimed_keys(), Vec::<String>::new());
    assert_eq!((f.text("k").as_deref(), f.index_sizes().0), (Some("a"), 0));
}

#[test]
fn an_entry_put_with_a_past_expiry_is_absent_and_reported() {
    let f = Fixture::new();
    f.put("k", "a", Some(UnixMillis(1)));
    assert!(f.bucket.get("k").is_none());
    assert_eq!(f.claimed_keys(), ["k"]);
}

#[test]
fn a_put_over_an_expired_entry_inserts_and_the_old_one_is_still_reported_once() {
    let f = Fixture::new();
    f.put_tagged("k", TagChange::Set("anna"), f.minutes(1));
    f.pass_minutes(2);
    f.put_if("k", "new", f.minutes(1), PutCondition::IfAbsent).unwrap();
    assert_eq!(f.bucket.get("k").unwrap().tag, None, "a new entry keeps nothing of the old one");
    assert_eq!(f.tagged("anna"), Vec::<String>::new());
    let claimed = f.bucket.claim_expired(10, 1000);
    assert_eq!(claimed.len(), 1);
    assert_eq!((text(&claimed[0].entry.payload).as_str(), claimed[0].entry.tag.as_deref()), ("x", Some("anna")));
    assert!(f.bucket.settle(claimed[0].ticket));
    f.pass_minutes(2);
    let claimed = f.bucket.claim_expired(10, 1000);
    assert_eq!(claimed.iter().map(|expired| text(&expired.entry.payload)).collect::<Vec<_>>(), ["new"]);
}

#[test]
fn a_put_that_keeps_the_payload_finds_none_to_keep_in_an_expired_entry() {
    let f = Fixture::new();
    f.put("k", "a", f.minutes(1));
    f.pass_minutes(1);
    let put = f.bucket.put("k", None, Words::default(), None, TagChange::Keep, PutCondition::Always);
    assert!(matches!(put, Err(PutError::Invalid(_))), "{put:?}");
    assert_eq!(f.claimed_keys(), ["k"]);
}

#[test]
fn a_rename_onto_the_key_of_an_expired_entry_takes_it_and_both_are_reported() {
    let f = Fixture::new();
    f.put("new", "expired", f.minutes(1));
    let version = f.put("old", "live", f.minutes(5));
    f.pass_minutes(2);
    f.bucket.rename("old", "new", version).unwrap();
    assert_eq!(f.text("new").as_deref(), Some("live"));
    f.pass_minutes(5);
    let claimed = f.bucket.claim_expired(10, 1000);
    assert_eq!(claimed.iter().map(|expired| text(&expired.entry.payload)).collect::<Vec<_>>(), ["expired", "live"]);
}

#[test]
fn a_claim_that_is_not_settled_is_offered_again_after_its_lease() {
    let f = Fixture::new();
    f.put("k", "a", f.minutes(1));
    f.pass_minutes(1);
    let first = f.bucket.claim_expired(10, 120_000);
    f.pass_minutes(1);
    assert!(f.bucket.claim_expired(10, 120_000).is_empty());
    f.pass_minutes(1);
    let second = f.bucket.claim_expired(10, 120_000);
    assert_eq!(second[0].key, first[0].key);
    assert!(!f.bucket.settle(first[0].ticket), "the first claim had run out");
    assert!(f.bucket.settle(second[0].ticket));
    assert!(!f.bucket.settle(second[0].ticket), "settled already");
    f.pass_minutes(10);
    assert!(f.bucket.claim_expired(10, 120_000).is_empty());
}

#[test]
fn settling_after_the_lease_is_too_late_even_if_nobody_has_claimed_again() {
    let f = Fixture::new();
    f.put("k", "a", f.minutes(1));
    f.pass_minutes(1);
    let claimed = f.bucket.claim_expired(1, 60_000);
    f.pass_minutes(1);
    assert!(!f.bucket.settle(claimed[0].ticket));
    assert_eq!(f.claimed_keys(), ["k"]);
}

#[test]
fn one_call_claims_an_entry_once_even_with_a_lease_of_nothing() {
    let f = Fixture::new();
    f.put("k", "a", f.minutes(1));
    f.pass_minutes(1);
    assert_eq!(f.bucket.claim_expired(10, 0).len(), 1);
    assert_eq!(f.bucket.claim_expired(10, 0).len(), 1);
}

#[test]
fn a_claim_reports_the_entry_as_it_expired_and_when() {
    let f = Fixture::new();
    let expires = f.minutes(1);
    let version = f.put("k", "a", expires);
    f.pass_minutes(3);
    let claimed = f.bucket.claim_expired(1, 1000);
    let info = claimed[0].entry.info;
    assert_eq!((info.version, info.expires), (version, expires));
    assert!(Some(info.now) > expires);
}

#[test]
fn dropping_deletes_unreported_but_leaves_claims_alone() {
    let f = Fixture::new();
    for key in ["a", "b", "c", "d"] {
        f.put(key, key, f.minutes(1));
    }
    f.put("live", "x", None);
    f.pass_minutes(1);
    let claimed = f.bucket.claim_expired(1, 60_000);
    assert_eq!((f.bucket.drop_expired(2), f.bucket.drop_expired(10), f.bucket.drop_expired(10)), (2, 1, 0));
    assert!(f.bucket.settle(claimed[0].ticket));
    assert_eq!(f.bucket.totals().entries, 1);
    assert!(f.text("live").is_some());
}

#[test]
fn a_limit_of_nothing_claims_and_drops_nothing() {
    let f = Fixture::new();
    f.put("k", "a", f.minutes(1));
    f.pass_minutes(1);
    assert!(f.bucket.claim_expired(0, 1000).is_empty());
    assert_eq!(f.bucket.drop_expired(0), 0);
    assert_eq!(f.claimed_keys(), ["k"]);
}
