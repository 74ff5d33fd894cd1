//! A plugin's place in the directory, over all its builds.

use std::{
    path::PathBuf,
    sync::{Arc, Weak},
    time::{Duration, Instant},
};

use super::{
    Plugin, PluginLimits, PluginStatus,
    counters::Counters,
    health::{BACKING_OFF, QUARANTINED},
    source::Stamp,
    succession::Use,
};
use crate::config::Limits;

/// How long files must have looked the same before they are read: a copy in progress grows more often than that.
pub(super) const SETTLED: Duration = Duration::from_millis(200);

/// A plugin's place in the directory, over all its builds.
pub(super) struct Slot {
    pub(super) file: PathBuf,
    /// The build that serves, or would.
    pub(super) plugin: Option<Plugin>,
    /// Why what is in the files now is not used, if it is not.
    pub(super) refused: Option<String>,
    /// How the files looked when they were read last, and what they contained.
    pub(super) read: Option<(Stamp, Option<[u8; 32]>)>,
    /// How files look that have not been read yet, and since when.
    pub(super) changing: Option<(Stamp, Instant)>,
    /// Calls over all builds.
    pub(super) counters: Arc<Counters>,
    /// How often a build was replaced by another.
    pub(super) swaps: u64,
    /// The stores that use it.
    pub(super) uses: Vec<Weak<dyn Use>>,
    /// Whether the file is gone.
    pub(super) is_removed: bool,
}

impl Slot {
    pub(super) fn new(file: PathBuf) -> Self {
        Self {
            file,
            plugin: None,
            refused: None,
            read: None,
            changing: None,
            counters: Arc::default(),
            swaps: 0,
            uses: Vec::new(),
            is_removed: false,
        }
    }

    pub(super) fn uses(&self) -> Vec<Arc<dyn Use>> {
        self.uses.iter().filter_map(Weak::upgrade).collect()
    }

    /// Whether these looks are news that have settled. News that have not are remembered; `unsettled` is told.
    pub(super) fn has_settled(&mut self, stamp: Stamp, unsettled: &mut bool) -> bool {
        if self.read.is_some_and(|(read, _)| read == stamp) {
            self.changing = None;
            return false;
        }
        match self.changing {
            Some((seen, since)) if seen == stamp && since.elapsed() >= SETTLED => return true,
            Some((seen, _)) if seen == stamp => {}
            _ => self.changing = Some((stamp, Instant::now())),
        }
        *unsettled = true;
        false
    }

    pub(super) fn status(&self, name: &str, limits: Limits) -> PluginStatus {
        let state = match (&self.plugin, self.uses().is_empty()) {
            (None, _) => "refused",
            (Some(_), _) if self.is_removed => "removed",
            (Some(_), true) => "loaded",
            (Some(_), false) => "serving",
        };
        let status = match &self.plugin {
            Some(plugin) => plugin.status(),
            None => PluginStatus {
                name: name.to_owned(),
                file: self.file.display().to_string(),
                limits: PluginLimits::from(limits),
                ..PluginStatus::default()
            },
        };
        let uses = self.uses();
        let suspended: Vec<_> = uses.iter().filter_map(|usage| usage.suspension()).collect();
        let state = match &suspended[..] {
            [] => state,
            all if all.iter().any(|suspension| suspension.state == QUARANTINED) => QUARANTINED,
            _ => BACKING_OFF,
        };
        let stores = uses.iter().map(|usage| usage.store().to_owned()).collect();
        PluginStatus {
            state: state.to_owned(),
            suspended,
            refused: self.refused.clone(),
            swaps: self.swaps,
            stores,
            ..status
        }
    }
}
