//! Reading, writing, touching, deleting, renaming, and the quota.

use super::{
    super::{Quota, Totals},
    *,
};

#[test]
fn a_hit_shares_the_stored_bytes() {
    let f = Fixture::new();
    let bytes = Bytes::from(vec![7; 1 << 20]);
    let stored = Some(Payload::new(bytes.clone()));
    f.bucket.put("k", stored, Words::default(), None, TagChange::Keep, PutCondition::Always).unwrap();
    assert_eq!(f.bucket.get("k").unwrap().payload.bytes().as_ptr(), bytes.as_ptr());
}

#[test]
fn an_entry_comes_back_as_it_was_put() {
    let f = Fixture::new();
    let words = Words { a: 1, b: 2, c: 3, d: 4, e: 5, f: u64::MAX };
    let typed = Payload::with_content_type(Bytes::from_static(b"{}"), Some("application/json".into()));
    let expires = f.minutes(5);
    let version =
        f.bucket.put("k", Some(typed.clone()), words, expires, TagChange::Set("anna"), PutCondition::IfAbsent).unwrap();
    let entry = f.bucket.get("k").unwrap();
    assert_eq!((entry.payload, entry.tag.as_deref()), (typed, Some("anna")));
    assert_eq!((entry.info.words, entry.info.version, entry.info.expires), (words, version, expires));
    let info = f.bucket.stat("k").unwrap();
    assert_eq!((info.words, info.version, info.expires), (words, version, expires));
}

#[test]
fn a_put_without_payload_keeps_the_stored_one_and_changes_the_rest() {
    let f = Fixture::new();
    let first = f.put("k", "coat", None);
    let words = Words { a: 9, ..Words::default() };
    let second = f.bucket.put("k", None, words, f.minutes(1), TagChange::Keep, PutCondition::IfVersion(first)).unwrap();
    let entry = f.bucket.get("k").unwrap();
    assert_eq!((text(&entry.payload).as_str(), entry.info.words.a, entry.info.version), ("coat", 9, second));
    assert!(second > first && entry.info.expires.is_some());
}

#[test]
fn a_put_without_payload_onto_nothing_is_invalid() {
    let f = Fixture::new();
    for condition in [PutCondition::Always, PutCondition::IfAbsent] {
        let put = f.bucket.put("k", None, Words::default(), None, TagChange::Keep, condition);
        assert!(matches!(put, Err(PutError::Invalid(_))), "{put:?}");
    }
    let put = f.bucket.put("k", None, Words::default(), None, TagChange::Keep, PutCondition::IfVersion(1));
    assert_eq!(put, Err(PutError::Conflict));
    assert_eq!(f.bucket.totals(), Totals::default());
}

#[test]
fn conditions_that_do_not_hold_change_nothing() {
    let f = Fixture::new();
    assert_eq!(f.put_if("k", "a", None, PutCondition::IfVersion(1)), Err(PutError::Conflict));
    let version = f.put_if("k", "a", None, PutCondition::IfAbsent).unwrap();
    assert_eq!(f.put_if("k", "b", None, PutCondition::IfAbsent), Err(PutError::Conflict));
    assert_eq!(f.put_if("k", "b", None, PutCondition::IfVersion(version + 1)), Err(PutError::Conflict));
    assert_eq!(f.text("k").as_deref(), Some("a"));
    assert!(f.put_if("k", "b", None, PutCondition::IfVersion(version)).is_ok());
    assert_eq!(f.text("k").as_deref(), Some("b"));
}

#[test]
fn touch_moves_the_expiry_and_nothing_else() {
    let f = Fixture::new();
    let version = f.put("k", "a", f.minutes(1));
    let later = f.minutes(30);
    assert!(!f.bucket.touch("k", later, version + 1));
    assert!(!f.bucket.touch("other", later, version));
    assert!(f.bucket.touch("k", later, version));
    let info = f.bucket.stat("k").unwrap();
    assert_eq!((info.expires, info.version), (later, version));
}

#[test]
fn delete_wants_the_present_version() {
    let f = Fixture::new();
    let version = f.put("k", "a", None);
    assert!(!f.bucket.delete("k", version + 1));
    assert!(f.bucket.delete("k", version));
    assert!(!f.bucket.delete("k", version));
    assert_eq!(f.text("k"), None);
}

#[test]
fn a_version_is_never_used_again_even_for_a_new_entry() {
    let f = Fixture::new();
    let first = f.put("k", "a", None);
    assert!(f.bucket.delete("k", first));
    let second = f.put("k", "b", None);
    assert!(second > first);
    assert_eq!(f.put_if("k", "c", None, PutCondition::IfVersion(first)), Err(PutError::Conflict));
}

#[test]
fn keys_of_2048_bytes_are_accepted_and_longer_ones_refused_with_the_limit() {
    let f = Fixture::new();
    let longest = "k".repeat(2048);
    let version = f.put(&longest, "a", None);
    let longer = "k".repeat(2049);
    let Err(PutError::Invalid(why)) = f.put_if(&longer, "a", None, PutCondition::Always) else { panic!("accepted") };
    assert!(why.contains("2049") && why.contains("2048"), "{why}");
    assert!(matches!(f.bucket.rename(&longest, &longer, version), Err(PutError::Invalid(_))));
    assert!(f.text(&longest).is_some() && f.text(&longer).is_none());
}

#[test]
fn rename_moves_everything_and_gives_a_new_version() {
    let f = Fixture::new();
    let old = f.put_tagged("old", TagChange::Set("anna"), f.minutes(3));
    let before = f.bucket.get("old").unwrap();
    let new = f.bucket.rename("old", "new", old).unwrap();
    assert!(new > old && f.bucket.get("old").is_none());
    let after = f.bucket.get("new").unwrap();
    assert_eq!((after.payload, after.tag), (before.payload, before.tag));
    assert_eq!((after.info.version, after.info.expires), (new, before.info.expires));
    assert_eq!((f.keys(""), f.tagged("anna")), (vec!["new".to_owned()], vec!["new".to_owned()]));
    f.pass_minutes(3);
    assert_eq!(f.claimed_keys(), ["new"]);
}

#[test]
fn rename_conflicts_on_a_taken_key_a_stale_version_and_a_missing_entry() {
    let f = Fixture::new();
    let version = f.put("old", "a", None);
    f.put("taken", "b", None);
    assert_eq!(f.bucket.rename("old", "taken", version), Err(PutError::Conflict));
    assert_eq!(f.bucket.rename("old", "old", version), Err(PutError::Conflict));
    assert_eq!(f.bucket.rename("old", "new", version + 100), Err(PutError::Conflict));
    assert_eq!(f.bucket.rename("none", "new", version), Err(PutError::Conflict));
    assert_eq!((f.text("old").as_deref(), f.text("taken").as_deref(), f.text("new")), (Some("a"), Some("b"), None));
    assert_eq!(f.bucket.parts.entries.len(), 2, "a failed rename leaves no reservation");
}

#[test]
fn a_full_bucket_says_what_it_holds_and_still_takes_what_is_smaller() {
    let f = Fixture::new();
    f.bucket.set_quota(Quota { max_entries: Some(2), max_bytes: Some(20) });
    f.put("a", "12345", None);
    let version = f.put("b", "12345", None);
    let Err(PutError::Full(why)) = f.put_if("c", "1", None, PutCondition::Always) else { panic!("not full") };
    assert!(why.contains("holds 2 entries"), "{why}");
    let Err(PutError::Full(why)) = f.put_if("b", "12345678901234", None, PutCondition::Always) else {
        panic!("not full")
    };
    assert!(why.contains("holds 12 bytes") && why.contains("may hold 20"), "{why}");
    assert!(matches!(f.bucket.rename("b", "a name too long", version), Err(PutError::Full(_))));
    assert_eq!((f.text("b").as_deref(), f.bucket.totals()), (Some("12345"), Totals { entries: 2, bytes: 12 }));
    f.put("b", "1", None);
    assert_eq!(f.bucket.totals(), Totals { entries: 2, bytes: 8 });
}

#[test]
fn totals_count_payloads_keys_and_tags_until_an_expired_entry_is_gone() {
    let f = Fixture::new();
    f.put_tagged("key", TagChange::Set("anna"), f.minutes(1));
    let held = Totals { entries: 1, bytes: 8 };
    assert_eq!((f.bucket.totals(), f.kv.totals()), (held, held));
    f.pass_minutes(1);
    let claimed = f.bucket.claim_expired(1, 1000);
    assert_eq!(f.bucket.totals(), held);
    assert!(f.bucket.settle(claimed[0].ticket));
    assert_eq!(f.bucket.totals(), Totals::default());
}

#[test]
fn buckets_of_one_name_are_one_and_of_two_names_are_apart() {
    let f = Fixture::new();
    f.put("k", "a", None);
    assert!(f.kv.clone().bucket("sessions").get("k").is_some());
    assert!(f.kv.bucket("other").get("k").is_none());
    let names: Vec<String> = f.kv.buckets().iter().map(|(name, _)| name.to_string()).collect();
    assert_eq!(names, ["other", "sessions"]);
}
