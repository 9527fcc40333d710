//! The live view of a stop, for a person at a terminal: who is waited for, and how long is left.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, sync_channel};
use std::thread::{Builder, Thread, park_timeout};
use std::time::Duration;

use sundown::timeline::seconds;
use sundown::{Coordinator, Report, ShutdownCoordinator as _, Verdict, WaiterReport};

use crate::screen::SCREEN;

/// How often it is drawn.
const FRAME: Duration = Duration::from_millis(100);
/// How many participants are shown at the most.
const ROWS: usize = 12;

/// How long the end waits for it: its thread may be held up like any other.
const PATIENCE: Duration = Duration::from_millis(200);

/// A view that is drawn as long as the shutdown lasts.
pub(crate) struct Live {
    thread: Thread,
    cleared: Receiver<()>,
}

impl Live {
    /// Begins to watch. It draws on a thread of its own, so that a runtime that hangs can be watched.
    pub(crate) fn start(coordinator: Arc<Coordinator>) -> std::io::Result<Self> {
        let (tell, cleared) = sync_channel(1);
        let draw = move || {
            // As long as it takes: until then there is nothing to draw.
            coordinator.shutdown().wait_timeout(Duration::MAX);
            // The coordinator ends it: a plan has a cap.
            loop {
                let report = coordinator.report();
                if report.verdict != Verdict::Running {
                    break;
                }
                SCREEN.draw(view(&report, coordinator.work().is_empty()));
                park_timeout(FRAME);
            }
            SCREEN.draw(Vec::new());
            // Whoever waited may have given up.
            let _ = tell.try_send(());
        };
        let thread = Builder::new().name("live view".to_owned()).spawn(draw)?.thread().clone();
        Ok(Live { thread, cleared })
    }

    /// Waits until it has cleared its place, within bounds. Call it when the plan has ended.
    pub(crate) fn finish(self) {
        self.thread.unpark();
        // One that does not answer in time stays behind; the process does not wait for it.
        let _ = self.cleared.recv_timeout(PATIENCE);
    }
}

/// The lines that tell how it stands. Owned work of which there is none is nobody to wait for.
fn view(report: &Report, is_work_idle: bool) -> Vec<String> {
    let left = report.cap.saturating_sub(report.elapsed);
    let now = report.phases.iter().rev().find(|phase| phase.start.is_some());
    let Some(phase) = now else { return vec![format!("stopping, {} left", seconds(left))] };
    let what_next = if report.escalated.is_some() {
        "once more ends it now"
    } else {
        "Ctrl-C again saves and leaves"
    };
    let mut lines = vec![format!(
        "stopping: {}, {} left of {}; {what_next}",
        phase.name,
        seconds(left),
        seconds(report.cap)
    )];
    let is_awaited = |waiter: &&WaiterReport| {
        waiter.outcome.is_none() && !(is_work_idle && waiter.name == Coordinator::OWNED_WORK)
    };
    let waiting: Vec<&WaiterReport> = phase.waiters.iter().filter(is_awaited).collect();
    let width = waiting.iter().map(|waiter| waiter.name.chars().count()).max().unwrap_or(0);
    let row = |waiter: &&WaiterReport| match (waiter.start, waiter.deadline) {
        (Some(start), Some(deadline)) => format!(
            "  {:<width$}  for {}, at most {} more{}",
            waiter.name,
            seconds(report.elapsed.saturating_sub(start)),
            seconds(deadline.saturating_sub(report.elapsed)),
            waiter.pending.as_ref().map(|pending| format!("; {pending}")).unwrap_or_default(),
        ),
        _ => format!("  {:<width$}  waits for its turn", waiter.name),
    };
    lines.extend(waiting.iter().take(ROWS).map(row));
    if waiting.len() > ROWS {
        lines.push(format!("  and {} more", waiting.len() - ROWS));
    }
    lines
}

#[cfg(test)]
mod tests {
    use sundown::{Cause, NoopCoordinator, ShutdownCoordinator as _};

    use super::*;

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
        let lines = view(&Report::from_json(json).expect("a report"), true);
        assert_eq!(
            lines,
            [
                "stopping: drain, 26 s left of 30 s; Ctrl-C again saves and leaves",
                "  web    for 3 s, at most 16 s more; 2 left, the oldest: GET /slow from 127.0.0.1:5123 (3 s)",
                "  tasks  waits for its turn",
            ]
        );
        let empty = NoopCoordinator::default();
        empty.initiate(Cause::requested("test"));
        assert_eq!(view(&empty.report(), true).len(), 1);
    }
}
