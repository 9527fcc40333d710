//! The judge: a pure function from the records to what was lost, doubled or left behind.

mod events;
#[cfg(test)]
mod planted;
mod runs;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::time::Duration;

use serde_json::Value;
use sundown_tasks::{Entry, State};

use crate::ledger::{Ack, Done, Run};

/// Everything that is known at the end, all of it from outside.
#[derive(Debug, Default, Clone)]
pub(crate) struct Evidence {
    pub(crate) acks: Vec<Ack>,
    pub(crate) done: Vec<Done>,
    pub(crate) runs: Vec<Run>,
    pub(crate) tasks: Vec<Entry>,
    pub(crate) events: BTreeMap<i64, Vec<Told>>,
    /// Commands that were there when the service that ran them was not.
    pub(crate) orphans: Vec<u32>,
}

/// An event as a client hears it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Told {
    pub(crate) seq: u64,
    pub(crate) name: String,
    pub(crate) at: Duration,
    pub(crate) attempt: u32,
    pub(crate) data: Value,
}

/// What must not be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Crime {
    /// It was acknowledged, and it is not there, or was never finished.
    Lost,
    /// It was begun again after its completion was committed, or an attempt was begun twice.
    Rerun,
    /// An attempt that another one had superseded could still write.
    Superseded,
    /// One key, two tasks.
    Doubled,
    /// An interruption counted as a failure.
    Burned,
    /// A command outlived the service that ran it.
    Orphan,
}

impl Crime {
    pub(crate) const ALL: [Crime; 6] = [
        Crime::Lost,
        Crime::Rerun,
        Crime::Superseded,
        Crime::Orphan,
        Crime::Doubled,
        Crime::Burned,
    ];
}

/// One thing that must not be, and where it shows.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Finding {
    pub(crate) crime: Crime,
    /// The task, or the process of an orphan.
    pub(crate) of: i64,
    pub(crate) why: String,
}

impl Finding {
    fn new(crime: Crime, of: i64, why: impl Into<String>) -> Self {
        Finding { crime, of, why: why.into() }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} {}: {}", self.crime, self.of, self.why)
    }
}

/// Everything that must not be.
pub(crate) fn judge(evidence: &Evidence) -> Vec<Finding> {
    let mut findings = lost(evidence);
    findings.extend(doubled(evidence));
    findings.extend(burned(evidence));
    findings.extend(runs::rerun(evidence));
    findings.extend(events::superseded(evidence));
    findings.extend(evidence.orphans.iter().map(|process| {
        Finding::new(Crime::Orphan, i64::from(*process), "its service is gone, and it is there")
    }));
    findings
}

fn lost(evidence: &Evidence) -> Vec<Finding> {
    let tasks: BTreeMap<i64, &Entry> =
        evidence.tasks.iter().map(|task| (task.id.0, task)).collect();
    let mut findings = Vec::new();
    let promised: BTreeSet<(i64, &str)> =
        evidence.acks.iter().map(|ack| (ack.task, ack.key.as_str())).collect();
    for (task, key) in promised {
        match tasks.get(&task) {
            None => findings.push(Finding::new(Crime::Lost, task, "acknowledged, and not there")),
            Some(entry) if entry.key.as_deref() != Some(key) => {
                let why = format!("acknowledged as {key}, and it is {:?}", entry.key);
                findings.push(Finding::new(Crime::Lost, task, why));
            }
            Some(_) => {}
        }
    }
    // What was taken in and never acknowledged is owed all the same.
    for entry in &evidence.tasks {
        let task = entry.id.0;
        if entry.state != State::Succeeded || entry.output.is_none() || entry.ended_at.is_none() {
            let why = format!("it is {} ({:?})", entry.state.name(), entry.error);
            findings.push(Finding::new(Crime::Lost, task, why));
        } else if entry.kind == "command" && !runs::was_finished(evidence, entry) {
            let why = format!("succeeded, and attempt {} never came to its end", entry.attempt);
            findings.push(Finding::new(Crime::Lost, task, why));
        }
    }
    findings
}

fn doubled(evidence: &Evidence) -> Vec<Finding> {
    let mut first: BTreeMap<&str, i64> = BTreeMap::new();
    let acked = evidence.acks.iter().map(|ack| (ack.key.as_str(), ack.task));
    let kept = evidence.tasks.iter().filter_map(|task| Some((task.key.as_deref()?, task.id.0)));
    let mut findings = Vec::new();
    for (key, task) in acked.chain(kept) {
        let known = *first.entry(key).or_insert(task);
        if known != task {
            let why = format!("the key {key} belongs to task {known} as well");
            findings.push(Finding::new(Crime::Doubled, task, why));
        }
    }
    findings.sort_by_key(|finding| finding.of);
    findings.dedup_by_key(|finding| finding.of);
    findings
}

/// No command and no count of a trial fails by itself.
fn burned(evidence: &Evidence) -> Vec<Finding> {
    let mut findings = Vec::new();
    for entry in &evidence.tasks {
        let events = evidence.events.get(&entry.id.0).map_or(&[][..], Vec::as_slice);
        let told = |name| events.iter().filter(|event| event.name == name).count();
        if entry.failures > 0 || told("failed") > 0 {
            let failed = events.iter().find(|event| event.name == "failed");
            let why = format!("{} failures: {:?}", entry.failures, failed.map(|event| &event.data));
            findings.push(Finding::new(Crime::Burned, entry.id.0, why));
        }
        let interrupted = told("interrupted");
        if interrupted != entry.interruptions as usize {
            let why = format!("{} interruptions, {interrupted} told", entry.interruptions);
            findings.push(Finding::new(Crime::Burned, entry.id.0, why));
        }
    }
    findings
}
