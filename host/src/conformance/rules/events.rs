//! Event handlers: which events are taken, and what a handler must not keep or tell.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::Bytes;

use crate::{
    clock::UnixMillis,
    conformance::{
        event_trial::EventTrial,
        finding::{Checked, Finding, demand},
        race::all_of,
        rule::Rule,
        trial::{APPLICATION, key},
    },
    contract::{EndReason, Item, MAX_KEY_BYTES, Payload, SessionData, SessionKey},
};

pub(super) const RULES: &[Rule] = &[
    // The rules on the log come first: what was logged before, by the thousand, would have used up what a component may
    // log in a second.
    Rule::events(
        "events.log-without-ids",
        "No line in the log has a session's ID in it, or half of one.",
        "wit log",
        |t| Box::pin(log_without_ids(t)),
    ),
    Rule::events("events.log-without-payloads", "No line in the log has in it what a session held.", "wit log", |t| {
        Box::pin(log_without_payloads(t))
    }),
    Rule::events(
        "events.start-taken",
        "The start of a session is taken, whatever its application and ID: of any length, with any characters.",
        "wit session-events, on-start",
        |t| Box::pin(start_taken(t)),
    ),
    Rule::events(
        "events.end-taken",
        "The end of a session is taken, for either reason, whatever it held: nothing, 1 MiB, no expiry, a subject.",
        "wit session-events, on-end",
        |t| Box::pin(end_taken(t)),
    ),
    Rule::events(
        "events.again-taken",
        "A start or an end that comes a second time is taken, because each is delivered at least once.",
        "section 3, event handlers",
        |t| Box::pin(again_taken(t)),
    ),
    Rule::events(
        "events.end-without-start-taken",
        "The end of a session is taken whose start the handler did not hear: it may have been given up.",
        "section 3, event handlers",
        |t| Box::pin(end_without_start_taken(t)),
    ),
    Rule::events(
        "events.id-used-anew",
        "The start of a session is taken under the key of one that ended, and its end too.",
        "rule 9",
        |t| Box::pin(id_used_anew(t)),
    ),
    Rule::events(
        "events.any-instance",
        "The end of a session is taken by another instance than its start, made before or after.",
        "section 3, event handlers",
        |t| Box::pin(any_instance(t)),
    ),
    Rule::events(
        "events.sessions-stay-apart",
        "Sessions of the same ID in two applications, or of the same key in two stores, are taken as different ones.",
        "section 1, key",
        |t| Box::pin(sessions_stay_apart(t)),
    ),
    Rule::events(
        "events.side-by-side",
        "Events of several sessions are taken at the same time, by several instances and for several stores.",
        "section 3, event handlers",
        |t| Box::pin(side_by_side(t)),
    ),
    Rule::events(
        "events.payloads-given-back",
        "A handler that has taken the end of a session does not hold on to its payload.",
        "wit types, session-data",
        |t| Box::pin(payloads_given_back(t)),
    ),
    Rule::events(
        "events.memory-bounded",
        "An instance stays within its limit of memory, however many sessions it hears of.",
        "operating, limits",
        |t| Box::pin(memory_bounded(t)),
    ),
];

/// An ID as long as real ones, which is nothing that a line in a log could contain by chance.
const SECRET_ID: &str = "q3x0vhz5w1k4yd2jb5rmc0gf";
/// What the session of that ID held.
const SECRET_TEXT: &str = "cart: 4 coats, gabardine; card: 4929 1386 0025 7714; code: 816";

async fn log_without_ids(t: EventTrial) -> Checked {
    for line in of_a_secret_session(&t).await? {
        demand(!tells(&line, SECRET_ID), "no session ID in the log", format!("a line with it: {line}"))?;
    }
    Ok(())
}

async fn log_without_payloads(t: EventTrial) -> Checked {
    for line in of_a_secret_session(&t).await? {
        demand(!tells(&line, SECRET_TEXT), "nothing of a payload in the log", format!("a line with it: {line}"))?;
    }
    Ok(())
}

/// What the handler logs of a session, from its initialization on. Whether it takes the events is for other rules.
async fn of_a_secret_session(t: &EventTrial) -> Checked<Vec<String>> {
    let one = key(SECRET_ID)?;
    t.overhear(async {
        let anew = t.same_store_anew().await?;
        anew.start(&one).await.or_else(unless_failed)?;
        anew.end(&one, anew.item(SECRET_TEXT)).await.or_else(unless_failed)?;
        anew.end_because(&one, anew.item(SECRET_TEXT), EndReason::Removed).await.or_else(unless_failed)
    })
    .await
}

/// Passes over an event that was refused.
fn unless_failed(finding: Finding) -> Checked {
    if let Finding::Broken { .. } = finding { Ok(()) } else { Err(finding) }
}

/// Whether a line has a secret in it, or one half of it.
fn tells(line: &str, secret: &str) -> bool {
    let (first, second) = secret.split_at(secret.len() / 2);
    line.contains(first) || line.contains(second)
}

async fn start_taken(t: EventTrial) -> Checked {
    for (application, id) in keys() {
        t.start(&SessionKey::new(application, id)?).await?;
    }
    Ok(())
}

/// Applications and IDs of all kinds.
fn keys() -> Vec<(String, String)> {
    let longest = |other: &str| "x".repeat(MAX_KEY_BYTES - other.len());
    let mut keys = vec![
        (APPLICATION.to_owned(), longest(APPLICATION)),
        (longest(SECRET_ID), SECRET_ID.to_owned()),
        ("a".to_owned(), "b".to_owned()),
    ];
    for text in ["Mäntel & Söhne", "🧥🧥", "/", "..", "a b", "a\"b'c", "%20", "\r\n", "\u{1}", "{}%s$0", "<script>"]
    {
        // Each ID once, so that a handler which mixes up applications takes these.
        keys.push((text.to_owned(), format!("id-{}", keys.len())));
        keys.push((APPLICATION.to_owned(), text.to_owned()));
    }
    keys
}

async fn end_taken(t: EventTrial) -> Checked {
    for (number, item) in items(&t).into_iter().enumerate() {
        for reason in [EndReason::Expired, EndReason::Removed] {
            let one = key(&format!("item-{number}-{reason}"))?;
            t.start(&one).await?;
            t.end_because(&one, item.clone(), reason).await?;
        }
    }
    for (application, id) in keys() {
        let one = SessionKey::new(application, id)?;
        t.session(&one, t.item("a coat")).await?;
    }
    Ok(())
}

/// What sessions of all kinds held last.
fn items(t: &EventTrial) -> Vec<Item> {
    const MEBIBYTE: usize = 1 << 20;
    let (now, plain) = (t.now(), t.item("a coat"));
    let data = |data: SessionData| Item { data, ..t.item("") };
    let bytes = |bytes: Vec<u8>, kind: Option<&str>| {
        let payload = Payload::with_content_type(Bytes::from(bytes), kind.map(Arc::from));
        data(SessionData { payload, ..t.item("").data })
    };
    vec![
        t.item(""),
        bytes(vec![0, 0xff, 0xc3, b'\n', 0x80], None),
        bytes(vec![0xa5; MEBIBYTE], None),
        bytes(b"{\"coats\": 2}".to_vec(), Some("application/json; charset=utf-8")),
        data(SessionData { subject: Some("Ann Ärmel 🧥".to_owned()), ..plain.data.clone() }),
        data(SessionData { subject: Some("x".repeat(4096)), ..plain.data.clone() }),
        data(SessionData { latest_expiry: Some(now), ..plain.data.clone() }),
        Item {
            data: SessionData { idle_timeout: 0, ..plain.data.clone() },
            version: u64::MAX,
            expires: None,
            ..plain.clone()
        },
        // The clock of a host can be set back.
        Item { created: now + Duration::from_secs(60), expires: Some(now + Duration::from_secs(120)), ..plain.clone() },
        Item { created: UnixMillis(0), ..plain },
    ]
}

async fn again_taken(t: EventTrial) -> Checked {
    let (twice, item) = (key("twice")?, t.item("a coat"));
    t.start(&twice).await?;
    t.start(&twice).await?;
    t.end(&twice, item.clone()).await?;
    t.end(&twice, item).await
}

async fn end_without_start_taken(t: EventTrial) -> Checked {
    t.end(&key("never-began")?, t.item("a coat")).await
}

async fn id_used_anew(t: EventTrial) -> Checked {
    let (anew, first) = (key("anew")?, t.item("a coat"));
    let second = Item { created: first.created + Duration::from_secs(60), ..t.item("a hat") };
    t.session(&anew, first).await?;
    t.session(&anew, second).await
}

async fn any_instance(t: EventTrial) -> Checked {
    let (one, two) = (key("instance-one")?, key("instance-two")?);
    t.start(&one).await?;
    let other = t.same_store_anew().await?;
    other.end(&one, t.item("a coat")).await?;
    other.start(&two).await?;
    t.note("with the first instance:");
    t.end(&two, t.item("a coat")).await
}

async fn sessions_stay_apart(t: EventTrial) -> Checked {
    let (here, item) = (key("apart")?, t.item("a coat"));
    t.session(&here, item.clone()).await?;
    t.session(&SessionKey::new("forum", "apart")?, item.clone()).await?;
    t.another_store().await?.session(&here, item).await
}

async fn side_by_side(t: EventTrial) -> Checked {
    const TASKS: usize = 8;
    const SESSIONS: usize = 50;
    let stores = [t.clone(), t.another_store().await?];
    t.note(format!("{TASKS} tasks, half of them in each store: start and end of {SESSIONS} sessions each"));
    let mut running = Vec::new();
    for (task, store) in stores.iter().cycle().take(TASKS).enumerate() {
        let quiet = store.quietly();
        running.push(tokio::spawn(async move {
            for number in 0..SESSIONS {
                quiet.session(&key(&format!("side-{task}-{number}"))?, quiet.item("a coat")).await?;
            }
            Ok::<_, Finding>(())
        }));
    }
    // All of them, so that none goes on while the next rule is checked.
    all_of(running).await.map(drop)
}

/// Bytes that can be counted for as long as somebody holds them.
struct Counted {
    bytes: Vec<u8>,
    _count: Arc<()>,
}

impl AsRef<[u8]> for Counted {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

async fn payloads_given_back(t: EventTrial) -> Checked {
    const SESSIONS: usize = 1_000;
    /// What a language that collects its garbage now and then may still have.
    const MOST_HELD: usize = SESSIONS / 10;
    let (count, quiet) = (Arc::new(()), t.quietly());
    t.note(format!("start and end of {SESSIONS} sessions of 100 bytes"));
    for number in 0..SESSIONS {
        let bytes = Bytes::from_owner(Counted { bytes: vec![b'x'; 100], _count: count.clone() });
        let item = t.item("");
        let data = SessionData { payload: Payload::new(bytes), ..item.data };
        quiet.session(&key(&format!("held-{number}"))?, Item { data, ..item }).await?;
    }
    // One is this function's.
    let held = Arc::strong_count(&count) - 1;
    demand(
        held <= MOST_HELD,
        format!("at most {MOST_HELD} payloads of {SESSIONS} that it still holds"),
        format!("{held}; a handle that a function was given is dropped by it"),
    )
}

async fn memory_bounded(t: EventTrial) -> Checked {
    /// So that not many sessions fill the memory of a handler that keeps their keys.
    const ID_LENGTH: usize = 1_000;
    /// How long a slow one is kept busy.
    const PATIENCE: Duration = Duration::from_secs(10);
    let (limit, began, quiet) = (t.memory_limit(), Instant::now(), t.quietly());
    let sessions = limit / ID_LENGTH;
    t.note(format!("start and end of up to {sessions} sessions with IDs of {ID_LENGTH} bytes"));
    for number in 0..sessions {
        if began.elapsed() > PATIENCE {
            t.note(format!("(no more than {number}, to save time)"));
            break;
        }
        let taken = quiet.session(&key(&format!("{number:0ID_LENGTH$}"))?, quiet.item("x")).await;
        taken.map_err(|finding| match finding {
            Finding::Unjudged { reason } => {
                Finding::broken(format!("at most {limit} bytes"), format!("after {number} sessions: {reason}"))
            }
            other => other,
        })?;
    }
    Ok(())
}
