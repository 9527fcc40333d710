//! The values that labels have, by what the sources call them.

use sundown::{Force, Outcome, Phase, Verdict};
use sundown_tasks::{Refused, State, StoreError, TaskId};

use crate::promql::Selection;

/// Whether the label ever has this value; nothing where that depends on who asks, as with names of pods,
/// participants and kinds.
pub(crate) fn has_value(selection: &Selection) -> Option<bool> {
    let is_one_of = |values: &[&str]| Some(values.contains(&&*selection.value));
    match (&*selection.metric, &*selection.label) {
        ("kube_pod_status_phase", "phase") => {
            is_one_of(&["Pending", "Running", "Succeeded", "Failed", "Unknown"])
        }
        ("sundown_tasks_stored", "state") => {
            is_one_of(&[State::Pending, State::Running, State::Dead].map(State::name))
        }
        (_, "state") => is_one_of(&State::ALL.map(State::name)),
        (_, "outcome") => is_one_of(&Outcome::ALL.map(Outcome::name)),
        (_, "phase") => {
            let phases = [Phase::ANNOUNCE, Phase::DRAIN, Phase::FLUSH, Phase::RELEASE];
            is_one_of(&phases.each_ref().map(Phase::name))
        }
        (_, "verdict") => is_one_of(&verdicts().each_ref().map(Verdict::name)),
        (_, "why") => is_one_of(&refusals().each_ref().map(Refused::name)),
        _ => None,
    }
}

/// How a process may be said to have ended.
fn verdicts() -> [Verdict; 5] {
    let refused = Verdict::Refused { error: String::new() };
    [Verdict::Clean, Verdict::Failed, Verdict::Forced { by: Force::Cap }, refused, Verdict::Lost]
}

/// Why tasks are not taken in.
fn refusals() -> [Refused; 7] {
    let none = String::new;
    [
        Refused::ShuttingDown,
        Refused::QueueFull { limit: 0 },
        Refused::UnknownKind { kind: none(), known: none() },
        Refused::InvalidInput { kind: none(), why: none() },
        Refused::BadKey,
        Refused::KeyTaken { task: TaskId(0) },
        Refused::Store(StoreError::Closed),
    ]
}
