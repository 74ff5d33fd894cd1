//! The work that is measured.

use std::{
    hint::black_box,
    time::{Duration, Instant},
};

use bytes::Bytes;

use super::{
    BenchmarkError, Candidate,
    latencies::{Latencies, Summary},
};
use crate::{
    contract::{Condition, GetExclusiveOutcome, Payload, SessionData, SessionKey, SetOutcome, StoreError},
    plugins::{CallError, IdManager, Plugin, Provider},
};

/// How many sessions are worked on in turn.
const SESSIONS: usize = 64;
/// Their idle timeout, seconds: the usual one.
const IDLE_TIMEOUT: u32 = 20 * 60;

/// A component at work.
pub(super) struct Worker<'a> {
    candidate: &'a Candidate,
    work: Work,
    latencies: Latencies,
}

enum Work {
    Pairs { provider: Provider, keys: Vec<SessionKey>, payload: Payload },
    Ids(IdManager),
}

impl<'a> Worker<'a> {
    /// Has a component ready: a provider with sessions that have payloads of this size.
    pub(super) async fn begin(
        plugin: &Plugin,
        candidate: &'a Candidate,
        payload: Option<usize>,
    ) -> Result<Self, BenchmarkError> {
        let failed = |error: CallError| BenchmarkError::Call { file: candidate.component.clone(), error };
        let Some(size) = payload else {
            let ids = plugin.id_manager("bench", &candidate.settings).await.map_err(failed)?;
            return Ok(Self { candidate, work: Work::Ids(ids), latencies: Latencies::default() });
        };
        let provider = plugin.provider(&format!("bench-{size}"), &candidate.settings).await.map_err(failed)?;
        let payload = Payload::new(Bytes::from(vec![b'x'; size]));
        let mut keys = Vec::new();
        for number in 0..SESSIONS {
            let key = SessionKey::new("bench", format!("session{number:017}"))
                .map_err(|error| failed(CallError::Store(StoreError::InvalidArgument(error.to_string()))))?;
            let stored = provider.set_and_release(&key, data(&payload), None, Condition::None, false).await;
            stored.map_err(failed)?;
            keys.push(key);
        }
        Ok(Self { candidate, work: Work::Pairs { provider, keys, payload }, latencies: Latencies::default() })
    }

    /// Works for this long.
    pub(super) async fn work(&mut self, time: Duration) -> Result<(), BenchmarkError> {
        let end = Instant::now() + time;
        match &self.work {
            Work::Pairs { provider, keys, payload } => {
                for key in keys.iter().cycle() {
                    let begun = Instant::now();
                    if begun >= end {
                        break;
                    }
                    pair(provider, key, payload, self.candidate).await?;
                    self.latencies.add(begun.elapsed());
                }
            }
            Work::Ids(ids) => loop {
                let begun = Instant::now();
                if begun >= end {
                    break;
                }
                let id = ids.create("bench", None).await.map_err(|error| self.failed(error))?;
                self.latencies.add(begun.elapsed());
                black_box(id);
            },
        }
        Ok(())
    }

    /// Forgets what was measured so far.
    pub(super) fn forget(&mut self) {
        self.latencies = Latencies::default();
    }

    pub(super) fn finish(self) -> Summary {
        self.latencies.summary()
    }

    fn failed(&self, error: CallError) -> BenchmarkError {
        BenchmarkError::Call { file: self.candidate.component.clone(), error }
    }
}

/// One request of a web application: take the session under its lock, store it and release the lock.
async fn pair(
    provider: &Provider,
    key: &SessionKey,
    payload: &Payload,
    candidate: &Candidate,
) -> Result<(), BenchmarkError> {
    let failed = |error: CallError| BenchmarkError::Call { file: candidate.component.clone(), error };
    let wrong = |what| BenchmarkError::Wrong { file: candidate.component.clone(), what };
    let GetExclusiveOutcome::Found(item, lock_id) = provider.get_exclusive(key).await.map_err(failed)? else {
        return Err(wrong("a session that was stored and is not locked was not handed out"));
    };
    black_box(item.data.payload);
    let stored = provider.set_and_release(key, data(payload), Some(lock_id.get()), Condition::None, false).await;
    match stored.map_err(failed)? {
        SetOutcome::Done(_) => Ok(()),
        _ => Err(wrong("a session was not stored although its lock was shown")),
    }
}

fn data(payload: &Payload) -> SessionData {
    SessionData { payload: payload.clone(), idle_timeout: IDLE_TIMEOUT, latest_expiry: None, subject: None }
}
