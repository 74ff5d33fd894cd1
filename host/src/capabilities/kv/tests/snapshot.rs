//! What a restart carries over, and what a broken file does.

use std::{fs, os::unix::fs::PermissionsExt, path::Path};

use tempfile::TempDir;

use super::{
    super::{Damage, Loaded, Quota, Snapshot, SnapshotError},
    *,
};

fn file(directory: &Path) -> std::path::PathBuf {
    directory.join("kv.snapshot")
}

fn load(f: &Fixture, directory: &Path) -> Loaded {
    Snapshot::read(directory, f.clock.clone()).unwrap().unwrap()
}

/// A store with something of everything, and its snapshot.
fn furnished() -> (Fixture, TempDir) {
    let f = Fixture::new();
    f.put_tagged("tagged", TagChange::Set("anna"), f.minutes(30));
    let typed = Payload::with_content_type(Bytes::from_static(b"{}"), Some("application/json".into()));
    let words = Words { a: 1, b: 2, c: 3, d: 4, e: 5, f: 6 };
    f.bucket.put("typed", Some(typed), words, None, TagChange::Keep, PutCondition::Always).unwrap();
    f.put("empty", "", f.minutes(40));
    f.put("claimed", "c", f.minutes(1));
    f.put("reused", "old", f.minutes(2));
    f.put("due", "d", f.minutes(3));
    f.pass_minutes(5);
    assert_eq!(f.bucket.claim_expired(1, 60_000_000)[0].key.as_ref(), "claimed");
    f.put("reused", "new", f.minutes(50));
    let other = f.kv.bucket("other");
    other.put("k", Some(payload("o")), words, None, TagChange::Keep, PutCondition::Always).unwrap();
    let _ = f.kv.bucket("empty");
    let directory = tempfile::tempdir().unwrap();
    let summary = Snapshot::write(&f.kv, directory.path()).unwrap();
    assert_eq!((summary.buckets, summary.entries), (3, 8));
    (f, directory)
}

#[test]
fn a_restart_brings_everything_back() {
    let (f, directory) = furnished();
    let loaded = load(&f, directory.path());
    assert_eq!((loaded.summary().buckets, loaded.summary().entries), (3, 8));
    let kv = loaded.kv();
    let after = Fixture { clock: f.clock.clone(), bucket: kv.bucket("sessions"), kv };
    for key in ["tagged", "typed", "empty", "reused"] {
        let (before, after) = (f.bucket.get(key).unwrap(), after.bucket.get(key).unwrap());
        assert_eq!((before.payload, before.tag), (after.payload, after.tag), "{key}");
        let known = |info: super::super::EntryInfo| (info.words, info.version, info.expires);
        assert_eq!(known(before.info), known(after.info), "{key}");
    }
    assert_eq!(text(&after.kv.bucket("other").get("k").unwrap().payload), "o");
    assert_eq!((after.keys(""), after.tagged("anna")), (f.keys(""), f.tagged("anna")));
    assert_eq!((after.bucket.totals(), after.kv.totals()), (f.bucket.totals(), f.kv.totals()));
    let names: Vec<_> = after.kv.buckets().into_iter().map(|(name, _)| name.to_string()).collect();
    assert_eq!(names, ["empty", "other", "sessions"]);
    // Nobody is left who could settle the claim: the entry is offered at once, in its place.
    assert_eq!(after.claimed_keys(), ["claimed", "reused", "due"]);
}

#[test]
fn versions_go_on_after_a_restart_where_they_were() {
    let (f, directory) = furnished();
    let last = f.put("k", "x", None);
    assert!(f.bucket.delete("k", last));
    Snapshot::write(&f.kv, directory.path()).unwrap();
    let bucket = load(&f, directory.path()).kv().bucket("sessions");
    let condition = PutCondition::IfAbsent;
    let next = bucket.put("k", Some(payload("y")), Words::default(), None, TagChange::Keep, condition).unwrap();
    assert!(next > last);
}

#[test]
fn a_listing_goes_on_after_a_restart_where_it_was() {
    let (f, directory) = furnished();
    let first = f.bucket.keys("", None, 2);
    let bucket = load(&f, directory.path()).kv().bucket("sessions");
    let second = bucket.keys("", first.next.as_deref(), 10);
    let mut keys: Vec<_> = first.keys.iter().chain(&second.keys).map(ToString::to_string).collect();
    keys.sort();
    assert_eq!(keys, f.keys(""));
}

#[test]
fn what_expires_while_the_host_is_down_is_reported_after_the_restart() {
    let (f, directory) = furnished();
    f.pass_minutes(60);
    let bucket = load(&f, directory.path()).kv().bucket("sessions");
    assert!(bucket.get("tagged").is_none());
    assert_eq!(bucket.claim_expired(10, 1000).len(), 6);
}

#[test]
fn a_store_that_holds_more_than_its_quota_is_loaded_whole() {
    let (f, directory) = furnished();
    let bucket = load(&f, directory.path()).kv().bucket("sessions");
    bucket.set_quota(Quota { max_entries: Some(1), max_bytes: None });
    assert_eq!(bucket.totals(), f.bucket.totals());
}

#[test]
fn without_a_snapshot_there_is_nothing_to_read() {
    let directory = tempfile::tempdir().unwrap();
    assert!(Snapshot::read(directory.path(), Clock::system()).unwrap().is_none());
    assert!(Snapshot::read(&directory.path().join("none"), Clock::system()).unwrap().is_none());
}

#[test]
fn a_snapshot_is_read_again_until_it_is_retired_and_then_no_more() {
    let (f, directory) = furnished();
    drop(load(&f, directory.path()));
    load(&f, directory.path()).retire().unwrap();
    assert!(Snapshot::read(directory.path(), f.clock.clone()).unwrap().is_none());
    assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 0);
}

#[test]
fn retiring_leaves_a_newer_snapshot_alone() {
    let (f, directory) = furnished();
    let loaded = load(&f, directory.path());
    Snapshot::write(&loaded.kv(), directory.path()).unwrap();
    loaded.retire().unwrap();
    assert!(Snapshot::read(directory.path(), f.clock.clone()).unwrap().is_some());
}

#[test]
fn the_directory_is_made_and_only_its_owner_can_read_the_file() {
    let f = Fixture::new();
    let directory = tempfile::tempdir().unwrap();
    let nested = directory.path().join("a/b");
    Snapshot::write(&f.kv, &nested).unwrap();
    assert_eq!(fs::metadata(file(&nested)).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(fs::read_dir(&nested).unwrap().count(), 1);
}

#[test]
fn what_an_interrupted_write_left_is_cleared_away() {
    let (f, directory) = furnished();
    let left = directory.path().join("kv.snapshot.tmp");
    fs::write(&left, "half").unwrap();
    drop(load(&f, directory.path()));
    assert!(!left.exists());
    fs::write(&left, "half").unwrap();
    Snapshot::write(&f.kv, directory.path()).unwrap();
    assert!(!left.exists() && file(directory.path()).exists());
}

#[test]
fn a_write_that_fails_says_where_and_leaves_what_was_there() {
    let (f, directory) = furnished();
    // A directory that is not empty can be neither removed nor replaced by a file.
    let blocked = directory.path().join("blocked");
    fs::create_dir_all(blocked.join("kv.snapshot/x")).unwrap();
    let error = Snapshot::write(&f.kv, &blocked).unwrap_err();
    assert!(matches!(&error, SnapshotError::NotWritten { .. }), "{error}");
    assert!(error.to_string().contains("blocked/kv.snapshot"), "{error}");
    assert_eq!(fs::read_dir(&blocked).unwrap().count(), 1, "nothing half written stays");
}

#[test]
fn a_file_that_cannot_be_read_is_left_where_it_is() {
    let directory = tempfile::tempdir().unwrap();
    fs::create_dir(file(directory.path())).unwrap();
    let error = Snapshot::read(directory.path(), Clock::system()).unwrap_err();
    assert!(matches!(error, SnapshotError::NotRead { .. }), "{error}");
    assert!(file(directory.path()).exists());
}

/// Reads a file of these bytes: what is wrong with it, having seen that it was set aside as it was.
fn damage_of(bytes: &[u8]) -> Damage {
    let directory = tempfile::tempdir().unwrap();
    fs::write(file(directory.path()), bytes).unwrap();
    let error = Snapshot::read(directory.path(), Clock::system()).unwrap_err();
    let message = error.to_string();
    let SnapshotError::SetAside { kept, damage, .. } = error else { panic!("{message}") };
    assert!(message.contains(&kept.display().to_string()) && message.contains(&damage.to_string()), "{message}");
    assert!(kept.file_name().unwrap().to_str().unwrap().starts_with("kv.snapshot.damaged-"));
    assert_eq!(fs::read(kept).unwrap(), bytes);
    assert!(Snapshot::read(directory.path(), Clock::system()).unwrap().is_none());
    damage
}

#[test]
fn a_snapshot_cut_short_anywhere_is_set_aside() {
    let (_, directory) = furnished();
    let whole = fs::read(file(directory.path())).unwrap();
    for length in 0..whole.len() {
        let damage = damage_of(&whole[..length]);
        let expected =
            if length < 52 { Damage::TooShort { bytes: length.try_into().unwrap() } } else { Damage::Checksum };
        assert_eq!(damage, expected, "cut to {length} of {}", whole.len());
    }
}

#[test]
fn a_snapshot_with_any_byte_changed_is_set_aside() {
    let (_, directory) = furnished();
    let whole = fs::read(file(directory.path())).unwrap();
    for position in 0..whole.len() {
        let mut changed = whole.clone();
        changed[position] ^= 1;
        let damage = damage_of(&changed);
        let fits = match position {
            0..16 => damage == Damage::Foreign,
            16..20 => matches!(damage, Damage::OtherFormat { known: 1, .. }),
            _ => damage == Damage::Checksum,
        };
        assert!(fits, "byte {position}: {damage}");
    }
}

#[test]
fn a_snapshot_with_something_appended_is_set_aside() {
    let (_, directory) = furnished();
    let mut bytes = fs::read(file(directory.path())).unwrap();
    bytes.push(0);
    assert_eq!(damage_of(&bytes), Damage::Checksum);
}

#[test]
fn a_foreign_file_is_set_aside_as_such() {
    assert_eq!(damage_of(b"SQLite format 3\0 and so on, longer than any header"), Damage::Foreign);
    assert_eq!(damage_of(b"x"), Damage::Foreign);
    assert_eq!(damage_of(b""), Damage::TooShort { bytes: 0 });
}

#[test]
fn an_intact_file_of_nonsense_is_set_aside_and_nothing_of_it_is_believed() {
    use sha2::{Digest, Sha256};

    let (_, directory) = furnished();
    let whole = fs::read(file(directory.path())).unwrap();
    let sealed = |mut bytes: Vec<u8>| {
        let digest = Sha256::digest(&bytes);
        bytes.extend_from_slice(&digest);
        bytes
    };
    let header = whole[..20].to_vec();
    let body = whole[..whole.len() - 32].to_vec();
    let huge_record = [header.as_slice(), &u32::MAX.to_le_bytes()].concat();
    let unknown_record = [header.as_slice(), &1_u32.to_le_bytes(), &[99]].concat();
    let no_end = body[..body.len() - 6].to_vec();
    let after_the_end = [body.as_slice(), &[0]].concat();
    for bytes in [header, huge_record, unknown_record, no_end, after_the_end] {
        let damage = damage_of(&sealed(bytes));
        assert!(matches!(damage, Damage::Content(_)), "{damage}");
    }
    // And the sealing itself is sound.
    assert_eq!(sealed(body), whole);
}

#[test]
fn two_damaged_snapshots_of_one_second_are_both_kept() {
    let directory = tempfile::tempdir().unwrap();
    for content in ["one", "two", "three"] {
        fs::write(file(directory.path()), content).unwrap();
        assert!(Snapshot::read(directory.path(), Clock::system()).is_err());
    }
    assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 3);
}
