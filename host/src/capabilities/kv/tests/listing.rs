//! Paging through keys and tags.

use super::*;

#[test]
fn keys_are_found_by_their_prefix_and_all_by_none() {
    let f = Fixture::new();
    for key in ["shop\0a", "shop\0b", "shop\0c", "blog\0a"] {
        f.put(key, "x", None);
    }
    assert_eq!(f.keys("shop\0"), ["shop\0a", "shop\0b", "shop\0c"]);
    assert_eq!(f.keys("").len(), 4);
    assert!(f.keys("none").is_empty());
}

#[test]
fn a_page_holds_what_was_asked_for_and_the_last_one_names_no_next() {
    let f = Fixture::new();
    for number in 0..4 {
        f.put(&format!("{number}"), "x", None);
    }
    let first = f.bucket.keys("", None, 2);
    assert_eq!(first.keys.len(), 2);
    let second = f.bucket.keys("", first.next.as_deref(), 2);
    assert_eq!((second.keys.len(), second.next), (2, None));
    assert_eq!(f.bucket.keys("", None, 0).keys.len(), 1, "a page of nothing would never end");
}

#[test]
fn every_key_that_stays_is_seen_once_however_the_others_come_and_go() {
    let f = Fixture::new();
    for number in 0..600 {
        f.put(&format!("stays {number}"), "x", f.minutes(5));
        f.put(&format!("goes {number}"), "x", f.minutes(5));
    }
    let mut seen = Vec::new();
    let mut cursor = None;
    for page in 0.. {
        let answer = f.bucket.keys("stays", cursor.as_deref(), 7);
        seen.extend(answer.keys.iter().map(ToString::to_string));
        // Between pages: extend one that was seen and one that was not, shorten one, delete one, insert one.
        for (number, minutes) in [(page, 30), (599 - page, 40), (300, 1)] {
            f.put(&format!("stays {number}"), "y", f.minutes(minutes));
        }
        let gone = format!("goes {}", page * 3);
        if let Some(info) = f.bucket.stat(&gone) {
            assert!(f.bucket.delete(&gone, info.version));
        }
        f.put(&format!("new {page}"), "x", None);
        cursor = answer.next;
        if cursor.is_none() {
            break;
        }
    }
    seen.sort();
    let mut expected: Vec<String> = (0..600).map(|number| format!("stays {number}")).collect();
    expected.sort();
    assert_eq!(seen, expected);
}

#[test]
fn a_listing_ends_although_each_page_is_followed_by_an_insertion() {
    let f = Fixture::new();
    f.put("first", "x", None);
    let mut cursor = None;
    for page in 0..10 {
        f.put(&format!("more {page}"), "x", None);
        cursor = f.bucket.keys("", cursor.as_deref(), 1).next;
        if cursor.is_none() {
            return;
        }
    }
    panic!("the listing runs after the insertions: {cursor:?}");
}

#[test]
fn a_rare_prefix_in_a_large_bucket_may_give_empty_pages_but_is_found() {
    let f = Fixture::new();
    for number in 0..25_000 {
        f.put(&format!("common {number}"), "x", None);
    }
    f.put("rare", "x", None);
    let first = f.bucket.keys("rare", None, 10);
    assert!(first.keys.is_empty() && first.next.is_some());
    assert_eq!(f.keys("rare"), ["rare"]);
}

#[test]
fn tags_follow_put_clear_delete_rename_and_expiry() {
    let f = Fixture::new();
    f.put_tagged("a", TagChange::Set("anna"), None);
    let b = f.put_tagged("b", TagChange::Set("anna"), None);
    let c = f.put_tagged("c", TagChange::Set("anna"), None);
    f.put_tagged("d", TagChange::Set("anna"), f.minutes(1));
    f.put_tagged("e", TagChange::Set("bert"), None);
    assert_eq!(f.tagged("anna"), ["a", "b", "c", "d"]);
    f.put_tagged("a", TagChange::Clear, None);
    assert!(f.bucket.delete("b", b));
    f.bucket.rename("c", "c2", c).unwrap();
    f.pass_minutes(1);
    f.put_tagged("e", TagChange::Set("anna"), None);
    assert_eq!(f.tagged("anna"), ["c2", "e"]);
    assert!(f.tagged("bert").is_empty());
    f.put_tagged("e", TagChange::Keep, None);
    assert_eq!(f.tagged("anna"), ["c2", "e"]);
}

#[test]
fn tags_without_entries_take_no_room() {
    let f = Fixture::new();
    for number in 0..1000 {
        f.put_tagged("k", TagChange::Set(&format!("user {number}")), None);
    }
    assert_eq!(f.index_sizes(), (0, 1, 1));
    f.put_tagged("k", TagChange::Clear, None);
    assert_eq!(f.index_sizes(), (0, 1, 0));
}

#[test]
fn a_cursor_shows_no_key_and_a_made_up_one_ends_the_listing() {
    let f = Fixture::new();
    f.put("secret-id", "x", None);
    f.put("secret-id-2", "x", None);
    let next = f.bucket.keys("", None, 1).next.unwrap();
    assert!(!next.contains("secret"), "{next}");
    for cursor in ["", "x", "1", "-", "zz-zz", "9-1", "1-2-3", "ffffffffffffffff-ffffffffffffffff"] {
        let page = f.bucket.keys("", Some(cursor), 10);
        assert_eq!((page.keys.len(), page.next), (0, None), "{cursor}");
    }
}
