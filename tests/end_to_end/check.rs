//! `cloakroom check`: what ships keeps every rule, and every way of breaking one is caught by that rule's name.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use serde_json::Value;

/// Keys for `signed-id`, which refuses to start without.
const SIGNING_KEY: &str = "keys=k1:AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE=";

/// How often a fault that only shows when calls meet is given the chance to show.
const RACES: usize = 10;

/// Each fault of `wrong-provider`, and the rule that it breaks.
const PROVIDER_FAULTS: &[(&str, &str)] = &[
    ("answers-missing-to-large-locks", "error.lock-id-too-large"),
    ("answers-missing-to-lock-zero", "error.lock-id-zero"),
    ("answers-version-zero", "robust.no-trap"),
    ("changes-created", "data.created-is-constant"),
    ("clears-flag-on-peek", "uninitialized.others-leave-it"),
    ("clears-subject", "data.subject-kept"),
    ("counts-locks-as-versions", "data.version-counts-stores"),
    ("cuts-keys", "keys.longest"),
    ("deletes-unreported", "sweep.reports-what-expired"),
    ("drops-content", "data.payload-kept"),
    ("drops-content-type", "data.content-type-kept"),
    ("drops-new-timeout", "expiry.new-timeout-applies"),
    ("eats-memory", "robust.no-trap"),
    ("expires-when-idle-timeout-is-zero", "expiry.zero-is-never"),
    ("forgets-latest-expiry", "data.latest-expiry-kept"),
    ("forgets-locks-after-a-while", "lock.has-no-timeout"),
    ("forgets-refused-reports", "sweep.refused-report-comes-again"),
    ("forgets-the-lock", "lock.exclusive"),
    ("forgets-uninitialized", "uninitialized.first-get-sees-it"),
    ("hides-expiry", "data.expires-is-told"),
    ("hides-flag-from-release", "uninitialized.release-sees-it"),
    ("ignores-application", "keys.applications-stay-apart"),
    ("ignores-expiry", "expiry.missing-to-all"),
    ("ignores-if-version", "set.if-version"),
    ("ignores-keep-lock", "lock.keep-lock"),
    ("ignores-latest-in-the-past", "expiry.latest-in-the-past"),
    ("ignores-limit-of-sweep", "sweep.keeps-to-its-limit"),
    ("ignores-must-be-new", "set.must-be-new"),
    ("inserts-under-if-version", "set.if-version-needs-an-item"),
    ("inserts-uninitialized", "set.inserts"),
    ("invents-missing-sessions", "missing.is-missing"),
    ("invents-new-data", "data.new-data-is-empty"),
    ("joins-key-parts", "keys.parts-stay-apart"),
    ("keeps-cleared-subject", "data.subject-cleared"),
    ("keeps-flag-on-set", "uninitialized.set-clears-it"),
    ("keeps-lock-on-release", "lock.release"),
    ("keeps-lock-on-set", "lock.set-releases"),
    ("keeps-locked-sessions", "expiry.locks-do-not-protect"),
    ("keeps-locks-in-the-instance", "lock.seen-by-every-instance"),
    ("keeps-payload", "set.replaces"),
    ("keeps-removed", "remove.deletes"),
    ("keeps-sessions-in-the-instance", "robust.initialize-repeatable"),
    ("lists-every-subject", "index.lists-the-subject"),
    ("lists-first-page-only", "index.pages"),
    ("locks-on-keep-lock", "lock.keep-lock-takes-none"),
    ("loops", "robust.no-trap"),
    ("lowers-keys", "keys.case-matters"),
    ("makes-first-lock-3", "lock.first-id-is-2"),
    ("makes-locks-ageless", "lock.has-an-age"),
    ("overwrites-on-create", "uninitialized.existing-item-stays"),
    ("peek-slides", "expiry.peek-does-not-slide"),
    ("postpones-latest-expiry", "data.latest-expiry-never-postponed"),
    ("races-create", "concurrent.one-creates"),
    ("races-get-exclusive", "concurrent.no-lost-update"),
    ("races-if-version", "concurrent.if-version"),
    ("races-must-be-new", "concurrent.one-inserts"),
    ("races-remove", "concurrent.one-removes"),
    ("races-set", "concurrent.stores-all-count"),
    ("races-slides", "concurrent.slides-lose-nothing"),
    ("races-sweep", "sweep.concurrent"),
    ("races-uninitialized", "concurrent.one-first-reader"),
    ("refuses-any-lock-when-unlocked", "set.unlocked-takes-any-lock"),
    ("refuses-release-when-unlocked", "lock.release-when-unlocked"),
    ("releases-for-anybody", "lock.release-needs-the-holders-id"),
    ("remembers-removed", "remove.leaves-nothing"),
    ("removes-for-anybody", "lock.remove-needs-the-holders-id"),
    ("removes-only-with-last-lock", "lock.remove-when-unlocked"),
    ("removes-without-item", "remove.wanted-item"),
    ("renames-away-the-counter", "rename.keeps-the-counter"),
    ("renames-away-the-lock", "rename.keeps-the-lock"),
    ("renames-away-the-subject", "rename.followed-by-the-index"),
    ("renames-by-copying", "rename.moves-the-session"),
    ("renames-for-anybody", "rename.needs-the-holders-id"),
    ("renames-over-others", "rename.taken"),
    ("renames-what-is-missing", "rename.missing"),
    ("reports-removed", "sweep.removed-unreported"),
    ("reports-to-nobody", "sweep.nobody-listening"),
    ("reports-twice", "sweep.refused-report-comes-again"),
    ("reports-uninitialized", "sweep.uninitialized-unreported"),
    ("reports-uninitialized-twice", "uninitialized.first-get-sees-it"),
    ("restarts-lock-counter", "lock.ids-increase"),
    ("scans-and-slides", "scan.leaves-the-sessions-alone"),
    ("scans-first-page-only", "scan.pages"),
    ("scans-one-application", "scan.lists-all"),
    ("scans-with-wrong-size", "scan.summary-is-right"),
    ("shares-stores", "keys.stores-stay-apart"),
    ("slides-beyond-latest", "expiry.never-beyond-latest"),
    ("slides-not-on-create", "expiry.slides-on-create"),
    ("slides-not-on-get", "expiry.slides-on-get"),
    ("slides-not-on-get-exclusive", "expiry.slides-on-get-exclusive"),
    ("slides-not-on-idle-release", "expiry.slides-on-idle-release"),
    ("slides-not-on-locked-get", "expiry.slides-on-locked-get"),
    ("slides-not-on-locked-get-exclusive", "expiry.slides-on-locked-get-exclusive"),
    ("slides-not-on-locked-release", "expiry.slides-on-locked-release"),
    ("slides-not-on-locked-remove", "expiry.slides-on-locked-remove"),
    ("slides-not-on-locked-reset-timeout", "expiry.slides-on-locked-reset-timeout"),
    ("slides-not-on-locked-set", "expiry.slides-on-locked-set"),
    ("slides-not-on-release", "expiry.slides-on-release"),
    ("slides-not-on-reset-timeout", "expiry.slides-on-reset-timeout"),
    ("slides-not-on-set", "expiry.slides-on-set"),
    ("slides-not-on-stale-set", "expiry.slides-on-stale-set"),
    ("stops-holder-under-condition", "set.condition-holds-for-the-holder"),
    ("stores-for-former-holder", "lock.stolen-write-is-refused"),
    ("stores-part-of-refused", "set.refused-changes-nothing"),
    ("stores-with-wrong-lock", "set.wrong-lock-stores-nothing"),
    ("stores-without-lock", "set.no-lock-stores-nothing"),
    ("sweeps-the-living", "sweep.spares-the-living"),
    ("traps", "robust.no-trap"),
    ("trims-keys", "keys.compared-by-bytes"),
    ("unlocks-readers", "lock.stops-readers"),
];

/// Each fault of `wrong-id-manager`, and the rule that it breaks.
const ID_FAULTS: &[(&str, &str)] = &[
    ("accepts-forged", "id.rejects-modified"),
    ("accepts-garbage", "id.rejects-garbage"),
    ("bad-characters", "id.characters"),
    ("claims-aspnet-form", "id.aspnet-form"),
    ("claims-too-little", "id.entropy-claimed"),
    ("claims-too-much", "id.entropy-observed"),
    ("counts-in-each-instance", "id.distinct-across-instances"),
    ("counts-up", "id.entropy-observed"),
    ("keeps-the-previous", "id.new-instead-of-previous"),
    ("rejects-those-of-others", "id.validates-its-own"),
    ("repeats", "id.distinct"),
    ("too-long", "id.length"),
    ("traps", "robust.no-trap-in-ids"),
];

/// What faults of event handlers may break beside their rule: a call that fails breaks this one too.
const NO_TRAP: &[&str] = &["robust.no-trap-in-events"];

/// Each fault of `wrong-event-handler`, the rule that it breaks, and others that cannot but break with it.
const EVENT_FAULTS: &[(&str, &str, &[&str])] = &[
    ("fails-when-the-clock-was-set-back", "events.end-taken", NO_TRAP),
    ("ignores-the-application", "events.sessions-stay-apart", &[]),
    ("keeps-keys", "events.memory-bounded", NO_TRAP),
    ("keeps-payloads", "events.payloads-given-back", &[]),
    ("logs-half-ids", "events.log-without-ids", &[]),
    ("logs-ids", "events.log-without-ids", &[]),
    ("logs-payloads", "events.log-without-payloads", &[]),
    ("loops", "robust.no-trap-in-events", &["events.end-taken"]),
    ("mixes-up-stores", "events.sessions-stay-apart", &[]),
    ("needs-a-start", "events.end-without-start-taken", &[]),
    // A session of several that go on at once may meet two instances.
    ("needs-the-same-instance", "events.any-instance", &["events.side-by-side"]),
    ("refuses-empty-payloads", "events.end-taken", &[]),
    ("refuses-known-ids", "events.id-used-anew", &[]),
    ("refuses-long-ids", "events.start-taken", &["events.end-taken"]),
    ("refuses-odd-characters", "events.start-taken", &["events.end-taken"]),
    ("refuses-removed", "events.end-taken", &[]),
    ("refuses-repeated-ends", "events.again-taken", &[]),
    ("refuses-repeated-starts", "events.again-taken", &[]),
    ("refuses-what-never-expires", "events.end-taken", &[]),
    ("takes-one-at-a-time", "events.side-by-side", &[]),
    ("traps-on-large-payloads", "robust.no-trap-in-events", &["events.end-taken"]),
];

/// Rules that no fault breaks alone are broken by one of another rule; these are the ones that nothing here breaks.
const UNBROKEN: &[&str] = &[];

fn target() -> PathBuf {
    // target/release/deps/check-….
    let executable = std::env::current_exe().unwrap();
    executable.ancestors().nth(3).unwrap().to_owned()
}

fn plugin(name: &str) -> PathBuf {
    std::env::var_os("CLOAKROOM_PLUGINS").map_or_else(|| target().join("plugins"), PathBuf::from).join(name)
}

fn fixture(name: &str) -> PathBuf {
    target().join("fixtures").join(name)
}

/// How a run of `cloakroom check --json` ended.
struct Checked {
    code: i32,
    json: Value,
}

impl Checked {
    /// The ids of the rules that came out like this.
    fn rules(&self, verdict: &str) -> BTreeSet<String> {
        let rules = self.json["rules"].as_array().into_iter().flatten();
        rules.filter(|rule| rule["verdict"] == verdict).map(|rule| rule["id"].as_str().unwrap().to_owned()).collect()
    }

    fn rule(&self, id: &str) -> &Value {
        self.json["rules"].as_array().into_iter().flatten().find(|rule| rule["id"] == id).unwrap()
    }

    fn error(&self) -> &str {
        assert_eq!(self.code, 2, "{}", self.json);
        self.json["error"].as_str().unwrap()
    }
}

fn cloakroom() -> Command {
    Command::new(std::env::var_os("CLOAKROOM_BIN").map_or_else(|| target().join("release/cloakroom"), PathBuf::from))
}

fn check(component: &Path, arguments: &[&str]) -> Checked {
    let output = cloakroom().arg("check").arg(component).arg("--json").args(arguments).output().unwrap();
    let json = serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|_| panic!("no JSON: {}", String::from_utf8_lossy(&output.stderr)));
    Checked { code: output.status.code().unwrap(), json }
}

/// Checks a fixture with a fault. It is granted what some faults need, and little time, so that a loop ends soon.
fn check_fault(component: &str, fault: &str) -> Checked {
    let folder = tempfile::tempdir().unwrap();
    let grants = folder.path().join("grants.toml");
    let mut text = "payload = true\nkv = [\"shared\"]\n[limits]\ncpu = \"200ms\"\ndeadline = \"5s\"\n".to_owned();
    if component == "wrong-event-handler.wasm" {
        // What it is given to hear grows with its memory.
        text.push_str("memory = \"4MiB\"\n");
    }
    fs::write(&grants, text).unwrap();
    let setting = format!("fault={fault}");
    check(&fixture(component), &["--setting", &setting, "--grants", grants.to_str().unwrap()])
}

fn assert_conforms(checked: &Checked) {
    assert_eq!(checked.rules("failed"), BTreeSet::new(), "{:#}", checked.json);
    assert_eq!(checked.code, 0);
}

#[test]
fn the_memory_store_keeps_every_rule() {
    let checked = check(&plugin("memory.wasm"), &[]);
    assert_conforms(&checked);
    assert_eq!(checked.rules("skipped"), BTreeSet::new());
    assert!(checked.rules("passed").len() > 100);
}

#[test]
fn the_aspnet_id_generator_keeps_every_rule() {
    let checked = check(&plugin("aspnet-id.wasm"), &[]);
    assert_conforms(&checked);
    assert!(checked.rules("passed").contains("id.aspnet-form"));
}

#[test]
fn the_signed_id_generator_keeps_every_rule() {
    let checked = check(&plugin("signed-id.wasm"), &["--setting", SIGNING_KEY]);
    assert_conforms(&checked);
    assert!(checked.rules("passed").contains("id.rejects-modified"));
    assert_eq!(checked.rules("skipped"), BTreeSet::from(["id.aspnet-form".to_owned()]));
}

#[test]
fn the_event_handler_that_ships_keeps_every_rule() {
    let checked = check(&plugin("session-log.wasm"), &[]);
    assert_conforms(&checked);
    assert_eq!(checked.rules("skipped"), BTreeSet::new());
    assert!(checked.rules("passed").contains("events.again-taken"));
}

#[test]
fn a_fixture_without_a_fault_keeps_every_rule() {
    // So that what a fault breaks is broken by the fault.
    assert_conforms(&check_fault("wrong-provider.wasm", ""));
    assert_conforms(&check(&fixture("wrong-id-manager.wasm"), &[]));
    assert_conforms(&check_fault("wrong-event-handler.wasm", ""));
}

/// Checks every fault; returns the rules that none of them broke.
fn every_fault_breaks_its_rule(component: &str, faults: &[(&str, &str)]) -> BTreeSet<String> {
    let (mut unbroken, mut wrong) = (BTreeSet::new(), BTreeMap::new());
    for (number, (fault, rule)) in faults.iter().enumerate() {
        let mut checked = check_fault(component, fault);
        // A race is not lost every time, above all where other programs want the processors too.
        for _ in 1..RACES {
            if fault.starts_with("races-") && !checked.rules("failed").contains(*rule) {
                checked = check_fault(component, fault);
            }
        }
        let failed = checked.rules("failed");
        if checked.code != 1 || !failed.contains(*rule) {
            wrong.insert(*fault, format!("{rule} is not among the failed ones: {failed:?}"));
        }
        if number == 0 {
            unbroken = checked.rules("passed").union(&checked.rules("skipped")).cloned().collect();
        }
        unbroken.retain(|rule| !failed.contains(rule));
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    unbroken
}

#[test]
fn every_fault_of_a_provider_is_caught_by_the_rule_it_breaks_and_every_rule_catches_one() {
    let unbroken = every_fault_breaks_its_rule("wrong-provider.wasm", PROVIDER_FAULTS);
    assert_eq!(unbroken, UNBROKEN.iter().map(|rule| (*rule).to_owned()).collect());
}

#[test]
fn every_fault_of_an_id_generator_is_caught_by_the_rule_it_breaks_and_every_rule_catches_one() {
    let unbroken = every_fault_breaks_its_rule("wrong-id-manager.wasm", ID_FAULTS);
    assert_eq!(unbroken, BTreeSet::new());
}

#[test]
fn every_fault_of_an_event_handler_is_caught_by_the_rule_it_breaks_and_by_no_other_and_every_rule_catches_one() {
    let (mut unbroken, mut wrong) = (BTreeSet::new(), BTreeMap::new());
    for (number, (fault, rule, also)) in EVENT_FAULTS.iter().enumerate() {
        let checked = check_fault("wrong-event-handler.wasm", fault);
        let failed = checked.rules("failed");
        let unexpected = failed.iter().filter(|failed| failed != rule && !also.contains(&failed.as_str())).count();
        if checked.code != 1 || !failed.contains(*rule) || unexpected > 0 {
            wrong.insert(*fault, format!("{rule} should have failed, and did: {failed:?}"));
        }
        if number == 0 {
            unbroken = checked.rules("passed").union(&failed).cloned().collect();
        }
        unbroken.remove(*rule);
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert_eq!(unbroken, BTreeSet::new());
}

#[test]
fn an_event_handler_that_answers_an_error_at_first_is_asked_again() {
    // It logs what it hears; that is all that is wrong with it.
    let logs: BTreeSet<_> = ["events.log-without-ids", "events.log-without-payloads"].map(str::to_owned).into();
    let folder = tempfile::tempdir().unwrap();
    let grants = folder.path().join("grants.toml");
    fs::write(&grants, "payload = true\n").unwrap();
    let probe =
        |fails: &str| check(&fixture("event-probe.wasm"), &["--setting", fails, "--grants", grants.to_str().unwrap()]);
    assert_eq!(probe("fails=1").rules("failed"), logs);
    let checked = probe("fails=1000000");
    assert!(checked.rules("passed").contains("robust.no-trap-in-events"), "{:#}", checked.json);
    let seen = checked.rule("events.start-taken")["seen"].as_str().unwrap();
    assert!(seen.contains("the audit has no room"), "{seen}");
}

#[test]
fn a_failed_rule_on_the_log_shows_the_line() {
    let checked = check_fault("wrong-event-handler.wasm", "logs-ids");
    let rule = checked.rule("events.log-without-ids");
    assert_eq!(rule["reference"], "wit log");
    let calls = rule["calls"].as_array().unwrap();
    let line = calls.iter().find(|call| call.as_str().unwrap().contains("it logs: session")).unwrap();
    assert!(line.as_str().unwrap().ends_with(" began"), "{line}");
}

#[test]
fn the_tables_above_name_every_fault_that_the_fixtures_have() {
    let of_events: Vec<_> = EVENT_FAULTS.iter().map(|(fault, rule, _)| (*fault, *rule)).collect();
    for (component, faults) in [
        ("wrong-provider.wasm", PROVIDER_FAULTS),
        ("wrong-id-manager.wasm", ID_FAULTS),
        ("wrong-event-handler.wasm", &of_events),
    ] {
        let checked = check_fault(component, "unknown");
        let (_, known) = checked.error().split_once("there are: ").unwrap();
        let known: BTreeSet<_> = known.split(';').next().unwrap().split(", ").collect();
        assert_eq!(known, faults.iter().map(|(fault, _)| *fault).collect());
    }
}

#[test]
fn a_failure_explains_itself() {
    let checked = check_fault("wrong-provider.wasm", "forgets-the-lock");
    let rule = checked.rule("lock.exclusive");
    assert_eq!(rule["reference"], "rule 1");
    assert_eq!(rule["expected"], "locked by 2");
    assert!(rule["seen"].as_str().unwrap().starts_with("found with lock 3"), "{rule}");
    let calls: Vec<_> = rule["calls"].as_array().unwrap().iter().map(|call| call.as_str().unwrap()).collect();
    assert!(calls[0].starts_with("set-and-release(shop/one"), "{calls:?}");
    assert!(calls[1].starts_with("get-exclusive(shop/one) -> found with lock 2"), "{calls:?}");
}

#[test]
fn a_trap_a_loop_and_a_glutton_are_named_with_the_limit_they_hit() {
    for (fault, words) in
        [("traps", "trapped in `reset-timeout`"), ("loops", "limit `cpu`"), ("eats-memory", "limit `memory`")]
    {
        let checked = check_fault("wrong-provider.wasm", fault);
        let seen = checked.rule("robust.no-trap")["seen"].as_str().unwrap().to_owned();
        assert!(seen.contains(words), "{fault}: {seen}");
        // What it could not be judged by did not pass.
        assert!(checked.rules("failed").contains("expiry.slides-on-reset-timeout"));
        assert!(checked.rules("passed").contains("lock.exclusive"));
    }
}

#[test]
fn a_trap_is_shown_to_the_author_with_the_functions_that_were_running() {
    let mut check = cloakroom();
    check.args(["check", "--setting", "traps=1", "--rule", "robust.no-trap"]);
    let output = check.arg(fixture("failing-provider.wasm")).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let frames: Vec<_> = text.lines().filter_map(|line| line.strip_prefix("      in ")).collect();
    assert!(frames.first().is_some_and(|frame| frame.contains("failing_provider::")), "{text}");
    assert!(frames.len() <= 17, "{text}");
}

#[test]
fn rules_can_be_run_one_by_one() {
    let checked = check(&plugin("memory.wasm"), &["--rule", "lock.exclusive", "--rule", "keys.longest"]);
    assert_conforms(&checked);
    assert_eq!(checked.rules("passed"), BTreeSet::from(["keys.longest".to_owned(), "lock.exclusive".to_owned()]));
    let refused = check(&plugin("memory.wasm"), &["--rule", "lock.exclusiv"]);
    assert!(refused.error().contains("there is no rule `lock.exclusiv`"), "{}", refused.error());
}

#[test]
fn the_table_for_people_ends_with_the_counts() {
    let output = cloakroom().arg("check").arg(plugin("aspnet-id.wasm")).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success());
    assert!(text.contains("passed   id.distinct "), "{text}");
    assert!(text.trim_end().ends_with("0 failed, 3 skipped"), "{text}");
}

#[test]
fn a_file_that_is_no_plugin_is_refused_with_a_sentence_of_its_own() {
    let folder = tempfile::tempdir().unwrap();
    let memory = fs::read(plugin("memory.wasm")).unwrap();
    let cases: [(&str, Vec<u8>, &str); 5] = [
        ("text.wasm", b"not wasm at all".to_vec(), "not a WebAssembly file"),
        ("module.wasm", b"\0asm\x01\0\0\0".to_vec(), "core WebAssembly module"),
        ("truncated.wasm", memory[..memory.len() / 2].to_vec(), "cut off"),
        ("other-version.wasm", replaced(&memory, b"@0.1.0", b"@0.9.0"), "0.9.0"),
        ("unknown-import.wasm", replaced(&memory, b"session/kv@", b"session/kx@"), "kx"),
    ];
    for (name, bytes, words) in cases {
        let file = folder.path().join(name);
        fs::write(&file, bytes).unwrap();
        let checked = check(&file, &[]);
        assert!(checked.error().contains(words) && checked.error().contains(name), "{name}: {}", checked.error());
    }
    let missing = check(&folder.path().join("missing.wasm"), &[]);
    assert!(missing.error().contains("cannot be read"), "{}", missing.error());
}

/// The same bytes with every occurrence of some replaced by as many others.
fn replaced(bytes: &[u8], from: &[u8], to: &[u8]) -> Vec<u8> {
    assert_eq!(from.len(), to.len());
    let mut bytes = bytes.to_vec();
    let places: Vec<_> = (0..bytes.len() - from.len()).filter(|&place| bytes[place..].starts_with(from)).collect();
    assert!(!places.is_empty());
    for place in places {
        bytes[place..place + to.len()].copy_from_slice(to);
    }
    bytes
}

#[test]
fn a_generator_that_lacks_a_setting_is_not_judged_but_told_so() {
    let checked = check(&plugin("signed-id.wasm"), &[]);
    assert!(checked.error().contains("refused to start") && checked.error().contains("keys"), "{}", checked.error());
}
