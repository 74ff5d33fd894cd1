//! Overhears what a component logs.

use std::{
    fmt::{Debug, Write},
    future::Future,
    sync::Arc,
};

use parking_lot::Mutex;
use tracing::{
    Event, Subscriber,
    field::{Field, Visit},
    instrument::WithSubscriber as _,
};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt as _};

use crate::capabilities::LOG_TARGET;

/// Does some work, and listens to what components log meanwhile: each line as it goes into the host's log.
pub(super) async fn overhear<T>(work: impl Future<Output = T>) -> (T, Vec<String>) {
    let ear = Ear::default();
    let done = work.with_subscriber(tracing_subscriber::registry().with(ear.clone())).await;
    let lines = ear.lines.lock().clone();
    (done, lines)
}

/// The lines so far. Clones share them.
#[derive(Clone, Default)]
struct Ear {
    lines: Arc<Mutex<Vec<String>>>,
}

impl<S: Subscriber> Layer<S> for Ear {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        if event.metadata().target() == LOG_TARGET {
            let mut line = Line::default();
            event.record(&mut line);
            self.lines.lock().push(line.text);
        }
    }
}

/// The text of one event.
#[derive(Default)]
struct Line {
    text: String,
}

impl Visit for Line {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        if field.name() == "message" {
            // Writing to a string does not fail.
            let _ = write!(self.text, "{value:?}");
        }
    }
}
