//! The faults of clients, which the HTTP library tells as errors of the service.

use std::fmt::{self, Write as _};

use tracing::field::{Field, Visit};
use tracing::{Event, Metadata, Subscriber};
use tracing_subscriber::layer::{Context, Filter};

/// Who tells them, and how they begin. What the same place tells of answers is ours.
const TARGET: &str = "actix_http::h1::dispatcher";
const BEGIN: &str = "stream error: ";

/// Leaves them out: anybody could fill the log with them.
pub(super) struct NoClientFaults;

impl<S: Subscriber> Filter<S> for NoClientFaults {
    fn enabled(&self, _metadata: &Metadata<'_>, _context: &Context<'_, S>) -> bool {
        true
    }

    fn event_enabled(&self, event: &Event<'_>, _context: &Context<'_, S>) -> bool {
        if event.metadata().target() != TARGET {
            return true;
        }
        let mut message = Message::default();
        event.record(&mut message);
        !message.0.starts_with(BEGIN)
    }
}

/// The sentence of an event.
#[derive(Default)]
struct Message(String);

impl Visit for Message {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        if field.name() == "message" {
            // Writing to a string does not fail.
            let _ = write!(self.0, "{value:?}");
        }
    }
}
