//! `log`: a component's lines in the host's log, cut and counted so that no component can flood it.

use std::{
    borrow::Cow,
    sync::Arc,
    time::{Duration, Instant},
};

use parking_lot::Mutex;
use wasmtime::Result;

use super::{
    GuestContext, Limit, LimitHits,
    bindings::log::{self, Level},
};
use crate::config::Limits;

/// The target of the events that are a component's lines, and of none but these and what is said of their number.
pub const LOG_TARGET: &str = module_path!();

/// How much a plugin may still log in the present second. All its instances share one.
#[derive(Debug)]
pub struct LogBudget {
    lines_per_second: usize,
    /// The longest line that is logged as it is, bytes.
    length: usize,
    hits: Arc<LimitHits>,
    window: Mutex<Window>,
}

#[derive(Debug)]
struct Window {
    began: Instant,
    lines: usize,
    dropped: u64,
}

/// What becomes of a line.
enum Verdict {
    /// It is logged; so many before it were not.
    Log { dropped_before: u64 },
    /// It is the first of its second that is not.
    DropFirst,
    /// It is another that is not.
    Drop,
}

impl LogBudget {
    /// The full budget. Lines that go beyond it are counted in `hits`.
    #[must_use]
    pub fn new(limits: &Limits, hits: Arc<LimitHits>) -> Self {
        let window = Mutex::new(Window { began: Instant::now(), lines: 0, dropped: 0 });
        Self { lines_per_second: limits.log_lines, length: limits.log_length, hits, window }
    }

    /// Whether the budget allows one more line. Says first how many it did not.
    pub fn allow(&self, plugin: &str) -> bool {
        let limit = self.lines_per_second;
        match self.verdict() {
            Verdict::Log { dropped_before: 0 } => true,
            Verdict::Log { dropped_before } => {
                tracing::warn!(plugin, lines = dropped_before, "lines of this plugin were dropped (limit `log_lines`)");
                true
            }
            verdict @ (Verdict::DropFirst | Verdict::Drop) => {
                self.hits.count(Limit::LogLines);
                if let Verdict::DropFirst = verdict {
                    tracing::warn!(
                        plugin,
                        "it logs more than {limit} lines a second (limit `log_lines`): dropping some"
                    );
                }
                false
            }
        }
    }

    /// Logs a line at a level if the budget allows it.
    pub fn log(&self, plugin: &str, level: Level, line: &str) {
        if !self.allow(plugin) {
            return;
        }
        if line.len() > self.length {
            self.hits.count(Limit::LogLength);
        }
        let line = cut(line, self.length);
        match level {
            Level::Trace => tracing::trace!(plugin, "{line}"),
            Level::Debug => tracing::debug!(plugin, "{line}"),
            Level::Info => tracing::info!(plugin, "{line}"),
            Level::Warn => tracing::warn!(plugin, "{line}"),
            Level::Error => tracing::error!(plugin, "{line}"),
        }
    }

    fn verdict(&self) -> Verdict {
        let mut window = self.window.lock();
        if window.began.elapsed() >= Duration::from_secs(1) {
            *window = Window { began: Instant::now(), lines: 0, dropped: window.dropped };
        }
        window.lines = window.lines.saturating_add(1);
        if window.lines <= self.lines_per_second {
            return Verdict::Log { dropped_before: std::mem::take(&mut window.dropped) };
        }
        window.dropped += 1;
        if window.lines == self.lines_per_second.saturating_add(1) { Verdict::DropFirst } else { Verdict::Drop }
    }
}

/// The line without control characters and not longer than `most` bytes.
fn cut(line: &str, most: usize) -> Cow<'_, str> {
    let mut end = line.len().min(most);
    while !line.is_char_boundary(end) {
        end -= 1;
    }
    let kept = line.get(..end).unwrap_or_default();
    if end == line.len() && !kept.contains(char::is_control) {
        return Cow::Borrowed(kept);
    }
    let mut cleaned: String = kept.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    if end < line.len() {
        cleaned.push_str(&format!("… ({} bytes more than the {most} of limit `log_length`)", line.len() - end));
    }
    Cow::Owned(cleaned)
}

impl log::Host for GuestContext {
    fn log(&mut self, level: Level, message: String) -> Result<()> {
        self.setup.log_budget.log(&self.setup.plugin, level, &message);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_short_line_is_logged_as_it_is() {
        assert_eq!(cut("hello", 4096), "hello");
    }

    #[test]
    fn a_long_line_is_cut_at_a_character_and_says_how_much_is_missing() {
        let cut = cut(&"é".repeat(3000), 4096).into_owned();
        assert!(
            cut.starts_with("ééé") && cut.ends_with("… (1904 bytes more than the 4096 of limit `log_length`)"),
            "{}",
            &cut[cut.len() - 80..]
        );
    }

    #[test]
    fn control_characters_cannot_forge_a_second_line() {
        assert_eq!(cut("a\nERROR b\x1b[31m", 4096), "a ERROR b [31m");
    }

    #[test]
    fn a_flood_is_dropped_and_counted() {
        let hits = Arc::new(LimitHits::default());
        let budget = LogBudget::new(&Limits { log_lines: 10, log_length: 64, ..Limits::default() }, hits.clone());
        for _ in 0..35 {
            budget.log("noisy", Level::Trace, &"x".repeat(65));
        }
        assert_eq!(budget.window.lock().dropped, 25);
        assert_eq!(hits.hit().collect::<Vec<_>>(), [(Limit::LogLines, 25), (Limit::LogLength, 10)]);
    }
}
