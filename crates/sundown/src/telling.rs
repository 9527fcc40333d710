//! Telling the world how the shutdown goes: log events and metrics, at the moments that matter.
//!
//! A subscriber or recorder is somebody else's code. One that panics, because stderr is closed
//! for one, must not take the shutdown with it: every telling is caught.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use tracing::{Span, debug, error, info, info_span, warn};

use crate::metrics;
use crate::panics::quietly;
use crate::run::Mark;
use crate::waiter::Name;
use crate::work::StillRunning;
use crate::{Cause, Outcome, Pending, Phase, PlanError, Preview, Report, Verdict, WaiterReport};

/// How many pieces of owned work are named one by one.
pub(crate) const NAMED: usize = 10;

/// The span of a whole shutdown; the spans of its waiters are inside.
pub(crate) fn shutdown_span(cause: &Cause) -> Span {
    span(|| info_span!("shutdown", %cause))
}

/// The span that a waiter runs in, so that its own events say whose they are.
pub(crate) fn waiter_span(shutdown: &Span, name: &str) -> Span {
    span(|| info_span!(parent: shutdown, "waiter", name))
}

/// A time as a field of a log event; its name says the unit.
fn ms(time: Duration) -> u64 {
    let rounded = time.saturating_add(Duration::from_micros(500));
    u64::try_from(rounded.as_millis()).unwrap_or(u64::MAX)
}

fn span(make: impl FnOnce() -> Span) -> Span {
    catch_unwind(AssertUnwindSafe(make)).unwrap_or_else(|_| Span::none())
}

/// What there is to know before anything happens.
pub(crate) fn planned(preview: &Preview, previous: Option<&Report>) {
    quietly(|| metrics::planned(preview, previous));
}

pub(crate) fn began(cause: &Cause, cap: Duration) {
    quietly(|| {
        metrics::began();
        info!(%cause, cap_ms = ms(cap), "shutting down");
    });
}

pub(crate) fn escalated() {
    quietly(|| warn!("second signal: going straight to flush"));
}

pub(crate) fn phase_begins(phase: &Phase, budget: Duration) {
    quietly(|| info!(%phase, budget_ms = ms(budget), "phase begins"));
}

pub(crate) fn phase_ended(phase: &Phase, took: Duration) {
    quietly(|| {
        metrics::phase_ended(phase.name(), took);
        debug!(%phase, took_ms = ms(took), "phase ended");
    });
}

pub(crate) fn waiter_ended(phase: &str, waiter: &WaiterReport, outcome: Outcome) {
    let took = waiter.start.zip(waiter.end).map(|(start, end)| end.saturating_sub(start));
    let (name, detail) = (&waiter.name, waiter.detail.as_deref());
    let pending = waiter.pending.as_ref().map(ToString::to_string);
    let took_ms = took.map(ms);
    quietly(|| {
        metrics::waiter_ended(phase, name, outcome, took);
        match outcome {
            Outcome::Done => debug!(phase, waiter = %name, took_ms, "done"),
            Outcome::Recovered => {
                warn!(phase, waiter = %name, took_ms, detail, "recovered by its fallback");
            }
            Outcome::Skipped => warn!(phase, waiter = %name, detail, "skipped"),
            Outcome::Failed | Outcome::Panicked | Outcome::TimedOut | Outcome::Aborted => {
                error!(phase, waiter = %name, %outcome, took_ms, detail, pending, "did not end well");
            }
        }
    });
}

pub(crate) fn still_stopping(
    phase: &Phase,
    mark: &Mark,
    left: Duration,
    pending: impl Fn(&Name) -> Option<Pending>,
) {
    let percent = mark.percent;
    for (waiter, running) in &mark.blocking {
        let (running_ms, left_ms) = (ms(*running), ms(left));
        let pending = pending(waiter).map(|pending| pending.to_string());
        quietly(|| warn!(%phase, percent, %waiter, running_ms, left_ms, pending, "still stopping"));
    }
}

pub(crate) fn still_running(phase: &Phase, work: &[StillRunning]) {
    for StillRunning { name, age, on_thread } in work.iter().take(NAMED) {
        let age_ms = ms(*age);
        quietly(|| warn!(%phase, work = %name, age_ms, on_thread, "still running"));
    }
}

pub(crate) fn work_aborted(count: usize) {
    quietly(|| metrics::work_aborted(count));
}

pub(crate) fn refused(error: &PlanError) {
    quietly(|| error!(%error, "the plan cannot be run"));
}

pub(crate) fn ended(report: &Report) {
    let (verdict, exit_code) = (report.verdict.name(), report.exit_code);
    let elapsed_ms = ms(report.elapsed);
    quietly(|| match report.verdict {
        Verdict::Clean => info!(verdict, exit_code, elapsed_ms, "shutdown ended"),
        Verdict::Running
        | Verdict::Failed
        | Verdict::Forced { .. }
        | Verdict::Refused { .. }
        | Verdict::Lost => error!(verdict, exit_code, elapsed_ms, "shutdown ended"),
    });
}

/// Says what the last process left undone.
pub(crate) fn previous(report: &Report) {
    let (pid, verdict) = (report.process.pid, report.verdict.name());
    quietly(|| {
        if report.is_clean() {
            debug!(pid, "the previous process stopped cleanly");
            return;
        }
        warn!(pid, verdict, "the previous process did not stop cleanly");
        for (phase, waiter) in report.trouble() {
            warn!(pid, phase, %waiter, "left undone by the previous process");
        }
        for work in &report.left {
            warn!(pid, work = %work.name, "left running by the previous process");
        }
    });
}
