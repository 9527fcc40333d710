//! Log lines to the standard error: text for a person at a terminal, JSON for a collector.

use std::io::{IsTerminal as _, stderr};

use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::layer;
use tracing_subscriber::fmt::time::{FormatTime, SystemTime};
use tracing_subscriber::layer::{Layer as _, SubscriberExt as _};
use tracing_subscriber::registry;
use tracing_subscriber::util::SubscriberInitExt as _;

use crate::config::{Format, Log};
use crate::screen::SCREEN;

/// Who reads it.
#[derive(Clone, Copy)]
pub(crate) enum Verbosity<'a> {
    /// Somebody who watches the demonstration.
    Demonstration,
    /// The operator of the service.
    Service(&'a Log),
}

/// Whether log lines are meant for a person.
pub(crate) fn is_for_people(log: &Log) -> bool {
    log.format.0.map_or_else(|| stderr().is_terminal(), |format| format == Format::Text)
}

/// Begins to write what is logged.
pub(crate) fn start(verbosity: Verbosity<'_>) {
    let lines =
        layer().with_writer(|| &SCREEN).with_ansi(stderr().is_terminal()).with_target(false);
    match verbosity {
        Verbosity::Demonstration => {
            registry().with(lines.without_time().with_filter(LevelFilter::INFO)).init();
        }
        Verbosity::Service(log) if is_for_people(log) => {
            registry().with(lines.with_timer(TimeOfDay).with_filter(told(log))).init();
        }
        Verbosity::Service(log) => {
            let lines = lines.json().flatten_event(true).with_current_span(false);
            registry().with(lines.with_filter(told(log))).init();
        }
    }
}

/// What is told at this level: of the HTTP server only what is wrong, unless everything is wanted.
fn told(log: &Log) -> Targets {
    let targets = Targets::new().with_default(log.level.0);
    let quiet = log.level.0.min(LevelFilter::WARN);
    if log.level.0 > LevelFilter::INFO { targets } else { targets.with_target("actix", quiet) }
}

/// The time of day, in UTC: whoever watches knows the date.
struct TimeOfDay;

impl FormatTime for TimeOfDay {
    fn format_time(&self, writer: &mut Writer<'_>) -> std::fmt::Result {
        let mut full = String::new();
        SystemTime.format_time(&mut Writer::new(&mut full))?;
        let time = full.split_once('T').map_or(full.as_str(), |(_, time)| time);
        writer.write_str(time.get(..12).unwrap_or(time))
    }
}
