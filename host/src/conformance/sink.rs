//! The listener that the kit puts at the other end of a sweep.

use std::sync::atomic::{AtomicBool, Ordering};

use parking_lot::Mutex;

use super::transcript::Transcript;
use crate::{
    contract::{Item, SessionKey, StoreError},
    plugins::ExpirySink,
};

/// Collects what a sweep reports; can refuse reports or pretend not to be there.
pub(super) struct Collector {
    listening: bool,
    refusing: AtomicBool,
    reports: Mutex<Vec<(SessionKey, Item)>>,
    transcript: Transcript,
}

impl Collector {
    /// A listener that takes every report.
    pub(super) fn listening(transcript: &Transcript) -> Self {
        Self::new(true, false, transcript)
    }

    /// Somebody who listens and answers every report with an error, until told otherwise.
    pub(super) fn refusing(transcript: &Transcript) -> Self {
        Self::new(true, true, transcript)
    }

    /// Nobody.
    pub(super) fn deaf(transcript: &Transcript) -> Self {
        Self::new(false, false, transcript)
    }

    fn new(listening: bool, refusing: bool, transcript: &Transcript) -> Self {
        Self {
            listening,
            refusing: AtomicBool::new(refusing),
            reports: Mutex::default(),
            transcript: transcript.clone(),
        }
    }

    /// Every report so far, the refused ones too.
    pub(super) fn reports(&self) -> Vec<(SessionKey, Item)> {
        self.reports.lock().clone()
    }

    /// The IDs of the reported sessions, sorted.
    pub(super) fn ids(&self) -> Vec<String> {
        let mut ids: Vec<_> = self.reports.lock().iter().map(|(key, _)| key.id().to_owned()).collect();
        ids.sort_unstable();
        ids
    }
}

impl ExpirySink for Collector {
    fn listening(&self) -> bool {
        self.listening
    }

    fn item_expired(&self, key: SessionKey, item: Item) -> Result<(), StoreError> {
        let refused = self.refusing.load(Ordering::Relaxed);
        let answer = if refused { "refused" } else { "taken" };
        self.transcript.note(format!(
            "  item-expired({}/{}, version {}) -> {answer}",
            key.application(),
            key.id(),
            item.version
        ));
        self.reports.lock().push((key, item));
        if refused { Err(StoreError::Unavailable("the kit refuses this report".to_owned())) } else { Ok(()) }
    }
}
