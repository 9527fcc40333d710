//! Tasks that this process cannot run although it claimed them: how long each is left alone, and what is
//! said of it.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use tracing::warn;

use crate::kind::Backoff;
use crate::{Fence, TaskId, metrics};

/// How the error of a task begins that was declined.
pub(crate) const DECLINED: &str = "not run here: ";
/// The pauses grow with each time that this process declines the task: another one that can run it gets it
/// meanwhile.
const PAUSES: Backoff =
    Backoff { first: Duration::from_millis(500), longest: Duration::from_secs(5) };
/// How many tasks are remembered. Beyond that the pauses begin anew.
const REMEMBERED: usize = 4096;
/// One warning in so long is enough.
const WARNING: Duration = Duration::from_secs(10);

/// What this process has declined.
#[derive(Debug, Default)]
pub(crate) struct Declines(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    times: HashMap<TaskId, u32>,
    warned_at: Option<Instant>,
    unsaid: u64,
}

impl Declines {
    /// Notes it, and answers how long the task is left alone.
    pub(crate) fn decline(&self, fence: Fence, kind: &str, why: &str) -> Duration {
        metrics::declined(kind);
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if state.times.len() >= REMEMBERED {
            state.times.clear();
        }
        let times = state.times.entry(fence.task).or_insert(0);
        *times += 1;
        let pause = PAUSES.after(*times, fastrand::f64());
        if state.warned_at.is_some_and(|at| at.elapsed() < WARNING) {
            state.unsaid += 1;
            return pause;
        }
        state.warned_at = Some(Instant::now());
        let more = std::mem::take(&mut state.unsaid);
        drop(state);
        let (task, attempt) = (fence.task, fence.attempt);
        warn!(%task, kind, attempt, why, more, "it cannot run here, and goes back for others to run");
        pause
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_task_that_is_declined_again_is_left_alone_for_longer() {
        let declines = Declines::default();
        let pause = |task| {
            let fence = Fence { task: TaskId(task), attempt: 1 };
            declines.decline(fence, "a", "no such command").as_secs_f64()
        };
        let pauses: Vec<f64> = (0..10).map(|_| pause(1)).collect();
        assert!((0.25..=0.5).contains(&pauses[0]), "{pauses:?}");
        assert!((1.0..=2.0).contains(&pauses[2]), "{pauses:?}");
        assert!((2.5..=5.0).contains(&pauses[9]), "{pauses:?}");
        assert!(pause(2) <= 0.5, "another one begins at the beginning");
        for task in 10..10_000 {
            pause(task);
        }
        assert!(declines.0.lock().unwrap().times.len() <= REMEMBERED);
    }
}
