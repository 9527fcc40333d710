//! The judge: a pure function from the records to what was lost, doubled or left behind.

mod attempts;
mod calls;
mod events;
mod excuses;
mod fates;
#[cfg(test)]
mod planted;
#[cfg(test)]
mod planted_calls;
#[cfg(test)]
mod planted_wishes;
mod wishes;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use self::excuses::Excuses;
use crate::evidence::{Evidence, Task, Told};
use crate::ledger::{Promise, Run, Trouble};

/// What must not be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Crime {
    /// It was acknowledged, and it is not there, or was never finished.
    Lost,
    /// It was begun again after its completion was committed, or before the attempt before was over.
    Rerun,
    /// An attempt that another one had superseded could still write.
    Superseded,
    /// A command outlived the service that ran it.
    Orphan,
    /// One key, two tasks.
    Doubled,
    /// An interruption counted as a failure.
    Burned,
    /// Two attempts worked at the same time, and nothing was wrong that would explain it.
    Abreast,
    /// Of what was handed in together only a part is there.
    Torn,
    /// It went on although its end was promised.
    Unwanted,
    /// It began before its time.
    Early,
}

impl Crime {
    pub(crate) const ALL: [Crime; 10] = [
        Crime::Lost,
        Crime::Rerun,
        Crime::Superseded,
        Crime::Orphan,
        Crime::Doubled,
        Crime::Burned,
        Crime::Abreast,
        Crime::Torn,
        Crime::Unwanted,
        Crime::Early,
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

/// All that is known of one task.
struct Case<'a> {
    task: &'a Task,
    /// Nothing if its stream never came to its end.
    events: Option<&'a [Told]>,
    runs: Vec<&'a Run>,
    promises: Vec<&'a Promise>,
}

impl Case<'_> {
    fn events(&self) -> &[Told] {
        self.events.unwrap_or_default()
    }

    fn finding(&self, crime: Crime, why: impl Into<String>) -> Finding {
        Finding::new(crime, self.task.id, why)
    }
}

/// Everything that must not be; each crime once for each task.
pub(crate) fn judge(evidence: &Evidence) -> Vec<Finding> {
    let excuses = Excuses::of(&evidence.troubles);
    let mut findings = missing(evidence);
    findings.extend(doubled(evidence));
    findings.extend(wishes::torn(evidence));
    findings.extend(calls::found(evidence, &excuses));
    for case in &cases(evidence) {
        findings.extend(fates::lost(case));
        findings.extend(fates::burned(case));
        findings.extend(events::found(case));
        findings.extend(attempts::found(case, &excuses));
        findings.extend(wishes::found(case));
    }
    findings.extend(evidence.troubles.iter().filter_map(|trouble| match trouble {
        Trouble::Orphan { process } => {
            let why = "its service is gone, and it is there";
            Some(Finding::new(Crime::Orphan, i64::from(*process), why))
        }
        Trouble::Told { .. }
        | Trouble::Ended { .. }
        | Trouble::Frozen { .. }
        | Trouble::Store { .. } => None,
    }));
    let mut known = BTreeSet::new();
    findings.retain(|finding| known.insert((finding.crime, finding.of)));
    findings
}

fn cases(evidence: &Evidence) -> Vec<Case<'_>> {
    let mut runs: BTreeMap<i64, Vec<&Run>> = BTreeMap::new();
    for run in &evidence.runs {
        runs.entry(run.task).or_default().push(run);
    }
    let (mut by_task, mut by_key) = (BTreeMap::new(), BTreeMap::new());
    for promise in &evidence.promises {
        match promise {
            Promise::Done { task, .. }
            | Promise::Wish { task }
            | Promise::Cancelled { task, .. }
            | Promise::Stopping { task, .. } => {
                by_task.entry(*task).or_insert_with(Vec::new).push(promise);
            }
            Promise::Later { key, .. } => {
                by_key.entry(key.as_str()).or_insert_with(Vec::new).push(promise);
            }
            Promise::Ack { .. } | Promise::Batch { .. } => {}
        }
    }
    let case = |task: &'_ Task| {
        let key = task.key.as_deref().unwrap_or_default();
        let mut promises = by_task.get(&task.id).cloned().unwrap_or_default();
        promises.extend(by_key.get(key).into_iter().flatten());
        (runs.get(&task.id).cloned().unwrap_or_default(), promises)
    };
    let tasks = evidence.tasks.iter();
    tasks
        .map(|task| {
            let (runs, promises) = case(task);
            let events = evidence.events.get(&task.id).map(Vec::as_slice);
            Case { task, events, runs, promises }
        })
        .collect()
}

/// What was promised, or ran, and is not there.
fn missing(evidence: &Evidence) -> Vec<Finding> {
    let tasks: BTreeMap<i64, &Task> = evidence.tasks.iter().map(|task| (task.id, task)).collect();
    let mut findings = Vec::new();
    for promise in &evidence.promises {
        let Promise::Ack { task, key } = promise else { continue };
        let why = match tasks.get(task) {
            None => "acknowledged, and not there".to_owned(),
            Some(entry) if entry.key.as_ref() != Some(key) => {
                format!("acknowledged as {key}, and it is {:?}", entry.key)
            }
            Some(_) => continue,
        };
        findings.push(Finding::new(Crime::Lost, *task, why));
    }
    let stray = evidence.runs.iter().filter(|run| !tasks.contains_key(&run.task));
    findings
        .extend(stray.map(|run| Finding::new(Crime::Lost, run.task, "it ran, and is not there")));
    findings
}

fn doubled(evidence: &Evidence) -> Vec<Finding> {
    let mut first: BTreeMap<&str, i64> = BTreeMap::new();
    let acked = evidence.promises.iter().filter_map(|promise| match promise {
        Promise::Ack { task, key } => Some((key.as_str(), *task)),
        Promise::Done { .. }
        | Promise::Batch { .. }
        | Promise::Later { .. }
        | Promise::Wish { .. }
        | Promise::Cancelled { .. }
        | Promise::Stopping { .. } => None,
    });
    let kept = evidence.tasks.iter().filter_map(|task| Some((task.key.as_deref()?, task.id)));
    let mut findings = Vec::new();
    for (key, task) in acked.chain(kept) {
        let known = *first.entry(key).or_insert(task);
        if known != task {
            let why = format!("the key {key} belongs to task {known} as well");
            findings.push(Finding::new(Crime::Doubled, task, why));
        }
    }
    findings
}
