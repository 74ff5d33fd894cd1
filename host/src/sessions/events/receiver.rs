//! Who hears of events one by one: a plugin or a webhook; and what may become of an attempt to tell them.

use std::{sync::Arc, time::Duration};

use super::{
    event::{Event, What},
    fingerprint,
    webhook::Webhook,
};
use crate::{
    contract::SessionKey,
    plugins::{CallError, EventHandler, PluginError, PluginFailure},
};

/// How long a request may still take when the host stops: so that what a receiver has just taken is not posted again
/// after the next start.
const GRACE: Duration = Duration::from_secs(1);

/// See the module.
pub(in crate::sessions) enum Receiver {
    /// A component.
    Plugin(EventHandler),
    /// An address that events are posted to.
    Webhook(Box<Webhook>),
}

/// Why an event is not delivered. No reason has the session's ID in it.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Undelivered {
    /// Nobody looked at it: the receiver could not be asked, or turned it away unseen. That is no attempt at the event.
    TurnedAway {
        /// Why.
        why: String,
        /// When to ask again, if that is known.
        pause: Option<Duration>,
    },
    /// An attempt failed, and another may not.
    Failed {
        /// Why.
        why: String,
        /// When the receiver wants to be asked again.
        retry_after: Option<Duration>,
    },
    /// The receiver does not want it.
    Refused {
        /// Why.
        why: String,
    },
}

impl Receiver {
    pub(in crate::sessions) fn name(&self) -> &str {
        match self {
            Self::Plugin(plugin) => plugin.plugin(),
            Self::Webhook(webhook) => webhook.name(),
        }
    }

    /// The kind, in a word.
    pub(super) fn kind(&self) -> &'static str {
        match self {
            Self::Plugin(_) => "plugin",
            Self::Webhook(_) => "webhook",
        }
    }

    /// Whether it is given what sessions held. Of a plugin its grants decide that, later.
    pub(super) fn wants_payload(&self) -> bool {
        match self {
            Self::Plugin(_) => true,
            Self::Webhook(webhook) => webhook.wants_payload(),
        }
    }

    /// Whether it hears of sessions that get another ID. The contract has no call for that.
    pub(super) fn hears_of_renames(&self) -> bool {
        matches!(self, Self::Webhook(_))
    }

    /// How many deliveries are under way at once.
    pub(super) fn concurrency(&self) -> usize {
        match self {
            Self::Plugin(_) => 1,
            Self::Webhook(webhook) => webhook.connections(),
        }
    }

    /// How long a delivery that is under way may still take when the host stops.
    pub(super) fn grace(&self) -> Duration {
        match self {
            Self::Plugin(_) => Duration::ZERO,
            Self::Webhook(_) => GRACE,
        }
    }

    /// Delivers an event, once.
    pub(super) async fn tell(&self, event: &Arc<Event>) -> Result<(), Undelivered> {
        match self {
            Self::Plugin(plugin) => call(plugin, event).await.map_err(|error| undelivered(&error, &event.key)),
            Self::Webhook(webhook) => webhook.post(event).await,
        }
    }
}

async fn call(plugin: &EventHandler, event: &Event) -> Result<(), CallError> {
    match &event.what {
        What::Started => plugin.on_start(&event.key).await,
        What::Renamed { .. } => Ok(()),
        What::Ended(end) => plugin.on_end(&event.key, end.item.clone(), end.reason).await,
    }
}

fn undelivered(error: &CallError, key: &SessionKey) -> Undelivered {
    let why = without_id(&error.to_string(), key);
    match error {
        CallError::Plugin(PluginError { failure: PluginFailure::Unavailable { retry_after, .. }, .. }) => {
            Undelivered::TurnedAway { why, pause: Some(*retry_after) }
        }
        CallError::Plugin(PluginError { failure, .. }) if !failure.was_called() => {
            Undelivered::TurnedAway { why, pause: None }
        }
        _ => Undelivered::Failed { why, retry_after: None },
    }
}

/// What a plugin says, which may name the session, without its ID.
fn without_id(text: &str, key: &SessionKey) -> String {
    text.replace(key.id(), &fingerprint(key))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_plugin_says_is_shown_without_the_id() {
        let key = SessionKey::new("shop", "secret").unwrap();
        let shown = without_id("no row for secret in shop", &key);
        assert!(
            shown.starts_with("no row for ") && shown.ends_with(" in shop") && !shown.contains("secret"),
            "{shown}"
        );
    }
}
