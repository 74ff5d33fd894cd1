//! Several threads at one bucket.

use std::{
    collections::HashSet,
    sync::atomic::{AtomicU64, Ordering::Relaxed, Ordering::SeqCst},
    thread,
};

use super::*;

#[test]
fn increments_under_a_version_condition_from_eight_threads_lose_none() {
    let f = Fixture::new();
    f.put("counter", "x", f.minutes(20));
    thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                for _ in 0..5000 {
                    loop {
                        let info = f.bucket.stat("counter").unwrap();
                        let words = Words { a: info.words.a + 1, ..info.words };
                        let condition = PutCondition::IfVersion(info.version);
                        match f.bucket.put("counter", None, words, info.expires, TagChange::Keep, condition) {
                            Ok(_) => break,
                            Err(error) => assert_eq!(error, PutError::Conflict),
                        }
                    }
                }
            });
        }
    });
    assert_eq!(f.bucket.stat("counter").unwrap().words.a, 40_000);
}

#[test]
fn of_concurrent_inserts_if_absent_exactly_one_succeeds() {
    let f = Fixture::new();
    for round in 0..2000 {
        let key = format!("k{round}");
        let won = AtomicU64::new(0);
        thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    won.fetch_add(f.put_if(&key, "x", None, PutCondition::IfAbsent).is_ok().into(), Relaxed);
                });
            }
        });
        assert_eq!(won.into_inner(), 1);
    }
    assert_eq!(f.index_sizes().1, 2000);
}

#[test]
fn an_entry_on_its_way_from_key_to_key_is_found_under_one_of_them_at_all_times() {
    let f = Fixture::new();
    let mut version = f.put_tagged("k0", TagChange::Set("anna"), f.minutes(20));
    // How many renames are complete. The next begins only after that is known.
    let complete = AtomicU64::new(0);
    const RENAMES: u64 = 50_000;
    thread::scope(|scope| {
        let follow = || {
            loop {
                let before = complete.load(SeqCst);
                let (here, next) = (format!("k{before}"), format!("k{}", before + 1));
                let found = f.bucket.get(&here).is_some() || f.bucket.stat(&next).is_some();
                // It may have left the second key as well, but then the first rename is known to be complete.
                assert!(found || complete.load(SeqCst) > before, "neither at {here} nor at {next}");
                if before == RENAMES {
                    break;
                }
            }
        };
        let list = || {
            while complete.load(SeqCst) < RENAMES {
                assert_eq!(f.bucket.tagged("anna", None, 10).keys.len(), 1);
            }
        };
        scope.spawn(follow);
        scope.spawn(follow);
        scope.spawn(list);
        for number in 0..RENAMES {
            version = f.bucket.rename(&format!("k{number}"), &format!("k{}", number + 1), version).unwrap();
            complete.store(number + 1, SeqCst);
        }
    });
    assert_eq!((f.bucket.parts.entries.len(), f.index_sizes()), (1, (1, 1, 1)));
}

#[test]
fn a_put_and_a_rename_that_want_the_same_key_never_overwrite_each_other() {
    let f = Fixture::new();
    for round in 0..3000 {
        let (old, new) = (format!("old {round}"), format!("new {round}"));
        let version = f.put(&old, "renamed", None);
        let (renamed, put) = thread::scope(|scope| {
            let renamed = scope.spawn(|| f.bucket.rename(&old, &new, version));
            let put = f.put_if(&new, "put", None, PutCondition::IfAbsent);
            (renamed.join().unwrap(), put)
        });
        assert!(renamed.is_ok() != put.is_ok(), "{renamed:?} {put:?}");
        let (at_old, at_new) = if renamed.is_ok() { (None, "renamed") } else { (Some("renamed"), "put") };
        assert_eq!((f.text(&old).as_deref(), f.text(&new).as_deref()), (at_old, Some(at_new)));
    }
}

#[test]
fn crossing_renames_of_entries_that_come_and_go_always_end() {
    let f = Fixture::new();
    let keys = ["a", "b", "c"];
    thread::scope(|scope| {
        for thread in 0..4_usize {
            let f = &f;
            scope.spawn(move || {
                for round in 0..20_000_usize {
                    let (from, to) = (keys[(round + thread) % 3], keys[(round * 2 + thread + 1) % 3]);
                    match f.bucket.stat(from) {
                        Some(info) if round % 7 == 0 => drop(f.bucket.delete(from, info.version)),
                        Some(info) => drop(f.bucket.rename(from, to, info.version)),
                        None => drop(f.put_if(from, "x", None, PutCondition::IfAbsent)),
                    }
                }
            });
        }
    });
    let live = keys.iter().filter(|key| f.bucket.get(key).is_some()).count();
    assert_eq!((f.bucket.parts.entries.len(), f.index_sizes().1), (live, live));
    assert_eq!(f.bucket.totals().entries, u64::try_from(live).unwrap());
}

#[test]
fn sweepers_side_by_side_report_every_expired_entry_once() {
    let f = Fixture::new();
    for number in 0..2000 {
        f.put(&format!("k{number}"), "x", f.minutes(1 + number % 10));
    }
    f.pass_minutes(10);
    // Meanwhile the keys are used anew, so that some are set aside before they are claimed.
    let reports: Vec<u64> = thread::scope(|scope| {
        let sweepers: Vec<_> = (0..3)
            .map(|_| {
                scope.spawn(|| {
                    let mut versions = Vec::new();
                    loop {
                        let claimed = f.bucket.claim_expired(7, 600_000);
                        if claimed.is_empty() {
                            return versions;
                        }
                        for expired in claimed {
                            assert!(f.bucket.settle(expired.ticket));
                            versions.push(expired.entry.info.version);
                        }
                    }
                })
            })
            .collect();
        for number in (0..2000).rev() {
            f.put(&format!("k{number}"), "y", None);
        }
        sweepers.into_iter().flat_map(|sweeper| sweeper.join().unwrap()).collect()
    });
    let late: Vec<u64> = f.bucket.claim_expired(5000, 1000).iter().map(|expired| expired.entry.info.version).collect();
    let all: HashSet<u64> = reports.iter().chain(&late).copied().collect();
    assert_eq!((reports.len() + late.len(), all.len()), (2000, 2000));
    assert_eq!(f.keys("").len(), 2000);
}
