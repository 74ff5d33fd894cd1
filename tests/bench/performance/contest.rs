//! Several servers under the same load in one run, taking turns, so that a machine whose speed drifts disturbs all alike.

use std::time::Duration;

use anyhow::Result;
use serde_json::{Value, json};

use crate::{
    dialogues::Task,
    load::{Load, Mix, Pace},
    servers::Served,
};

/// The load.
#[derive(Clone, Copy)]
pub(crate) struct Work {
    pub(crate) mix: Mix,
    pub(crate) pace: Pace,
    /// Bytes of a payload.
    pub(crate) size: usize,
    pub(crate) clients: usize,
    /// Sessions of each client.
    pub(crate) sessions: usize,
}

impl Work {
    /// So many clients in a closed loop, with sessions of 1 KiB.
    pub(crate) fn closed(task: Task, clients: usize) -> Self {
        // As many sessions in all, however many clients have them.
        let sessions = (3200_usize).div_ceil(clients);
        Self { mix: Mix::only(task), pace: Pace::Closed, size: 1024, clients, sessions }
    }
}

/// How often and how long.
#[derive(Clone, Copy)]
pub(crate) struct Rounds {
    pub(crate) count: usize,
    pub(crate) time: Duration,
}

/// What one server did in one round.
#[derive(Clone, Copy)]
pub(crate) struct Figures {
    pub(crate) per_second: f64,
    /// Microseconds of the server's CPU time a task.
    pub(crate) cpu: f64,
    /// Microseconds.
    pub(crate) p50: f64,
    pub(crate) p99: f64,
    pub(crate) p999: f64,
}

/// What one server did.
pub(crate) struct Outcome {
    pub(crate) name: &'static str,
    pub(crate) rounds: Vec<Figures>,
}

impl Outcome {
    /// The middle one of the rounds.
    pub(crate) fn median(&self, figure: impl Fn(&Figures) -> f64) -> f64 {
        let mut figures: Vec<f64> = self.rounds.iter().map(figure).collect();
        figures.sort_by(f64::total_cmp);
        figures.get(figures.len() / 2).copied().unwrap_or(f64::NAN)
    }

    pub(crate) fn per_second(&self) -> f64 {
        self.median(|figures| figures.per_second)
    }

    pub(crate) fn cpu(&self) -> f64 {
        self.median(|figures| figures.cpu)
    }

    pub(crate) fn to_json(&self) -> Value {
        let all = |figure: fn(&Figures) -> f64| self.rounds.iter().map(figure).collect::<Vec<_>>();
        json!({
            "server": self.name,
            "tasks_per_second": all(|figures| figures.per_second),
            "cpu_us_per_task": all(|figures| figures.cpu),
            "p50_us": all(|figures| figures.p50),
            "p99_us": all(|figures| figures.p99),
            "p999_us": all(|figures| figures.p999),
        })
    }
}

/// Has the servers do the work in turns. The first round, which warms up, does not count.
pub(crate) fn contest(servers: &[Served], work: Work, rounds: Rounds) -> Result<Vec<Outcome>> {
    let mut loads = Vec::new();
    for server in servers {
        let mut load = connect(server, work)?;
        load.store_all()?;
        loads.push(load);
    }
    let mut outcomes: Vec<_> = servers.iter().map(|server| Outcome { name: server.name, rounds: Vec::new() }).collect();
    for round in 0..=rounds.count {
        for ((server, load), outcome) in servers.iter().zip(&mut loads).zip(&mut outcomes) {
            let figures = measure(server, load, work, rounds.time)?;
            if round > 0 {
                outcome.rounds.push(figures);
            }
        }
    }
    Ok(outcomes)
}

/// Clients for this work.
pub(crate) fn connect(server: &Served, work: Work) -> Result<Load> {
    Load::connect(server.address, work.clients, work.sessions, |client| (server.dialogue)(work.size, client))
}

/// One round.
pub(crate) fn measure(server: &Served, load: &mut Load, work: Work, time: Duration) -> Result<Figures> {
    let before = server.account().spent()?;
    let seen = load.run(work.mix, work.pace, time)?;
    let spent = server.account().spent()?.saturating_sub(before);
    let quantile = |quantile| seen.latencies.value_at_quantile(quantile) as f64 / 1e3;
    Ok(Figures {
        per_second: seen.per_second(),
        cpu: spent.as_secs_f64() * 1e6 / seen.tasks as f64,
        p50: quantile(0.5),
        p99: quantile(0.99),
        p999: quantile(0.999),
    })
}
