//! What is stored comes back, and each field means what the contract says.

use bytes::Bytes;

use crate::{
    conformance::{
        finding::{Checked, demand, demand_equal},
        rule::Rule,
        trial::{Trial, key},
    },
    contract::{Payload, SessionData},
};

pub(super) const RULES: &[Rule] = &[
    Rule::provider(
        "data.payload-kept",
        "Payloads of 0 bytes to 1 MiB, text or not, come back byte for byte from peek, get and get-exclusive.",
        "section 1, payload",
        |t| Box::pin(payload_kept(t)),
    ),
    Rule::provider(
        "data.content-type-kept",
        "The media type of a payload is stored with it: the same, another or none after each write.",
        "wit payloads, content-type",
        |t| Box::pin(content_type_kept(t)),
    ),
    Rule::provider(
        "data.version-counts-stores",
        "The version is 1 at the insert and one more after each store, and no other operation changes it.",
        "section 1, item",
        |t| Box::pin(version_counts_stores(t)),
    ),
    Rule::provider(
        "data.created-is-constant",
        "The time of creation is when the item was inserted, and no operation changes it.",
        "section 1, item",
        |t| Box::pin(created_is_constant(t)),
    ),
    Rule::provider(
        "data.idle-timeout-kept",
        "The idle timeout comes back as it was last stored, 0 (never) included.",
        "section 1, session data",
        |t| Box::pin(idle_timeout_kept(t)),
    ),
    Rule::provider(
        "data.expires-is-told",
        "An item tells when it expires: idle timeout from the last slide, at most the latest expiry, none if never.",
        "section 1, item",
        |t| Box::pin(expires_is_told(t)),
    ),
    Rule::provider(
        "data.subject-kept",
        "A subject is stored; a write without one keeps it, a write with another one changes it.",
        "wit types, subject",
        |t| Box::pin(subject_kept(t)),
    ),
    Rule::provider("data.subject-cleared", "A write with an empty subject clears it.", "wit types, subject", |t| {
        Box::pin(subject_cleared(t))
    }),
    Rule::provider(
        "data.latest-expiry-kept",
        "A latest expiry is stored, and a write without one keeps it.",
        "wit types, latest-expiry",
        |t| Box::pin(latest_expiry_kept(t)),
    ),
    Rule::provider(
        "data.latest-expiry-never-postponed",
        "A write never postpones the latest expiry: of the stored one and the given one the earlier wins.",
        "wit types, latest-expiry",
        |t| Box::pin(latest_expiry_never_postponed(t)),
    ),
    Rule::provider(
        "data.new-data-is-empty",
        "Fresh session data has no bytes, the idle timeout asked for, no latest expiry and no subject.",
        "section 2, create-new-data",
        |t| Box::pin(new_data_is_empty(t)),
    ),
];

async fn payload_kept(t: Trial) -> Checked {
    let every_byte: Vec<u8> = (0..=u8::MAX).collect();
    for size in [0, 1, 255, 256, 4096, 65_537, 1 << 20] {
        let bytes: Bytes = every_byte.iter().copied().cycle().take(size).collect::<Vec<_>>().into();
        let one = key(&format!("of-{size}-bytes"))?;
        let data = SessionData { payload: Payload::new(bytes.clone()), ..t.data("") };
        t.set(&one, data).await?.stored()?;
        let peeked = t.peek(&one).await?.found()?;
        let got = t.get(&one).await?.found()?;
        let (locked, _) = t.get_exclusive(&one).await?.taken()?;
        for (operation, item) in [("peek", peeked), ("get", got), ("get-exclusive", locked)] {
            demand(
                *item.data.payload.bytes() == bytes,
                format!("{operation} returns the {size} bytes that were stored"),
                format!("{} other bytes", item.data.payload.len()),
            )?;
        }
    }
    Ok(())
}

async fn content_type_kept(t: Trial) -> Checked {
    let one = key("one")?;
    for content_type in [None, Some("application/json"), Some("text/plain; charset=utf-8"), None] {
        let payload = Payload::with_content_type(Bytes::from_static(b"{}"), content_type.map(Into::into));
        t.note(format!("the next write gives the media type {content_type:?}"));
        t.set(&one, SessionData { payload, ..t.data("") }).await?.stored()?;
        let item = t.get(&one).await?.found()?;
        demand_equal("the media type", &content_type, &item.data.payload.content_type())?;
        // Taking the lock rewrites metadata in many providers.
        let (item, lock_id) = t.get_exclusive(&one).await?.taken()?;
        demand_equal("the media type", &content_type, &item.data.payload.content_type())?;
        t.release(&one, lock_id.get()).await?.released()?;
    }
    Ok(())
}

async fn version_counts_stores(t: Trial) -> Checked {
    let one = key("one")?;
    demand_equal("the version of an inserted item", &1, &t.set(&one, t.data("a")).await?.stored()?)?;
    demand_equal("the version", &1, &t.get(&one).await?.found()?.version)?;
    demand_equal("the version after a store", &2, &t.set(&one, t.data("b")).await?.stored()?)?;
    let (item, lock_id) = t.get_exclusive(&one).await?.taken()?;
    demand_equal("the version when the lock is taken", &2, &item.version)?;
    t.get(&one).await?;
    t.create_uninitialized(&one, t.data("c")).await?;
    t.reset_timeout(&one).await?;
    t.release(&one, lock_id.get()).await?.released()?;
    demand_equal("the version after operations that do not store", &2, &t.peek(&one).await?.found()?.version)?;
    let (_, lock_id) = t.get_exclusive(&one).await?.taken()?;
    let version = t.set_and_release(&one, t.data("d"), lock_id).await?.stored()?;
    demand_equal("the version after a third store", &3, &version)?;
    demand_equal("the version", &3, &t.get(&one).await?.found()?.version)?;
    let two = key("two")?;
    t.create_uninitialized(&two, t.data("")).await?;
    demand_equal("the version of an uninitialized item", &1, &t.peek(&two).await?.found()?.version)
}

async fn created_is_constant(t: Trial) -> Checked {
    let one = key("one")?;
    let before = t.now();
    t.set(&one, t.data("a")).await?.stored()?;
    let after = t.now();
    let created = t.peek(&one).await?.found()?.created;
    // A back end's clock may differ from the host's by a little.
    demand(
        created.0 + 2_000 >= before.0 && created.0 <= after.0 + 2_000,
        format!("created is between {} and {}", before.0, after.0),
        format!("created is {}", created.0),
    )?;
    t.pass_percent_of_idle(50).await;
    t.set(&one, t.data("b")).await?.stored()?;
    t.pass_percent_of_idle(50).await;
    let (item, lock_id) = t.get_exclusive(&one).await?.taken()?;
    demand_equal("created", &created, &item.created)?;
    t.set_and_release(&one, t.data("c"), lock_id).await?.stored()?;
    t.reset_timeout(&one).await?;
    t.create_uninitialized(&one, t.data("d")).await?;
    demand_equal("created", &created, &t.get(&one).await?.found()?.created)
}

async fn idle_timeout_kept(t: Trial) -> Checked {
    let one = key("one")?;
    for idle_timeout in [60, 1200, 0, 86_400, 31_536_000, 7] {
        t.set(&one, SessionData { idle_timeout, ..t.data("a") }).await?.stored()?;
        let (item, lock_id) = t.get_exclusive(&one).await?.taken()?;
        demand_equal("the idle timeout", &idle_timeout, &item.data.idle_timeout)?;
        t.release(&one, lock_id.get()).await?.released()?;
        demand_equal("the idle timeout", &idle_timeout, &t.get(&one).await?.found()?.data.idle_timeout)?;
    }
    Ok(())
}

async fn expires_is_told(t: Trial) -> Checked {
    let one = key("one")?;
    for (idle_timeout, latest_in) in [(600, None), (600, Some(300)), (0, Some(100))] {
        let now = t.now();
        let latest_expiry = latest_in.map(|seconds| now + std::time::Duration::from_secs(seconds));
        t.set(&one, SessionData { idle_timeout, latest_expiry, ..t.data("a") }).await?.stored()?;
        let item = t.get(&one).await?.found()?;
        let due = latest_in.unwrap_or(u64::from(idle_timeout));
        let told = item.expires.map(|moment| moment.since(now).as_secs_f64());
        // A provider may skip slides of under a second, and a back end's clock may differ by as much.
        let near = told.is_some_and(|told| (told - f64::from(u32::try_from(due).unwrap_or(0))).abs() < 2.0);
        demand(near, format!("the item expires in {due} s"), format!("in {told:?} s"))?;
        t.remove(&one, None).await?.removed()?;
    }
    t.set(&one, SessionData { idle_timeout: 0, ..t.data("a") }).await?.stored()?;
    let item = t.get(&one).await?.found()?;
    t.remove(&one, None).await?.removed()?;
    demand_equal("the expiry of an item that never expires", &None, &item.expires)
}

async fn subject_kept(t: Trial) -> Checked {
    let one = key("one")?;
    let ann = Some("ann".to_owned());
    t.set(&one, t.data("a")).await?.stored()?;
    demand_equal("the subject", &None, &t.get(&one).await?.found()?.data.subject)?;
    t.set(&one, SessionData { subject: ann.clone(), ..t.data("b") }).await?.stored()?;
    demand_equal("the subject", &ann, &t.get(&one).await?.found()?.data.subject)?;
    t.set(&one, t.data("c")).await?.stored()?;
    demand_equal("the subject", &ann, &t.get(&one).await?.found()?.data.subject)?;
    let (item, lock_id) = t.get_exclusive(&one).await?.taken()?;
    demand_equal("the subject", &ann, &item.data.subject)?;
    let bea = Some("Bea Ünal <bea@example.com>".to_owned());
    t.set_and_release(&one, SessionData { subject: bea.clone(), ..t.data("d") }, lock_id).await?.stored()?;
    demand_equal("the subject", &bea, &t.get(&one).await?.found()?.data.subject)
}

async fn subject_cleared(t: Trial) -> Checked {
    let one = key("one")?;
    t.set(&one, SessionData { subject: Some("ann".to_owned()), ..t.data("a") }).await?.stored()?;
    t.set(&one, SessionData { subject: Some(String::new()), ..t.data("b") }).await?.stored()?;
    demand_equal("the subject", &None, &t.get(&one).await?.found()?.data.subject)
}

async fn latest_expiry_kept(t: Trial) -> Checked {
    let one = key("one")?;
    t.set(&one, t.data("a")).await?.stored()?;
    demand_equal("the latest expiry", &None, &t.get(&one).await?.found()?.data.latest_expiry)?;
    let latest = Some(t.in_percent_of_idle(500));
    t.set(&one, SessionData { latest_expiry: latest, ..t.data("b") }).await?.stored()?;
    demand_equal("the latest expiry", &latest, &t.get(&one).await?.found()?.data.latest_expiry)?;
    t.set(&one, t.data("c")).await?.stored()?;
    let (item, lock_id) = t.get_exclusive(&one).await?.taken()?;
    demand_equal("the latest expiry", &latest, &item.data.latest_expiry)?;
    t.set_and_release(&one, t.data("d"), lock_id).await?.stored()?;
    demand_equal("the latest expiry", &latest, &t.get(&one).await?.found()?.data.latest_expiry)
}

async fn latest_expiry_never_postponed(t: Trial) -> Checked {
    let one = key("one")?;
    let soon = Some(t.in_percent_of_idle(300));
    let late = Some(t.in_percent_of_idle(900));
    let sooner = Some(t.in_percent_of_idle(200));
    t.set(&one, SessionData { latest_expiry: soon, ..t.data("a") }).await?.stored()?;
    t.set(&one, SessionData { latest_expiry: late, ..t.data("b") }).await?.stored()?;
    demand_equal("the latest expiry", &soon, &t.get(&one).await?.found()?.data.latest_expiry)?;
    t.set(&one, SessionData { latest_expiry: sooner, ..t.data("c") }).await?.stored()?;
    demand_equal("the latest expiry", &sooner, &t.get(&one).await?.found()?.data.latest_expiry)
}

async fn new_data_is_empty(t: Trial) -> Checked {
    for idle_timeout in [0, 1, 1200, 31_536_000] {
        let data = t.create_new_data(idle_timeout).await?;
        demand_equal("the number of bytes", &0, &data.payload.len())?;
        demand_equal("the idle timeout", &idle_timeout, &data.idle_timeout)?;
        demand_equal("the latest expiry", &None, &data.latest_expiry)?;
        demand_equal("the subject", &None, &data.subject)?;
    }
    Ok(())
}
