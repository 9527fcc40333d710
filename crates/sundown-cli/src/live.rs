//! How a stop goes, while it goes: who is waited for, and how long is left. A view on a terminal, and
//! a log line every 10 s where lines cannot be redrawn.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, sync_channel};
use std::thread::{Builder, Thread, park_timeout};
use std::time::{Duration, Instant};

use sundown::timeline::seconds;
use sundown::{
    Cause, Coordinator, Phase, PhaseReport, Report, ShutdownCoordinator as _, Verdict, WaiterReport,
};
use tracing::info;

use crate::screen::{SCREEN, Size, size};

/// How often the view is drawn.
const FRAME: Duration = Duration::from_millis(100);
/// How often a line is logged.
const HEARTBEAT: Duration = Duration::from_secs(10);
/// How many lines about participants the view has at the most.
const ROWS: usize = 12;
/// How many things that one participant waits for are named.
const ITEMS: usize = 3;

/// How long the end waits for it: its thread may be held up like any other.
const PATIENCE: Duration = Duration::from_millis(200);

/// How it is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    /// Lines at the bottom of a terminal, drawn again and again.
    View,
    /// A log line from time to time.
    Lines,
}

/// Tells how the stop goes as long as it lasts.
pub(crate) struct Live {
    thread: Thread,
    cleared: Receiver<()>,
}

impl Live {
    /// Begins to watch, on a thread of its own, so that a runtime that hangs can be watched.
    pub(crate) fn start(coordinator: Arc<Coordinator>, form: Form) -> std::io::Result<Self> {
        let (tell, cleared) = sync_channel(1);
        let watch = move || {
            // As long as it takes: until then there is nothing to tell.
            coordinator.shutdown().wait_timeout(Duration::MAX);
            match form {
                Form::View => draw(&coordinator),
                Form::Lines => log(&coordinator),
            }
            // Whoever waited may have given up.
            let _ = tell.try_send(());
        };
        let thread = Builder::new().name("live view".to_owned()).spawn(watch)?.thread().clone();
        Ok(Live { thread, cleared })
    }

    /// Waits until it has cleared its place, within bounds. Call it when the plan has ended.
    pub(crate) fn finish(self) {
        self.thread.unpark();
        // One that does not answer in time stays behind; the process does not wait for it.
        let _ = self.cleared.recv_timeout(PATIENCE);
    }
}

/// Draws the view until the plan has ended. The coordinator ends it: a plan has a cap.
fn draw(coordinator: &Coordinator) {
    loop {
        let report = coordinator.report();
        if report.verdict != Verdict::Running {
            break;
        }
        SCREEN.draw(view(&report, coordinator.work().is_empty(), size()));
        park_timeout(FRAME);
    }
    SCREEN.draw(Vec::new());
}

/// Logs a line every 10 s until the plan has ended.
fn log(coordinator: &Coordinator) {
    let mut next = Instant::now() + HEARTBEAT;
    loop {
        park_timeout(next.saturating_duration_since(Instant::now()));
        let report = coordinator.report();
        if report.verdict != Verdict::Running {
            return;
        }
        if Instant::now() < next {
            continue;
        }
        next += HEARTBEAT;
        let left = seconds(report.cap.saturating_sub(report.elapsed));
        let cap = seconds(report.cap);
        let phase = phase_of(&report).map_or("", |phase| phase.name.as_str());
        let waiting = waiting_for(&report, coordinator.work().is_empty());
        let next_signal = next_signal(&report, "a second signal", "two more signals");
        info!(phase, %left, %cap, %waiting, %next_signal, "still stopping");
    }
}

fn phase_of(report: &Report) -> Option<&PhaseReport> {
    report.phases.iter().rev().find(|phase| phase.start.is_some())
}

/// Who has not ended. Owned work of which there is none is nobody to wait for.
fn waiting_in(phase: &PhaseReport, is_work_idle: bool) -> Vec<&WaiterReport> {
    let is_awaited = |waiter: &&WaiterReport| {
        waiter.outcome.is_none() && !(is_work_idle && waiter.name == Coordinator::OWNED_WORK)
    };
    phase.waiters.iter().filter(is_awaited).collect()
}

/// What the next signal does. `once` and `twice` are how many of them it takes.
fn next_signal(report: &Report, once: &str, twice: &str) -> String {
    let is_saving = phase_of(report).is_some_and(|phase| {
        [Phase::FLUSH, Phase::RELEASE].iter().any(|late| late.name() == phase.name)
    });
    // The signal that came first began the stop, unless something else had.
    let has_signal = matches!(report.cause, Some(Cause::Signal { .. }) | None);
    match (report.escalated.is_some(), is_saving, has_signal) {
        (true, _, _) => "once more ends it now".to_owned(),
        (false, true, _) => format!("{twice} end it now"),
        (false, false, true) => format!("{once} saves and leaves"),
        (false, false, false) => format!("{twice} save and leave"),
    }
}

/// Everybody in one line, with what each of them waits for.
fn waiting_for(report: &Report, is_work_idle: bool) -> String {
    let waiting = phase_of(report).map_or_else(Vec::new, |phase| waiting_in(phase, is_work_idle));
    let told = |waiter: &&WaiterReport| {
        let since = waiter.start.map(|start| seconds(report.elapsed.saturating_sub(start)));
        let since = since.map_or_else(|| "waits for its turn".to_owned(), |s| format!("for {s}"));
        let pending = waiter.pending.as_ref().map(|pending| format!(" ({pending})"));
        format!("{} {since}{}", waiter.name, pending.unwrap_or_default())
    };
    let more = waiting.len().saturating_sub(ROWS);
    let mut all: Vec<String> = waiting.iter().take(ROWS).map(told).collect();
    if more > 0 {
        all.push(format!("and {more} more"));
    }
    all.join(", ")
}

/// How it stands and what Ctrl-C does next: in one line if that fits, in two if not.
fn head(report: &Report, columns: usize) -> Vec<String> {
    let left = seconds(report.cap.saturating_sub(report.elapsed));
    let next = next_signal(report, "Ctrl-C again", "two more Ctrl-C");
    let phase = phase_of(report).map_or(String::new(), |phase| format!(": {}", phase.name));
    let stopping = format!("stopping{phase}, {left} left");
    let full = format!("{stopping} of {}; {next}", seconds(report.cap));
    let short = format!("{stopping}; {next}");
    let fits = |line: &String| line.chars().count() < columns;
    match [full, short].into_iter().find(fits) {
        Some(line) => vec![line],
        None => vec![next, stopping],
    }
}

/// The lines that tell how it stands, on a terminal of this size.
fn view(report: &Report, is_work_idle: bool, size: Size) -> Vec<String> {
    let mut lines = head(report, size.columns);
    let Some(phase) = phase_of(report) else { return lines };
    let waiting = waiting_in(phase, is_work_idle);
    let width = waiting.iter().map(|waiter| waiter.name.chars().count()).max().unwrap_or(0);
    let row = |waiter: &WaiterReport| match (waiter.start, waiter.deadline) {
        (Some(start), Some(deadline)) => format!(
            "  {:<width$}  for {}, at most {} more",
            waiter.name,
            seconds(report.elapsed.saturating_sub(start)),
            seconds(deadline.saturating_sub(report.elapsed)),
        ),
        _ => format!("  {:<width$}  waits for its turn", waiter.name),
    };
    let room = size.rows.saturating_sub(lines.len() + 1).clamp(1, ROWS);
    let named = if waiting.len() > room { room - 1 } else { waiting.len() };
    let mut spare = room.saturating_sub(waiting.len());
    for waiter in &waiting[..named] {
        lines.push(row(waiter));
        for item in items(waiter).into_iter().take(spare) {
            lines.push(item);
            spare -= 1;
        }
    }
    if named < waiting.len() {
        lines.push(format!("  and {} more", waiting.len() - named));
    }
    lines
}

/// The oldest things that it waits for, a line for each, and how many more there are.
fn items(waiter: &WaiterReport) -> Vec<String> {
    let Some(pending) = &waiter.pending else { return Vec::new() };
    let item = |item: &sundown::PendingItem| format!("    {}, {}", seconds(item.age), item.what);
    let mut lines: Vec<String> = pending.oldest.iter().take(ITEMS).map(item).collect();
    let more = pending.total.saturating_sub(lines.len());
    if more > 0 {
        lines.push(format!("    and {more} more"));
    }
    lines
}

#[cfg(test)]
mod tests {
    use sundown::NoopCoordinator;

    use super::*;

    const WIDE: Size = Size { columns: 120, rows: 40 };

    #[test]
    fn it_names_who_is_waited_for_and_how_long_is_left() {
        let json = r#"{
            "schema": 1, "process": {"name": "x", "pid": 1}, "verdict": {"is": "running"},
            "exit_code": null, "cause": null, "began_unix_ms": 0, "cap_ms": 30000,
            "elapsed_ms": 4000, "escalated_ms": null, "notifications": [], "left": [],
            "left_count": 0, "failures": [], "refused": 0,
            "phases": [{"name": "drain", "start_ms": 1000, "deadline_ms": 20000, "end_ms": null,
                "blocked": [], "waiters": [
                {"name": "web", "hook": null, "start_ms": 1000, "deadline_ms": 20000,
                 "end_ms": null, "outcome": null, "handed_back": 0, "pending": {"total": 2,
                 "oldest": [{"what": "GET /slow from 127.0.0.1:5123", "age_ms": 3000}]}},
                {"name": "owned work", "hook": null, "start_ms": 1000, "deadline_ms": 20000,
                 "end_ms": null, "outcome": null, "handed_back": 0},
                {"name": "tasks", "hook": null, "start_ms": null, "deadline_ms": null,
                 "end_ms": null, "outcome": null, "handed_back": 0},
                {"name": "gone", "hook": null, "start_ms": 1000, "deadline_ms": 20000,
                 "end_ms": 1500, "outcome": "done", "handed_back": 0}]}]
        }"#;
        let report = Report::from_json(json).expect("a report");
        assert_eq!(
            view(&report, true, WIDE),
            [
                "stopping: drain, 26 s left of 30 s; Ctrl-C again saves and leaves",
                "  web    for 3 s, at most 16 s more",
                "    3 s, GET /slow from 127.0.0.1:5123",
                "    and 1 more",
                "  tasks  waits for its turn",
            ]
        );
        let narrow = view(&report, true, Size { columns: 60, rows: 4 });
        assert_eq!(
            narrow,
            [
                "stopping: drain, 26 s left; Ctrl-C again saves and leaves",
                "  web    for 3 s, at most 16 s more",
                "  tasks  waits for its turn",
            ]
        );
        let narrower = view(&report, true, Size { columns: 40, rows: 4 });
        assert_eq!(
            narrower,
            ["Ctrl-C again saves and leaves", "stopping: drain, 26 s left", "  and 2 more",]
        );
        assert_eq!(
            waiting_for(&report, true),
            "web for 3 s (2 left, the oldest: GET /slow from 127.0.0.1:5123 (3 s)), \
             tasks waits for its turn"
        );
        let empty = NoopCoordinator::default();
        empty.initiate(Cause::requested("test"));
        assert_eq!(view(&empty.report(), true, WIDE).len(), 1);
    }
}
