//! What the events and the output of a task tell.

use std::time::Duration;

use super::{Case, Crime, Finding};
use crate::evidence::{State, Task, Told};
use crate::ground::STEPS;
use crate::ledger::{Run, Step};

/// What was written by attempts that had nothing to say any more, and what is missing.
pub(super) fn found(case: &Case<'_>) -> Option<Finding> {
    let task = case.task;
    let Some(events) = case.events else {
        return Some(case.finding(Crime::Lost, "its events are not there"));
    };
    if let Some(why) = gap(task, events) {
        return Some(case.finding(Crime::Lost, why));
    }
    let starts = case.runs.iter().filter(|run| run.step == Step::Start);
    let begun: Vec<(u32, Duration)> = starts.map(|run| (run.attempt, run.at)).collect();
    let why =
        order(task, events).or_else(|| late(events, &begun)).or_else(|| match task.command() {
            Some("slow") => steps(case).or_else(|| said(task)),
            Some(_) => said(task),
            None if task.kind == "count" => counted(task, events),
            None => None,
        });
    why.map(|why| case.finding(Crime::Superseded, why))
}

/// Numbered by one from one.
fn gap(task: &Task, events: &[Told]) -> Option<String> {
    let numbers = events.iter().map(|event| event.seq);
    let is_whole = numbers.eq(1..=task.last_event);
    (!is_whole).then(|| format!("its events are not 1 to {}", task.last_event))
}

/// Once another attempt has spoken, or an attempt was told to be over, the older one is silent.
fn order(task: &Task, events: &[Told]) -> Option<String> {
    let mut least = 0;
    for event in events {
        let Told { seq, attempt, .. } = event;
        if *attempt < least {
            return Some(format!("event {seq} is of attempt {attempt}, which was over"));
        }
        if *attempt > task.attempt {
            return Some(format!("event {seq} is of attempt {attempt}, which never was"));
        }
        least = if event.is_end() { attempt + 1 } else { *attempt };
    }
    let is_over = task.state == State::Succeeded && least > task.attempt;
    is_over.then(|| format!("attempt {} succeeded, and was over before", task.attempt))
}

/// A word of an attempt after a later one had begun.
fn late(events: &[Told], begun: &[(u32, Duration)]) -> Option<String> {
    events.iter().filter(|event| !event.is_end()).find_map(|event| {
        let heir = begun.iter().find(|(attempt, at)| *attempt > event.attempt && *at < event.at)?;
        let (seq, attempt) = (event.seq, event.attempt);
        Some(format!("event {seq} of attempt {attempt} came when attempt {} ran", heir.0))
    })
}

/// A step of a count and its event are one write: each is there once, in order, and the last attempt
/// went on where the one before it had come to.
fn counted(task: &Task, events: &[Told]) -> Option<String> {
    let to = task.input["to"].as_u64()?;
    let told = || events.iter().filter(|event| event.name == "progress");
    let numbers: Vec<u64> = told().filter_map(|event| event.data["done"].as_u64()).collect();
    let until = if task.state == State::Succeeded { to } else { numbers.len() as u64 };
    if !numbers.iter().copied().eq(1..=until) {
        return Some(format!("it counted {numbers:?} instead of 1 to {to}"));
    }
    let output = task.output.as_ref()?;
    let from = told().filter(|event| event.attempt < task.attempt).count() as u64;
    let expected = serde_json::json!({ "counted": to, "from": from });
    (*output != expected).then(|| format!("its output is {output}, and not {expected}"))
}

/// A command tells of a step and then leaves its checkpoint. So each attempt is told the last step of
/// those before it, or the one before that; and tells of every step from there on.
fn steps(case: &Case<'_>) -> Option<String> {
    let mut before = 0;
    for attempt in 1..=case.task.attempt {
        let is_start = |run: &&&Run| run.step == Step::Start && run.attempt == attempt;
        let told = case.events().iter().filter(|event| event.attempt == attempt);
        let told: Vec<u64> = told.filter_map(step).collect();
        let Some(start) = case.runs.iter().find(is_start) else { continue };
        let from = start.checkpoint;
        if from != before && from + 1 != before {
            return Some(format!("attempt {attempt} began behind step {from} instead of {before}"));
        }
        let is_last = attempt == case.task.attempt && case.task.state == State::Succeeded;
        let until = if is_last { STEPS } else { from + told.len() as u64 };
        if !told.iter().copied().eq(from + 1..=until) {
            return Some(format!("attempt {attempt} told of {told:?} behind step {from}"));
        }
        before = told.last().copied().unwrap_or(before);
    }
    None
}

fn step(event: &Told) -> Option<u64> {
    event.data["line"].as_str()?.strip_prefix("step ")?.parse().ok()
}

/// A command says which attempt it is.
fn said(task: &Task) -> Option<String> {
    let output = task.output.as_ref()?;
    let attempt = task.attempt;
    let said = output["stdout"].as_str().unwrap_or_default();
    let is_its_own = said.lines().last() == Some(format!("by {attempt}").as_str());
    (!is_its_own).then(|| format!("attempt {attempt} is the last, and the output is {said:?}"))
}
