//! What operators and their tools ask.

use std::collections::BTreeSet;

use anyhow::{Context, Result};
use harness::http::{Answer, Request};
use serde_json::Value;

use crate::shop::Shop;

fn ask(shop: &Shop, path: &str) -> Result<Answer> {
    Request::new("GET", path).send(shop.address())
}

#[test]
fn a_running_host_is_alive_and_ready() -> Result<()> {
    let shop = Shop::open()?;
    for path in ["/healthz", "/readyz"] {
        let answer = ask(&shop, path)?;
        assert_eq!((answer.status, &answer.json()?["status"]), (200, &"ok".into()), "{path}");
    }
    Ok(())
}

#[test]
fn plugins_are_listed_with_file_digest_state_and_limits() -> Result<()> {
    let shop = Shop::open()?;
    let listed = ask(&shop, "/v1/plugins")?.json()?;
    let plugins = listed["plugins"].as_array().context("no plugins")?;
    let memory = plugins.iter().find(|plugin| plugin["name"] == "memory").context("no `memory`")?;
    assert!(memory["file"].as_str().context("no file")?.ends_with("memory.wasm"));
    let digest = memory["digest"].as_str().context("no digest")?;
    assert!(digest.strip_prefix("sha256:").is_some_and(|hex| hex.len() == 64), "{digest}");
    assert_eq!((&memory["kind"], &memory["state"]), (&"provider".into(), &"serving".into()));
    assert!(memory["imports"].is_array() && memory["size"].as_u64() > Some(0));
    let limits = ["memory", "cpu_ms", "deadline_ms", "host_call_ms", "instances", "queue", "payload", "handles"];
    for limit in limits.into_iter().chain(["log_lines", "log_length"]) {
        assert!(memory["limits"][limit].as_u64() > Some(0), "{limit}");
    }
    Ok(())
}

#[test]
fn stores_are_listed_with_their_plugins_and_counters() -> Result<()> {
    let shop = Shop::open()?;
    shop.insert("a", "x")?;
    let listed = ask(&shop, "/v1/stores")?.json()?;
    let stores = listed["stores"].as_array().context("no stores")?;
    let store = stores.iter().find(|store| store["name"] == "default").context("no `default`")?;
    assert!(store["provider"].is_string() && store["id_generator"].is_string());
    assert!(store["max_payload"].as_u64() > Some(0) && store["operations"].as_u64() > Some(0));
    for counter in ["failures", "started", "expired", "removed", "waiting"] {
        assert!(store[counter].is_u64(), "{counter}");
    }
    Ok(())
}

#[test]
fn requests_are_counted_by_route_method_and_status() -> Result<()> {
    let shop = Shop::configured("")?;
    shop.insert("a", "x")?;
    for _ in 0..3 {
        shop.ask("GET", "sessions/a")?;
    }
    shop.ask("GET", "sessions/none")?;
    let rendered = ask(&shop, "/metrics")?;
    assert!(rendered.must("content-type")?.starts_with("text/plain"));
    let text = rendered.text();
    let count = |wanted: &[&str]| {
        let line = text.lines().find(|line| {
            line.starts_with("cloakroom_http_requests_total") && wanted.iter().all(|label| line.contains(label))
        });
        line.and_then(|line| line.rsplit_once(' ')).and_then(|(_, count)| count.parse::<u32>().ok())
    };
    let route = "route=\"/v1/{app}/sessions/{id}\"";
    assert_eq!(count(&[route, "method=\"GET\"", "status=\"200\""]), Some(3), "{text}");
    assert_eq!(count(&[route, "method=\"GET\"", "status=\"404\""]), Some(1), "{text}");
    assert_eq!(count(&[route, "method=\"PUT\"", "status=\"201\""]), Some(1), "{text}");
    assert!(text.contains("cloakroom_http_request_duration_seconds"), "{text}");
    // This one at least; the host may not have noticed yet that the others have been closed.
    let open = text.lines().find_map(|line| line.strip_prefix("cloakroom_http_connections "));
    assert!(open.is_some_and(|count| count.parse::<u32>().is_ok_and(|count| count >= 1)), "{text}");
    Ok(())
}

#[test]
fn a_client_that_hangs_up_is_counted_as_such() -> Result<()> {
    let shop = Shop::configured("")?;
    shop.insert("a", "x")?;
    shop.lock("a")?;
    shop.wait_for_lock("a", 30)?.hang_up()?;
    shop.until_waiting(0)?;
    let hung_up = |line: &str| line.contains("/lock\"") && line.contains("status=\"hung-up\"");
    // It leaves the line a moment before it is counted.
    while !ask(&shop, "/metrics")?.text().lines().any(hung_up) {
        std::thread::yield_now();
    }
    Ok(())
}

#[test]
fn the_openapi_document_has_every_route_of_the_reference() -> Result<()> {
    let shop = Shop::open()?;
    let document = ask(&shop, "/openapi.json")?.json()?;
    let mut documented = BTreeSet::new();
    for (path, item) in document["paths"].as_object().context("no paths")? {
        for method in item.as_object().context("not a path item")?.keys() {
            documented.insert(format!("{} {path}", method.to_uppercase()));
        }
    }
    let expected = [
        "DELETE /v1/migration",
        "DELETE /v1/{app}/sessions",
        "DELETE /v1/{app}/sessions/{id}",
        "DELETE /v1/{app}/sessions/{id}/lock",
        "GET /healthz",
        "GET /metrics",
        "GET /openapi.json",
        "GET /readyz",
        "GET /v1/events",
        "GET /v1/migration",
        "GET /v1/plugins",
        "GET /v1/stores",
        "GET /v1/{app}/sessions",
        "GET /v1/{app}/sessions/{id}",
        "HEAD /v1/{app}/sessions/{id}",
        "POST /v1/migration",
        "POST /v1/plugins/{name}/release",
        "POST /v1/{app}/sessions",
        "POST /v1/{app}/sessions/{id}/lock",
        "POST /v1/{app}/sessions/{id}/rotate",
        "POST /v1/{app}/sessions/{id}/touch",
        "PUT /v1/{app}/sessions/{id}",
    ];
    assert_eq!(documented, expected.into_iter().map(str::to_owned).collect());
    Ok(())
}

#[test]
fn the_openapi_document_is_well_formed_3_1() -> Result<()> {
    let shop = Shop::open()?;
    let document = ask(&shop, "/openapi.json")?.json()?;
    assert!(document["openapi"].as_str().context("no version")?.starts_with("3.1."));
    for member in ["title", "version"] {
        assert!(document["info"][member].as_str().is_some_and(|text| !text.is_empty()), "info.{member}");
    }
    each_reference_leads_somewhere(&document, &document);
    let tags: BTreeSet<_> =
        document["tags"].as_array().context("no tags")?.iter().map(|tag| tag["name"].clone().to_string()).collect();

    let mut operation_ids = BTreeSet::new();
    for (path, item) in document["paths"].as_object().context("no paths")? {
        for (method, operation) in item.as_object().context("not a path item")? {
            let name = format!("{method} {path}");
            let id = operation["operationId"].as_str().with_context(|| format!("{name}: no operationId"))?;
            assert!(operation_ids.insert(id.to_owned()), "{id} twice");
            assert!(operation["summary"].is_string(), "{name}: no summary");
            assert!(
                operation["tags"]
                    .as_array()
                    .is_some_and(|given| given.iter().all(|tag| tags.contains(&tag.to_string()))),
                "{name}"
            );
            parameters_are_complete(&name, path, operation);
            let responses = operation["responses"].as_object().with_context(|| format!("{name}: no responses"))?;
            assert!(responses.contains_key("default"), "{name}");
            for (status, response) in responses {
                assert!(status == "default" || status.parse::<u16>().is_ok_and(|status| (200..600).contains(&status)));
                assert!(response["description"].is_string(), "{name} {status}");
                if status.parse::<u16>().is_ok_and(|status| status >= 400) {
                    assert!(response["content"]["application/problem+json"].is_object(), "{name} {status}");
                }
            }
        }
    }
    Ok(())
}

/// Each variable of the path is a required parameter, no parameter stands twice, and each has a schema.
fn parameters_are_complete(name: &str, path: &str, operation: &Value) {
    let parameters = operation["parameters"].as_array().cloned().unwrap_or_default();
    let mut seen = BTreeSet::new();
    for parameter in &parameters {
        assert!(seen.insert((parameter["in"].to_string(), parameter["name"].to_string())), "{name}: {parameter}");
        assert!(parameter["schema"].is_object() && parameter["description"].is_string(), "{name}: {parameter}");
    }
    let variables: BTreeSet<_> = path.split('{').skip(1).filter_map(|rest| rest.split('}').next()).collect();
    let in_path = parameters.iter().filter(|parameter| parameter["in"] == "path");
    let declared: BTreeSet<_> = in_path
        .inspect(|parameter| assert_eq!(parameter["required"], true, "{name}"))
        .filter_map(|parameter| parameter["name"].as_str())
        .collect();
    assert_eq!(variables, declared, "{name}");
}

fn each_reference_leads_somewhere(document: &Value, part: &Value) {
    match part {
        Value::Object(members) => {
            if let Some(reference) = members.get("$ref").and_then(Value::as_str) {
                let pointer = reference.strip_prefix('#').unwrap_or("not in this document");
                assert!(document.pointer(pointer).is_some(), "{reference} leads nowhere");
            }
            members.values().for_each(|member| each_reference_leads_somewhere(document, member));
        }
        Value::Array(items) => items.iter().for_each(|item| each_reference_leads_somewhere(document, item)),
        _ => {}
    }
}
