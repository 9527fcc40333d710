//! The report: what happened in a shutdown, or in the part of it that has happened so far.

mod html;
pub(crate) mod json;
mod text;

use std::process::ExitCode;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::timeline::{self, Timeline};
use crate::{Cause, Exit, Outcome, Pending, Priority};

/// What happened: the cause, each phase and each participant with its start, end and outcome, and
/// who blocked.
///
/// It prints as a timeline ([`Display`](std::fmt::Display), [`print`](Report::print)), and is
/// written as JSON ([`to_json`](Report::to_json)), SVG ([`to_svg`](Report::to_svg)) and HTML
/// ([`to_html`](Report::to_html)). All times are counted from the beginning of the shutdown; in JSON they are milliseconds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Report {
    /// The version of this schema: 1. Fields may be added to it; a change of meaning counts up.
    pub schema: u32,
    /// The process that it is about.
    pub process: Process,
    /// How it went.
    pub verdict: Verdict,
    /// The code the process exits with; nothing while it runs, or when it was lost.
    pub exit_code: Option<u8>,
    /// Why the shutdown began; nothing while the service runs.
    pub cause: Option<Cause>,
    /// When it began, by the wall clock: milliseconds since 1970. For people, not for arithmetic.
    pub began_unix_ms: Option<u64>,
    /// The time the whole plan had.
    #[serde(rename = "cap_ms", with = "json::millis")]
    pub cap: Duration,
    /// The time it took.
    #[serde(rename = "elapsed_ms", with = "json::millis")]
    pub elapsed: Duration,
    /// When a second signal cut it short.
    #[serde(rename = "escalated_ms", with = "json::optional_millis")]
    pub escalated: Option<Duration>,
    /// The callbacks.
    pub notifications: Vec<NotificationReport>,
    /// The phases in their order, with those who took part.
    pub phases: Vec<PhaseReport>,
    /// Owned work that was still running when its time was over: the oldest hundred.
    pub left: Vec<LeftWork>,
    /// How much of it there was.
    pub left_count: u64,
    /// Owned work that panicked, or failed under supervision, from the cause on.
    pub failures: Vec<WorkFailure>,
    /// How much owned work came when it was too late, and was not run.
    pub refused: u64,
}

/// Which process a report is about.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Process {
    /// The name of its program.
    pub name: String,
    /// Its id.
    pub pid: u32,
}

/// How a shutdown went.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "is", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Verdict {
    /// It has not ended, or not begun.
    Running,
    /// Everything ended well, handed-back work included.
    Clean,
    /// The plan ended, but something failed, panicked, timed out or was cut off.
    Failed,
    /// The process was ended before the plan was.
    Forced {
        /// By what.
        by: Force,
    },
    /// The plan could not be run.
    Refused {
        /// Why not.
        error: String,
    },
    /// The process left no report: `kill -9`, out of memory, power loss. Only a
    /// [previous report](crate::Coordinator::previous_report) can be that.
    Lost,
}

/// What ended a process by force.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Force {
    /// The cap was reached.
    Cap,
    /// A third signal.
    ThirdSignal,
}

/// A callback in a report.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct NotificationReport {
    /// Its name.
    pub name: String,
    /// `Done`, `Panicked`, or `TimedOut` when it had not returned.
    pub outcome: Outcome,
    /// When it was called.
    #[serde(rename = "start_ms", with = "json::millis")]
    pub start: Duration,
    /// How long it took.
    #[serde(rename = "took_ms", with = "json::optional_millis")]
    pub took: Option<Duration>,
    /// What it panicked with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
}

/// A phase in a report.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct PhaseReport {
    /// Its name.
    pub name: String,
    /// When it began; nothing if it was passed over or never reached.
    #[serde(rename = "start_ms", with = "json::optional_millis")]
    pub start: Option<Duration>,
    /// When it had to end.
    #[serde(rename = "deadline_ms", with = "json::optional_millis")]
    pub deadline: Option<Duration>,
    /// When it ended.
    #[serde(rename = "end_ms", with = "json::optional_millis")]
    pub end: Option<Duration>,
    /// Its participants, in the order of registration.
    pub waiters: Vec<WaiterReport>,
    /// Who was still running at 50, 80 and 100 % of its time.
    pub blocked: Vec<Blocked>,
}

/// A participant in a report.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct WaiterReport {
    /// Its name, unique in its phase.
    pub name: String,
    /// The priority, when it is a hook.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hook: Option<Priority>,
    /// When it started; nothing if it never did.
    #[serde(rename = "start_ms", with = "json::optional_millis")]
    pub start: Option<Duration>,
    /// When it had to be done.
    #[serde(rename = "deadline_ms", with = "json::optional_millis")]
    pub deadline: Option<Duration>,
    /// When it ended.
    #[serde(rename = "end_ms", with = "json::optional_millis")]
    pub end: Option<Duration>,
    /// How it ended; nothing while it waits or runs.
    pub outcome: Option<Outcome>,
    /// Its error, its panic, why it was skipped, what its fallback saved it from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
    /// How much work it gave back for others to do.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub handed_back: u64,
    /// What it is still waiting for, or was when it was cut off; if it says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pending: Option<Pending>,
}

/// Who was still running when a share of a phase's time had gone.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Blocked {
    /// The share: 50, 80 or 100.
    pub percent: u8,
    /// The names.
    pub by: Vec<String>,
}

/// Owned work that was still running when its time was over.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct LeftWork {
    /// Its name.
    pub name: String,
    /// How long it had been running.
    #[serde(rename = "age_ms", with = "json::millis")]
    pub age: Duration,
    /// Whether it was on a runtime thread just then: what stays there long blocks it.
    pub on_thread: bool,
}

/// Owned work that panicked, or failed under supervision.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct WorkFailure {
    /// Its name.
    pub name: String,
    /// What it died of.
    pub error: String,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "the signature is serde's")]
fn is_zero(number: &u64) -> bool {
    *number == 0
}

impl Report {
    /// The version of the schema that this library writes.
    pub const SCHEMA: u32 = 1;

    /// The report of a service that runs.
    pub fn running() -> Self {
        Report {
            schema: Report::SCHEMA,
            process: Process::this(),
            verdict: Verdict::Running,
            exit_code: None,
            cause: None,
            began_unix_ms: None,
            cap: Duration::ZERO,
            elapsed: Duration::ZERO,
            escalated: None,
            notifications: Vec::new(),
            phases: Vec::new(),
            left: Vec::new(),
            left_count: 0,
            failures: Vec::new(),
            refused: 0,
        }
    }

    /// Whether nothing was lost.
    pub fn is_clean(&self) -> bool {
        self.verdict == Verdict::Clean
    }

    /// Every participant, with the name of its phase.
    pub fn waiters(&self) -> impl Iterator<Item = (&str, &WaiterReport)> {
        self.phases.iter().flat_map(|phase| phase.waiters.iter().map(|w| (&*phase.name, w)))
    }

    /// The participant of this name; in the first phase where it has one.
    pub fn waiter(&self, name: &str) -> Option<&WaiterReport> {
        self.waiters().map(|(_, waiter)| waiter).find(|waiter| waiter.name == name)
    }

    /// The participants that did not end well, with their phases.
    pub fn trouble(&self) -> impl Iterator<Item = (&str, &WaiterReport)> {
        self.waiters().filter(|(_, w)| w.outcome.is_some_and(|outcome| !outcome.is_good()))
    }

    /// How much work was given back for others to do.
    pub fn handed_back(&self) -> u64 {
        self.waiters().map(|(_, waiter)| waiter.handed_back).sum()
    }

    /// What `main` returns.
    pub fn exit_code(&self) -> ExitCode {
        self.exit().into()
    }

    /// The exit code, as the value that [`Exit::of`] takes. A shutdown that has not ended is none
    /// that went well.
    pub fn exit(&self) -> Exit {
        let known = [Exit::Clean, Exit::Forced, Exit::Usage, Exit::Failed, Exit::Interrupted];
        let exit = known.into_iter().find(|exit| Some(exit.code()) == self.exit_code);
        exit.unwrap_or(Exit::Failed)
    }

    /// Prints the timeline to stdout, as wide as the terminal at most. A stdout that nobody reads
    /// is not an error.
    pub fn print(&self) {
        use std::io::Write as _;
        let mut out = std::io::stdout();
        let _ = match timeline::terminal_columns(&out) {
            Some(columns) => writeln!(out, "{self:columns$}"),
            None => writeln!(out, "{self}"),
        };
    }

    /// The timeline as a picture.
    pub fn to_svg(&self) -> String {
        self.timeline().to_svg()
    }

    /// A page for a browser, with the picture in it; it needs nothing from elsewhere.
    pub fn to_html(&self) -> String {
        html::page(self)
    }

    /// The drawing behind the text and the picture.
    pub fn timeline(&self) -> Timeline {
        text::timeline(self)
    }
}

impl Process {
    pub(crate) fn this() -> Self {
        let program = std::env::args_os().next().map(std::path::PathBuf::from);
        let name = program.as_deref().and_then(std::path::Path::file_name);
        Process {
            name: name.map(|name| name.to_string_lossy().into_owned()).unwrap_or_default(),
            pid: std::process::id(),
        }
    }
}

impl Verdict {
    /// One word for it.
    pub fn name(&self) -> &'static str {
        match self {
            Verdict::Running => "running",
            Verdict::Clean => "clean",
            Verdict::Failed => "failed",
            Verdict::Forced { .. } => "forced",
            Verdict::Refused { .. } => "refused",
            Verdict::Lost => "lost",
        }
    }
}
