//! What is told of a task: its events, and how far their log goes.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::UnixMillis;
use crate::State;

/// One thing that was told of a task.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct TaskEvent {
    /// Its number, counted up by one from 1 for each task.
    pub seq: u64,
    /// When.
    pub at: UnixMillis,
    /// By which attempt.
    pub attempt: u32,
    /// What.
    pub what: What,
}

/// What was told of a task.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum What {
    /// By the task itself.
    Progress(Box<RawValue>),
    /// Its attempt failed, with this error.
    Failed(String),
    /// Its attempt was interrupted, for this reason.
    Interrupted(String),
    /// It began again from the beginning.
    Requeued,
}

/// Some events of a task, and how it stands.
#[derive(Debug, Clone)]
pub struct Events {
    /// Those asked for, in their order.
    pub events: Vec<TaskEvent>,
    /// The number of the first that is still kept, or of the next if none is. Asked for what comes
    /// after an earlier one, something is missing.
    pub first_kept: u64,
    /// The number of the last.
    pub last: u64,
    /// Where the task stands. A final one, with nothing after `last`, ends the stream.
    pub state: State,
}

/// How far a log goes, and where its task stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mark {
    /// The number of the last event.
    pub last: u64,
    /// Where the task stands.
    pub state: State,
}

impl Mark {
    pub(crate) fn of(events: &Events) -> Self {
        Mark { last: events.last, state: events.state }
    }
}
