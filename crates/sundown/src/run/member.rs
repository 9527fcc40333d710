//! One participant of a run and the pure table of its states.

use std::time::Duration;

use crate::waiter::Name;
use crate::{HandedBack, Outcome, Priority};

/// An instant of a run: the time since the shutdown began.
pub(crate) type At = Duration;

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct MemberId(pub(crate) u64);

#[derive(Debug, Clone)]
pub(crate) struct Member {
    pub(crate) id: MemberId,
    pub(crate) name: Name,
    /// Its phase's place in the plan.
    pub(crate) phase: usize,
    pub(crate) kind: Kind,
    pub(crate) least: Duration,
    /// The least time of its fallback, if it has one.
    pub(crate) fallback: Option<Duration>,
    pub(crate) state: State,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Waiter,
    Hook(Priority),
    /// All the owned work of the coordinator, as one participant of `drain`.
    Work,
}

/// The two things a member can be running.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Leg {
    Main,
    Fallback,
}

/// Where a member stands. Each variant keeps what is still known of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum State {
    Pending,
    Running { since: At, until: At, last: At },
    FallingBack { since: At, until: At, fault: Fault },
    Ended { since: Option<At>, until: Option<At>, at: At, end: End },
}

/// What went wrong with one leg.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Fault {
    Failed(String),
    Panicked(String),
    TimedOut,
}

/// How a member ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct End {
    pub(crate) outcome: Outcome,
    pub(crate) detail: Option<String>,
    pub(crate) handed_back: u64,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum MemberEvent {
    /// Its turn: run until this instant, and its fallback until that one.
    Start {
        until: At,
        last: At,
    },
    Returned {
        leg: Leg,
        result: Result<HandedBack, Fault>,
    },
    DeadlinePassed,
    /// Cut off: a second signal.
    Abort,
    /// It will not be started.
    Skip {
        why: String,
    },
}

impl State {
    /// The table of a member's states. `has_fallback` is the only thing it needs to know.
    pub(crate) fn next(self, at: At, event: MemberEvent, has_fallback: bool) -> State {
        use MemberEvent::{Abort, DeadlinePassed, Returned, Skip, Start};
        match (self, event) {
            (State::Pending, Start { until, last }) => State::Running { since: at, until, last },
            (State::Pending, Skip { why }) => {
                State::ended(None, None, at, End::new(Outcome::Skipped).detail(why))
            }
            (State::Pending, Abort) => State::ended(None, None, at, End::new(Outcome::Skipped)),
            (state @ State::Pending, Returned { .. } | DeadlinePassed) => state,

            (
                State::Running { since, until, .. },
                Returned { leg: Leg::Main, result: Ok(back) },
            ) => State::ended(Some(since), Some(until), at, End::new(Outcome::Done).back(back)),
            (
                State::Running { since, until, last },
                Returned { leg: Leg::Main, result: Err(fault) },
            ) => State::fault(since, until, last, at, fault, has_fallback),
            (State::Running { since, until, last }, DeadlinePassed) => {
                State::fault(since, until, last, at, Fault::TimedOut, has_fallback)
            }
            (State::Running { since, until, .. }, Abort) => {
                State::ended(Some(since), Some(until), at, End::new(Outcome::Aborted))
            }
            (
                state @ State::Running { .. },
                Start { .. } | Skip { .. } | Returned { leg: Leg::Fallback, .. },
            ) => state,

            (
                State::FallingBack { since, until, fault },
                Returned { leg: Leg::Fallback, result: Ok(back) },
            ) => {
                let end = End::new(Outcome::Recovered).detail(fault.to_string()).back(back);
                State::ended(Some(since), Some(until), at, end)
            }
            (
                State::FallingBack { since, until, fault },
                Returned { leg: Leg::Fallback, result: Err(second) },
            ) => State::ended(Some(since), Some(until), at, fault.and_fallback(&second)),
            (State::FallingBack { since, until, fault }, DeadlinePassed) => {
                State::ended(Some(since), Some(until), at, fault.and_fallback(&Fault::TimedOut))
            }
            (State::FallingBack { since, until, fault }, Abort) => {
                let end = End::new(Outcome::Aborted).detail(format!("{fault}; fallback cut off"));
                State::ended(Some(since), Some(until), at, end)
            }
            (
                state @ State::FallingBack { .. },
                Start { .. } | Skip { .. } | Returned { leg: Leg::Main, .. },
            ) => state,

            (
                state @ State::Ended { .. },
                Start { .. } | Returned { .. } | DeadlinePassed | Abort | Skip { .. },
            ) => state,
        }
    }

    fn ended(since: Option<At>, until: Option<At>, at: At, end: End) -> State {
        State::Ended { since, until, at, end }
    }

    fn fault(since: At, until: At, last: At, at: At, fault: Fault, has_fallback: bool) -> State {
        if has_fallback && at < last {
            State::FallingBack { since, until: last, fault }
        } else {
            State::ended(Some(since), Some(until), at, fault.into())
        }
    }

    /// Its deadline is this instant, if it was later.
    pub(crate) fn shorten(&mut self, to: At) {
        match self {
            State::Running { until, last, .. } => {
                *until = (*until).min(to);
                *last = (*last).min(to);
            }
            State::FallingBack { until, .. } => *until = (*until).min(to),
            State::Pending | State::Ended { .. } => {}
        }
    }

    /// Its deadline, while it runs.
    pub(crate) fn until(&self) -> Option<At> {
        match self {
            State::Running { until, .. } | State::FallingBack { until, .. } => Some(*until),
            State::Pending | State::Ended { .. } => None,
        }
    }

    pub(crate) fn since(&self) -> Option<At> {
        match self {
            State::Running { since, .. } | State::FallingBack { since, .. } => Some(*since),
            State::Pending | State::Ended { .. } => None,
        }
    }

    pub(crate) fn has_ended(&self) -> bool {
        matches!(self, State::Ended { .. })
    }
}

impl End {
    pub(crate) fn new(outcome: Outcome) -> Self {
        End { outcome, detail: None, handed_back: 0 }
    }

    fn detail(mut self, detail: String) -> Self {
        self.detail = Some(detail);
        self
    }

    fn back(mut self, back: HandedBack) -> Self {
        let (count, note) = back.into_parts();
        self.handed_back = count;
        self.detail = self.detail.or(note);
        self
    }
}

impl Fault {
    fn outcome(&self) -> Outcome {
        match self {
            Fault::Failed(_) => Outcome::Failed,
            Fault::Panicked(_) => Outcome::Panicked,
            Fault::TimedOut => Outcome::TimedOut,
        }
    }

    /// The fallback did not help: the first fault is the outcome, both are told.
    fn and_fallback(&self, second: &Fault) -> End {
        End::new(self.outcome()).detail(format!("{self}; its fallback: {second}"))
    }
}

impl From<Fault> for End {
    fn from(fault: Fault) -> End {
        let end = End::new(fault.outcome());
        match fault {
            Fault::Failed(message) | Fault::Panicked(message) => end.detail(message),
            Fault::TimedOut => end,
        }
    }
}

impl std::fmt::Display for Fault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Fault::Failed(message) => write!(f, "failed: {message}"),
            Fault::Panicked(message) => write!(f, "panicked: {message}"),
            Fault::TimedOut => f.write_str("timed out"),
        }
    }
}
