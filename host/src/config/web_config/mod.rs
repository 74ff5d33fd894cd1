//! An ASP.NET application's `web.config` as a `cloakroom.toml`: what its `<sessionState>` says, carried over as far as
//! it concerns a server, with advice about the rest.
//!
//! `xml` finds the element and knows line numbers; `session_state` reads its attributes (facts 6); `modes` decides what
//! each mode becomes, with `providers`, `redis` and `connection` for what modes point to; `application_side` is what
//! stays with the application; `draft` writes the file and `report` says what was left out.
//!
//! Passwords pass through here. None of them is ever written: of a connection string only parts known to be harmless
//! are shown, of an attribute that is not known only the name.

mod application_side;
mod connection;
mod draft;
mod modes;
mod providers;
mod redis;
mod report;
mod session_state;
#[cfg(test)]
mod tests;
mod xml;

use super::problem::{ConfigError, Problem};
use draft::{Draft, DraftStore};
use report::Remarks;
use session_state::{Mode, SessionState};
use xml::{Section, WebConfig};

pub use report::Remark;

/// A `cloakroom.toml`, and what is not in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Translation {
    /// The file's text.
    pub toml: String,
    /// What was not carried over, in the order of the `web.config`.
    pub not_carried_over: Vec<Remark>,
    /// What messages call the `web.config`.
    source: String,
}

impl Translation {
    /// What was not carried over, for people; empty if there is nothing.
    #[must_use]
    pub fn report(&self) -> String {
        report::text(&self.source, &self.not_carried_over)
    }
}

/// Makes a `cloakroom.toml` of a `web.config`. `source` is what messages call the file. All that is wrong with it is
/// reported at once.
pub fn translate(source: &str, bytes: &[u8]) -> Result<Translation, ConfigError> {
    let config = xml::read(bytes).map_err(|fault| ConfigError::Invalid(vec![fault.problem(source)]))?;
    let mut translator =
        Translator { config: &config, draft: Draft::new(source), remarks: Remarks::default(), faults: Vec::new() };
    for section in &config.sections {
        translator.section(section);
    }
    application_side::surroundings(&mut translator);
    translator.finish(source)
}

/// A translation under way.
struct Translator<'c> {
    config: &'c WebConfig,
    draft: Draft,
    remarks: Remarks,
    faults: Vec<Fault>,
}

impl Translator<'_> {
    fn section(&mut self, section: &Section) {
        let state = SessionState::read(section, &mut self.faults, &mut self.remarks);
        let mut store = DraftStore::new(self.draft.free_name(section.location.as_deref()), section.location.clone());
        store.idle_timeout_minutes = state.timeout;
        modes::carry_over(self, section, &state, &mut store);
        application_side::attributes(&state, &mut store, &mut self.remarks);
        store.element = application_side::element(&state);
        if state.mode != Mode::Off || section.location.is_none() {
            self.draft.stores.push(store);
        }
    }

    fn finish(mut self, source: &str) -> Result<Translation, ConfigError> {
        if self.faults.is_empty() {
            let (toml, not_carried_over) = (self.draft.text(), self.remarks.in_order());
            return Ok(Translation { toml, not_carried_over, source: source.into() });
        }
        self.faults.sort_by_key(|fault| fault.line);
        Err(ConfigError::Invalid(self.faults.into_iter().map(|fault| fault.problem(source)).collect()))
    }
}

/// Something in a `web.config` that cannot be right.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Fault {
    line: Option<u32>,
    /// The attribute or element; empty for the file as a whole.
    what: String,
    /// What was written, where it may be shown.
    value: Option<String>,
    message: String,
}

impl Fault {
    fn problem(self, source: &str) -> Problem {
        Problem {
            source: source.into(),
            line: self.line.and_then(|line| usize::try_from(line).ok()),
            key: self.what,
            value: self.value,
            message: self.message,
        }
    }
}
