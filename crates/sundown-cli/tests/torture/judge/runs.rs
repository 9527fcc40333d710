//! What the records of the commands tell.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use sundown_tasks::Entry;

use super::{Crime, Evidence, Finding};
use crate::ledger::Step;

/// The store tells milliseconds.
const MILLISECOND: Duration = Duration::from_millis(1);

/// Whether the attempt that counts came to its end.
pub(super) fn was_finished(evidence: &Evidence, entry: &Entry) -> bool {
    evidence.runs.iter().any(|run| {
        run.step == Step::Finish && run.task == entry.id.0 && run.attempt == entry.attempt
    })
}

/// What was begun although it was done.
pub(super) fn rerun(evidence: &Evidence) -> Vec<Finding> {
    let mut done: BTreeMap<i64, Duration> = BTreeMap::new();
    // Whoever was told that a task is done knows a time at which it was.
    let told = evidence.done.iter().map(|done| (done.task, done.at));
    let ended = evidence.tasks.iter().filter_map(|entry| {
        let ended = u64::try_from(entry.ended_at?).ok()?;
        Some((entry.id.0, Duration::from_millis(ended) + MILLISECOND))
    });
    for (task, at) in told.chain(ended) {
        let known = done.entry(task).or_insert(at);
        *known = at.min(*known);
    }
    let attempts: BTreeMap<i64, u32> =
        evidence.tasks.iter().map(|entry| (entry.id.0, entry.attempt)).collect();
    let mut begun = BTreeSet::new();
    let mut findings = Vec::new();
    for run in evidence.runs.iter().filter(|run| run.step == Step::Start) {
        let (task, attempt) = (run.task, run.attempt);
        let is_new = begun.insert((task, attempt));
        let late = done.get(&task).and_then(|at| run.at.checked_sub(*at));
        let why = if let Some(late) = late.filter(|late| !late.is_zero()) {
            Some(format!("attempt {attempt} began {late:?} after it was done"))
        } else if !is_new {
            Some(format!("attempt {attempt} was begun twice"))
        } else {
            let last = attempts.get(&task).filter(|last| attempt > **last);
            last.map(|last| format!("attempt {attempt} ran, and the last one was {last}"))
        };
        findings.extend(why.map(|why| Finding::new(Crime::Rerun, task, why)));
        if !attempts.contains_key(&task) {
            findings.push(Finding::new(Crime::Lost, task, "it ran, and is not there"));
        }
    }
    findings
}
