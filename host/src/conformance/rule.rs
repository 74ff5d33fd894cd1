//! A rule of the contract, as a value.

use std::{fmt, future::Future, pin::Pin};

use super::{event_trial::EventTrial, finding::Checked, id_trial::IdTrial, trial::Trial};

/// A check that runs.
pub(super) type Running = Pin<Box<dyn Future<Output = Checked> + Send>>;

/// What a component must have, or the kit must be able to do, for a rule to apply.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Needs {
    /// Nothing: the rule applies to every component of its kind.
    Nothing,
    /// The export `session-rename`.
    Rename,
    /// The export `session-index`.
    Index,
    /// The export `session-scan`.
    Scan,
    /// `session-rename` and `session-index`.
    RenameAndIndex,
    /// Sessions that are seen by more instances than the one that keeps them.
    SharedSessions,
    /// A back end that does not delete expired sessions by itself.
    ExpiryReports,
    /// Time that the kit can move, because nothing of the store is outside the host.
    MovableClock,
    /// A generator that recognises its own IDs.
    Verifiable,
    /// A generator of IDs in ASP.NET's form.
    AspNetForm,
}

impl Needs {
    /// What is missing, as the reason why a rule is skipped.
    pub(super) fn missing(self) -> &'static str {
        match self {
            Self::Nothing => "nothing is missing",
            Self::Rename => "it does not export `session-rename`",
            Self::Index => "it does not export `session-index`",
            Self::Scan => "it does not export `session-scan`",
            Self::RenameAndIndex => "it does not export both `session-rename` and `session-index`",
            Self::SharedSessions => "its sessions live in the memory of one instance (instancing `single`)",
            Self::ExpiryReports => "its back end deletes expired sessions by itself (`reports-expiry` is false)",
            Self::MovableClock => "its store is outside the host, where the kit cannot move time",
            Self::Verifiable => "it does not say that it is verifiable",
            Self::AspNetForm => "its IDs are not of ASP.NET's form",
        }
    }
}

/// How a rule is checked, by the kind of component that it is for.
#[derive(Clone, Copy)]
pub(super) enum Check {
    /// On a provider.
    Provider(fn(Trial) -> Running),
    /// On a generator of session IDs.
    IdManager(fn(IdTrial) -> Running),
    /// On a handler of events.
    Events(fn(EventTrial) -> Running),
}

/// A rule of the contract that can be tested.
#[derive(Clone, Copy)]
pub struct Rule {
    /// Its name, stable from version to version: `group.what-holds`.
    pub id: &'static str,
    /// What holds, in a sentence.
    pub title: &'static str,
    /// Where the contract says so.
    pub reference: &'static str,
    pub(super) needs: Needs,
    pub(super) check: Check,
}

impl Rule {
    /// A rule for providers.
    pub(super) const fn provider(
        id: &'static str,
        title: &'static str,
        reference: &'static str,
        check: fn(Trial) -> Running,
    ) -> Self {
        Self { id, title, reference, needs: Needs::Nothing, check: Check::Provider(check) }
    }

    /// A rule for generators of session IDs.
    pub(super) const fn ids(
        id: &'static str,
        title: &'static str,
        reference: &'static str,
        check: fn(IdTrial) -> Running,
    ) -> Self {
        Self { id, title, reference, needs: Needs::Nothing, check: Check::IdManager(check) }
    }

    /// A rule for handlers of events.
    pub(super) const fn events(
        id: &'static str,
        title: &'static str,
        reference: &'static str,
        check: fn(EventTrial) -> Running,
    ) -> Self {
        Self { id, title, reference, needs: Needs::Nothing, check: Check::Events(check) }
    }

    /// The same rule, for components that have something.
    pub(super) const fn needing(self, needs: Needs) -> Self {
        Self { needs, ..self }
    }
}

impl fmt::Debug for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Rule({})", self.id)
    }
}
