//! What lies in the store, and who can make something of it.

use anyhow::{Result, ensure};

use crate::{K1, K2, Wrapped};

fn contains(bytes: &[u8], text: &str) -> bool {
    bytes.windows(text.len()).any(|window| window == text.as_bytes())
}

#[test]
fn what_lies_in_the_store_is_unreadable_or_smaller() -> Result<()> {
    let coats = "secret coat ".repeat(10_000);
    let stored = |stack: &[&str]| {
        let mut wrapped = Wrapped::start(stack, "")?;
        wrapped.put("a", &coats)?;
        let bytes = wrapped.snapshot()?;
        wrapped.host.restart()?;
        ensure!(wrapped.get("a")? == coats, "{stack:?}");
        anyhow::Ok(bytes)
    };
    ensure!(contains(&stored(&["memory"])?, "secret coat secret coat"), "the test looks in the right place");
    let encrypted = stored(&["encrypt", "memory"])?;
    ensure!(encrypted.len() > coats.len() && !contains(&encrypted, "coat"));
    ensure!(stored(&["compress", "memory"])?.len() < 2000);
    let both = stored(&["compress", "encrypt", "memory"])?;
    ensure!(both.len() < 2000 && !contains(&both, "coat"), "{} bytes", both.len());
    let wrong_way = stored(&["encrypt", "compress", "memory"])?;
    ensure!(wrong_way.len() > coats.len() && !contains(&wrong_way, "coat"), "nothing to compress in what is encrypted");
    Ok(())
}

#[test]
fn payloads_that_were_changed_or_exchanged_are_refused_and_the_session_can_be_stored_anew() -> Result<()> {
    let wrapped = Wrapped::start(&["encrypt", "meddler", "memory"], "events = [\"event-probe\"]")?;
    for id in ["sound", "other", "flipped", "cut", "swapped"] {
        let short = wrapped.request("PUT", id).header("Session-Timeout", 20).body(format!("coat of {id}"));
        ensure!(short.send(wrapped.host.http())?.status == 201);
    }
    for id in ["flipped", "cut", "swapped"] {
        for (method, path) in [("GET", id.to_owned()), ("POST", format!("{id}/lock"))] {
            let refused = wrapped.send(method, &path)?;
            let told = "cannot be decrypted with the key `k1`: it was changed, it belongs to another session";
            ensure!(refused.status == 500 && refused.text().contains(told), "{} {}", refused.status, refused.text());
            ensure!(!refused.text().contains("coat"), "{}", refused.text());
        }
    }
    // The lock that nobody was told of is not held.
    let again = wrapped.request("PUT", "flipped").header("Session-Timeout", 20).body("new");
    ensure!(again.send(wrapped.host.http())?.status == 204);
    ensure!(wrapped.send("DELETE", "cut")?.status == 204, "a session that cannot be read can be removed");
    ensure!(wrapped.get("sound")? == "coat of sound" && wrapped.get("other")? == "coat of other");
    wrapped.host.advance_30s()?;
    wrapped.host.wait_for_log("heard: end of sound expired v1 [coat of sound]")?;
    wrapped.host.wait_for_log("an expired session was not taken: the stored payload cannot be decrypted")?;
    ensure!(!wrapped.host.log().contains("end of flipped"), "nobody hears of what was changed");
    ensure!(wrapped.host.log().matches("[coat of other]").count() < 2, "or of somebody else's coat");
    Ok(())
}

#[test]
fn keys_are_changed_while_the_host_serves() -> Result<()> {
    let wrapped = Wrapped::start(&["encrypt", "memory"], "")?;
    wrapped.put("old", "coat")?;
    wrapped.put("both", "coat")?;
    wrapped.change_keys(&format!("{K2},{K1}"), " swapped ")?;
    ensure!(wrapped.get("old")? == "coat", "the old key decrypts");
    wrapped.put("both", "hat")?;
    wrapped.change_keys(K2, " swapped ")?;
    ensure!(wrapped.get("both")? == "hat", "the first key encrypts");
    let refused = wrapped.send("GET", "old")?;
    let told = "encrypted with the key `k1`, which is not in the setting `keys`";
    ensure!(refused.status == 500 && refused.text().contains(told), "{} {}", refused.status, refused.text());
    wrapped.change_keys("k2:QUJD", "the new build is not used, the one before it serves on")?;
    ensure!(wrapped.host.log().contains("the key `k2` has 3 bytes and has to have 32"));
    ensure!(wrapped.get("both")? == "hat");
    Ok(())
}
