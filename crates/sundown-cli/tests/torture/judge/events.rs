//! What the events and the outputs of tasks tell.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::Value;
use sundown_tasks::Entry;

use super::{Crime, Evidence, Finding, Told};
use crate::ledger::Step;

/// When the attempts of each task began, by the commands' own word.
type Begun = BTreeMap<i64, Vec<(u32, Duration)>>;

/// What was written by attempts that had nothing to say any more.
pub(super) fn superseded(evidence: &Evidence) -> Vec<Finding> {
    let mut begun = Begun::new();
    for run in evidence.runs.iter().filter(|run| run.step == Step::Start) {
        begun.entry(run.task).or_default().push((run.attempt, run.at));
    }
    let mut findings = Vec::new();
    for entry in &evidence.tasks {
        let task = entry.id.0;
        let Some(events) = evidence.events.get(&task) else {
            findings.push(Finding::new(Crime::Lost, task, "its events are not there"));
            continue;
        };
        let begun = begun.get(&task).map_or(&[][..], Vec::as_slice);
        let why = order(entry, events)
            .or_else(|| late(events, begun))
            .or_else(|| progress(entry, events))
            .or_else(|| output(entry));
        findings.extend(why.map(|why| Finding::new(Crime::Superseded, task, why)));
        if let Some(why) = gap(entry, events) {
            findings.push(Finding::new(Crime::Lost, task, why));
        }
    }
    findings
}

/// Numbered by one from one.
fn gap(entry: &Entry, events: &[Told]) -> Option<String> {
    let numbers = events.iter().map(|event| event.seq);
    let is_whole = numbers.eq(1..=entry.last_event);
    (!is_whole).then(|| format!("its events are not 1 to {}", entry.last_event))
}

/// Once another attempt has spoken, or an attempt was told to be over, the older one is silent.
fn order(entry: &Entry, events: &[Told]) -> Option<String> {
    let mut least = 0;
    for event in events {
        let Told { seq, attempt, .. } = event;
        if *attempt < least {
            return Some(format!("event {seq} is of attempt {attempt}, which was over"));
        }
        if *attempt > entry.attempt {
            return Some(format!("event {seq} is of attempt {attempt}, which never was"));
        }
        least = if event.name == "progress" { *attempt } else { attempt + 1 };
    }
    None
}

/// An event of an attempt after a later one had begun.
fn late(events: &[Told], begun: &[(u32, Duration)]) -> Option<String> {
    events.iter().find_map(|event| {
        let heir = begun.iter().find(|(attempt, at)| *attempt > event.attempt && *at < event.at)?;
        let (seq, attempt) = (event.seq, event.attempt);
        Some(format!("event {seq} of attempt {attempt} came when attempt {} ran", heir.0))
    })
}

/// Each attempt goes on where the last checkpoint is.
fn progress(entry: &Entry, events: &[Told]) -> Option<String> {
    let told = events.iter().filter(|event| event.name == "progress");
    if entry.kind == "count" {
        // A step and its event are one write: each is there once, in order.
        let counted: Vec<Option<u64>> = told.map(|event| event.data["done"].as_u64()).collect();
        let input: Value = serde_json::from_str(entry.input.get()).ok()?;
        let to = input["to"].as_u64()?;
        let is_whole = counted.iter().copied().eq((1..=to).map(Some));
        return (!is_whole).then(|| format!("it counted {counted:?} instead of 1 to {to}"));
    }
    // A command tells of a step and then leaves its checkpoint: one may come twice.
    let steps = told.filter_map(|event| event.data["line"].as_str()?.strip_prefix("step "));
    let mut last = 0;
    for step in steps.filter_map(|step| step.parse::<u64>().ok()) {
        if step != last && step != last + 1 {
            return Some(format!("step {step} came after step {last}"));
        }
        last = step;
    }
    None
}

/// A command says which attempt it is.
fn output(entry: &Entry) -> Option<String> {
    let output: Value = serde_json::from_str(entry.output.as_ref()?.get()).ok()?;
    if entry.kind != "command" {
        return None;
    }
    let attempt = entry.attempt;
    let said = output["stdout"].as_str().unwrap_or_default();
    let is_its_own = said.lines().last() == Some(format!("by {attempt}").as_str());
    (!is_its_own).then(|| format!("attempt {attempt} is the last, and the output is {said:?}"))
}
