//! Sweeping: expired sessions are reported at least once and then gone.

use std::{sync::Arc, time::Duration};

use super::storing::{holds, inserted, unchanged};
use crate::{
    conformance::{
        answer::Answer,
        finding::{Checked, Finding, demand, demand_equal},
        rule::{Needs, Rule},
        sink::Collector,
        trial::{APPLICATION, Trial, key},
    },
    contract::{SessionData, SessionKey},
    plugins::CallError,
};

/// A little more than the lease of a claim.
const PAST_THE_LEASE: Duration = Duration::from_millis(30_500);

pub(super) const RULES: &[Rule] = &[
    Rule::provider(
        "sweep.reports-what-expired",
        "A swept session is reported once, with its key and its item, whether it was locked or not.",
        "rule 10",
        |t| Box::pin(reports_what_expired(t)),
    )
    .needing(Needs::ExpiryReports),
    Rule::provider(
        "sweep.spares-the-living",
        "Sweeping neither reports nor deletes sessions that have not expired, slid ones included.",
        "section 2, sweep",
        |t| Box::pin(spares_the_living(t)),
    )
    .needing(Needs::ExpiryReports),
    Rule::provider(
        "sweep.keeps-to-its-limit",
        "A sweep reports at most as many sessions as it is allowed, and says that there may be more.",
        "section 2, sweep",
        |t| Box::pin(keeps_to_its_limit(t)),
    )
    .needing(Needs::ExpiryReports),
    Rule::provider(
        "sweep.refused-report-comes-again",
        "A session whose report was refused stays expired and is offered again after the claim's lease of 30 s.",
        "rule 10",
        |t| Box::pin(refused_report_comes_again(t)),
    )
    .needing(Needs::ExpiryReports),
    Rule::provider(
        "sweep.nobody-listening",
        "When nobody listens sweeping only deletes: no report then, and none to a later listener.",
        "rule 10",
        |t| Box::pin(nobody_listening(t)),
    ),
    Rule::provider(
        "sweep.uninitialized-unreported",
        "Sessions that are still uninitialized when they expire are never reported.",
        "rule 10",
        |t| Box::pin(uninitialized_unreported(t)),
    )
    .needing(Needs::ExpiryReports),
    Rule::provider(
        "sweep.removed-unreported",
        "Sessions that were removed are not reported as expired.",
        "section 2, sweep",
        |t| Box::pin(removed_unreported(t)),
    )
    .needing(Needs::ExpiryReports),
    Rule::provider(
        "sweep.reused-key",
        "When a key was used anew, the old item's expiry is still reported, once, and the new item lives.",
        "rule 9",
        |t| Box::pin(reused_key(t)),
    )
    .needing(Needs::ExpiryReports),
    Rule::provider(
        "sweep.concurrent",
        "Concurrent sweeps through several instances report each expired session, and none twice.",
        "rule 10",
        |t| Box::pin(concurrent(t)),
    )
    .needing(Needs::ExpiryReports),
];

async fn reports_what_expired(t: Trial) -> Checked {
    let (plain, locked) = (key("plain")?, SessionKey::new("another application", "locked")?);
    t.set(&plain, SessionData { subject: Some("ann".to_owned()), ..t.data("first") }).await?.stored()?;
    t.set(&plain, t.data("second")).await?.stored()?;
    let plain_item = t.peek(&plain).await?.found()?;
    t.set(&locked, t.data("held")).await?.stored()?;
    let (locked_item, _) = t.get_exclusive(&locked).await?.taken()?;
    t.pass_percent_of_idle(110).await;
    let sink = Arc::new(Collector::listening(t.transcript()));
    t.sweep_all(10, &sink).await?;
    for (key, before) in [(&plain, plain_item), (&locked, locked_item)] {
        let reports: Vec<_> = sink.reports().into_iter().filter(|(reported, _)| reported == key).collect();
        let [(_, item)] = reports.as_slice() else {
            return Err(Finding::broken("one report of each session", format!("{} of one", reports.len())));
        };
        unchanged(&before, item)?;
    }
    t.sweep_all(10, &sink).await?;
    demand_equal("the number of reports after another sweep", &2, &sink.reports().len())
}

async fn spares_the_living(t: Trial) -> Checked {
    let (idle, used) = (inserted(&t, "idle").await?, inserted(&t, "used").await?);
    t.pass_percent_of_idle(60).await;
    t.get(&used).await?.found()?;
    let young = inserted(&t, "young").await?;
    t.pass_percent_of_idle(60).await;
    let sink = Arc::new(Collector::listening(t.transcript()));
    t.sweep_all(10, &sink).await?;
    demand_equal("the reported sessions", &vec![idle.id().to_owned()], &sink.ids())?;
    holds(&t.get(&used).await?.found()?, "used")?;
    holds(&t.get(&young).await?.found()?, "young")
}

async fn keeps_to_its_limit(t: Trial) -> Checked {
    const SESSIONS: usize = 10;
    const LIMIT: u32 = 3;
    for number in 0..SESSIONS {
        inserted(&t, &format!("session-{number}")).await?;
    }
    t.pass_percent_of_idle(110).await;
    let sink = Arc::new(Collector::listening(t.transcript()));
    for _ in 0..SESSIONS * 2 {
        let before = sink.reports().len();
        let more = t.sweep(LIMIT, &sink).await?;
        let reported = sink.reports().len() - before;
        demand(reported <= 3, "at most 3 reports in a sweep", format!("{reported}"))?;
        if !more {
            break;
        }
    }
    demand_equal("the number of reports when there is no more", &SESSIONS, &sink.reports().len())?;
    let mut ids = sink.ids();
    ids.dedup();
    demand_equal("the number of different sessions reported", &SESSIONS, &ids.len())
}

async fn refused_report_comes_again(t: Trial) -> Checked {
    let one = inserted(&t, "one").await?;
    t.pass_percent_of_idle(110).await;
    let refusing = Arc::new(Collector::refusing(t.transcript()));
    let result = t.provider().sweep(10, refusing.clone()).await;
    // How a sweep ends whose listener fails is left to the provider; only a broken component is a finding.
    let result = t.settle_raw(result, || "sweep(limit 10)".to_owned(), |more| format!("more: {more}"));
    if let Err(CallError::Plugin(error)) = result {
        return Err(error.into());
    }
    demand_equal("the refused reports", &vec!["one".to_owned()], &refusing.ids())?;
    t.get(&one).await?.missing()?;
    t.pass(PAST_THE_LEASE).await;
    let sink = Arc::new(Collector::listening(t.transcript()));
    t.sweep_all(10, &sink).await?;
    demand_equal("the sessions reported after the lease", &vec!["one".to_owned()], &sink.ids())?;
    t.pass(PAST_THE_LEASE).await;
    t.sweep_all(10, &sink).await?;
    demand_equal("the number of reports once one was taken", &1, &sink.reports().len())
}

async fn nobody_listening(t: Trial) -> Checked {
    for number in 0..5 {
        inserted(&t, &format!("session-{number}")).await?;
    }
    let living = key("living")?;
    t.set(&living, SessionData { idle_timeout: t.idle() * 100, ..t.data("living") }).await?.stored()?;
    t.pass_percent_of_idle(110).await;
    let nobody = Arc::new(Collector::deaf(t.transcript()));
    t.sweep_all(2, &nobody).await?;
    demand_equal("the number of reports to nobody", &0, &nobody.reports().len())?;
    t.pass(PAST_THE_LEASE).await;
    let sink = Arc::new(Collector::listening(t.transcript()));
    t.sweep_all(10, &sink).await?;
    demand_equal("the sessions reported to a later listener", &Vec::<String>::new(), &sink.ids())?;
    holds(&t.get(&living).await?.found()?, "living")
}

async fn uninitialized_unreported(t: Trial) -> Checked {
    let (unread, read, written) = (key("unread")?, key("read")?, key("written")?);
    for one in [&unread, &read, &written] {
        t.create_uninitialized(one, t.data("")).await?;
    }
    t.get(&read).await?.found()?;
    t.set(&written, t.data("content")).await?.stored()?;
    t.pass_percent_of_idle(110).await;
    let sink = Arc::new(Collector::listening(t.transcript()));
    t.sweep_all(1, &sink).await?;
    demand_equal("the reported sessions", &vec!["read".to_owned(), "written".to_owned()], &sink.ids())?;
    t.pass(PAST_THE_LEASE).await;
    t.sweep_all(10, &sink).await?;
    demand_equal("the number of reports after another sweep", &2, &sink.reports().len())
}

async fn removed_unreported(t: Trial) -> Checked {
    let (removed, left) = (inserted(&t, "removed").await?, inserted(&t, "left").await?);
    t.remove(&removed, None).await?.removed()?;
    t.pass_percent_of_idle(110).await;
    let sink = Arc::new(Collector::listening(t.transcript()));
    t.sweep_all(10, &sink).await?;
    demand_equal("the reported sessions", &vec![left.id().to_owned()], &sink.ids())
}

async fn reused_key(t: Trial) -> Checked {
    let one = key("one")?;
    for text in ["oldest", "older"] {
        t.set(&one, t.data(text)).await?.stored()?;
        t.pass_percent_of_idle(110).await;
        t.get(&one).await?.missing()?;
    }
    t.set(&one, t.data("new")).await?.stored()?;
    let sink = Arc::new(Collector::listening(t.transcript()));
    t.sweep_all(10, &sink).await?;
    let mut reported: Vec<_> = sink
        .reports()
        .iter()
        .map(|(key, item)| format!("{}: {}", key.id(), String::from_utf8_lossy(item.data.payload.bytes())))
        .collect();
    reported.sort_unstable();
    demand_equal("the reports", &vec!["one: older".to_owned(), "one: oldest".to_owned()], &reported)?;
    holds(&t.get(&one).await?.found()?, "new")?;
    t.pass_percent_of_idle(50).await;
    t.sweep_all(10, &sink).await?;
    demand_equal("the number of reports after another sweep", &2, &sink.reports().len())?;
    holds(&t.get(&one).await?.found()?, "new")
}

async fn concurrent(t: Trial) -> Checked {
    const SESSIONS: usize = 60;
    for number in 0..SESSIONS {
        let one = SessionKey::new(APPLICATION, format!("session-{number}"))?;
        t.set(&one, t.data("a")).await?.stored()?;
    }
    t.pass_percent_of_idle(110).await;
    let sink = Arc::new(Collector::listening(t.transcript()));
    let sweeps = t
        .together(6, |t, _| {
            let sink = sink.clone();
            async move { t.sweep_all(4, &sink).await }
        })
        .await?;
    // A task may be told `no more` while another still holds claims, so the last word is a quiet sweep.
    t.sweep_all(50, &sink).await?;
    t.note(format!("6 tasks swept {} times in all", sweeps.iter().sum::<u32>()));
    demand_equal("the number of reports", &SESSIONS, &sink.reports().len())?;
    let mut ids = sink.ids();
    ids.dedup();
    demand_equal("the number of different sessions reported", &SESSIONS, &ids.len())
}
