//! The states of a task and everything that can happen to it, as one pure table. The stores do
//! what it says; they decide nothing.

use serde::{Deserialize, Serialize};

/// Where a task stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// It waits: for a worker, or for the time from which it may run.
    Pending,
    /// An attempt is under way.
    Running,
    /// Its output is there.
    Succeeded,
    /// It said itself that trying again is of no use.
    Failed,
    /// Somebody did not want it any more.
    Cancelled,
    /// All its attempts failed.
    Dead,
}

impl State {
    /// All of them.
    pub const ALL: [State; 6] = [
        State::Pending,
        State::Running,
        State::Succeeded,
        State::Failed,
        State::Cancelled,
        State::Dead,
    ];

    /// Whether nothing more happens to it by itself.
    pub fn is_final(self) -> bool {
        match self {
            State::Pending | State::Running => false,
            State::Succeeded | State::Failed | State::Cancelled | State::Dead => true,
        }
    }

    /// In one word, as in JSON and in the stores.
    pub fn name(self) -> &'static str {
        match self {
            State::Pending => "pending",
            State::Running => "running",
            State::Succeeded => "succeeded",
            State::Failed => "failed",
            State::Cancelled => "cancelled",
            State::Dead => "dead",
        }
    }

    /// The state of this name.
    pub fn named(name: &str) -> Option<State> {
        State::ALL.into_iter().find(|state| state.name() == name)
    }
}

/// What of a task decides what may happen to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Standing {
    /// Where it stands.
    pub state: State,
    /// How many attempts failed.
    pub failures: u32,
    /// How many attempts were interrupted, by no fault of the task.
    pub interruptions: u32,
    /// Somebody asked for its end while it ran.
    pub is_unwanted: bool,
    /// How many attempts may fail.
    pub max_attempts: u32,
    /// How many attempts may be interrupted before an interruption counts as a failure. What takes
    /// its process down with it must not do so for ever.
    pub max_interruptions: u32,
}

/// What can happen to a task.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event {
    /// A process claims it.
    Claimed,
    /// The process gives it back unstarted.
    Returned,
    /// Its attempt succeeded.
    Succeeded,
    /// Its attempt failed, and might succeed another time.
    Failed,
    /// Its attempt failed, and always would.
    FailedForGood,
    /// Its attempt was handed back unfinished, or its process is gone.
    Interrupted,
    /// Somebody does not want it any more.
    Cancelled,
    /// Its attempt ended because it was not wanted.
    Stopped,
    /// Somebody wants it to be tried again from the beginning.
    Requeued,
}

impl Event {
    /// All of them.
    pub const ALL: [Event; 9] = [
        Event::Claimed,
        Event::Returned,
        Event::Succeeded,
        Event::Failed,
        Event::FailedForGood,
        Event::Interrupted,
        Event::Cancelled,
        Event::Stopped,
        Event::Requeued,
    ];
}

/// What cannot happen to a task where it stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a {} task cannot be {event:?}", state.name())]
pub struct Impossible {
    /// Where it stands.
    pub state: State,
    /// What was to happen.
    pub event: Event,
}

impl Standing {
    /// How a task begins.
    pub fn new(max_attempts: u32, max_interruptions: u32) -> Self {
        Standing {
            state: State::Pending,
            failures: 0,
            interruptions: 0,
            is_unwanted: false,
            max_attempts,
            max_interruptions,
        }
    }

    /// The table.
    ///
    /// # Errors
    ///
    /// What cannot happen to a task that stands there.
    pub fn next(self, event: Event) -> Result<Standing, Impossible> {
        let to = |state| Ok(Standing { state, ..self });
        let impossible = Err(Impossible { state: self.state, event });
        match (self.state, event) {
            (State::Pending, Event::Claimed) => to(State::Running),
            (State::Pending, Event::Cancelled) => to(State::Cancelled),
            (
                State::Pending,
                Event::Returned
                | Event::Succeeded
                | Event::Failed
                | Event::FailedForGood
                | Event::Interrupted
                | Event::Stopped
                | Event::Requeued,
            ) => impossible,

            // What is done is done, wanted or not.
            (State::Running, Event::Succeeded) => to(State::Succeeded),
            (State::Running, Event::Stopped) => to(State::Cancelled),
            (
                State::Running,
                Event::Returned | Event::Failed | Event::FailedForGood | Event::Interrupted,
            ) if self.is_unwanted => to(State::Cancelled),
            (State::Running, Event::Returned) => to(State::Pending),
            (State::Running, Event::Failed) => Ok(self.failed()),
            (State::Running, Event::FailedForGood) => {
                Ok(Standing { state: State::Failed, failures: self.failures + 1, ..self })
            }
            (State::Running, Event::Interrupted) => Ok(self.interrupted()),
            (State::Running, Event::Cancelled) => Ok(Standing { is_unwanted: true, ..self }),
            (State::Running, Event::Claimed | Event::Requeued) => impossible,

            (State::Failed | State::Cancelled | State::Dead, Event::Requeued) => {
                Ok(Standing::new(self.max_attempts, self.max_interruptions))
            }
            (
                State::Failed | State::Cancelled | State::Dead,
                Event::Claimed
                | Event::Returned
                | Event::Succeeded
                | Event::Failed
                | Event::FailedForGood
                | Event::Interrupted
                | Event::Cancelled
                | Event::Stopped,
            )
            | (
                State::Succeeded,
                Event::Claimed
                | Event::Returned
                | Event::Succeeded
                | Event::Failed
                | Event::FailedForGood
                | Event::Interrupted
                | Event::Cancelled
                | Event::Stopped
                | Event::Requeued,
            ) => impossible,
        }
    }

    fn failed(self) -> Standing {
        let failures = self.failures + 1;
        let state = if failures < self.max_attempts { State::Pending } else { State::Dead };
        Standing { state, failures, ..self }
    }

    fn interrupted(self) -> Standing {
        let interruptions = self.interruptions + 1;
        let counted = Standing { interruptions, ..self };
        if interruptions > self.max_interruptions {
            counted.failed()
        } else {
            Standing { state: State::Pending, ..counted }
        }
    }
}
