//! Calls, as the server wrote them down that was asked: each task has made one, no attempt more than one, and
//! the server can tell one task from another.

use std::collections::BTreeMap;
use std::time::Duration;

use super::excuses::Excuses;
use super::{Crime, Finding};
use crate::evidence::{Evidence, State, Task};
use crate::ledger::{Call, Promise};

/// The store tells milliseconds.
const MILLISECOND: Duration = Duration::from_millis(1);

pub(super) fn found(evidence: &Evidence, excuses: &Excuses<'_>) -> Vec<Finding> {
    let mut calls: BTreeMap<&str, Vec<&Call>> = BTreeMap::new();
    for call in &evidence.calls {
        calls.entry(&call.name).or_default().push(call);
    }
    let mut findings = Vec::new();
    let mut sent_by: BTreeMap<&str, i64> = BTreeMap::new();
    for task in &evidence.tasks {
        let Some(name) = task.call() else { continue };
        let made = calls.remove(name).unwrap_or_default();
        let of_it = [
            unmade(task, &made).map(|why| (Crime::Lost, why)),
            again(task, &made, done_at(task, evidence), excuses).map(|why| (Crime::Rerun, why)),
            key(task, &made, &mut sent_by).map(|why| (Crime::Doubled, why)),
        ];
        let finding = |(crime, why)| Finding::new(crime, task.id, why);
        findings.extend(of_it.into_iter().flatten().map(finding));
    }
    let stray = calls.keys().map(|name| format!("{name} was called for, and no task is there"));
    findings.extend(stray.map(|why| Finding::new(Crime::Lost, 0, why)));
    findings
}

fn unmade(task: &Task, made: &[&Call]) -> Option<String> {
    let is_unmade = task.state == State::Succeeded && made.is_empty();
    is_unmade.then(|| "succeeded, and nobody was called".to_owned())
}

/// The first time at which somebody knew that it was done.
fn done_at(task: &Task, evidence: &Evidence) -> Option<Duration> {
    let told = evidence.promises.iter().filter_map(|promise| match promise {
        Promise::Done { task: done, at } => (*done == task.id).then_some(*at),
        Promise::Ack { .. }
        | Promise::Batch { .. }
        | Promise::Later { .. }
        | Promise::Wish { .. }
        | Promise::Cancelled { .. }
        | Promise::Stopping { .. } => None,
    });
    told.chain(task.ended_at.map(|at| at + MILLISECOND)).min()
}

/// A call cannot be taken back: that of a replica that was frozen, or cut off, may come after the end.
fn again(
    task: &Task,
    made: &[&Call],
    done: Option<Duration>,
    excuses: &Excuses<'_>,
) -> Option<String> {
    let attempts = usize::try_from(task.attempt).unwrap_or(usize::MAX);
    if made.len() > attempts {
        return Some(format!("{} calls by {attempts} attempts", made.len()));
    }
    let done = done?;
    let late = made.iter().find(|call| call.at > done && !excuses.meet(done, call.at))?;
    Some(format!("called {:?} after it was done", late.at.abs_diff(done)))
}

/// All calls of a task have one key, and no other task has it.
fn key<'a>(task: &Task, made: &[&'a Call], sent_by: &mut BTreeMap<&'a str, i64>) -> Option<String> {
    let key = made.first()?.key.as_str();
    if let Some(other) = made.iter().find(|call| call.key != key) {
        return Some(format!("called with the keys {key} and {}", other.key));
    }
    let first = *sent_by.entry(key).or_insert(task.id);
    (first != task.id).then(|| format!("the key {key} was sent for task {first} as well"))
}
