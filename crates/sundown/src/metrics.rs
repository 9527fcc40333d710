//! The metrics of the core, all in one place. They go through the `metrics` facade: without a
//! recorder they cost nothing.

use std::time::Duration;

use metrics::{counter, gauge, histogram};

use crate::{Outcome, Preview, Report};

/// 1 from the beginning of the shutdown on.
const SHUTTING_DOWN: &str = "sundown_shutting_down";
/// How long each phase took; label `phase`.
const PHASE_SECONDS: &str = "sundown_phase_duration_seconds";
/// How long each participant took; labels `phase`, `waiter`.
const WAITER_SECONDS: &str = "sundown_waiter_duration_seconds";
/// How participants ended; labels `phase`, `waiter`, `outcome`.
const OUTCOMES: &str = "sundown_waiter_outcomes_total";
/// Owned work that was aborted at the end of `drain`.
const WORK_ABORTED: &str = "sundown_owned_work_aborted_total";

/// The time the whole stop may take.
const CAP_SECONDS: &str = "sundown_cap_seconds";
/// The time each phase may take; label `phase`.
const BUDGET_SECONDS: &str = "sundown_phase_budget_seconds";
/// 1 under how the process before this one ended, if its report is kept; label `verdict`.
const PREVIOUS: &str = "sundown_previous_stop";

pub(crate) fn planned(preview: &Preview, previous: Option<&Report>) {
    gauge!(CAP_SECONDS).set(preview.cap.as_secs_f64());
    for phase in &preview.phases {
        let budget = phase.end.saturating_sub(phase.start);
        gauge!(BUDGET_SECONDS, "phase" => phase.name.clone()).set(budget.as_secs_f64());
    }
    if let Some(report) = previous {
        gauge!(PREVIOUS, "verdict" => report.verdict.name()).set(1.0);
    }
}

pub(crate) fn began() {
    gauge!(SHUTTING_DOWN).set(1.0);
}

pub(crate) fn phase_ended(phase: &str, took: Duration) {
    histogram!(PHASE_SECONDS, "phase" => phase.to_owned()).record(took);
}

pub(crate) fn waiter_ended(phase: &str, waiter: &str, outcome: Outcome, took: Option<Duration>) {
    let labels = [("phase", phase.to_owned()), ("waiter", waiter.to_owned())];
    if let Some(took) = took {
        histogram!(WAITER_SECONDS, &labels).record(took);
    }
    let [phase, waiter] = labels;
    counter!(OUTCOMES, &[phase, waiter, ("outcome", outcome.name().to_owned())]).increment(1);
}

pub(crate) fn work_aborted(count: usize) {
    counter!(WORK_ABORTED).increment(u64::try_from(count).unwrap_or(u64::MAX));
}
