//! `log`: a component's lines in the host's log, cut and counted so that no component can flood it.

use std::{
    borrow::Cow,
    time::{Duration, Instant},
};

use parking_lot::Mutex;
use wasmtime::Result;

use super::{
    GuestContext,
    bindings::log::{self, Level},
};

/// The longest line that is logged as it is, bytes.
const MAX_LINE: usize = 4096;

/// The most lines of one component in one second.
const MAX_LINES_PER_SECOND: u32 = 100;

/// How much a component may still log in the present second. All its instances share one.
#[derive(Debug)]
pub struct LogBudget {
    window: Mutex<Window>,
}

#[derive(Debug)]
struct Window {
    began: Instant,
    lines: u32,
    dropped: u64,
}

impl Default for LogBudget {
    fn default() -> Self {
        Self { window: Mutex::new(Window { began: Instant::now(), lines: 0, dropped: 0 }) }
    }
}

impl LogBudget {
    /// Logs a line at a level if the budget allows it, and says first how many it did not.
    pub fn log(&self, plugin: &str, level: Level, line: &str) {
        let dropped_before = {
            let mut window = self.window.lock();
            if window.began.elapsed() >= Duration::from_secs(1) {
                *window = Window { began: Instant::now(), lines: 0, dropped: window.dropped };
            }
            if window.lines >= MAX_LINES_PER_SECOND {
                window.dropped += 1;
                return;
            }
            window.lines += 1;
            std::mem::take(&mut window.dropped)
        };
        if dropped_before > 0 {
            tracing::warn!(
                plugin,
                lines = dropped_before,
                "lines of this plugin were dropped: more than {MAX_LINES_PER_SECOND} a second"
            );
        }
        let line = cut(line);
        match level {
            Level::Trace => tracing::trace!(plugin, "{line}"),
            Level::Debug => tracing::debug!(plugin, "{line}"),
            Level::Info => tracing::info!(plugin, "{line}"),
            Level::Warn => tracing::warn!(plugin, "{line}"),
            Level::Error => tracing::error!(plugin, "{line}"),
        }
    }
}

/// The line without control characters and not longer than [`MAX_LINE`].
fn cut(line: &str) -> Cow<'_, str> {
    let mut end = line.len().min(MAX_LINE);
    while !line.is_char_boundary(end) {
        end -= 1;
    }
    let kept = line.get(..end).unwrap_or_default();
    if end == line.len() && !kept.contains(char::is_control) {
        return Cow::Borrowed(kept);
    }
    let mut cleaned: String = kept.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    if end < line.len() {
        cleaned.push_str(&format!("… ({} bytes more)", line.len() - end));
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
        assert_eq!(cut("hello"), "hello");
    }

    #[test]
    fn a_long_line_is_cut_at_a_character_and_says_how_much_is_missing() {
        let cut = cut(&"é".repeat(3000)).into_owned();
        assert!(cut.starts_with("ééé") && cut.ends_with("… (1904 bytes more)"), "{}", &cut[cut.len() - 40..]);
    }

    #[test]
    fn control_characters_cannot_forge_a_second_line() {
        assert_eq!(cut("a\nERROR b\x1b[31m"), "a ERROR b [31m");
    }

    #[test]
    fn a_flood_is_dropped_and_counted() {
        let budget = LogBudget::default();
        for _ in 0..MAX_LINES_PER_SECOND + 25 {
            budget.log("noisy", Level::Trace, "x");
        }
        assert_eq!(budget.window.lock().dropped, 25);
    }
}
