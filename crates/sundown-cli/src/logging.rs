//! Log lines to the standard error: text for a person at a terminal, JSON for a collector.

mod faults;

use std::io::{self, IsTerminal as _, stderr};

use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::{FilterExt as _, Targets};
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::layer;
use tracing_subscriber::fmt::time::{FormatTime, SystemTime};
use tracing_subscriber::layer::{Layer as _, SubscriberExt as _};
use tracing_subscriber::registry;
use tracing_subscriber::util::SubscriberInitExt as _;

use self::faults::NoClientFaults;
use crate::config::{Format, Log};
use crate::screen::{SCREEN, has_colours};

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
pub(crate) fn start(verbosity: Verbosity<'_>) -> io::Result<()> {
    SCREEN.start()?;
    let lines = layer().with_writer(&SCREEN).with_ansi(has_colours()).with_target(false);
    match verbosity {
        Verbosity::Demonstration => {
            registry().with(lines.without_time().with_filter(LevelFilter::INFO)).init();
        }
        Verbosity::Service(log) if is_for_people(log) => {
            registry()
                .with(
                    lines
                        .with_timer(Clock::for_people())
                        .with_filter(told(log).and(NoClientFaults)),
                )
                .init();
        }
        Verbosity::Service(log) => {
            let lines = lines.json().flatten_event(true).with_current_span(false);
            registry().with(lines.with_filter(told(log).and(NoClientFaults))).init();
        }
    }
    Ok(())
}

/// What is told at this level: of the HTTP server only what is wrong, unless everything is wanted.
fn told(log: &Log) -> Targets {
    let targets = Targets::new().with_default(log.level.0);
    let quiet = log.level.0.min(LevelFilter::WARN);
    if log.level.0 > LevelFilter::INFO { targets } else { targets.with_target("actix", quiet) }
}

/// The time in front of a line of text, in UTC.
#[derive(Clone, Copy)]
enum Clock {
    /// Whoever watches knows the date.
    TimeOfDay,
    /// Whoever reads a file does not.
    Full,
}

impl Clock {
    fn for_people() -> Self {
        if stderr().is_terminal() { Clock::TimeOfDay } else { Clock::Full }
    }
}

impl FormatTime for Clock {
    fn format_time(&self, writer: &mut Writer<'_>) -> std::fmt::Result {
        let mut full = String::new();
        SystemTime.format_time(&mut Writer::new(&mut full))?;
        let time = match self {
            Clock::TimeOfDay => full.split_once('T').map_or(&*full, |(_, time)| time),
            Clock::Full => return writer.write_str(&full),
        };
        writer.write_str(time.get(..12).unwrap_or(time))
    }
}
