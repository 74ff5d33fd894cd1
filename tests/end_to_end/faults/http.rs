//! The statuses of failures on HTTP: 500, 501, 503, 504, 507.

use std::thread;

use anyhow::{Context, Result, ensure};
use harness::http::{Answer, Request};
use serde_json::{Value, json};

use crate::Troubled;

/// Checks a problem's status, kind, and the words that its detail must have; its body.
fn problem(answer: &Answer, status: u16, kind: &str, words: &[&str]) -> Result<Value> {
    ensure!(answer.status == status, "{} {}", answer.status, answer.text());
    ensure!(answer.must("content-type")? == "application/problem+json", "{answer:?}");
    let body = answer.json()?;
    ensure!(body["type"] == format!("urn:cloakroom:problem:{kind}"), "{body}");
    ensure!(body["status"] == status, "{body}");
    let detail = body["detail"].as_str().context("no detail")?;
    for word in words {
        ensure!(detail.contains(word), "`{word}` is not in: {detail}");
    }
    Ok(body)
}

#[test]
fn an_error_that_the_store_answers_has_a_status_by_its_kind() -> Result<()> {
    let troubled = Troubled::start()?;
    for (id, status, kind, retry, words) in [
        ("other", 500, "store-failed", false, ["no column `payload`", "tell the operator"]),
        ("unavailable", 503, "store-unavailable", true, ["refuses connections", "try again"]),
        ("timeout", 503, "store-timeout", true, ["did not answer within 2 s", "read before you try again"]),
        ("limit-exceeded", 507, "store-full", false, ["1000 rows", "make room"]),
        ("invalid-argument", 400, "invalid-argument", false, ["may be called that", "change the request"]),
    ] {
        for (method, path) in [
            ("GET", format!("sessions/{id}")),
            ("GET", format!("sessions/{id}?touch=false")),
            ("PUT", format!("sessions/{id}")),
            ("DELETE", format!("sessions/{id}")),
            ("POST", format!("sessions/{id}/lock")),
            ("DELETE", format!("sessions/{id}/lock?force=true")),
            ("POST", format!("sessions/{id}/touch")),
        ] {
            let answer = troubled.send(method, "shop", &path, "")?;
            let body = problem(&answer, status, kind, &words).with_context(|| format!("{method} {path}"))?;
            ensure!((&body["store"], &body["plugin"]) == (&json!("default"), &json!("failing-provider")), "{body}");
            ensure!(answer.header("retry-after").is_some() == retry, "{method} {path}: {answer:?}");
        }
    }
    // The plugin worked: none of its instances was given up.
    ensure!(troubled.replaced("failing-provider")? == 0);
    troubled.serves("shop", "visitor")
}

#[test]
fn what_a_provider_lacks_is_501_and_names_the_interface() -> Result<()> {
    let troubled = Troubled::start()?;
    troubled.serves("shop", "visitor")?;
    for (method, path, interface) in [
        ("POST", "sessions/visitor/rotate", "session-rename"),
        ("GET", "sessions?subject=ann", "session-index"),
        ("DELETE", "sessions?subject=ann", "session-index"),
    ] {
        let answer = troubled.send(method, "shop", path, "")?;
        let words = ["`failing-provider`", interface, "use one that does"];
        let body = problem(&answer, 501, "unsupported", &words).with_context(|| format!("{method} {path}"))?;
        ensure!(body["interface"] == interface && body["plugin"] == "failing-provider", "{body}");
    }
    let kept = troubled.send("GET", "shop", "sessions/visitor", "")?;
    ensure!(kept.text() == "two tickets", "{}", kept.text());
    Ok(())
}

#[test]
fn a_plugin_that_fails_is_503_names_its_limit_and_is_replaced() -> Result<()> {
    let troubled = Troubled::start()?;
    for (application, kind, limit, words) in [
        ("traps", "plugin-failed", Value::Null, ["trapped in `reset-timeout`", "its author has to mend"]),
        ("loops", "plugin-limit", json!(["cpu", 500]), ["500ms of CPU time", "raise the limit"]),
        ("eats", "plugin-limit", json!(["memory", 16 << 20]), ["16777216 bytes of memory", "raise the limit"]),
    ] {
        troubled.serves(application, "visitor")?;
        let before = troubled.replaced("wrong-provider")?;
        let answer = troubled.send("POST", application, "sessions/visitor/touch", "")?;
        let body = problem(&answer, 503, kind, &words)?;
        ensure!((&body["store"], &body["plugin"]) == (&json!(application), &json!("wrong-provider")), "{body}");
        let told = body.get("limit").map_or(Value::Null, |limit| json!([limit, body["limit_value"]]));
        ensure!(told == limit, "{body}");
        ensure!(answer.header("retry-after").is_none(), "it would fail again: {answer:?}");
        ensure!(troubled.replaced("wrong-provider")? == before + 1, "{}", troubled.plugin("wrong-provider")?);
        // What was stored is there, in a new instance.
        let kept = troubled.send("GET", application, "sessions/visitor", "")?;
        ensure!(kept.status == 200 && kept.text() == "two tickets", "{kept:?}");
    }
    ensure!(!troubled.host.log().contains("visitor"), "an ID is in the log");
    Ok(())
}

#[test]
fn an_answer_that_the_contract_forbids_is_503_and_its_instance_is_replaced() -> Result<()> {
    let troubled = Troubled::start()?;
    troubled.serves("lies", "visitor")?;
    let before = troubled.replaced("wrong-provider")?;
    let answer = troubled.send("GET", "lies", "sessions/visitor", "")?;
    let words = ["`wrong-provider` broke the contract in `get`", "cloakroom check", "version"];
    problem(&answer, 503, "plugin-failed", &words)?;
    ensure!(troubled.replaced("wrong-provider")? == before + 1);
    troubled.serves("lies", "visitor")
}

#[test]
fn a_plugin_that_waits_too_long_is_504_and_its_instance_is_replaced() -> Result<()> {
    let troubled = Troubled::start()?;
    let answer = troubled.send("GET", "shop", "sessions/wait", "")?;
    let words = ["`failing-provider` did not finish `get` within 1s", "raise the limit in its grant file"];
    let body = problem(&answer, 504, "plugin-deadline", &words)?;
    ensure!((&body["limit"], &body["limit_value"]) == (&json!("deadline"), &json!(1000)), "{body}");
    ensure!(troubled.replaced("failing-provider")? == 1, "{}", troubled.plugin("failing-provider")?);
    troubled.serves("shop", "visitor")
}

#[test]
fn a_trap_on_a_fiber_is_503_and_its_instance_is_replaced() -> Result<()> {
    let troubled = Troubled::start()?;
    let answer = troubled.send("POST", "shop", "sessions/trap/lock", "")?;
    problem(&answer, 503, "plugin-failed", &["`failing-provider` trapped in `get-exclusive`"])?;
    ensure!(troubled.replaced("failing-provider")? == 1, "{}", troubled.plugin("failing-provider")?);
    troubled.serves("shop", "visitor")
}

#[test]
fn with_all_instances_waiting_the_others_are_told_to_come_back() -> Result<()> {
    let limits = "[plugins.limits]\ncpu = \"500ms\"\ndeadline = \"1s\"\ninstances = 1\n";
    let stores =
        "[stores.default]\nprovider = \"failing-provider\"\n[stores.sound]\n[applications]\nsound = \"sound\"\n";
    let troubled = Troubled::with(&format!("{limits}{stores}"))?;
    let address = troubled.host.http();
    let answers = thread::scope(|scope| {
        let requests: Vec<_> =
            (0..5).map(|_| scope.spawn(|| Request::new("GET", "/v1/shop/sessions/wait").send(address))).collect();
        // Another store does not wait for them.
        troubled.serves("sound", "visitor")?;
        requests.into_iter().map(|request| request.join().expect("no panic")).collect::<Result<Vec<_>>>()
    })?;
    let (late, busy): (Vec<_>, Vec<_>) = answers.iter().partition(|answer| answer.status == 504);
    ensure!(!late.is_empty() && !busy.is_empty(), "{answers:?}");
    for answer in busy {
        let body = problem(answer, 503, "plugin-busy", &["all of its 1 instances busy", "try again"])?;
        ensure!((&body["limit"], &body["limit_value"]) == (&json!("instances"), &json!(1)), "{body}");
        ensure!(answer.header("retry-after").is_some(), "{answer:?}");
    }
    troubled.serves("shop", "visitor")
}

#[test]
fn a_store_that_fails_does_not_touch_the_others() -> Result<()> {
    let troubled = Troubled::start()?;
    troubled.serves("sound", "visitor")?;
    for (application, path) in
        [("traps", "sessions/a/touch"), ("loops", "sessions/a/touch"), ("eats", "sessions/a/touch")]
    {
        let failed = troubled.send("POST", application, path, "")?;
        ensure!(failed.status == 503, "{failed:?}");
        let kept = troubled.send("GET", "sound", "sessions/visitor", "")?;
        ensure!(kept.status == 200 && kept.text() == "two tickets", "{kept:?}");
    }
    ensure!(troubled.replaced("memory")? == 0, "{}", troubled.plugin("memory")?);
    Ok(())
}
