//! Keys: two strings, compared byte by byte.

use super::storing::holds;
use crate::{
    conformance::{
        answer::Answer,
        finding::{Checked, demand_equal},
        rule::Rule,
        trial::{Trial, key},
    },
    contract::{Condition, MAX_KEY_BYTES, SessionKey},
};

pub(super) const RULES: &[Rule] = &[
    Rule::provider(
        "keys.case-matters",
        "Keys that differ in the case of a letter name different sessions.",
        "section 1, key",
        |t| Box::pin(case_matters(t)),
    ),
    Rule::provider(
        "keys.parts-stay-apart",
        "Keys whose parts join to the same text name different sessions.",
        "section 1, key",
        |t| Box::pin(parts_stay_apart(t)),
    ),
    Rule::provider(
        "keys.applications-stay-apart",
        "The same ID in two applications names two sessions.",
        "section 1, key",
        |t| Box::pin(applications_stay_apart(t)),
    ),
    Rule::provider(
        "keys.compared-by-bytes",
        "Keys that look alike (spaces at the end, accents composed or not, signs of any query language) differ.",
        "section 1, key",
        |t| Box::pin(compared_by_bytes(t)),
    ),
    Rule::provider(
        "keys.longest",
        "Keys of 1024 bytes work, and differ if their last byte does.",
        "section 1, key",
        |t| Box::pin(longest(t)),
    ),
    Rule::provider(
        "keys.stores-stay-apart",
        "The same key in two stores of one provider names two sessions.",
        "section 2, initialize",
        |t| Box::pin(stores_stay_apart(t)),
    ),
];

async fn case_matters(t: Trial) -> Checked {
    different(
        &t,
        &[("Shop", "abc"), ("shop", "abc"), ("shop", "aBc"), ("shop", "ABC"), ("shop", "straße"), ("shop", "STRASSE")],
    )
    .await
}

async fn parts_stay_apart(t: Trial) -> Checked {
    different(
        &t,
        &[
            ("ab", "c"),
            ("a", "bc"),
            ("a/b", "c"),
            ("a", "b/c"),
            ("a:b", "c"),
            ("a", "b:c"),
            ("a|b", "c"),
            ("a", "b|c"),
            ("a b", "c"),
            ("a", "b c"),
            ("a\u{1}b", "c"),
            ("a", "b\u{1}c"),
            ("a\\", "/c"),
            ("a", "\\/c"),
        ],
    )
    .await
}

async fn applications_stay_apart(t: Trial) -> Checked {
    different(
        &t,
        &[("shop", "one"), ("forum", "one"), ("/LM/W3SVC/1/ROOT(a=)", "one"), ("/LM/W3SVC/2/ROOT(a=)", "one")],
    )
    .await
}

async fn compared_by_bytes(t: Trial) -> Checked {
    different(
        &t,
        &[
            ("shop", "a"),
            ("shop", "a "),
            ("shop", " a"),
            ("shop", "a\t"),
            ("shop", "a\n"),
            ("shop", "é"),
            ("shop", "e\u{301}"),
            ("shop", "e"),
            ("shop", "%"),
            ("shop", "_"),
            ("shop", "*"),
            ("shop", "?"),
            ("shop", "[a]"),
            ("shop", "{a}"),
            ("shop", "'"),
            ("shop", "''"),
            ("shop", "\""),
            ("shop", "a';--"),
            ("shop", "\\"),
            ("shop", "\\\\"),
            ("shop", "a%20"),
            ("shop", "\u{1f9e5}"),
            ("shop", "\u{7f}"),
            ("shop", "1"),
            ("shop", "01"),
            ("shop", "1.0"),
        ],
    )
    .await
}

async fn longest(t: Trial) -> Checked {
    let wide = "é".repeat((MAX_KEY_BYTES - 4) / 2);
    let narrow = "x".repeat(MAX_KEY_BYTES - 5);
    let long_application = "y".repeat(MAX_KEY_BYTES - 1);
    let (a, b) = (format!("{narrow}a"), format!("{narrow}b"));
    different(&t, &[("shop", &wide), ("shop", &a), ("shop", &b), ("shop", &narrow), (&long_application, "z")]).await
}

async fn stores_stay_apart(t: Trial) -> Checked {
    let other = t.another_store().await?;
    let one = key("one")?;
    t.set(&one, t.data("here")).await?.stored()?;
    other.get(&one).await?.missing()?;
    other.set_if(&one, other.data("there"), Condition::MustBeNew).await?.stored()?;
    other.get_exclusive(&one).await?.taken()?;
    holds(&t.get(&one).await?.found()?, "here")
}

/// Demands that these keys name sessions that have nothing to do with each other.
async fn different(t: &Trial, names: &[(&str, &str)]) -> Checked {
    let mut keys = Vec::with_capacity(names.len());
    for (application, id) in names {
        keys.push(SessionKey::new(*application, *id)?);
    }
    for (number, one) in keys.iter().enumerate() {
        let outcome = t.set_if(one, t.data(&format!("content {number}")), Condition::MustBeNew).await?;
        outcome.stored()?;
    }
    for (number, one) in keys.iter().enumerate() {
        let (item, lock_id) = t.get_exclusive(one).await?.taken()?;
        holds(&item, &format!("content {number}"))?;
        demand_equal("the lock id", &2, &lock_id.get())?;
    }
    // A remove that took more than one session along leaves another one `missing` here.
    for one in &keys {
        t.remove(one, Some(2)).await?.removed()?;
    }
    Ok(())
}
