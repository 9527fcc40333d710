//! What became of a task in the end.

use super::{Case, Crime, Finding};
use crate::evidence::State;
use crate::ledger::{Promise, Run, Step};

/// What was taken in is owed, acknowledged or not.
pub(super) fn lost(case: &Case<'_>) -> Option<Finding> {
    let task = case.task;
    let is_wished = case.promises.iter().any(|promise| matches!(promise, Promise::Wish { .. }));
    let why = match task.state {
        State::Cancelled if is_wished => None,
        State::Cancelled => Some("nobody wanted its end, and it is cancelled".to_owned()),
        State::Succeeded => unfinished(case),
        State::Pending | State::Running | State::Failed | State::Dead => {
            Some(format!("it is {:?} ({:?})", task.state, task.error))
        }
    };
    why.map(|why| case.finding(Crime::Lost, why))
}

/// Succeeded without having come to its end.
fn unfinished(case: &Case<'_>) -> Option<String> {
    let task = case.task;
    if task.output.is_none() || task.ended_at.is_none() {
        return Some("succeeded, without an output or an end".to_owned());
    }
    let is_end = |run: &&Run| run.step == Step::Finish && run.attempt == task.attempt;
    let is_unfinished = task.kind == "command" && !case.runs.iter().any(is_end);
    is_unfinished.then(|| format!("succeeded, and attempt {} never came to its end", task.attempt))
}

/// An interruption is no failure, and each of both is told. Only what was meant to fail has failed.
pub(super) fn burned(case: &Case<'_>) -> Option<Finding> {
    let task = case.task;
    let told = |name: &str| {
        let told = case.events().iter().filter(|event| event.name == name).count();
        u32::try_from(told).unwrap_or(u32::MAX)
    };
    // The last attempt of an unwanted task may end in any way: it is told, and not counted.
    let uncounted = u32::from(task.state == State::Cancelled);
    let counts = [("interrupted", task.interruptions), ("failed", task.failures)];
    for (name, counted) in counts {
        let told = told(name);
        if told != counted && told != counted + uncounted {
            let why = format!("{counted} times {name}, and {told} times told so");
            return Some(case.finding(Crime::Burned, why));
        }
    }
    let meant =
        |attempt| case.runs.iter().any(|run| run.step == Step::Fail && run.attempt == attempt);
    let failed = case.events().iter().find(|event| event.name == "failed" && !meant(event.attempt));
    failed.map(|event| {
        let why =
            format!("attempt {} failed by no fault of its own: {}", event.attempt, event.data);
        case.finding(Crime::Burned, why)
    })
}
