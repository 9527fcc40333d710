//! What is known of each attempt.

use std::collections::HashMap;
use std::time::Instant;

use super::Leash;
use crate::endings::Endings;
use crate::{Fence, TaskId};

/// The attempts, and how many of them run.
#[derive(Debug, Default)]
pub(super) struct Held {
    pub(super) attempts: HashMap<TaskId, Attempt>,
    pub(super) running: usize,
    /// How many have left their place, since the start.
    pub(super) ran: u64,
    pub(super) running_of: HashMap<String, usize>,
    pub(super) endings: Endings,
}

/// One attempt, from the claim to the commit of its end.
#[derive(Debug)]
pub(super) struct Attempt {
    pub(super) fence: Fence,
    pub(super) kind: String,
    pub(super) since: Instant,
    /// Until then it is this process's for certain, by a clock that goes on while the process is
    /// frozen.
    pub(super) held_until: Instant,
    pub(super) leash: Leash,
    pub(super) is_unwanted: bool,
    pub(super) stage: Stage,
}

/// How far an attempt is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stage {
    /// Claimed, and waits for a place.
    Waiting,
    /// Its code runs, or is about to.
    Running,
    /// Its code has ended, and the store does not know yet.
    Ended,
    /// It is being handed back: whatever its code says now comes too late.
    Given,
}

impl Held {
    pub(super) fn get(&mut self, fence: Fence) -> Option<&mut Attempt> {
        self.attempts.get_mut(&fence.task).filter(|attempt| attempt.fence == fence)
    }

    /// Puts an attempt into another stage, and keeps count. Answers whether it is there.
    pub(super) fn enter(&mut self, fence: Fence, stage: Stage) -> bool {
        let Some(attempt) = self.attempts.get_mut(&fence.task).filter(|a| a.fence == fence) else {
            return false;
        };
        let was_running = attempt.is_running();
        attempt.stage = stage;
        let is_running = attempt.is_running();
        let kind = attempt.kind.clone();
        self.count(&kind, was_running, is_running);
        true
    }

    pub(super) fn remove(&mut self, fence: Fence) -> Option<Attempt> {
        self.get(fence)?;
        let attempt = self.attempts.remove(&fence.task)?;
        self.count(&attempt.kind, attempt.is_running(), false);
        Some(attempt)
    }

    fn count(&mut self, kind: &str, was_running: bool, is_running: bool) {
        let of_kind = self.running_of.entry(kind.to_owned()).or_default();
        match (was_running, is_running) {
            (false, true) => {
                *of_kind += 1;
                self.running += 1;
            }
            (true, false) => {
                *of_kind -= 1;
                self.running -= 1;
                self.ran += 1;
            }
            (true, true) | (false, false) => {}
        }
    }
}

impl Attempt {
    pub(super) fn is_running(&self) -> bool {
        self.stage == Stage::Running
    }

    /// Whether its code has still to end.
    pub(super) fn is_open(&self) -> bool {
        matches!(self.stage, Stage::Waiting | Stage::Running)
    }

    pub(super) fn stop(&self) {
        self.leash.cancel.cancel();
        self.leash.cut.cancel();
    }
}
