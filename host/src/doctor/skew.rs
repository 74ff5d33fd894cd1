//! How far the clock of a server is from that of this machine.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::finding::Notes;

/// Clocks that are further apart than this are worth a word.
const TOLERATED: Duration = Duration::from_secs(2);

/// When a question was asked.
pub(super) struct Asked(u64);

impl Asked {
    pub(super) fn now() -> Self {
        Self(now())
    }

    /// Says how far the server's time is from that here, by the answer that has just come.
    pub(super) fn judge(&self, notes: &mut Notes, server: u64) {
        let (asked, answered) = (self.0, now());
        // It read its clock some time in between.
        let (apart, direction) =
            if server > answered { (server - answered, "ahead of") } else { (asked.saturating_sub(server), "behind") };
        if Duration::from_millis(apart) <= TOLERATED {
            return notes.ok("clock", format!("its clock is within {TOLERATED:?} of this machine's"));
        }
        let seconds = apart / 1000;
        notes.warning(
            "clock",
            format!(
                "its clock is {seconds} s {direction} this machine's: expiry goes by the server's clock, and absolute \
                 timeouts are set by the host's"
            ),
            "have both follow one time (NTP)",
        );
    }
}

fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::{Level, Report};

    fn judged(offset: i64) -> (Level, String) {
        let (asked, mut notes) = (Asked::now(), Notes::new("it"));
        asked.judge(&mut notes, asked.0.saturating_add_signed(offset));
        let finding = Report::new(vec![notes]).findings.remove(0);
        (finding.level, finding.message)
    }

    #[test]
    fn clocks_that_are_far_apart_are_told_with_how_far_and_which_way() {
        assert_eq!(judged(0).0, Level::Ok);
        assert_eq!(judged(-1_000).0, Level::Ok);
        let (level, message) = judged(-10_000);
        assert!(level == Level::Warning && message.contains("10 s behind"), "{message}");
        let (level, message) = judged(3_600_500);
        assert!(level == Level::Warning && message.contains("3600 s ahead of"), "{message}");
    }
}
