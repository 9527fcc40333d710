//! Changes of many tasks at once, by state and kind.

use crate::state::State;
use crate::{Event, Standing, TaskId};

/// What is done to every selected task.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operation {
    /// As [`Store::cancel`](crate::Store::cancel).
    Cancel,
    /// As [`Store::requeue`](crate::Store::requeue).
    Requeue,
    /// As [`Store::discard`](crate::Store::discard).
    Discard,
}

impl Operation {
    /// The states it can be applied to.
    pub fn states(self) -> Vec<State> {
        State::ALL.into_iter().filter(|&state| self.takes(state)).collect()
    }

    /// Whether it can be applied to a task in this state.
    pub fn takes(self, state: State) -> bool {
        let standing = Standing { state, ..Standing::new(1, 1) };
        match self {
            Operation::Cancel => standing.next(Event::Cancelled).is_ok(),
            Operation::Requeue => standing.next(Event::Requeued).is_ok(),
            Operation::Discard => state.is_final(),
        }
    }
}

/// Some tasks: at most `limit`, the newest first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Selection {
    /// Those in one of these states.
    pub states: Vec<State>,
    /// Only those of this kind.
    pub kind: Option<String>,
    /// Only those before this one: the [`next`](Selected::next) of the answer before.
    pub before: Option<TaskId>,
    /// At most so many.
    pub limit: usize,
}

/// How many tasks were changed or counted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Selected {
    /// So many. A task that was changed by somebody else in the meantime is not among them.
    pub count: u64,
    /// Where the next selection begins, if there may be more.
    pub next: Option<TaskId>,
}

impl Selected {
    /// What was selected was `ids`, the newest first, of which `count` were changed.
    #[cfg(any(feature = "sqlite", feature = "postgres"))]
    pub(crate) fn of(count: u64, ids: &[i64], limit: usize) -> Self {
        let last = ids.last().filter(|_| ids.len() >= limit);
        Selected { count, next: last.map(|&id| TaskId(id)) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_operation_takes_the_states_that_the_table_of_states_allows() {
        let names = |operation: Operation| {
            operation.states().into_iter().map(State::name).collect::<Vec<_>>()
        };
        assert_eq!(names(Operation::Cancel), ["pending", "running"]);
        assert_eq!(names(Operation::Requeue), ["failed", "cancelled", "dead"]);
        assert_eq!(names(Operation::Discard), ["succeeded", "failed", "cancelled", "dead"]);
    }
}
