//! One attempt after the other, and none after the end.

use std::collections::BTreeMap;
use std::time::Duration;

use super::excuses::Excuses;
use super::{Case, Crime, Finding};
use crate::evidence::Told;
use crate::ledger::{Promise, Run, Step};

/// The store tells milliseconds.
const MILLISECOND: Duration = Duration::from_millis(1);

/// What an attempt left behind: by its own word, or by that of the store.
#[derive(Default)]
struct Trace<'a> {
    /// The first that was heard of it.
    began: Option<Duration>,
    start: Option<&'a Run>,
    finish: Option<&'a Run>,
    /// What the store told of its end.
    end: Option<&'a Told>,
}

type Traces<'a> = BTreeMap<u32, Trace<'a>>;

pub(super) fn found(case: &Case<'_>, excuses: &Excuses<'_>) -> Vec<Finding> {
    let traces = traces(case);
    let again = again(case).or_else(|| unended(case, &traces, excuses));
    let again = again.map(|why| case.finding(Crime::Rerun, why));
    let abreast = abreast(&traces, excuses).map(|why| case.finding(Crime::Abreast, why));
    again.into_iter().chain(abreast).collect()
}

fn traces<'a>(case: &'a Case<'_>) -> Traces<'a> {
    let mut traces = Traces::new();
    for run in &case.runs {
        let trace = traces.entry(run.attempt).or_default();
        trace.began = Some(trace.began.map_or(run.at, |began| began.min(run.at)));
        match run.step {
            Step::Start => trace.start = Some(run),
            Step::Finish => trace.finish = Some(run),
            Step::Fail => {}
        }
    }
    for event in case.events() {
        let trace = traces.entry(event.attempt).or_default();
        if event.is_end() {
            trace.end = Some(event);
        } else {
            trace.began = Some(trace.began.map_or(event.at, |began| began.min(event.at)));
        }
    }
    traces
}

/// What was begun although it was done.
fn again(case: &Case<'_>) -> Option<String> {
    // Whoever was told that a task is done knows a time at which it was.
    let told = case.promises.iter().filter_map(|promise| match promise {
        Promise::Done { at, .. } => Some(*at),
        Promise::Ack { .. }
        | Promise::Batch { .. }
        | Promise::Later { .. }
        | Promise::Wish { .. }
        | Promise::Cancelled { .. }
        | Promise::Stopping { .. } => None,
    });
    let done = told.chain(case.task.ended_at.map(|at| at + MILLISECOND)).min();
    let mut begun = Vec::new();
    for run in case.runs.iter().filter(|run| run.step == Step::Start) {
        let attempt = run.attempt;
        let late = done.and_then(|at| run.at.checked_sub(at)).filter(|late| !late.is_zero());
        if let Some(late) = late {
            return Some(format!("attempt {attempt} began {late:?} after it was done"));
        }
        if begun.contains(&attempt) {
            return Some(format!("attempt {attempt} was begun twice"));
        }
        if attempt > case.task.attempt {
            return Some(format!("attempt {attempt} ran, and the last is {}", case.task.attempt));
        }
        begun.push(attempt);
    }
    None
}

/// Every attempt but the last was told to be over before the next one began. One that left no trace at
/// all was given back before it began; that takes a replica that stops, or is cut off.
fn unended(case: &Case<'_>, traces: &Traces<'_>, excuses: &Excuses<'_>) -> Option<String> {
    let (mut before, task) = (case.task.created_at, case.task);
    for attempt in 1..task.attempt {
        let next = traces.range(attempt + 1..).find_map(|(_, trace)| trace.began);
        let Some(trace) = traces.get(&attempt) else {
            let next = next.or(task.started_at).or(task.ended_at).unwrap_or(Duration::MAX);
            if !excuses.meet(before, next) {
                return Some(format!("attempt {attempt} left no trace, and nothing was wrong"));
            }
            continue;
        };
        let Some(end) = trace.end else {
            return Some(format!("attempt {attempt} of {} was never over", task.attempt));
        };
        if let Some(next) = next.filter(|next| *next < end.at) {
            let early = end.at.abs_diff(next);
            return Some(format!("attempt {attempt} was over {early:?} after the next began"));
        }
        before = end.at;
    }
    None
}

/// An attempt that came to its end when a later one was at work. Outside the store that can happen, but
/// only when its replica was cut off.
fn abreast(traces: &Traces<'_>, excuses: &Excuses<'_>) -> Option<String> {
    traces.iter().find_map(|(attempt, trace)| {
        let finish = trace.finish?;
        let heirs = traces.range(attempt + 1..).filter_map(|(_, heir)| heir.start);
        let heir = heirs.min_by_key(|heir| heir.at).filter(|heir| heir.at < finish.at)?;
        let is_excused = excuses.cover(&finish.life, heir.at, finish.at);
        let late = finish.at.abs_diff(heir.at);
        (!is_excused).then(|| {
            format!("attempt {attempt} ended {late:?} after attempt {} had begun", heir.attempt)
        })
    })
}
