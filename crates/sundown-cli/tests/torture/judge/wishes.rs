//! What clients asked for besides: together or not at all, not before a time, not any more.

use std::collections::BTreeSet;
use std::time::Duration;

use super::{Case, Crime, Finding};
use crate::evidence::{Evidence, State};
use crate::ledger::{Promise, Step};

/// What was handed in together is there together, answered or not. Named by the first of it.
pub(super) fn torn(evidence: &Evidence) -> Vec<Finding> {
    let keys: BTreeSet<&str> =
        evidence.tasks.iter().filter_map(|task| task.key.as_deref()).collect();
    let torn = evidence.promises.iter().filter_map(|promise| {
        let Promise::Batch { keys: asked } = promise else { return None };
        let there = asked.iter().filter(|key| keys.contains(key.as_str())).count();
        let first = evidence
            .tasks
            .iter()
            .find(|task| task.key.as_ref().is_some_and(|key| asked.contains(key)))?;
        let why = format!("{there} of {} that were handed in together", asked.len());
        (there < asked.len()).then(|| Finding::new(Crime::Torn, first.id, why))
    });
    torn.collect()
}

pub(super) fn found(case: &Case<'_>) -> Vec<Finding> {
    let mut findings = Vec::new();
    for promise in &case.promises {
        let found = match promise {
            Promise::Cancelled { at, .. } => {
                cancelled(case, *at).map(|why| case.finding(Crime::Unwanted, why))
            }
            Promise::Stopping { at, .. } => {
                stopping(case, *at).map(|why| case.finding(Crime::Unwanted, why))
            }
            Promise::Later { not_before, .. } => {
                early(case, *not_before).map(|why| case.finding(Crime::Early, why))
            }
            Promise::Ack { .. }
            | Promise::Done { .. }
            | Promise::Batch { .. }
            | Promise::Wish { .. } => None,
        };
        findings.extend(found);
    }
    findings
}

/// It waited, so nothing of it happens any more.
fn cancelled(case: &Case<'_>, at: Duration) -> Option<String> {
    if case.task.state != State::Cancelled {
        return Some(format!("it was cancelled, and is {:?}", case.task.state));
    }
    let run = case.runs.iter().find(|run| run.step == Step::Start && run.at > at);
    let event = case.events().iter().find(|event| event.at > at);
    let run = run.map(|run| format!("attempt {} began after it was cancelled", run.attempt));
    run.or_else(|| event.map(|event| format!("event {} came after it was cancelled", event.seq)))
}

/// Its attempt is the last one, however that ends.
fn stopping(case: &Case<'_>, at: Duration) -> Option<String> {
    let ends = case.events().iter().filter(|event| event.is_end() && event.at > at);
    let end = ends.min_by_key(|event| event.attempt)?;
    (end.attempt < case.task.attempt)
        .then(|| format!("attempt {} was to be the last of {}", end.attempt, case.task.attempt))
}

fn early(case: &Case<'_>, not_before: Duration) -> Option<String> {
    let runs = case.runs.iter().map(|run| run.at);
    let events = case.events().iter().map(|event| event.at);
    let first = runs.chain(events).chain(case.task.started_at).min()?;
    let early = not_before.checked_sub(first).filter(|early| !early.is_zero())?;
    Some(format!("it began {early:?} before its time"))
}
